// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Files
import Packing
import Support
import SystemPackage
import Testing
import Trust

/// Stages that are wrong, by accident or on purpose: each is refused with 14, and the trust folder stays as it is.
struct HostileStageTests {
    /// A stage of a delisting, which needs no bundle.
    private struct Scene {
        let fixture: PackFixture
        let stage: FilePath

        init(releaseKeys: Int = 2, threshold: Int = 2) throws {
            fixture = try PackFixture(releaseKeys: releaseKeys, releaseThreshold: threshold)
            try fixture.pack()
            stage = fixture.place.appending("stage")
            _ = try SigningStage(writing: delisting(), to: stage)
        }

        func delisting() throws -> Proposal {
            try TrustFolder(fixture.trust).delisting(["1.0.0"], expires: nil, now: fixture.now)
        }

        func assemble(_ keys: [PrivateKey]? = nil) throws -> AssemblyResult {
            let stage = try SigningStage(reading: stage)
            return try Assembly(stage, trust: fixture.trust, keys: keys ?? fixture.keys, now: fixture.now).run()
        }

        /// The exit code that the body ends with; 0 for none.
        func code(_ body: () throws -> Void) -> Int32 {
            do {
                try body()
                return 0
            } catch {
                return (error as? any ClassifiedError)?.failure.rawValue ?? 1
            }
        }
    }

    @Test(arguments: [
        "printf x >> targets.body", "printf x > targets.body", "truncate -s 0 targets.body", "rm snapshot.body",
        "truncate -s 6000000 targets.body", "rm targets.body; ln -s ../trust/1.targets.json targets.body",
        "rm timestamp.body; mkfifo timestamp.body", "sed -i 's/\"version\":2/\"version\":1/' targets.body",
        "sed -i 's/palette-enterprise/palette-enterprisf/' targets.body", "cp targets.body snapshot.body",
        "sed -i 's/{\"version\":2}/{\"version\":1}/' snapshot.body",
        "sed -i 's/expires\":\"2/expires\":\"3/' timestamp.body",
        "sed -i 's/,/, /' timestamp.body", "rm -r trust", "rm trust/1.root.json", "printf x >> trust/1.targets.json",
        "rm *.body", "sed 's/\"targets\"/\"root\"/' targets.body > root.body", "truncate -s 600000 trust/1.root.json",
        "printf '\\033' >> timestamp.body",
    ])
    func `a stage that is no stage is signed by nobody`(_ damage: String) throws {
        let scene = try Scene()
        let before = try sh("cd \(scene.fixture.trust); sha256sum *").output
        try sh("cd \(scene.stage); \(damage)")
        let code = scene.code {
            let stage = try SigningStage(reading: scene.stage)
            _ = try stage.add(scene.fixture.keys[0])
        }
        #expect(code == 14)
        #expect(scene.code { _ = try scene.assemble() } == 14)
        #expect(try sh("cd \(scene.stage); ls").output.contains("signatures") == false)
        #expect(try sh("cd \(scene.fixture.trust); sha256sum *").output == before)
    }

    @Test func `a key that has no role signs nothing`() throws {
        let scene = try Scene()
        let stage = try SigningStage(reading: scene.stage)
        let other = try PrivateKey.generate()
        #expect(throws: SigningError.keyNotAsked(TrustKey(other.publicKey).id)) { try stage.add(other) }
        #expect(scene.code { _ = try stage.add(scene.fixture.rootKeys[0]) } == 14)
    }

    @Test func `signatures of something else are refused, and name their file`() throws {
        let scene = try Scene()
        let stage = try SigningStage(reading: scene.stage)
        let added = try stage.add(scene.fixture.keys[0])
        let good = try added.file.contents(limit: 1 << 20)
        for damage in [
            "sed -i 's/\"keyid\":\"./\"keyid\":\"x/'", "sed -i 's/3/4/g'", "truncate -s 100000",
            "sed -i s,targets,root,",
            "sed -i s/signatures/signaturez/", "truncate -s 0",
        ] {
            try added.file.replaceContents(with: good)
            try sh("\(damage) \(added.file)")
            #expect(scene.code { _ = try scene.assemble([]) } != 0, "\(damage)")
            #expect(scene.code { _ = try scene.assemble([]) } != 3, "\(damage)")
        }
        // a file under the name of another key
        try added.file.replaceContents(with: good)
        let other = TrustKey(scene.fixture.keys[1].publicKey).id.hex
        try sh("cp \(added.file) \(scene.stage)/\(other).signatures.json")
        #expect(scene.code { _ = try scene.assemble([]) } == 14)
        // names that nobody asked for are never looked at
        try sh("cd \(scene.stage); mv \(other).signatures.json ..signatures.json; mkfifo x.signatures.json")
        #expect(scene.code { _ = try scene.assemble([]) } == 3)
        #expect(scene.code { _ = try scene.assemble([scene.fixture.keys[1]]) } == 0)
    }

    @Test func `a stage that another has overtaken is stale, and so is its twin`() throws {
        let scene = try Scene()
        let twin = scene.fixture.place.appending("twin")
        let renewal = try TrustFolder(scene.fixture.trust).renewal(expires: nil, now: scene.fixture.now)
        let other = try SigningStage(writing: renewal, to: twin)
        #expect(scene.code { _ = try scene.assemble() } == 0)
        let assembly = Assembly(other, trust: scene.fixture.trust, keys: scene.fixture.keys, now: scene.fixture.now)
        #expect(scene.code { _ = try assembly.run() } == 14)
        // the first one again: done already
        #expect(scene.code { _ = try scene.assemble([]) } == 0)
    }

    @Test func `a stage of another trust, or another product, isn't assembled here`() throws {
        let (scene, other) = (try Scene(), try PackFixture(releaseKeys: 2, releaseThreshold: 2))
        let stage = try SigningStage(reading: scene.stage)
        let assembly = Assembly(stage, trust: other.trust, keys: scene.fixture.keys, now: other.now)
        #expect(scene.code { _ = try assembly.run() } == 14)
    }

    @Test func `one stage isn't made over another`() throws {
        let scene = try Scene()
        #expect(throws: SigningError.stageExists(scene.stage)) {
            try SigningStage(writing: scene.delisting(), to: scene.stage)
        }
    }

    @Test func `a bundle that changed after it was staged isn't finished`() throws {
        let fixture = try PackFixture()
        var options = fixture.options()
        (options.keys, options.signs) = ({ [] }, false)
        let bundle = try pack(options, progress: Progress(), now: fixture.now).folder
        let proposal = try TrustFolder(fixture.trust).release(of: bundle, now: fixture.now)
        let stage = try SigningStage(writing: proposal, to: fixture.place.appending("stage"))
        let assembly = Assembly(stage, trust: fixture.trust, keys: fixture.keys, now: fixture.now)
        try sh("cp \(bundle)/rescue.py \(fixture.place.path)/; echo >> \(bundle)/rescue.py")
        #expect(throws: SigningError.bundleDiffers(bundle.appending("rescue.py"))) { try assembly.run(bundle: bundle) }
        try sh("cp \(fixture.place.path)/rescue.py \(bundle)/; truncate -s -1 \(bundle)/volumes/tool")
        #expect(throws: SigningError.bundleDiffers(bundle.appending("volumes/tool"))) {
            try assembly.run(bundle: bundle)
        }
        #expect(try TrustFolder.look(fixture.trust).published == nil)
    }
}
