// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Copying
import Cryptography
import Files
import Glibc
import Packing
import Support
import SystemPackage
import Testing
import Trust

/// A bundle of a few MB in many small volumes, packed once for all tests, and a place for one test's media.
final class CopyFixture: Sendable {
    /// The bundle and its first root; nobody changes them.
    struct Packed: Sendable {
        let place: TemporaryFolder
        let sample: SampleRelease
        let bundle: FilePath
        var root: FilePath { bundle.appending("trust/1.root.json") }
    }

    static let packed = Result { try pack() }

    let place = TemporaryFolder()
    let bundle: FilePath
    let root: FilePath

    init() throws {
        let packed = try CopyFixture.packed.get()
        (bundle, root) = (packed.bundle, packed.root)
    }

    private static func pack() throws -> Packed {
        let (place, sample) = (TemporaryFolder(), try SampleRelease())
        let (rootKey, key) = (try PrivateKey.generate(.p384), try PrivateKey.generate(.p384))
        let root = try Root(
            firstFor: "palette-enterprise", rootKeys: [rootKey.publicKey], rootThreshold: 1,
            releaseKeys: [key.publicKey],
            releaseThreshold: 1, issued: .now, expires: .latest)
        try TrustFolder.create(
            place.appending("trust"), try Proposal(first: root).signed(by: [rootKey], now: .now).root)
        let options = PackOptions(
            manifest: sample.manifest, trust: place.appending("trust"), keys: { [key] }, out: place.appending("out"),
            volumeSize: 1 << 20, state: place.appending("state"))
        let result = try Packing.pack(options, progress: Progress(), now: .now)
        return Packed(place: place, sample: sample, bundle: result.folder)
    }

    var options: CopyOptions { CopyOptions(state: place.appending("state")) }
    var name: String { bundle.lastComponent?.string ?? "" }

    func verified(_ folders: [FilePath]) throws -> VerifiedBundle {
        try MediaSet(folders).bundle()
            .verified(by: try PinnedRoots(rootFiles: [try root.contents(limit: 1 << 20)]), now: .now)
    }

    func source(_ folders: [FilePath]? = nil) throws -> CopySource {
        let media = try MediaSet(folders ?? [bundle]).bundle()
        return try CopySource(try verified(folders ?? [bundle]), media: media)
    }

    func copy(to media: [FilePath], _ options: CopyOptions? = nil) throws -> [MediumResult] {
        try CopyPlan(try source(), to: media, options ?? self.options).run(Progress())
    }

    /// Whether these media together hold all of the bundle, every block as it was signed.
    func isWhole(_ media: [FilePath]) throws -> Bool {
        try verified(media).checkVolumes(threads: 2, progress: Progress()).failure == nil
    }

    /// Bytes of the bundle's volumes, and how many there are.
    func volumes() throws -> (bytes: UInt64, count: Int) {
        let volumes = try verified([bundle]).index.volumes
        return (volumes.reduce(0) { $0 + $1.length }, volumes.count)
    }

    /// The tool's arguments for a copy.
    func command(_ words: [String]) -> [String] {
        [SourceTree.tool("dray").string, "copy", bundle.string, "--state", place.appending("state").string] + words
    }

    /// Names of what is not whole anywhere below.
    func partials(_ folder: FilePath) throws -> [String] {
        try sh("find \(folder) -name '.*' -type f").output.split(separator: "\n").map(String.init)
    }
}

/// A file system of a few MB in memory, gone with its owner.
final class SmallMedium: Sendable {
    let path: FilePath

    init(_ place: TemporaryFolder, _ name: String, bytes: UInt64) throws {
        path = place.appending(name)
        try sh("mkdir -p \(path) && mount -t tmpfs -o size=\(bytes) dray-test \(path)")
    }

    deinit { _ = unsafe system("umount -l \(path.string)") }

    /// Fills all but this many bytes.
    func fill(leaving bytes: UInt64) throws {
        let free = try path.freeSpace()
        if free > bytes { try sh("head -c \(free - bytes) /dev/zero > \(path)/filler") }
    }
}

/// An ext4 file system in a file, gone with its owner.
final class LoopMedium: Sendable {
    let path: FilePath
    private let image: FilePath

    /// Whether this machine has loop devices.
    static let isPossible = canMount && (try? run(["losetup", "-f"]).status) == 0

    init(_ place: TemporaryFolder, _ name: String, megabytes: Int) throws {
        (path, image) = (place.appending(name), place.appending("\(name).img"))
        try sh("truncate -s \(megabytes)M \(image) && mkfs.ext4 -q -F \(image) && mkdir \(path)")
        try mount()
    }

    deinit { _ = unsafe system("umount -l \(path.string)") }

    func mount() throws { try sh("mount -o loop \(image) \(path)") }

    func unmount() throws { try sh("umount \(path)") }

    /// From now on every call fails with EIO, and what was not synced is lost: a stick is pulled (EXT4_IOC_SHUTDOWN).
    func pull() throws {
        let script = "import fcntl,os,struct;fcntl.ioctl(os.open('\(path)',os.O_RDONLY),0x8004587D,struct.pack('I',2))"
        try sh("python3 -c \"\(script)\"")
    }
}

/// Whether media of any size can be made here.
let canMount = getuid() == 0

/// Runs a shell line; it must succeed.
@discardableResult
func sh(_ line: String, timeout: Int = 60) throws -> CommandResult {
    let result = try run(["bash", "-euo", "pipefail", "-c", line], timeout: timeout)
    guard result.status == 0 else { throw SampleError.failed("\(line): \(result.errorOutput)\(result.output)") }
    return result
}
