// SPDX-License-Identifier: Apache-2.0

package import Files
package import SystemPackage
package import Trust

/// What was found about one volume file, or about a volume that is nowhere.
package struct VolumeResult: Sendable, Equatable {
    /// A file on a medium that is not at hand, where blocks of the volume were found good.
    package struct Elsewhere: Sendable, Equatable {
        package let path: FilePath
        package let time: UTCTime
    }

    /// In the order of the index.
    package let number: Int
    package let volume: Volume
    /// Where it is; `nil` when it is missing, or when `fault` names the place.
    package let path: FilePath?
    /// Why the whole file can't be used: missing, of another length, no regular file, gone meanwhile.
    package private(set) var fault: BundleError?
    /// Blocks that are not what was signed, or that can't be read: runs, ascending.
    package internal(set) var bad: [Range<Int>] = []
    /// How many were not read because the medium went away.
    package internal(set) var unread = 0
    /// How many of the good ones an earlier run had read, and when.
    package internal(set) var skipped = 0
    package internal(set) var since: UTCTime?
    /// Bytes that were read and hashed now, and bytes that an earlier run had read.
    var bytesChecked: UInt64 = 0
    var bytesSkipped: UInt64 = 0
    /// Where it was verified before, if it is not on these media.
    package internal(set) var elsewhere: [Elsewhere] = []
    /// Blocks of the volume that are good nowhere: runs, ascending.
    package internal(set) var lacking: [Range<Int>] = []
    /// What has those of its blocks that no medium has right.
    package private(set) var sources: [String] = []
    private var isHealed = false

    init(number: Int, volume: Volume, path: FilePath? = nil, fault: BundleError? = nil) {
        (self.number, self.volume, self.path, self.fault) = (number, volume, path, fault)
    }

    /// Notes that blocks of the volume were found in a source; `isRest`: nothing is lacking then.
    mutating func take(_ blocks: SourcedBlocks, isRest: Bool) {
        sources.append(blocks.name)
        isHealed = isRest
        if isRest, case .volumeMissing? = fault { fault = nil }
    }

    /// Numbers of the bad blocks, ascending.
    package var badBlocks: [Int] { bad.flatMap { $0 } }
    /// Whether all its bytes are there, here or in blocks that were carried on their own.
    package var isGood: Bool { failure == nil }
    /// 13 for damage, 3 for a missing volume, 1 for a medium that went away.
    package var failure: Failure? {
        isHealed && !isGone ? nil : bad.isEmpty || isGone ? fault?.failure : .damaged
    }

    private var isGone: Bool { if case .mediumGone? = fault { true } else { false } }

    // MARK: For people

    private static let shownRuns = 50

    var lines: [String] {
        if case .volumeMissing? = fault, !elsewhere.isEmpty, !lacking.isEmpty {
            return [
                "volume \(volume.name) is not on these media; \(places) had it but for "
                    + "\(VolumeResult.blocks(lacking)): copy volume \(number + 1) again, or those blocks"
            ]
        }
        if path == nil, fault == nil, !elsewhere.isEmpty {
            return ["\(volume.name): verified \(places), not among these media"]
        }
        let faults = [fault].compactMap { $0?.description }
        guard let path, !bad.isEmpty else { return faults }
        let runs = bad.prefix(VolumeResult.shownRuns).map { line(path, $0) }
        return faults + runs
            + (bad.count > runs.count
                ? [
                    "\(path.printable): and \(badBlocks.count - bad.prefix(runs.count).reduce(0) { $0 + $1.count }) more damaged blocks"
                ]
                : [])
    }

    private var places: String {
        elsewhere.map { "\($0.time) on \($0.path.printable)" }.joined(separator: " and ")
    }

    /// `1`, or `1-5`, with commas between.
    static func blocks(_ runs: [Range<Int>]) -> String {
        let texts = runs.prefix(shownRuns).map {
            $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound - 1)"
        }
        let isOne = runs.count == 1 && runs[0].count == 1
        return "\(isOne ? "block" : "blocks") \(texts.joined(separator: ","))\(runs.count > texts.count ? ",..." : "")"
    }

    private func line(_ path: FilePath, _ run: Range<Int>) -> String {
        let bytes =
            volume.bytes(ofBlock: run.lowerBound).lowerBound..<volume.bytes(ofBlock: run.upperBound - 1).upperBound
        let blocks = run.count == 1 ? "block \(run.lowerBound)" : "blocks \(run.lowerBound) to \(run.upperBound - 1)"
        return
            "\(path.printable) is damaged in \(blocks) (bytes \(bytes.lowerBound) to \(bytes.upperBound)); \(advice(run))"
    }

    /// What to do about a run of bad blocks.
    private func advice(_ run: Range<Int>) -> String {
        guard lacking.contains(where: { $0.overlaps(run) }) else {
            let names = sources.map(\.printable).joined(separator: ", ")
            return sources.isEmpty
                ? "another medium has it right, so nothing is lost: copy it from there" : "\(names) has it right"
        }
        return "copy volume \(number + 1) again (the others are not affected)"
    }

    // MARK: For machines

    var json: JSONValue {
        var members: [String: JSONValue] = [
            "name": .string(volume.name), "number": .int(Int64(number) + 1),
            "length": .int(Int64(clamping: volume.length)),
            "state": .string(state),
        ]
        if let path { members["path"] = .string(path.string) }
        if let fault { members["fault"] = .string(fault.description) }
        if !bad.isEmpty {
            members["badBlocks"] = .array(badBlocks.map { .int(Int64($0)) })
            members["badRanges"] = VolumeResult.json(bad)
        }
        if !lacking.isEmpty { members["lacking"] = VolumeResult.json(lacking) }
        if unread > 0 { members["unreadBlocks"] = .int(Int64(unread)) }
        if let since {
            members["skippedBlocks"] = .int(Int64(skipped))
            members["verified"] = .string(since.description)
        }
        if !elsewhere.isEmpty {
            members["elsewhere"] = .array(
                elsewhere.map { ["path": .string($0.path.string), "time": .string($0.time.description)] })
        }
        return .object(members)
    }

    private static func json(_ runs: [Range<Int>]) -> JSONValue {
        .array(runs.map { [.int(Int64($0.lowerBound)), .int(Int64($0.upperBound) - 1)] })
    }

    private var state: String {
        if case .volumeMissing? = fault { return "missing" }
        if isGone { return "gone" }
        if path == nil, fault == nil { return elsewhere.isEmpty ? "blocks" : "elsewhere" }
        return isGood ? "good" : "damaged"
    }
}
