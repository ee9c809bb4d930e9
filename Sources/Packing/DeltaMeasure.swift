// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import OCI
internal import SystemPackage
package import Trust

/// What a delta would hold, by reading its inputs and writing nothing.
package struct DeltaEstimate: Sendable {
    package let chunksLeftOut: Int
    package let bytesLeftOut: UInt64
    /// Bytes of the volumes before compression.
    package let bytesStored: UInt64
    package var bytesFull: UInt64 { bytesStored + bytesLeftOut }
    package let warnings: [String]
}

/// Reads all inputs of a delta as `pack` would, and counts; `nil` for a full bundle, of which nothing is read.
///
/// Throws as `pack`.
package func measureDelta(_ options: PackOptions, progress: Progress, now: UTCTime) throws -> DeltaEstimate? {
    let plan = try planPack(options, now: now)
    guard let delta = plan.delta else { return nil }
    let state = options.state.appending("pack")
    try state.createDirectories()
    let place = Digest(of: Array(try options.out.appending(plan.folderName).absolute().string.utf8)).hex
    let path = state.appending("\(place).measure")
    let journal = try Journal(at: path, plan: plan.id, restart: true)
    progress.begin(total: plan.bytesIn)
    let reader = InputReader(progress: progress)
    var warnings = delta.warnings
    let known = try KnownBytes(delta, inputs: plan.inputs, reader: reader) { warnings.append($0) }
    let settings = ArchiveWriter.Settings(
        folder: state, prefix: place, volumeSize: options.volumeSize, level: options.level, threads: options.threads)
    let builder = try BundleBuilder(
        journal: journal, folder: state, settings: settings, known: known, measures: true)
    defer { builder.archive.lanes.drain() }
    var run = try PackRun(plan: plan, builder: builder, reader: reader)
    try run.takeInputs()
    let leftOut = builder.leftOut
    try path.removeFile()
    return DeltaEstimate(
        chunksLeftOut: leftOut.count, bytesLeftOut: leftOut.reduce(0) { $0 + $1.length },
        bytesStored: builder.held.reduce(builder.bytesMeasured) { $0 + UInt64($1.length) },
        warnings: warnings + run.composer.warnings)
}
