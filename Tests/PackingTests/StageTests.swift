// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import Packing
import Support
import SystemPackage
import Testing
import Trust

/// A release that two of three holders sign on machines of their own.
struct StageTests {
    private func staged(_ fixture: PackFixture, _ name: String = "stage") throws -> (
        stage: SigningStage, bundle: FilePath
    ) {
        var options = fixture.options()
        (options.keys, options.signs) = ({ [] }, false)
        let result = try pack(options, progress: Progress(), now: fixture.now)
        #expect(result.isUnsigned)
        let folder = try TrustFolder(fixture.trust)
        let proposal = try folder.release(of: result.folder, now: fixture.now)
        return (try SigningStage(writing: proposal, to: fixture.place.appending(name)), result.folder)
    }

    private func fixture() throws -> PackFixture { try PackFixture(releaseKeys: 3, releaseThreshold: 2) }

    /// What a holder does: takes the stage away, looks at it, signs it, and sends one file back.
    private func sign(_ stage: SigningStage, _ key: PrivateKey) throws -> AddedSignatures {
        let away = TemporaryFolder()
        try sh("cp -r \(stage.folder)/. \(away.path)/")
        let there = try SigningStage(reading: away.path)
        let added = try there.add(key)
        try sh("cp \(added.file) \(stage.folder)/")
        return added
    }

    private func assemble(_ fixture: PackFixture, _ stage: SigningStage, _ bundle: FilePath?, _ keys: [PrivateKey] = [])
        throws
        -> AssemblyResult
    {
        try Assembly(SigningStage(reading: stage.folder), trust: fixture.trust, keys: keys, now: fixture.now).run(
            bundle: bundle)
    }

    private func missing(_ body: () throws -> AssemblyResult) throws -> String {
        do {
            _ = try body()
            return ""
        } catch SigningError.incomplete(let lines) {
            return lines.joined(separator: "\n")
        }
    }

    @Test(.enabled(if: ReferenceClient.isExpected, "python-tuf is missing"))
    func `two of three holders sign apart, and everybody accepts the bundle`() throws {
        let fixture = try fixture()
        let (stage, bundle) = try staged(fixture)
        let before = try sh("cd \(fixture.trust); sha256sum *").output
        let ids = fixture.keys.map { TrustKey($0.publicKey).id.hex }
        #expect(try sign(stage, fixture.keys[2]).signed == ["targets", "snapshot", "timestamp"])
        let one = try missing { try assemble(fixture, stage, bundle) }
        #expect(one.contains("1 of 2") && one.contains(ids[0]) && one.contains(ids[1]) && !one.contains(ids[2]))
        #expect(try sh("cd \(fixture.trust); sha256sum *").output == before)
        _ = try sign(stage, fixture.keys[0])
        #expect(try missing { try assemble(fixture, stage, bundle) }.contains("SHA256SUMS"))
        #expect(try sign(stage, fixture.keys[0]).signed == ["SHA256SUMS"])
        let result = try assemble(fixture, stage, bundle)
        let folder = try #require(result.bundle)
        #expect(try fixture.place.appending("out").entries() == ["palette-enterprise-1.0.0"])
        let root = fixture.trust.appending("1.root.json")
        let trust = try PinnedRoots(rootFiles: [root.contents(limit: 1 << 20)])
        let verified = try MediaSet([folder]).bundle().verified(by: trust, now: fixture.now)
        #expect(verified.metadata.targets.signers.count == 2 && verified.findings.isEmpty)
        try sh("cd \(folder) && sha256sum --quiet -c SHA256SUMS && diff -r trust copies/trust")
        #expect(try ReferenceClient(pinned: root).verdict(folder, "release.json", "index") == "ok 1 1 1 1")
        // the same commands again find everything done
        #expect(try assemble(fixture, stage, bundle).bundle == folder)
        #expect(try fixture.pack().wasComplete)
        // and the next release follows, signed here by two keys at once
        try fixture.sample.edit("version: 1.0.0", "version: 1.0.1")
        let next = try fixture.pack().folder
        #expect(try ReferenceClient(pinned: root).verdict(next, "release.json") == "ok 1 2 2 2")
    }

