// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Glibc
import OCI
import Support
import SystemPackage
import Testing

@testable import Importing

/// A file as a block device, until it goes. Only root can make one, and not in every container.
private final class LoopDevice {
    let path: FilePath
    private let folder = TemporaryFolder()

    init(bytes: Int, sector: Int = 512, filledWith content: [UInt8] = []) throws {
        let file = folder.appending("disk")
        try write(content, to: file)
        path = try LoopDevice.attached(file, bytes: bytes, sector: sector)
    }

    private static func attached(_ file: FilePath, bytes: Int, sector: Int) throws -> FilePath {
        let script = "truncate -s \(bytes) \(file) && losetup --find --show --sector-size \(sector) \(file)"
        let made = try run(["bash", "-ec", script])
        if made.status != 0 { try Test.cancel("this machine has no loop devices for us: \(made.errorOutput)") }
        return FilePath(String(made.output.prefix { !$0.isNewline }))
    }

    deinit { _ = try? run(["losetup", "--detach", path.string]) }

    var bytes: [UInt8] {
        get throws { try run(["dd", "if=\(path)", "iflag=direct", "bs=1M", "status=none"]).stdout }
    }

    func chosen() throws -> ChosenDevice { try ChosenDevice(path, in: BlockDevices()) }
}

struct ExtractDeviceTests {
    private let site: Site
    private let iso: [UInt8]

    init() throws {
        site = try Site()
        iso = try site.packed.inputs.appending("appliance.iso").contents(limit: 1 << 30)
    }

    private func extraction(
        _ device: LoopDevice, _ name: String = "appliance.iso", of site: Site? = nil, on media: [FilePath]? = nil
    ) throws -> DeviceExtraction {
        let site = site ?? self.site
        return try DeviceExtraction(name, from: try site.verified(media), to: device.chosen(), state: site.state)
    }

    @Test(arguments: [(512, 0), (512, 512), (4096, 8192), (512, 9_000_000 / 512 * 512)])
    func `an image is on the device bit for bit, old partition tables are not`(sector: Int, more: Int) throws {
        let size = (iso.count + sector - 1) / sector * sector + more
        let device = try LoopDevice(bytes: size, sector: sector, filledWith: [UInt8](repeating: 0xEE, count: size))
        let extraction = try extraction(device)
        #expect(try extraction.run(Progress()) == .written)
        let found = try device.bytes
        #expect(found.count == size && Array(found.prefix(iso.count)) == iso)
        #expect(found.suffix(min(size - iso.count, 1 << 20)).allSatisfy { $0 == 0 })
        #expect(try extraction.run(Progress()) == .present)
        #expect(try site.state.path.appending("extract").entries().isEmpty)
    }

    @Test func `a device without room is refused with what it lacks, untouched`() throws {
        let size = iso.count / 512 * 512 - 512
        let device = try LoopDevice(bytes: size, filledWith: [UInt8](repeating: 0xEE, count: size))
        let error = #expect(throws: FileError.self) { try extraction(device) }
        #expect(error?.failure == .noSpace && error?.missingBytes == UInt64(iso.count - size))
        #expect(try device.bytes.allSatisfy { $0 == 0xEE })
    }

    @Test func `media come one at a time, and nothing boots before the last`() throws {
        let content = try run(["head", "-c", "13000192", "/dev/urandom"]).stdout
        var layout = MadeLayout()
        _ = layout.image("a/b:1", [try layout.noise(1000)])
        let site = try Site(try layout.packed(files: ["disk.img": content]))
        let whole = try site.verified()
        let volumes = try whole.volumeNumbers(for: [Digest(of: content)]).sorted().map { whole.index.volumes[$0].name }
        let device = try LoopDevice(
            bytes: 20_000_256 / 512 * 512, filledWith: [UInt8](repeating: 0xEE, count: 3_000_000))
        for (number, volume) in volumes.enumerated() {
            let gone = volumes.filter { $0 != volume }.map { "volumes/\($0)" }
            let media = [try site.medium("m\(number)", without: gone)]
            let result = try extraction(device, "disk.img", of: site, on: media).run(Progress())
            guard case .partial(let lack) = result else {
                #expect(result == .written && number == volumes.count - 1)
                break
            }
            #expect(lack.volumes.map(\.name) == Array(volumes[(number + 1)...]))
            #expect(try device.bytes.prefix(1 << 20).allSatisfy { $0 == 0 })
            if number == 1 { try damage(device, at: 2_000_000, then: site, media, volumes) }
        }
        #expect(try Array(device.bytes.prefix(content.count)) == content)
        #expect(try site.state.path.appending("extract").entries().isEmpty)
    }

