// SPDX-License-Identifier: Apache-2.0

package import Cage
internal import Files
package import OCI
internal import SystemPackage
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
    let volumes: [VolumePlaces]
    let frames: FrameMap
    /// Where its frames are decoded.
    package internal(set) var decoders = FrameDecoders.inProcess

    init(
        name: String, release: Release, index: BundleIndex, metadata: TrustedMetadata, sumsSigner: KeyID,
        findings: [Finding], volumes: [VolumePlaces]
    ) {
        (self.name, self.release, self.index, self.metadata) = (name, release, index, metadata)
        (self.sumsSigner, self.findings, self.volumes) = (sumsSigner, findings, volumes)
        frames = FrameMap(index)
    }

    /// The volumes that are on none of the media. One that is there with another length is damaged, not missing.
    package var missingVolumes: [Volume] { volumes.filter(\.isMissing).map(\.volume) }

    /// The missing ones of those volumes that these objects need, in order; of what a delta leaves out see
    /// `externalNumbers`. Throws `BundleError.objectUnknown`.
    package func missingVolumes(for objects: some Sequence<Digest>) throws(BundleError) -> [Volume] {
        try volumeNumbers(for: objects).sorted().map { volumes[$0] }.filter(\.isMissing).map(\.volume)
    }

    /// The numbers of the volumes that these objects need. Throws `BundleError.objectUnknown`.
    package func volumeNumbers(for objects: some Sequence<Digest>) throws(BundleError) -> Set<Int> {
        var numbers: Set<Int> = []
        for digest in objects {
            guard let object = index.object(digest) else { throw .objectUnknown(digest) }
            var runs = RunCursor(object, index, frames)
            while let run = runs.next() {
                if case .stored(let run) = run { numbers.insert(run.volume) }
            }
        }
        return numbers
    }

    /// The bytes of a small file that is a target of its own, read from the media now and checked by what is signed of it;
    /// `nil` where nothing of that name is signed. Throws `BundleError`.
    package func signedFile(_ name: String, on media: UnverifiedBundle, limit: Int) throws -> [UInt8]? {
        guard let target = metadata.targets.content.files[name] else { return nil }
        var files = SmallFiles(media.folders)
        return try files.bytes(of: name, target, limit: limit)
    }

    /// A reader of objects, for one thread. `externals`: where it finds what a delta leaves out.
    package func reader(externals: (any ExternalSource)? = nil) -> ObjectReader { ObjectReader(self, externals) }
}

/// Where a volume is on the media at hand.
struct VolumePlaces: Sendable {
    let volume: Volume
    /// The media that have it with its signed length.
    let media: [MediaFolder]
    /// The first of those that have something else under its name.
    let unusable: BundleError?

    var name: String { "volumes/\(volume.name)" }
    var isMissing: Bool { media.isEmpty && unusable == nil }

    /// Looks on every medium; notes what is missing or can't be right.
    init(_ volume: Volume, files: inout SmallFiles) throws {
        self.volume = volume
        var media: [MediaFolder] = []
        var unusable: BundleError?
        for folder in files.media {
            let fault: BundleError
            do throws(FileError) {
                let file = try folder.open("volumes/\(volume.name)")
                let size = try file.status().size
                guard size != volume.length else {
                    media.append(folder)
                    continue
                }
                fault = .volumeLength(file.path, expected: volume.length, found: size)
                files.note(.volumeUnusable(file.path, "it has \(size) bytes instead of \(volume.length)"))
            } catch {
                if error.isMissing { continue }
                fault = BundleError(error)
                files.note(.volumeUnusable(error.path, "\(error.errno)"))
            }
            unusable = unusable ?? fault
        }
        (self.media, self.unusable) = (media, unusable)
        if isMissing { files.note(.volumeMissing(volume.name)) }
    }
}
