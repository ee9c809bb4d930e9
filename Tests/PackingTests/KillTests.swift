// SPDX-License-Identifier: Apache-2.0

import Files
import Support
import SystemPackage
import Testing

/// The command itself, killed at any moment.
struct KillTests {
    private func command(_ fixture: PackFixture, out: String, volumeSize: String) -> [String] {
        let place = fixture.place.path.string
        return [
            SourceTree.tool("dray").string, "pack", fixture.sample.manifest.string, "--trust", "\(place)/trust",
            "--key",
            "\(place)/release.pem", "--out", "\(place)/\(out)", "--volume-size", volumeSize, "--state",
            "\(place)/state",
        ]
    }

    private func start(_ fixture: PackFixture, _ command: [String]) throws -> ChildProcess {
        try ChildProcess(
            command, output: fixture.place.appending("stdout"), errorOutput: fixture.place.appending("stderr"))
    }

    @Test(arguments: ["1MiB", "none"]) func `killed at ten moments, it goes on to the same bytes`(size: String) throws {
        let fixture = try PackFixture()
        try fixture.leaveNothingPlain()
        #expect(try run(command(fixture, out: "whole", volumeSize: size)).status == 0)
        var kills = 0
        for number in 0..<10 {
            let child = try start(fixture, command(fixture, out: "cut", volumeSize: size))
            if child.wait(seconds: 0.02 + 0.03 * Double(number) + Double.random(in: 0...0.03)) == nil { kills += 1 }
            child.kill()
        }
        #expect(kills >= 1)
        let last = try run(command(fixture, out: "cut", volumeSize: size))
        #expect(last.status == 0, "\(last.errorOutput)")
        let bundles = ["whole", "cut"].map { fixture.place.appending($0).appending("palette-enterprise-1.0.0") }
        #expect(try fixture.volumeSums(bundles[0]) == fixture.volumeSums(bundles[1]))
        try sh("cmp \(bundles[0])/index \(bundles[1])/index; cd \(bundles[1]) && sha256sum --quiet -c SHA256SUMS")
        #expect(try fixture.place.appending("cut").entries() == ["palette-enterprise-1.0.0"])
    }

    @Test func `what a finished volume holds is not written again`() throws {
        let fixture = try PackFixture()
        try fixture.leaveNothingPlain()
        // the last input fails: everything before it is done by then
        try fixture.sample.edit("  - file: tools/tool\n", "  - file: tools/tool\n    signature: wrong.sig\n")
        try sh("cp \(fixture.sample.inputs)/appliance.iso.sig.bin \(fixture.sample.inputs)/wrong.sig")
        let command = command(fixture, out: "out", volumeSize: "1MiB")
        #expect(try run(command).status == 10)
        let volumes = fixture.place.appending("out/.palette-enterprise-1.0.0.partial/volumes").string
        let before = try sh("cd \(volumes) && stat -c '%n %Y %Z %i' *").output.split(separator: "\n")
        #expect(before.count > 5)
        #expect(try run(command).status == 10)
        let after = try sh("cd \(volumes) && stat -c '%n %Y %Z %i' *").output.split(separator: "\n")
        // all but the one that was being written
        #expect(before.dropLast() == after.dropLast())
    }

    @Test func `Ctrl-C ends it with 130 and the same command goes on`() throws {
        let fixture = try PackFixture()
        // a large sparse file takes long enough
        try sh("truncate -s 3G \(fixture.sample.inputs)/tools/tool")
        let command = command(fixture, out: "out", volumeSize: "none")
        let child = try start(fixture, command)
        _ = child.wait(seconds: 1.0)
        child.signal(2)
        #expect(child.wait(seconds: 20) == 130)
        #expect(try contents(of: fixture.place.appending("stderr")).count > 20)
        #expect(try !fixture.place.appending("out/palette-enterprise-1.0.0").exists())
    }
}
