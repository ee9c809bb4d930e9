// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import OCI

/// The objects that have bytes in blocks which are good nowhere.
struct AffectedObjects {
    struct Affected {
        let digest: Digest
        /// Numbers in `runs`.
        let runs: Set<Int>
    }

    /// Runs of such blocks, in the order of the index.
    let runs: [(volume: Int, blocks: Range<Int>)]
    private let index: BundleIndex
    /// In the order of the index.
    private(set) var objects: [Affected] = []
    private var byDigest: [Digest: Set<Int>] = [:]
    /// How many objects each run has bytes of.
    private var counts: [Int]

    var isEmpty: Bool { runs.isEmpty }

    init(_ bundle: VerifiedBundle, _ needed: [Int: RangeSet<Int>]) {
        index = bundle.index
        runs = needed.sorted { $0.key < $1.key }.flatMap { volume, blocks in blocks.ranges.map { (volume, $0) } }
        counts = runs.map { _ in 0 }
        guard !runs.isEmpty else { return }
        let ranges = Dictionary(grouping: runs.indices, by: { runs[$0].volume }).mapValues {
            ($0.first ?? 0)..<($0.last ?? 0) + 1
        }
        for number in 0..<index.objectCount {
            let object = index.object(number)
            let hit = hits(object, bundle, ranges)
            guard !hit.isEmpty else { continue }
            objects.append(Affected(digest: object.digest, runs: hit))
            byDigest[object.digest] = hit
            for run in hit { counts[run] += 1 }
        }
    }

    /// The runs that an object has bytes in; `ranges`: those of each volume.
    private func hits(_ object: Object, _ bundle: VerifiedBundle, _ ranges: [Int: Range<Int>]) -> Set<Int> {
        var hit: Set<Int> = []
        var cursor = RunCursor(object, index, bundle.frames)
        while let run = cursor.next() {
            // what a delta leaves out no medium could damage
            guard case .stored(let run) = run, let all = ranges[run.volume] else { continue }
            let blocks = bundle.blocks(of: run)
            var place = firstRun(in: all, endingAfter: blocks.lowerBound)
            while place < all.upperBound, runs[place].blocks.lowerBound < blocks.upperBound {
                hit.insert(place)
                place += 1
            }
        }
        return hit
    }

    /// By binary search among the runs of one volume.
    private func firstRun(in all: Range<Int>, endingAfter block: Int) -> Int {
        var range = all
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = runs[middle].blocks.upperBound > block ? range.lowerBound..<middle : middle + 1..<range.upperBound
        }
        return range.lowerBound
    }

    func contains(_ digest: Digest) -> Bool { byDigest[digest] != nil }

    /// The runs that an object has bytes in.
    func runs(of digest: Digest) -> Set<Int> { byDigest[digest] ?? [] }

    /// What each run means.
    func damage(_ names: [AffectedName]) -> [VerifyReport.Damage] {
        runs.enumerated().map { number, run in
            VerifyReport.Damage(
                number: run.volume, volume: index.volumes[run.volume], blocks: run.blocks,
                objects: counts[number],
                names: names.filter { $0.runs.contains(number) }.map(\.name))
        }
    }
}

/// A reference or a file of the release that needs blocks which are good nowhere.
struct AffectedName {
    let name: String
    /// Numbers in `AffectedObjects.runs`; none where its manifest can't be read for another reason.
    let runs: Set<Int>
}

extension VerifiedBundle {
    /// The references and files that need one of these objects, sorted by name; a manifest that can't be read does.
    func names(needing affected: AffectedObjects) throws -> [AffectedName] {
        let reader = reader()
        var names = release.files.compactMap { file -> AffectedName? in
            let digests = [file.digest] + (file.signature.map { [$0.digest] } ?? [])
            guard digests.contains(where: { affected.contains($0) }) else { return nil }
            return AffectedName(name: file.name, runs: digests.reduce(into: []) { $0.formUnion(affected.runs(of: $1)) })
        }
        for reference in release.references {
            var graph = ManifestGraph()
            do {
                try graph.add(reference.descriptor) { descriptor in
                    let bytes = try reader.bytes(of: descriptor.digest, limit: Manifest.maximumSize)
                    return try Manifest(parsing: Data(bytes), mediaType: descriptor.mediaType)
                }
                let hit = (graph.manifests.map(\.descriptor.digest) + graph.blobs.map(\.digest)).filter {
                    affected.contains($0)
                }
                guard !hit.isEmpty else { continue }
                let runs = hit.reduce(into: Set<Int>()) { $0.formUnion(affected.runs(of: $1)) }
                names.append(AffectedName(name: reference.name, runs: runs))
            } catch BundleError.externalMissing(_, _, _) {
                continue  // a manifest that the delta leaves out: no medium can tell
            } catch {
                names.append(AffectedName(name: reference.name, runs: affected.runs(of: reference.descriptor.digest)))
            }
        }
        return names.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
}
