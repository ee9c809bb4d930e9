// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Packing
import Support
import SystemPackage
import Testing
import Trust

/// A bundle that leaves out what an earlier one has.
struct DeltaTests {
    @Test(arguments: [false, true]) func `stores new chunks alone, and every place it names has the bytes`(
        _ isPlain: Bool
    ) throws {
        let fixture = try DeltaFixture { if !isPlain { try $0.leaveNothingPlain() } }
        let result = try fixture.pack([fixture.base])
        #expect(result.folder.lastComponent?.string == "palette-enterprise-1.0.1-delta-1.0.0")
        let release = try fixture.release(result.folder)
        let repositories = try #require(release.base).repositories
        let index = try fixture.index(result.folder)
        var leftOut: UInt64 = 0
        for number in 0..<index.chunkCount {
            let chunk = index.chunk(number)
            let externals = index.externals(of: number)
            #expect(externals.isEmpty == (chunk.partCount > 0))
            for external in externals {
                let bytes = try fixture.bytes(at: external, chunk.length, repositories: repositories)
                #expect(bytes.map { Digest(of: $0) } == chunk.digest, "\(external)")
            }
            if !externals.isEmpty { leftOut += chunk.length }
        }
        let delta = try #require(result.delta)
        #expect(delta.bytesLeftOut == leftOut && leftOut > 6_500_000)
        // new: 0.7 MB web layer, 0.2 MB and two borders of the squashfs, 0.1 MB pack, what lies around the files of the image
        #expect(delta.bytesStored < 1_700_000, "\(delta.bytesStored)")
        #expect(delta.files.map(\.name).contains("appliance.iso"))
        #expect(delta.warnings.isEmpty)
    }

    @Test func `holds every manifest and configuration itself`() throws {
        let fixture = try DeltaFixture()
        let bundle = try fixture.pack([fixture.base]).folder
        let index = try fixture.index(bundle)
        let blobs = "\(fixture.next.inputs)/mirror/blobs/sha256"
        let held = try sh("cd \(blobs); for f in *; do [ \"$(head -c1 $f)\" != '{' ] || echo $f; done").output
            .split(separator: "\n")
        #expect(held.count == 7)
        for name in held {
            let digest = try #require(Digest(hex: name))
            let object = try #require(index.object(digest))
            let chunks = index.segments(of: object).map { index.chunk(Int($0.chunk)) }
            #expect(chunks.allSatisfy { $0.partCount > 0 }, "\(name)")
        }
    }

    @Test func `small files of the base are enough, and only plain files cost more then`() throws {
        let fixture = try DeltaFixture()
        let whole = try #require(try fixture.pack([fixture.base], out: "a").delta)
        let small = try fixture.smallFiles()
        let result = try fixture.pack([small], out: "b")
        let delta = try #require(result.delta)
        #expect(result.warnings.contains { $0.contains("no volume with manifests") })
        // the base layer, whose manifests changed, and the opaque part of the image
        #expect(delta.bytesStored > whole.bytesStored + 1_500_000)
        #expect(delta.bytesLeftOut > 1_500_000)
        let alone = try fixture.pack([small.appending("index")], out: "c")
        #expect(try fixture.volumeSums(result.folder) == fixture.volumeSums(alone.folder))
    }

