// SPDX-License-Identifier: Apache-2.0

package import Cage
internal import Files
package import OCI
package import SystemPackage
package import Trust

/// A bundle of which everything but the volumes' content has been checked; only `UnverifiedBundle.verified` makes one.
package struct VerifiedBundle: Sendable {
    /// The folder's name on the media.
    package let name: String
    package let release: Release
    package let index: BundleIndex
    package let metadata: TrustedMetadata
    /// The release key that signed `SHA256SUMS`.
    package let sumsSigner: KeyID
    /// What should be known and stops nothing: unsigned names, small files taken from copies, volumes that are absent
    /// or unusable.
    package let findings: [Finding]
    /// The SHA-256 of every file that `SHA256SUMS` lists, of itself and of its signature, by name.
    package internal(set) var digests: [String: Digest] = [:]
    let volumes: [VolumePlaces]
    let frames: FrameMap
    /// Where its frames are decoded.
    package internal(set) var decoders = FrameDecoders.inProcess
    /// Where blocks are looked for that no medium has right, in this order.
    package var blockSources: [any BlockSource] = []

    init(
        name: String, release: Release, index: BundleIndex, metadata: TrustedMetadata, sumsSigner: KeyID,
        findings: [Finding], volumes: [VolumePlaces]
    ) {
        (self.name, self.release, self.index, self.metadata) = (name, release, index, metadata)
        (self.sumsSigner, self.findings, self.volumes) = (sumsSigner, findings, volumes)
        frames = FrameMap(index)
    }

    /// The volumes that are on none of the media, nor whole in `blockSources`. One that is there with another length is damaged,
    /// not missing.
    package var missingVolumes: [Volume] {
        volumes.indices.filter { number in
            let count = Volume.blockCount(of: volumes[number].volume.length)
            return volumes[number].isMissing && !has(blocks: 0..<count, of: number)
        }.map { volumes[$0].volume }
    }

    /// Whether these blocks can be asked for: a medium has the volume, whatever its state, or `blockSources` have each of them.
    package func has(blocks: Range<Int>, of volume: Int) -> Bool {
        guard volumes[volume].isMissing else { return true }
        return blocks.allSatisfy { block in blockSources.contains { $0.has(block, of: volume) } }
    }

    /// The volumes of which these objects need blocks that are nowhere at hand, in order; of what a delta leaves out see
    /// `externalNumbers`. Throws `BundleError.objectUnknown`.
    package func missingVolumes(for objects: some Sequence<Digest>) throws(BundleError) -> [Volume] {
        guard volumes.contains(where: \.isMissing) else { return [] }
        var missing: Set<Int> = []
        for digest in objects {
            try forEachRun(of: digest) { run in
                guard volumes[run.volume].isMissing, !missing.contains(run.volume) else { return }
                if !has(blocks: blocks(of: run), of: run.volume) { missing.insert(run.volume) }
            }
        }
        return missing.sorted().map { volumes[$0].volume }
    }

    /// The blocks that an object needs of each volume; one that a delta leaves out needs none. Throws `BundleError.objectUnknown`.
    package func neededBlocks(for digest: Digest) throws(BundleError) -> [(volume: Int, blocks: Range<Int>)] {
        var needed: [(volume: Int, blocks: Range<Int>)] = []
        try forEachRun(of: digest) { run in
            let blocks = blocks(of: run)
            if let last = needed.last, last.volume == run.volume, last.blocks.upperBound >= blocks.lowerBound,
                last.blocks.lowerBound <= blocks.lowerBound
            {
                let end = max(last.blocks.upperBound, blocks.upperBound)
                needed[needed.count - 1].blocks = last.blocks.lowerBound..<end
            } else {
                needed.append((run.volume, blocks))
            }
        }
        return needed
    }

    private func forEachRun(of digest: Digest, _ body: (Run) -> Void) throws(BundleError) {
        guard let object = index.object(digest) else { throw .objectUnknown(digest) }
        var runs = RunCursor(object, index, frames)
        while let run = runs.next() {
            if case .stored(let run) = run { body(run) }
        }
    }

    /// The blocks of the volume file that a run is decoded from.
    func blocks(of run: Run) -> Range<Int> {
        let bytes = frames.stored(run, in: index)
        let size = UInt64(blockSize)
        return Int(bytes.lowerBound / size)..<Int((bytes.upperBound + size - 1) / size)
    }

    /// The numbers of the volumes that these objects need. Throws `BundleError.objectUnknown`.
    package func volumeNumbers(for objects: some Sequence<Digest>) throws(BundleError) -> Set<Int> {
        var numbers: Set<Int> = []
        for digest in objects { try forEachRun(of: digest) { numbers.insert($0.volume) } }
        return numbers
    }

    /// The bytes of a small file that is a target of its own, read from the media now and checked by what is signed of it;
    /// `nil` where nothing of that name is signed. Throws `BundleError`.
    package func signedFile(_ name: String, on media: UnverifiedBundle, limit: Int) throws -> [UInt8]? {
        guard let target = metadata.targets.content.files[name] else { return nil }
        var files = SmallFiles(media.media)
        return try files.bytes(of: name, target, limit: limit)
    }

    /// The names in a folder of this bundle that nothing signs: those to report, and those in `trust/` and `kit/`, for which
    /// verification refuses the medium. Throws `FileError`.
    package func unsignedNames(in folder: FilePath) throws -> (reported: [FilePath], refused: [FilePath]) {
        let walk = try NameWalk(MediaFolder(folder), signed: digests.keys)
        return (walk.unsigned, walk.refused)
    }

    /// A reader of objects, for one thread. `externals`: where it finds what a delta leaves out.
    package func reader(externals: (any ExternalSource)? = nil) -> ObjectReader { ObjectReader(self, externals) }
}