    @Test func `an assembler with a release key needs no second round`() throws {
        let fixture = try fixture()
        let (stage, bundle) = try staged(fixture)
        _ = try sign(stage, fixture.keys[1])
        let folder = try #require(try assemble(fixture, stage, bundle, [fixture.keys[0]]).bundle)
        try sh("cd \(folder) && sha256sum --quiet -c SHA256SUMS")
    }

    @Test func `one key of two is too few for pack, before anything is read`() throws {
        let fixture = try fixture()
        var options = fixture.options()
        options.keys = { [fixture] in [fixture.keys[0], fixture.keys[0]] }
        let twice = UncountedKey(place: 1, id: TrustKey(fixture.keys[0].publicKey).id, reason: .givenTwice)
        let error = SigningError.tooFewKeys(.targets, root: 1, have: 1, needed: 2, uncounted: [twice])
        #expect(throws: error) { try pack(options, progress: Progress(), now: fixture.now) }
        #expect(try !fixture.place.appending("out/.palette-enterprise-1.0.0.partial").exists())
    }

    @Test func `cut off between any two writes, assemble goes on to the same set`() throws {
        let fixture = try fixture()
        let (stage, bundle) = try staged(fixture)
        for key in fixture.keys.prefix(2) { _ = try sign(stage, key) }
        let place = fixture.place.path.string
        try sh("cd \(place); cp -r trust before; cp -r out packed")
        let folder = try #require(try assemble(fixture, stage, bundle, [fixture.keys[0]]).bundle)
        try sh("cd \(place); cp -r trust after; cp -r \(folder) finished")
        let writes = ["1.targets.json", "1.snapshot.json", "timestamp.json"]
        for count in 0...writes.count {
            try sh("cd \(place); rm -rf trust out; cp -r before trust; cp -r packed out; rm -rf stage/signed")
            for name in writes.prefix(count) { try sh("cp \(place)/after/\(name) \(place)/trust/") }
            try sh("echo half > \(place)/trust/.\(writes[min(count, 2)]).new")
            let folder = try TrustFolder.look(fixture.trust)
            #expect((folder.published == nil) == (count < 3))
            _ = try assemble(fixture, stage, bundle, [fixture.keys[0]])
            // a third signature may have come; what was published already is never replaced
            if count == 3 { try sh("cd \(place); cmp after/timestamp.json trust/timestamp.json") }
            try sh(
                "cd \(place)/out/palette-enterprise-1.0.0 && sha256sum --quiet -c SHA256SUMS && cmp index \(place)/finished/index"
            )
        }
        // in the bundle: sums of the set, not its signature
        try sh("cd \(place); rm -rf out; cp -r packed out; cp -r finished/trust finished/SHA256SUMS out/.*.partial/")
        _ = try assemble(fixture, stage, bundle, [fixture.keys[1]])
        try sh(
            "cd \(place)/out/palette-enterprise-1.0.0 && sha256sum --quiet -c SHA256SUMS && test -e copies/SHA256SUMS.sig"
        )
    }

    @Test func `the summary is made of the bodies, not of the request`() throws {
        let fixture = try fixture()
        let (stage, _) = try staged(fixture)
        let request = String(
            decoding: try stage.folder.appending("request.json").contents(limit: 1 << 20), as: UTF8.self)
        let summary = StageSummary(stage)
        #expect(request.contains(summary.bodies[0].sha384))
        try sh("echo '{\"release\":\"9\"}' > \(stage.folder)/request.json")
        let again = StageSummary(try SigningStage(reading: stage.folder))
        #expect(again.release == "1.0.0" && again.changes == ["lists release 1.0.0"])
        for body in again.bodies {
            let line = try sh("sha384sum \(stage.folder)/\(body.role).body").output
            #expect(line.hasPrefix(body.sha384))
        }
        #expect(again.files.keys.contains("index") && again.demands.map(\.threshold) == [2, 2, 2])
    }
}