    @Test func `an index without trust beside it counts where the trust folder lists its release`() throws {
        let fixture = try DeltaFixture()
        let small = try fixture.smallFiles("release.json index")
        #expect(try fixture.pack([small.appending("index")]).delta?.label == "1.0.0")
        var trust = try TrustFolder(fixture.first.trust)
        _ = try trust.carryOut(
            trust.delisting(["1.0.0"], expires: nil, now: fixture.first.now), by: fixture.first.keys,
            now: fixture.first.now)
        _ = consume trust
        #expect(throws: DeltaError.unlistedBase(small.appending("release.json"))) {
            try fixture.pack([small], out: "again")
        }
    }

    @Test func `a base that has expired or was delisted is read all the same, and said`() throws {
        let fixture = try DeltaFixture {
            try $0.sample.edit("edition: palette }", "edition: palette, supportEnd: \"2026-12-01\" }")
        }
        var trust = try TrustFolder(fixture.first.trust)
        let later = fixture.first.now.adding(days: 60)
        _ = try trust.carryOut(
            trust.delisting(["1.0.0"], expires: nil, now: later), by: fixture.first.keys, now: later)
        _ = consume trust
        let result = try Packing.pack(fixture.options([fixture.base]), progress: Progress(), now: later)
        #expect(result.warnings.contains { $0.contains("has expired") })
        #expect(result.warnings.contains { $0.contains("replaced or delisted") })
        #expect(try #require(result.delta).bytesLeftOut > 6_000_000)
    }

    @Test func `a base of another publisher is refused`() throws {
        let fixture = try DeltaFixture()
        let other = try PackFixture()
        let foreign = try other.pack().folder
        let error = #expect(throws: BundleError.self) { try fixture.pack([foreign]) }
        #expect(error?.failure == .notTrusted)
    }

    @Test(arguments: ["index", "release.json"]) func `a base whose bytes were changed is refused`(
        _ name: String
    ) throws {
        let fixture = try DeltaFixture()
        let small = try fixture.smallFiles()
        try sh("printf X | dd of=\(small)/\(name) bs=1 seek=60 conv=notrunc status=none")
        let error = #expect(throws: BundleError.self) { try fixture.pack([small]) }
        #expect(error?.failure == .damaged)
        try sh("rm -r \(small)/trust")
        let alone = #expect(throws: DeltaError.self) { try fixture.pack([small]) }
        #expect(alone?.failure == (name == "index" ? .damaged : .notTrusted))
    }

    @Test func `a plain volume of the base that was changed is refused`() throws {
        let fixture = try DeltaFixture()
        let file = fixture.base.appending("volumes/appliance.iso")
        try sh("printf X | dd of=\(file) bs=1 seek=400000 conv=notrunc status=none")
        #expect(throws: DeltaError.volumeDamaged(file)) { try fixture.pack([fixture.base]) }
    }

    @Test func `what is no bundle is no base`() throws {
        let fixture = try DeltaFixture()
        for path in [fixture.place.appending("none"), fixture.next.manifest, fixture.next.inputs] {
            #expect(throws: DeltaError.noBase(path)) { try fixture.pack([path]) }
        }
    }

    @Test(arguments: [0, 1 << 20] as [UInt64])
    func `goes on in the middle, and the same inputs give the same bytes`(size: UInt64) throws {
        let fixture = try DeltaFixture()
        let whole = try fixture.pack([fixture.base], out: "whole", volumeSize: size).folder
        let blobs = "\(fixture.next.inputs)/mirror/blobs/sha256"
        let web = try sh(
            "cd \(blobs); ls | while read f; do test -e \(fixture.first.sample.inputs)/mirror/blobs/sha256/$f || echo $(stat -c '%s' $f) $f; done | sort -n | tail -1 | cut -d' ' -f2"
        ).output
        let name = web.split(separator: "\n").joined()
        try sh(
            "cp -p \(blobs)/\(name) \(blobs)/../kept; printf XX | dd of=\(blobs)/\(name) bs=1 seek=400000 conv=notrunc status=none"
        )
        #expect(throws: PackError.self) { try fixture.pack([fixture.base], volumeSize: size) }
        try sh("cp -p \(blobs)/../kept \(blobs)/\(name)")
        let resumed = try fixture.pack([fixture.base], volumeSize: size)
        #expect(resumed.wasResumed)
        #expect(try fixture.volumeSums(resumed.folder) == fixture.volumeSums(whole))
        try sh("cmp \(resumed.folder)/index \(whole)/index; cmp \(resumed.folder)/release.json \(whole)/release.json")
    }

    @Test func `a run that was stopped goes on with the same base alone`() throws {
        let fixture = try DeltaFixture()
        try sh("rm \(fixture.next.inputs)/tools/tool; mkfifo \(fixture.next.inputs)/tools/tool")
        #expect(throws: (any Error).self) { try fixture.pack([fixture.base]) }
        try sh(
            "cd \(fixture.next.inputs)/tools; rm tool; cp ../../../*/inputs/tools/tool . 2>/dev/null || printf tool > tool"
        )
        try sh(
            "printf x >> \(fixture.next.inputs)/mirror/blobs/sha256/$(ls -S \(fixture.next.inputs)/mirror/blobs/sha256 | sed -n 3p)"
        )
        let small = try fixture.smallFiles()
        #expect(throws: PackError.self) { try fixture.pack([fixture.base]) }
        #expect(throws: PackError.planChanged(["what it builds on is another or changed"])) {
            try fixture.pack([small])
        }
    }

    @Test func `a delta of a delta knows what both brought`() throws {
        let fixture = try DeltaFixture()
        let middle = try fixture.pack([fixture.base]).folder
        let third = try SampleRelease(seed: 2, after: 0)
        var options = fixture.options([middle])
        options.manifest = third.manifest
        let result = try Packing.pack(options, progress: Progress(), now: fixture.first.now)
        let delta = try #require(result.delta)
        #expect(delta.label == "1.0.1" && delta.bytesStored < 1_700_000, "\(delta.bytesStored)")
    }
}

