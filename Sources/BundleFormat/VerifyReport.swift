// SPDX-License-Identifier: Apache-2.0

package import Files
internal import FoundationEssentials
package import OCI
package import SystemPackage
package import Trust

/// What was found about one volume file, or about a volume that is nowhere.
package struct VolumeResult: Sendable, Equatable {
    /// In the order of the index.
    package let number: Int
    package let volume: Volume
    /// Where it is; `nil` when it is missing, or when `fault` names the place.
    package let path: FilePath?
    /// Numbers of the blocks that are not what was signed, ascending.
    package let badBlocks: [Int]
    /// Why the whole file can't be used: missing, of another length, no regular file.
    package let fault: BundleError?

    package var isGood: Bool { badBlocks.isEmpty && fault == nil }
    /// 13 for damage, 3 for a missing volume.
    package var failure: Failure? { badBlocks.isEmpty ? fault?.failure : .damaged }
}

/// What `verify` found: all volumes, and what their damage means for what the release delivers.
package struct VerifyReport: Sendable {
    /// Of every volume at least one; one for each medium that has it.
    package let volumes: [VolumeResult]
    package let findings: [Finding]
    /// Objects with bytes that no medium has right, in the order of the index.
    package let affectedObjects: [Digest]
    /// References and files of the release that need such an object, by name, sorted.
    package let affectedNames: [String]
    /// Bytes of the volumes that were read and hashed.
    package let bytesChecked: UInt64
    /// What a delta leaves out, which no medium can prove; `nil` for a full bundle.
    package let externals: ExternalTotals?
    /// What a delta builds on, in words.
    package let base: String?

    init(_ bundle: VerifiedBundle, _ volumes: [VolumeResult]) throws {
        self.volumes = volumes
        findings = bundle.findings
        externals = bundle.index.isDelta ? bundle.index.externalTotals : nil
        base = bundle.baseNames
        bytesChecked = volumes.filter { $0.fault == nil }.reduce(0) { $0 + $1.volume.length }
        let damage = Damage(bundle.index, volumes)
        affectedObjects = damage.isEmpty ? [] : damage.objects(of: bundle)
        affectedNames = affectedObjects.isEmpty ? [] : try bundle.names(needing: Set(affectedObjects))
    }

    /// The exit code: damage before missing volumes; `nil` when all is well. What is only reported does not count.
    package var failure: Failure? {
        (volumes.compactMap(\.failure) + findings.compactMap(\.failure)).min()
    }

    /// What is wrong, a line each.
    package var lines: [String] {
        let faults = volumes.flatMap(\.lines)
        let others = findings.filter { !$0.isAboutVolume }.map(\.description)
        return faults + others + affectedNames.map { "needs what is damaged or missing: \($0.printable)" }
    }

    /// The report for machines.
    package var json: JSONValue {
        [
            "volumes": .array(volumes.map(\.json)), "findings": .array(findings.map { .string($0.description) }),
            "affectedObjects": .array(affectedObjects.map { .string($0.description) }),
            "affected": .array(affectedNames.map(JSONValue.string)),
            "bytesChecked": .int(Int64(clamping: bytesChecked)), "exitCode": .int(Int64(failure?.rawValue ?? 0)),
            "delta": externals.map {
                [
                    "base": .string(base ?? ""), "chunks": .int(Int64($0.chunks)),
                    "bytes": .int(Int64(clamping: $0.bytes)),
                ]
            } ?? .null,
        ]
    }
}

extension VolumeResult {
    fileprivate var lines: [String] {
        if let fault { return [fault.description] }
        guard let path, !badBlocks.isEmpty else { return [] }
        return badBlocks.prefix(20).map { block in
            BundleError.blockDamaged(path, block: block, bytes: volume.bytes(ofBlock: block)).description
        } + (badBlocks.count > 20 ? ["\(path.printable): and \(badBlocks.count - 20) more damaged blocks"] : [])
    }

    fileprivate var json: JSONValue {
        var members: [String: JSONValue] = [
            "name": .string(volume.name), "length": .int(Int64(clamping: volume.length)), "state": .string(state),
        ]
        if let path { members["path"] = .string(path.string) }
        if let fault { members["fault"] = .string(fault.description) }
        if !badBlocks.isEmpty { members["badBlocks"] = .array(badBlocks.map { .int(Int64($0)) }) }
        return .object(members)
    }

    private var state: String {
        if case .volumeMissing? = fault { return "missing" }
        return isGood ? "good" : "damaged"
    }
}

extension Finding {
    fileprivate var isAboutVolume: Bool {
        switch self {
        case .volumeMissing, .volumeUnusable: true
        case .replaced, .copyDamaged, .unsignedName, .clockBehind, .expired: false
        }
    }
}

/// Which bytes no medium has right: of each volume the bad blocks, or all of it.
private struct Damage {
    private let frames: FrameMap
    private let index: BundleIndex
    private var whole: Set<Int> = []
    private var blocks: [Int: Set<Int>] = [:]

    init(_ index: BundleIndex, _ results: [VolumeResult]) {
        (self.index, frames) = (index, FrameMap(index))
        for (number, all) in Dictionary(grouping: results, by: \.number) {
            let present = all.filter { $0.fault == nil }.map { Set($0.badBlocks) }
            guard var common = present.first else {
                whole.insert(number)
                continue
            }
            for other in present { common.formIntersection(other) }
            if !common.isEmpty { blocks[number] = common }
        }
    }

    var isEmpty: Bool { whole.isEmpty && blocks.isEmpty }

    /// The objects that have a byte in it.
    func objects(of bundle: VerifiedBundle) -> [Digest] {
        (0..<index.objectCount).map { index.object($0) }.filter { object in
            var runs = RunCursor(object, index, frames)
            while let run = runs.next() {
                if isHit(run) { return true }
            }
            return false
        }.map(\.digest)
    }

    private func isHit(_ run: ObjectRun) -> Bool {
        guard case .stored(let run) = run else { return false }  // no medium could damage it
        if whole.contains(run.volume) { return true }
        guard let bad = blocks[run.volume] else { return false }
        let stored = frames.stored(run, in: index)
        let size = UInt64(blockSize)
        let touched = Int(stored.lowerBound / size)...Int((stored.upperBound - 1) / size)
        return bad.contains { touched.contains($0) }
    }
}

extension VerifiedBundle {
    /// The names of references and files that need one of these objects; a manifest that can't be read does.
    fileprivate func names(needing objects: Set<Digest>) throws -> [String] {
        let reader = reader()
        var names = release.files.filter {
            objects.contains($0.digest) || $0.signature.map { objects.contains($0.digest) } ?? false
        }.map(\.name)
        for reference in release.references {
            var graph = ManifestGraph()
            do {
                try graph.add(reference.descriptor) { descriptor in
                    let bytes = try reader.bytes(of: descriptor.digest, limit: Manifest.maximumSize)
                    return try Manifest(parsing: Data(bytes), mediaType: descriptor.mediaType)
                }
                if objects.contains(where: { graph.contains($0) }) { names.append(reference.name) }
            } catch BundleError.externalMissing(_, _, _) {
                continue  // a manifest that the delta leaves out: no medium can tell
            } catch {
                names.append(reference.name)
            }
        }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
}
