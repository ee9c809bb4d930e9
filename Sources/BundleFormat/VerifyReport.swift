// SPDX-License-Identifier: Apache-2.0

package import Files
package import OCI
package import Trust

/// What `verify` found: all volumes, and what their damage means for what the release delivers.
package struct VerifyReport: Sendable {
    /// Blocks that no place has right, in a run, and what needs them.
    package struct Damage: Sendable, Equatable {
        /// In the order of the index.
        package let number: Int
        package let volume: Volume
        package let blocks: Range<Int>
        /// How many objects have bytes in it.
        package let objects: Int
        /// References and files of the release that need it, sorted.
        package let names: [String]
    }

    /// Of every volume at least one; one for each medium that has it.
    package let volumes: [VolumeResult]
    package let findings: [Finding]
    /// In the order of the index.
    package let damage: [Damage]
    /// Objects with bytes that no medium has right, in the order of the index.
    package let affectedObjects: [Digest]
    /// References and files of the release that need such an object, by name, sorted.
    package let affectedNames: [String]
    /// Bytes of the volumes that were read and hashed now.
    package let bytesChecked: UInt64
    /// Bytes that were read and hashed by an earlier run and not again.
    package let bytesSkipped: UInt64
    /// Blocks that no medium has right and something else has: its name, and how many.
    package let sourced: [(source: String, blocks: Int)]
    /// What a delta leaves out, which no medium can prove; `nil` for a full bundle.
    package let externals: ExternalTotals?
    /// What a delta builds on, in words.
    package let base: String?
    /// What is to be brought again, for the connected side: `dray copy --blocks`.
    package let wanted: BlockReport

    init(_ bundle: VerifiedBundle, _ found: FoundBlocks, _ sources: [SourcedBlocks]) throws {
        var needed = found.needed
        for entry in sources { needed[entry.volume]?.subtract(entry.blocks) }
        needed = needed.filter { !$0.value.isEmpty }
        volumes = found.results.map { result in
            var result = result
            let sourced = sources.filter { $0.volume == result.number }
            for entry in sourced { result.take(entry, isRest: needed[result.number] == nil) }
            result.lacking = needed[result.number].map { Array($0.ranges) } ?? []
            return result
        }
        sourced = Dictionary(grouping: sources, by: \.name).sorted { $0.key < $1.key }.map { name, entries in
            (name, entries.reduce(0) { $0 + $1.blocks.count })
        }
        findings = bundle.findings
        externals = bundle.index.isDelta ? bundle.index.externalTotals : nil
        base = bundle.baseNames
        bytesChecked = volumes.reduce(0) { $0 + $1.bytesChecked }
        bytesSkipped = volumes.reduce(0) { $0 + $1.bytesSkipped }
        let affected = AffectedObjects(bundle, needed)
        let names = affected.isEmpty ? [] : try bundle.names(needing: affected)
        affectedObjects = affected.objects.map(\.digest)
        affectedNames = names.map(\.name)
        damage = affected.damage(names)
        wanted = BlockReport(bundle, needed, volumes)
    }

    /// The exit code: damage before missing volumes; `nil` when all is well. What is only reported does not count.
    package var failure: Failure? {
        (volumes.compactMap(\.failure) + findings.filter { !$0.isAboutVolume }.compactMap(\.failure)).min()
    }

    /// What is wrong, a line each.
    package var lines: [String] {
        let faults = volumes.flatMap(\.lines)
        let others = findings.filter { !$0.isAboutVolume }.map(\.description)
        let sources = sourced.map {
            "\($0.blocks) \($0.blocks == 1 ? "block was" : "blocks were") taken from \($0.source.printable)"
        }
        return faults + others + sources + affectedNames.map { "needs what is damaged or missing: \($0.printable)" }
    }

    /// The report for machines.
    package var json: JSONValue {
        [
            "volumes": .array(volumes.map(\.json)), "findings": .array(findings.map { .string($0.description) }),
            "damage": .array(damage.map(\.json)),
            "affectedObjects": .array(affectedObjects.map { .string($0.description) }),
            "affected": .array(affectedNames.map(JSONValue.string)),
            "bytesChecked": .int(Int64(clamping: bytesChecked)), "bytesSkipped": .int(Int64(clamping: bytesSkipped)),
            "sourced": .array(sourced.map { ["source": .string($0.source), "blocks": .int(Int64($0.blocks))] }),
            "wanted": wanted.isEmpty ? .null : wanted.json,
            "wantedLine": wanted.isEmpty ? .null : .string(wanted.short),
            "exitCode": .int(Int64(failure?.rawValue ?? 0)),
            "delta": externals.map {
                [
                    "base": .string(base ?? ""), "chunks": .int(Int64($0.chunks)),
                    "bytes": .int(Int64(clamping: $0.bytes)),
                ]
            } ?? .null,
        ]
    }
}

extension VerifyReport.Damage {
    fileprivate var json: JSONValue {
        let (first, last) = (volume.bytes(ofBlock: blocks.lowerBound), volume.bytes(ofBlock: blocks.upperBound - 1))
        return [
            "volume": .string(volume.name), "number": .int(Int64(number) + 1),
            "blocks": [.int(Int64(blocks.lowerBound)), .int(Int64(blocks.upperBound) - 1)],
            "bytes": [.int(Int64(clamping: first.lowerBound)), .int(Int64(clamping: last.upperBound))],
            "objects": .int(Int64(objects)), "affected": .array(names.map(JSONValue.string)),
        ]
    }
}

extension BlockReport {
    /// What is lacking of a bundle; volumes of which nothing is known are asked for as a whole.
    fileprivate init(_ bundle: VerifiedBundle, _ needed: [Int: RangeSet<Int>], _ results: [VolumeResult]) {
        let entries = needed.sorted { $0.key < $1.key }.map { number, blocks in
            let volume = bundle.index.volumes[number]
            guard blocks.count < Volume.blockCount(of: volume.length) else {
                return Entry(missing: number, name: volume.name)
            }
            return Entry(number: number, name: volume.name, badBlocks: blocks.ranges.joined())
        }
        let document = bundle.metadata.targets.content.files["release.json"]
        self.init(
            bundle: bundle.name, release: document.map { Digest(hashed: $0.sha256) } ?? Digest(of: [UInt8]()),
            volumes: entries)
    }
}

extension Finding {
    fileprivate var isAboutVolume: Bool {
        switch self {
        case .volumeMissing, .volumeUnusable: true
        case .replaced, .copyDamaged, .unsignedName, .renamed, .noVolume, .notRead, .blocksUnusable, .clockBehind,
            .expired:
            false
        }
    }
}