/// How deltas stand in the publisher's metadata.
struct DeltaTrustTests {
    private func site(_ fixture: DeltaFixture) throws -> PinnedRoots {
        let trust = try TrustFolder.look(fixture.first.trust)
        let published = try #require(trust.published)
        return try PinnedRoots([
            PinnedRoots.Chain(
                roots: [#require(trust.root.files[1])], accepted: PinnedRoots.AcceptedMetadata(published))
        ])
    }

    private func check(_ bundle: FilePath, _ site: PinnedRoots, _ now: UTCTime) throws {
        _ = try MediaSet([bundle]).bundle().verified(by: site, now: now)
    }

    @Test func `full bundle and deltas of one version stand side by side, and go together`() throws {
        let fixture = try DeltaFixture()
        let now = fixture.first.now
        let delta = try fixture.pack([fixture.base]).folder
        let full = try fixture.pack([]).folder
        for bundle in [fixture.base, delta, full] { try check(bundle, site(fixture), now) }
        var trust = try TrustFolder(fixture.first.trust)
        _ = try trust.carryOut(trust.delisting(["1.0.1"], expires: nil, now: now), by: fixture.first.keys, now: now)
        _ = consume trust
        try check(fixture.base, site(fixture), now)
        for bundle in [delta, full] {
            let error = #expect(throws: BundleError.self) { try check(bundle, site(fixture), now) }
            #expect(error?.failure == .replaced)
        }
    }

    @Test func `a delta that is made again replaces the one of its label alone`() throws {
        let fixture = try DeltaFixture()
        let now = fixture.first.now
        let old = try fixture.pack([fixture.base], out: "a").folder
        let small = try fixture.smallFiles()
        let new = try fixture.pack([small], out: "b").folder
        try check(new, site(fixture), now)
        #expect(throws: BundleError.self) { try check(old, site(fixture), now) }
        let targets = try #require(try TrustFolder.look(fixture.first.trust).published).targets.content
        #expect(targets.supportedVersions == ["1.0.0", "1.0.1"])
        #expect(targets.deltas["1.0.1"]?.keys.sorted() == ["1.0.0"])
        #expect(targets.supported.keys.sorted() == ["1.0.0"])
    }

    @Test func `a delta can be signed by stages, and renewed`() throws {
        let fixture = try DeltaFixture()
        let now = fixture.first.now
        var options = fixture.options([fixture.base])
        options.signs = false
        let partial = try Packing.pack(options, progress: Progress(), now: now).folder
        var trust = try TrustFolder(fixture.first.trust)
        let stage = try SigningStage(
            writing: trust.release(of: partial, now: now), to: fixture.place.appending("stage"))
        #expect(StageSummary(stage).changes == ["lists release 1.0.1, delta 1.0.0"])
        #expect(!StageSummary(stage).isUnlisted)
        _ = consume trust
        let made = try Assembly(stage, trust: fixture.first.trust, keys: fixture.first.keys, now: now).run(
            bundle: partial)
        let bundle = try #require(made.bundle)
        #expect(bundle.lastComponent?.string == "palette-enterprise-1.0.1-delta-1.0.0")
        trust = try TrustFolder(fixture.first.trust)
        let later = now.adding(days: 10)
        try trust.renew(
            bundle, trust.renewal(of: bundle, expires: nil, now: later), by: fixture.first.keys, now: later)
        _ = consume trust
        try check(bundle, site(fixture), later)
        let targets = try #require(try TrustFolder.look(fixture.first.trust).published).targets.content
        #expect(targets.deltas["1.0.1"]?.keys.sorted() == ["1.0.0"] && targets.supported["1.0.1"] == nil)
    }
}

extension DeltaFixture {
    fileprivate func volumeSums(_ bundle: FilePath) throws -> String { try first.volumeSums(bundle) }
}
