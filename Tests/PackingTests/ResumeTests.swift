// SPDX-License-Identifier: Apache-2.0

import Files
import OCI
import Packing
import Support
import SystemPackage
import Testing
import Trust

struct ResumeTests {
    @Test(arguments: [0, 1 << 20] as [UInt64])
    func `the same inputs and parameters give the same volume bytes`(size: UInt64) throws {
        let fixture = try PackFixture()
        try fixture.leaveNothingPlain()
        let first = try fixture.pack(out: "a", volumeSize: size).folder
        let second = try fixture.pack(out: "b", volumeSize: size).folder
        #expect(try fixture.volumeSums(first) == fixture.volumeSums(second))
        try sh("cmp \(first)/index \(second)/index")
    }

    @Test func `packing what is packed does nothing, another plan is refused`() throws {
        let fixture = try PackFixture()
        let first = try fixture.pack()
        #expect(!first.wasComplete)
        #expect(try fixture.pack().wasComplete)
        try sh("echo more >> \(fixture.sample.inputs)/tools/tool")
        #expect(throws: PackError.bundleExists(first.folder)) { try fixture.pack() }
    }

    @Test func `an interrupted run goes on only with an equal plan`() throws {
        let fixture = try PackFixture()
        try sh(
            "printf x >> \(fixture.sample.inputs)/mirror/blobs/sha256/$(ls -S \(fixture.sample.inputs)/mirror/blobs/sha256 | sed -n 2p)"
        )
        #expect(throws: PackError.self) { try fixture.pack() }
        try fixture.sample.edit("edition: palette", "edition: palette, supportEnd: 2028-01-01")
        #expect(throws: PackError.planChanged(["supportEnd was none, is 2028-01-01"])) { try fixture.pack() }
        var options = fixture.options()
        options.restart = true
        #expect(throws: PackError.self) { try pack(options, progress: Progress(), now: PackFixture.now) }
    }

    @Test func `two runs for one bundle at once: the second is refused`() throws {
        let fixture = try PackFixture()
        let trust = try TrustFolder(fixture.place.appending("trust"))
        #expect(throws: PackError.alreadyRunning(fixture.place.appending("trust"))) { try fixture.pack() }
        #expect(trust.root.root.product == "palette-enterprise")
    }
}
