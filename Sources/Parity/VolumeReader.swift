// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Cryptography
package import Files
internal import OCI
internal import SystemPackage

/// The volumes that parity is about: what the verified index says of them, and the media that may have them.
package struct ParityVolumes: Sendable {
    package let index: BundleIndex
    package let binding: ParityBinding
    package let media: [MediaFolder]
    /// Where blocks may be found beside the media; never parity itself.
    package let sources: [any BlockSource]
    /// Whether blocks of a volume that a stopped repair has begun count too.
    var usesStaged = false

    /// `index` must be verified, or known to be judged by the medium's own root alone.
    package init(
        _ index: BundleIndex, _ binding: ParityBinding, media: [MediaFolder], sources: [any BlockSource] = []
    ) {
        (self.index, self.binding, self.media, self.sources) = (index, binding, media, sources)
    }

    /// Blocks of each volume.
    package var blockCounts: [Int] { index.volumes.map { Volume.blockCount(of: $0.length) } }
}

/// Reads blocks of volumes from whichever medium has them right. One thread.
final class VolumeReader {
    private let volumes: ParityVolumes
    private let hasher = Hasher()
    private static let pieceSize = 256 << 10

    init(_ volumes: ParityVolumes) { self.volumes = volumes }

    /// Bytes of a block with the zeros after it that whole grains need.
    static func paddedLength(_ length: Int) -> Int {
        (length + ErasureProduct.grain - 1) / ErasureProduct.grain * ErasureProduct.grain
    }

    /// Puts a block with its signed SHA-256 to the start of `buffer`, zeros after it up to a whole grain. Gives its length.
    ///
    /// Throws `BundleError.blockDamaged`, `.volumeLength` or `.volumeMissing` where no medium has it right, `FileError` when a
    /// medium goes away.
    @discardableResult
    func read(_ block: Int, of number: Int, into buffer: Buffer) throws -> Int {
        let volume = volumes.index.volumes[number]
        let range = volume.bytes(ofBlock: block)
        let digest = volumes.index.blockDigest(volume: number, block: block)
        var fault: BundleError?
        var gone: FileError?
        for place in places(of: volume.name) {
            do throws(FileError) {
                let file = try place.medium.open(place.name)
                let isWhole = try read(range, of: file, into: buffer)
                guard Digest(hashed: hasher.finish()) == digest, isWhole else {
                    fault = fault ?? .blockDamaged(file.path, block: block, bytes: range)
                    continue
                }
                buffer.appendZeros(VolumeReader.paddedLength(range.count) - range.count)
                return range.count
            } catch {
                if error.isMissing { continue }
                if error.isMediumGone {
                    gone = error  // another medium may have it
                    continue
                }
                guard error.isAboutContent else { throw error }
                fault = fault ?? .blockDamaged(error.path, block: block, bytes: range)
            }
        }
        for source in volumes.sources where source.has(block, of: number) {
            buffer.count = 0
            guard try source.read(block, of: number, into: buffer, at: 0) else { continue }
            buffer.count = range.count
            guard hash(buffer) == digest else { continue }
            buffer.appendZeros(VolumeReader.paddedLength(range.count) - range.count)
            return range.count
        }
        if let gone { throw gone }
        throw fault ?? .volumeMissing(volume.name)
    }

    /// Reads piece by piece and hashes each while it is in the processor's cache; `false` where the file ends before.
    private func read(
        _ range: Range<UInt64>, of file: borrowing OpenFile, into buffer: Buffer
    ) throws(FileError) -> Bool {
        buffer.count = 0
        while buffer.count < range.count {
            let start = buffer.count
            let length = min(range.count - start, VolumeReader.pieceSize)
            do throws(FileError) {
                try file.read(into: buffer, from: start, at: range.lowerBound + UInt64(start), length: length)
            } catch {
                _ = hasher.finish()
                throw error
            }
            buffer.withBytes(start..<buffer.count) { hasher.update($0) }
            guard buffer.count == start + length else { return false }
        }
        return true
    }

    private func places(of volume: String) -> [(medium: MediaFolder, name: String)] {
        let named = volumes.media.map { ($0, "volumes/\(volume)") }
        return volumes.usesStaged ? named + volumes.media.map { ($0, VolumeCopy.stagedName(volume)) } : named
    }

    /// The SHA-256 of what a buffer holds.
    func hash(_ buffer: Buffer) -> Digest {
        buffer.withBytes { hasher.update($0) }
        return Digest(hashed: hasher.finish())
    }

    /// The SHA-256 of a range of a buffer.
    func hash(_ buffer: Buffer, _ range: Range<Int>) -> Digest {
        buffer.withBytes(range) { hasher.update($0) }
        return Digest(hashed: hasher.finish())
    }
}

extension FileError {
    /// Whether it says that this file can't be read as it should be (a bad sector, a link or a folder in its place), rather
    /// than that the medium is gone.
    var isAboutContent: Bool {
        [.ioError, .invalidArgument, .tooManySymbolicLinkLevels, .isDirectory].contains(errno)
    }
}
