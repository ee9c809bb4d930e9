// SPDX-License-Identifier: Apache-2.0

import Copying
import Files
import Glibc
import Support
import SystemPackage
import Testing

/// Media that are mounted one after another at one place.
@Suite(.enabled(if: canMount, "mounting needs root")) struct OneByOneTests {
    /// A mount point where one of several media is at a time.
    private final class Slot: Sendable {
        let path: FilePath

        init(_ place: TemporaryFolder) throws {
            path = place.appending("slot")
            try sh("mkdir \(path)")
        }

        deinit { _ = unsafe system("umount -l \(path.string) 2>/dev/null") }

        func put(_ medium: SmallMedium) throws { try sh("mount --bind \(medium.path) \(path)") }
        func take() throws { try sh("umount \(path)") }
    }

    private func text(_ path: FilePath) throws -> String {
        String(decoding: try path.contents(limit: 1 << 20), as: UTF8.self)
    }

    /// Waits until the child has said this; `false` after 30 s or when it has ended before.
    private func said(_ words: String, _ child: ChildProcess, _ output: FilePath) throws -> Bool {
        for _ in 0..<600 {
            if try output.exists(), try text(output).contains(words) { return true }
            if child.exitStatus != nil { return try text(output).contains(words) }
            usleep(50_000)
        }
        return false
    }

    @Test func `each medium is filled, one that comes again is known, and a restart goes on`() throws {
        let fixture = try CopyFixture()
        let slot = try Slot(fixture.place)
        let bytes = try fixture.volumes().bytes
        let media = try (0..<3).map { try SmallMedium(fixture.place, "m\($0)", bytes: bytes / 2 + (3 << 20)) }
        let command = fixture.command(["--to", slot.path.string, "--one-by-one", "--quiet"])
        let errors = fixture.place.appending("errors")
        func start() throws -> ChildProcess {
            try errors.removeFile()
            return try ChildProcess(command, output: fixture.place.appending("out"), errorOutput: errors)
        }

        var child = try start()
        #expect(try said("waiting for a medium to be mounted", child, errors))
        #expect(try slot.path.entries().isEmpty)
        try slot.put(media[0])
        #expect(try said("medium 1 is done", child, errors))
        child.kill()
        // begun anew, with the first medium still there
        child = try start()
        #expect(try said("medium 1 is done; put the next one in its place", child, errors))
        try slot.take()
        try slot.put(media[1])
        #expect(try said("medium 2 is done", child, errors))
        try slot.take()
        if child.wait(seconds: 0.5) == nil {
            // the wrong one again, then a third
            try slot.put(media[0])
            try slot.take()
            try slot.put(media[2])
        }
        let status = child.wait(seconds: 30)
        let words = try text(errors)
        #expect(status == 0, "\(words)")
        let used = try media.filter { try $0.path.appending(fixture.name).exists() }
        #expect(used.count >= 2)
        #expect(try fixture.isWhole(used.map(\.path)))
        for medium in used { #expect(try medium.path.entries().filter { $0.hasPrefix("MEDIUM-") }.count == 2) }
        let last = try #require(used.last)
        let labels = try last.path.entries().filter { $0.hasSuffix(".txt") }
        #expect(try text(last.path.appending(labels[0])).hasPrefix("MEDIUM \(used.count) OF \(used.count)\n"))
    }

    @Test func `where nothing comes in time it ends with 3, and writes into no folder of this machine`() throws {
        let fixture = try CopyFixture()
        let folder = fixture.place.appending("plain")
        try sh("mkdir \(folder)")
        let result = try run(fixture.command(["--to", folder.string, "--one-by-one", "--timeout", "1"]))
        #expect(result.status == 3 && result.errorOutput.contains("no other medium came"))
        #expect(try folder.entries().isEmpty)
    }
}