    /// Bytes that something else changed show when all is read back, and are written again then.
    private func damage(
        _ device: LoopDevice, at offset: Int, then site: Site, _ media: [FilePath], _ volumes: [String]
    ) throws {
        let changed = try run([
            "bash", "-ec",
            "printf X | dd of=\(device.path) bs=1 seek=\(offset) conv=notrunc status=none; sync \(device.path)",
        ])
        #expect(changed.status == 0)
        #expect(throws: ExtractError.deviceDiffers(device.path)) {
            try extraction(device, "disk.img", of: site).run(Progress())
        }
        #expect(try device.bytes.prefix(1 << 20).allSatisfy { $0 == 0 })
        // what is right already is compared, and the rest written, from the first media on
        for number in 0...1 {
            let media = [site.folder.appending("m\(number)").appending(site.packed.bundle.lastComponent?.string ?? "")]
            let result = try extraction(device, "disk.img", of: site, on: media).run(Progress())
            guard case .partial = result else {
                Issue.record("\(result)")
                return
            }
        }
    }

    @Test func `a device that was written to since boots from nothing until it is right again`() throws {
        let device = try LoopDevice(bytes: iso.count + 1 << 20)
        #expect(try extraction(device).run(Progress()) == .written)
        _ = try run(["bash", "-ec", "printf X | dd of=\(device.path) bs=1 seek=2000000 conv=notrunc status=none"])
        #expect(try extraction(device).run(Progress()) == .written)
        #expect(try Array(device.bytes.prefix(iso.count)) == iso)
    }

    @Test func `everything that stands against a device is said at once`() throws {
        let device = try LoopDevice(bytes: 8 << 20)
        let chosen = try device.chosen()
        let error = #expect(throws: DeviceRefusal.self) {
            try chosen.check(confirmed: nil, force: false, protected: [])
        }
        #expect(error?.failure == .refused && error?.reasons.count == 2)
        let text = "\(error.map { "\($0)" } ?? "")"
        for part in ["--force", "--yes-erase \(device.path)", "8.3 MB (8388608 bytes)", "serial:", "partitions: none"] {
            #expect(text.contains(part), "\(text)")
        }
        let other = #expect(throws: DeviceRefusal.self) {
            try chosen.check(confirmed: "/dev/null", force: true, protected: [])
        }
        #expect(other?.reasons.count == 1 && other?.reasons.first?.contains("/dev/null") == true)
        for name in [device.path.string, device.path.lastComponent?.string ?? ""] {
            try chosen.check(confirmed: name, force: true, protected: [])
        }
        let kept = #expect(throws: DeviceRefusal.self) {
            try chosen.check(confirmed: device.path.string, force: true, protected: [("the media", device.path)])
        }
        #expect(kept?.reasons.first?.contains("holds the media") == true)
    }

    @Test func `a mounted device is refused, and unmounted with --force`() throws {
        let device = try LoopDevice(bytes: 24 << 20)
        let point = site.folder.appending("stick")
        let made = try run([
            "bash", "-ec",
            "mkfs.ext4 -q \(device.path); mkdir \(point); mount \(device.path) \(point); echo x > \(point)/a",
        ])
        guard made.status == 0 else { try Test.cancel("this machine mounts no ext4: \(made.errorOutput)") }
        defer { _ = try? run(["umount", point.string]) }
        let name = device.path.string
        let chosen = try device.chosen()
        #expect(chosen.device.mountPoints == [point])
        let error = #expect(throws: DeviceRefusal.self) {
            try chosen.check(confirmed: name, force: false, protected: [])
        }
        #expect(error?.reasons.contains { $0.contains("it is mounted: umount \(point)") } == true)
        let media = #expect(throws: DeviceRefusal.self) {
            try chosen.check(confirmed: name, force: true, protected: [("the media", point.appending("bundle"))])
        }
        #expect(media?.reasons.count == 1)
        try chosen.check(confirmed: name, force: true, protected: [("this system", "/")])
        #expect(try extraction(device).run(Progress()) == .written)
        #expect(try Array(device.bytes.prefix(iso.count)) == iso && device.chosen().device.mountPoints.isEmpty)
    }

    @Test func `a device that something keeps for itself is refused`() throws {
        let device = try LoopDevice(bytes: 8 << 20)
        let raw = unsafe open(device.path.string, O_RDONLY | O_EXCL)
        #expect(raw >= 0)
        defer { _ = close(raw) }
        let error = #expect(throws: DeviceRefusal.self) { try extraction(device).run(Progress()) }
        #expect(error?.reasons.first?.contains("keeps it for itself") == true)
    }

    @Test func `the tool asks for the name, and ends with what each platform needs`() throws {
        let device = try LoopDevice(bytes: 24 << 20)
        func extract(_ more: [String]) throws -> CommandResult {
            let command = [
                SourceTree.tool("dray-import").string, "extract", "appliance.iso", site.packed.bundle.string,
            ]
            return try run(command + ["--state", site.state.path.string] + more)
        }
        let name = device.path.string
        let refused = try extract(["--to", name])
        #expect(refused.status == 14 && refused.errorOutput.contains("--yes-erase \(name)"), "\(refused.errorOutput)")
        let done = try extract(["--to", name, "--yes-erase", name, "--force", "--output", "json"])
        #expect(done.status == 0, "\(done.errorOutput)")
        for part in ["\"vSphere\":", "\"maas\":", "\"bareMetal\":", "is ready", Digest(of: iso).hex] {
            #expect(done.output.contains(part), "\(done.output)")
        }
        #expect(try extract(["--to", "/dev/sdzz9"]).status == 14)
        #expect(try !FilePath("/dev/sdzz9").exists())
        #expect(try extract(["--to", site.folder.appending("a").string, "--yes-erase", name]).status == 64)
    }
}
