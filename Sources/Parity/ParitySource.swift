// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Cryptography
package import Files
internal import OCI
internal import SystemPackage
internal import Synchronization
internal import Trust

/// Blocks that no medium has right, computed from parity while a bundle is read: how `load --repair` heals from media that
/// can't be written. Nothing is kept but the last few blocks.
package final class ParitySource: BlockSource {
    package let name = "parity"
    /// What the parity is, for messages.
    package let set: ParitySet

    /// Memory of all decoders at work together, which decides how many there are.
    private static let memory = 96 << 20
    /// Blocks that are kept: frames share blocks, and other lanes of the same stripe are often wanted next.
    private static let keptBlocks = 16

    private let volumes: ParityVolumes
    /// Of each group whether its missing volumes leave enough.
    private let isEnough: [Bool]
    private let decoders: Mutex<[StripeDecoder]>
    private let turn: BufferPool
    private let kept = Mutex<[Kept]>([])

    private struct Kept {
        let volume: Int
        let block: Int
        let buffer: Buffer
    }

    /// Looks for parity on the media; `nil` where there is none. Throws `FileError` for a medium that can't be listed.
    package init?(_ volumes: ParityVolumes) throws(FileError) {
        guard let set = try ParitySet(volumes) else { return nil }
        (self.volumes, self.set) = (volumes, set)
        let missing = try volumes.missing()
        isEnough = set.layout.groups.map { group in
            let lost = group.lanes.filter { missing.contains($0.volume) }.count
            let parity = set.lanes[group.number].filter { !$0.isEmpty }.count
            return parity >= max(1, lost)
        }
        let width = max(1, min(4, ParitySource.memory / ((2 * set.layout.shape.parity + 2) * blockSize)))
        decoders = Mutex((0..<width).map { _ in StripeDecoder(volumes, set) })
        turn = BufferPool(count: width, capacity: Buffer.alignment)
    }

    package func has(_ block: Int, of volume: Int) -> Bool {
        isEnough[set.layout.place(of: block, volume: volume).group]
    }

    package func read(_ block: Int, of volume: Int, into buffer: Buffer, at start: Int) throws -> Bool {
        if copyKept(block, volume, to: buffer, at: start) { return true }
        let ticket = turn.take()
        defer { turn.put(ticket) }
        guard let decoder = decoders.withLock({ $0.popLast() }) else { return false }
        defer { decoders.withLock { $0.append(decoder) } }
        try Interruption.check()
        let place = set.layout.place(of: block, volume: volume)
        guard
            case .rebuilt(let blocks) = try decoder.rebuild(
                group: place.group, stripe: place.stripe, lost: [place.lane]),
            let wanted = blocks[place.lane]
        else { return false }
        let group = set.layout.groups[place.group]
        for (lane, rebuilt) in blocks {
            guard let number = group.block(ofLane: lane, stripe: place.stripe) else { continue }
            keep(Kept(volume: group.lanes[lane].volume, block: number, buffer: rebuilt.copy()))
        }
        wanted.withBytes { buffer.write($0, at: start) }
        return true
    }

    private func copyKept(_ block: Int, _ volume: Int, to buffer: Buffer, at start: Int) -> Bool {
        let known = kept.withLock { kept in
            kept.first { $0.volume == volume && $0.block == block }?.buffer
        }
        guard let known else { return false }
        known.withBytes { buffer.write($0, at: start) }
        return true
    }

    private func keep(_ block: Kept) {
        kept.withLock { kept in
            kept.removeAll { $0.volume == block.volume && $0.block == block.block }
            if kept.count >= ParitySource.keptBlocks { kept.removeFirst() }
            kept.append(block)
        }
    }
}

extension Buffer {
    /// A buffer of its own with the same bytes.
    fileprivate func copy() -> Buffer {
        let copy = Buffer(capacity: max(count, 1))
        withBytes { copy.write($0, at: 0) }
        return copy
    }
}

extension ParityVolumes {
    /// The numbers of the volumes that are on no medium with their signed length.
    func missing() throws(FileError) -> Set<Int> {
        var missing = Set<Int>(index.volumes.indices)
        for (number, volume) in index.volumes.enumerated() {
            for medium in media {
                let status = try medium.status(of: "volumes/\(volume.name)")
                if let status, status.isRegular, status.size == volume.length { missing.remove(number) }
            }
        }
        return missing
    }
}

extension VerifiedBundle {
    /// The parity that stands on the bundle's media: `unrepairable` says of damage what is beyond it. `nil` where there is none.
    /// `media`: those that the bundle was verified on. Throws `FileError` for one that can't be listed.
    package func paritySet(on media: [MediaFolder]) throws(FileError) -> ParitySet? {
        guard let volumes = parityVolumes(on: media) else { return nil }
        return try ParitySet(volumes)
    }

    fileprivate func parityVolumes(on media: [MediaFolder]) -> ParityVolumes? {
        guard let document = metadata.targets.content.files["release.json"] else { return nil }
        let binding = ParityBinding(release: Digest(hashed: document.sha256), index: release.index.sha256)
        return ParityVolumes(index, binding, media: media, sources: blockSources)
    }
}

extension UnverifiedBundle {
    /// Takes blocks that no medium has right from parity on the media, once it is verified. Call it after all other sources
    /// were added: parity counts on them.
    package mutating func useParity() {
        let media = media
        sourceMakers.append { bundle in
            guard let volumes = bundle.parityVolumes(on: media) else { return nil }
            return try ParitySource(volumes)
        }
    }
}
