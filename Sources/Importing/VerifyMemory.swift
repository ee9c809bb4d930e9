// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage
internal import Trust

/// What a site's `verify` remembers of a release, held while the value lives.
package struct VerifyMemory: Sendable {
    let records: VerifyRecords
    private let lock: FileLock

    fileprivate init(_ records: VerifyRecords, _ lock: FileLock) { (self.records, self.lock) = (records, lock) }
}

extension SiteState {
    /// Opens what was verified of a bundle before, in `verified/<SHA-256 of its index>`; `forgetting`: nothing of it counts.
    ///
    /// Throws `VerifyBusy` while another `verify` has it, `FileError` where the state can't be written.
    package func verifyMemory(of bundle: VerifiedBundle, forgetting: Bool) throws -> VerifyMemory {
        let folder = path.appending("verified")
        try folder.createDirectories()
        let file = folder.appending(bundle.release.index.sha256.hex)
        do {
            let lock = try FileLock(folder.appending("\(bundle.release.index.sha256.hex).lock"))
            return VerifyMemory(try VerifyRecords(file, forgetting: forgetting, now: .now), lock)
        } catch LoadError.busy(let path, let holder) {
            throw VerifyBusy(path: FilePath(path), holder: holder)
        }
    }
}

/// Another `verify` of the same release is running with the same state, so that this one can keep no records.
package struct VerifyBusy: Error, Equatable, CustomStringConvertible {
    let path: FilePath
    let holder: String

    package var description: String {
        "another verify of this release is running: \(holder.isEmpty ? "it" : holder) holds \(path.printable)"
    }
}
