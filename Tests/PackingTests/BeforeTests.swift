// SPDX-License-Identifier: Apache-2.0

import Files
import Packing
import Support
import SystemPackage
import Testing

/// What `pack` refuses before its first byte.
struct BeforeTests {
    private let fixture: PackFixture

    init() throws { fixture = try PackFixture() }

    private func mounted(_ folder: FilePath, _ options: String, _ body: () throws -> Void) throws {
        let made = try run(["bash", "-c", "mkdir -p \(folder) && mount -t tmpfs -o \(options) tmpfs \(folder)"])
        guard made.status == 0 else { try Test.cancel("this machine lets nobody mount a tmpfs") }
        defer { _ = try? run(["umount", "-l", folder.string]) }
        try body()
    }

    @Test func `plain files that don't fit are refused with what is missing, and nothing is made`() throws {
        let out = fixture.place.appending("out")
        try mounted(out, "size=2m") {
            let error = #expect(throws: FileError.self) { try fixture.pack() }
            #expect(error?.failure == .noSpace)
            #expect((error?.missingBytes ?? 0) > 1 << 20)
            let names = try out.entries()
            let hasState = try fixture.place.appending("state").exists()
            #expect(names.isEmpty && !hasState)
        }
    }

    @Test(arguments: ["out", "state"]) func `a folder that is mounted read-only is refused`(_ name: String) throws {
        try mounted(fixture.place.appending(name), "ro,size=64m") {
            let error = #expect(throws: FileError.self) { try fixture.pack() }
            #expect(error?.errno == .readOnlyFileSystem && error?.failure == .failed)
            #expect(error?.description.contains("mount it for writing") == true)
            let other = try fixture.place.appending(name == "out" ? "state" : "out").exists()
            #expect(!other)
        }
    }

    @Test func `a state folder without room is refused`() throws {
        try mounted(fixture.place.appending("state"), "size=64k") {
            let error = #expect(throws: FileError.self) { try fixture.pack() }
            #expect(error?.failure == .noSpace)
        }
    }

    @Test func `volumes that are longer than files may be are refused, and fit with a volume size`() throws {
        let place = fixture.place.path
        let tool = SourceTree.tool("dray")
        func pack(_ size: String) throws -> CommandResult {
            // ulimit counts KiB; the sample's ISO image and archive are larger than 1 MiB
            let line =
                "ulimit -f 2000; exec \(tool) pack \(fixture.sample.manifest) --trust \(fixture.trust) --key "
                + "\(place)/release.pem --out \(place)/out --state \(place)/state --volume-size \(size)"
            return try run(["bash", "-c", line])
        }
        let refused = try pack("none")
        #expect(refused.status == 14, "\(refused.errorOutput)")
        #expect(refused.errorOutput.contains("raise the limit") && refused.errorOutput.contains("2048000 at most"))
        #expect(try !place.appending("out").exists())
    }
}
