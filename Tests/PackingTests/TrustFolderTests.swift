// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import Packing
import Support
import SystemPackage
import Testing
import Trust

/// The publisher's folder: rotation, delisting, forks, cuts and the lock.
struct TrustFolderTests {
    private func rotate(
        _ fixture: PackFixture, root: RootChange.Keys = RootChange.Keys(), release: RootChange.Keys = RootChange.Keys(),
        by keys: [PrivateKey]
    ) throws {
        var folder = try TrustFolder(fixture.trust)
        let change = RootChange(root: root, release: release, expires: .latest)
        _ = try folder.carryOut(folder.rotation(change, now: fixture.now), by: keys, now: fixture.now)
    }

    private func export(_ fixture: PackFixture, by keys: [PrivateKey], now: UTCTime? = nil) throws -> FilePath {
        let export = try TrustExport(
            try TrustFolder.look(fixture.trust), at: fixture.trust, now: now ?? fixture.now)
        return try export.write(below: fixture.place.appending("media"), keys: keys).folder
    }

    private func pack(_ fixture: PackFixture, by key: PrivateKey) throws -> FilePath {
        var options = fixture.options()
        options.keys = { [key] }
        return try Packing.pack(options, progress: Progress(), now: fixture.now).folder
    }

    private func id(_ key: PrivateKey) -> KeyID { TrustKey(key.publicKey).id }

    @Test(.enabled(if: ReferenceClient.isExpected, "python-tuf is missing"))
    func `a stolen release key is replaced: its later metadata counts nowhere`() throws {
        let fixture = try PackFixture(rootKeys: 3, rootThreshold: 2)
        let first = try fixture.pack().folder
        let client = ReferenceClient(pinned: fixture.trust.appending("1.root.json"))
        #expect(try client.verdict(first, "release.json") == "ok 1 1 1 1")
        try sh("cp -r \(fixture.trust) \(fixture.place.path)/stolen")
        let new = try PrivateKey.generate()
        let change = RootChange.Keys(added: [new.publicKey], removed: [id(fixture.keys[0])])
        // neither one root key, nor both without the new release key
        #expect(throws: SigningError.tooFewKeys(.root, root: 1, have: 1, needed: 2)) {
            try rotate(fixture, release: change, by: [fixture.rootKeys[0], new])
        }
        #expect(throws: SigningError.tooFewKeys(.targets, root: 2, have: 0, needed: 1)) {
            try rotate(fixture, release: change, by: fixture.rootKeys)
        }
        #expect(try TrustFolder.look(fixture.trust).root.root.header.version == 1)
        try rotate(fixture, release: change, by: fixture.rootKeys.prefix(2) + [new])
        let state = try TrustFolder.look(fixture.trust)
        #expect(state.root.root.header.version == 2 && state.isCurrent)
        #expect(state.published?.targets.content.header.version == 2)
        #expect(state.published?.targets.content.supported.keys.sorted() == ["1.0.0"])
        // the thief's far newer set
        let stolen = fixture.place.appending("stolen")
        var thief = try TrustFolder(stolen)
        for _ in 0..<3 {
            _ = try thief.carryOut(thief.renewal(expires: nil, now: fixture.now), by: fixture.keys, now: fixture.now)
        }
        try sh("mkdir \(fixture.place.path)/evil; cp -r \(stolen) \(fixture.place.path)/evil/trust")
        #expect(try client.verdict(fixture.place.appending("evil")) == "ok 1 4 4 4")
        // one small folder ends that: lower counters, new keys
        let media = try export(fixture, by: [new])
        #expect(media.lastComponent?.string == "palette-enterprise-trust-2-2")
        #expect(try client.verdict(media) == "ok 2 2 2 2")
        #expect(try client.verdict(fixture.place.appending("evil")) == "UnsignedMetadataError")
        // the old bundle is renewed by the new key
        var folder = try TrustFolder(fixture.trust)
        try folder.renew(first, folder.renewal(of: first, expires: nil, now: fixture.now), by: [new], now: fixture.now)
        #expect(try client.verdict(first, "release.json", "index") == "ok 2 3 3 3")
        let trust = try PinnedRoots(rootFiles: [fixture.trust.appending("1.root.json").contents(limit: 1 << 20)])
        #expect(try MediaSet([first]).bundle().verified(by: trust, now: fixture.now).findings.isEmpty)
        try sh("cd \(first) && sha256sum --quiet -c SHA256SUMS && diff -r trust copies/trust")
    }

    @Test(.enabled(if: ReferenceClient.isExpected, "python-tuf is missing"))
    func `root keys are replaced one after another; each next root is signed by the old and the new threshold`() throws
    {
        let fixture = try PackFixture(rootKeys: 2, rootThreshold: 2, releaseKeys: 2)
        let first = try pack(fixture, by: fixture.keys[0])
        let client = ReferenceClient(pinned: fixture.trust.appending("1.root.json"))
        let new = try PrivateKey.generate(.p256)
        let change = RootChange.Keys(added: [new.publicKey], removed: [id(fixture.rootKeys[0])])
        #expect(throws: SigningError.tooFewKeys(.root, root: 2, have: 1, needed: 2)) {
            try rotate(fixture, root: change, by: fixture.rootKeys)
        }
        try rotate(fixture, root: change, by: fixture.rootKeys + [new])
        // the release keys stay, and so does what they have signed
        #expect(try TrustFolder.look(fixture.trust).published?.targets.content.header.version == 1)
        try rotate(fixture, root: RootChange.Keys(threshold: 1), by: [fixture.rootKeys[1], new])
        try rotate(fixture, release: RootChange.Keys(threshold: 2), by: [new] + fixture.keys)
        #expect(try client.verdict(export(fixture, by: fixture.keys)) == "ok 4 2 2 2")
        #expect(try client.verdict(first) == "UnsignedMetadataError")
    }

    @Test func `a rotation is staged for those who hold old and new keys`() throws {
        let fixture = try PackFixture(rootKeys: 2, rootThreshold: 2)
        try fixture.pack()
        let new = try PrivateKey.generate()
        let change = RootChange(
            root: RootChange.Keys(added: [new.publicKey], removed: [id(fixture.rootKeys[0])]),
            release: RootChange.Keys(added: [new.publicKey], removed: [id(fixture.keys[0])]), expires: .latest)
        let proposal = try TrustFolder(fixture.trust).rotation(change, now: fixture.now)
        let stage = try SigningStage(writing: proposal, to: fixture.place.appending("stage"))
        #expect(StageSummary(stage).changes.filter { $0.contains(id(new).hex) }.count == 2)
        #expect(StageSummary(stage).changes.filter { $0.hasPrefix("removes") }.count == 2)
        #expect(try stage.add(fixture.rootKeys[0]).signed == ["root"])
        #expect(throws: SigningError.keyNotAsked(id(fixture.keys[0]))) { try stage.add(fixture.keys[0]) }
        let assembly = Assembly(stage, trust: fixture.trust, keys: [], now: fixture.now)
        #expect(throws: SigningError.self) { try assembly.run() }
        #expect(try stage.add(fixture.rootKeys[1]).signed == ["root"])
        #expect(try stage.add(new).signed == ["root", "targets", "snapshot", "timestamp"])
        // cut off after the root: the folder opens, says what is missing, and the same command goes on
        let other = fixture.place.appending("other")
        try sh("cp -r \(fixture.trust) \(other)")
        #expect(try assembly.run().root.root.header.version == 2)
        try sh("cp \(fixture.trust)/2.root.json \(other)/")
        let cut = try TrustFolder.look(other)
        #expect(cut.root.root.header.version == 2 && !cut.isCurrent)
        #expect(TrustFolderStatus(cut, compared: [], now: fixture.now).needs == [.keysChanged])
        let again = try Assembly(stage, trust: other, keys: [], now: fixture.now).run()
        #expect(again.set?.targets.content.header.version == 2)
        #expect(try TrustFolder.look(other).isCurrent)
        try sh("cmp \(fixture.trust)/2.root.json \(other)/2.root.json")
    }

    @Test func `the first root is signed apart, too`() throws {
        let keys = try (0..<3).map { _ in try PrivateKey.generate() }
        let place = TemporaryFolder()
        let now = PackFixture.now
        let root = try Root(
            firstFor: "p", rootKeys: keys.map(\.publicKey), rootThreshold: 2, releaseKeys: [keys[0].publicKey],
            issued: now,
            expires: .latest)
        #expect(throws: SigningError.tooFewKeys(.root, root: 1, have: 1, needed: 2)) {
            try Proposal(first: root).signed(by: [keys[0]], now: now)
        }
        let stage = try SigningStage(writing: Proposal(first: root), to: place.appending("stage"))
        let trust = place.appending("trust")
        _ = try stage.add(keys[2])
        #expect(throws: SigningError.self) { try Assembly(stage, trust: trust, keys: [], now: now).run() }
        #expect(try !trust.exists())
        #expect(try Assembly(stage, trust: trust, keys: [keys[0]], now: now).run().root.signers.count == 2)
        #expect(try Assembly(stage, trust: trust, keys: [], now: now).run().root.root.product == "p")
        let other = try PackFixture()
        let elsewhere = Assembly(stage, trust: other.trust, keys: keys, now: now)
        #expect(throws: PackError.rootExists(other.trust)) { try elsewhere.run() }
    }

    @Test func `a withdrawn release is refused with 12 by sites that know`() throws {
        let fixture = try PackFixture()
        let first = try fixture.pack().folder
        try fixture.sample.edit("version: 1.0.0", "version: 1.0.1")
        try fixture.pack()
        var folder = try TrustFolder(fixture.trust)
        #expect(throws: SigningError.unlisted("1.0.7")) {
            try folder.delisting(["1.0.0", "1.0.7"], expires: nil, now: fixture.now)
        }
        let set = try #require(
            try folder.carryOut(
                folder.delisting(["1.0.0"], expires: nil, now: fixture.now), by: fixture.keys, now: fixture.now))
        #expect(set.targets.content.files.keys.sorted() == ["releases/1.0.1/release.json"])
        let site = try PinnedRoots([
            PinnedRoots.Chain(
                roots: [#require(set.root.files[1])], accepted: PinnedRoots.AcceptedMetadata(set))
        ])
        #expect(throws: BundleError.delisted(version: "1.0.0", accepted: 3)) {
            try MediaSet([first]).bundle().verified(by: site, now: fixture.now)
        }
        #expect(throws: SigningError.unlisted("1.0.0")) {
            try folder.renewal(of: first, expires: nil, now: fixture.now)
        }
    }

    @Test func `no version is used twice, published or not`() throws {
        let fixture = try PackFixture()
        try fixture.pack()
        try sh(
            "cd \(fixture.trust); cp 1.targets.json 7.targets.json; touch 3.snapshot.json 007.snapshot.json x.targets.json"
        )
        var folder = try TrustFolder(fixture.trust)
        let set = try folder.carryOut(
            folder.renewal(expires: nil, now: fixture.now), by: fixture.keys, now: fixture.now)
        #expect(set?.files.map(\.name) == ["1.root.json", "timestamp.json", "4.snapshot.json", "8.targets.json"])
        #expect(set?.timestamp.content.header.version == 2)
    }

    @Test func `two copies of the folder that went on apart are a fork`() throws {
        let fixture = try PackFixture()
        try fixture.pack()
        try sh("cp -r \(fixture.trust) \(fixture.place.path)/copy")
        try fixture.sample.edit("version: 1.0.0", "version: 1.0.1")
        let ours = try fixture.pack(out: "ours").folder
        try fixture.sample.edit("version: 1.0.1", "version: 1.0.2")
        var options = fixture.options(out: "theirs")
        options.trust = fixture.place.appending("copy")
        let theirs = try Packing.pack(options, progress: Progress(), now: fixture.now).folder
        let fork = SigningError.fork(file: "2.targets.json", fixture.trust, theirs.appending("trust"))
        let state = try TrustFolder.look(fixture.trust)
        #expect(throws: fork) { try state.checkForks(in: fixture.trust, against: [theirs]) }
        #expect(try state.checkForks(in: fixture.trust, against: [ours, fixture.place.appending("out")]).count == 2)
        // publishing beside it is refused, before anything is packed
        try fixture.sample.edit("version: 1.0.2", "version: 1.0.3")
        #expect(throws: fork) { try fixture.pack(out: "theirs") }
        // a damaged file is no fork; another product's bundle is none of ours
        try sh("sed -i 's/sha256/sha255/' \(theirs)/trust/2.targets.json")
        #expect(try state.checkForks(in: fixture.trust, against: [theirs]) == [theirs])
        let stranger = try PackFixture(seed: 3)
        #expect(try state.checkForks(in: fixture.trust, against: [stranger.pack().folder]).isEmpty)
        // one file of the other copy in this folder
        try sh("cp \(fixture.place.path)/copy/2.targets.json \(fixture.trust)/")
        #expect(throws: SigningError.self) { try TrustFolder.look(fixture.trust) }
    }

    @Test func `an old copy of the folder publishes nothing beside newer bundles`() throws {
        let fixture = try PackFixture()
        try fixture.pack()
        try sh("cp -r \(fixture.trust) \(fixture.place.path)/backup")
        try fixture.sample.edit("version: 1.0.0", "version: 1.0.1")
        let newer = try fixture.pack().folder
        try sh("rm -r \(fixture.trust); mv \(fixture.place.path)/backup \(fixture.trust)")
        try fixture.sample.edit("version: 1.0.1", "version: 1.0.2")
        #expect(throws: SigningError.folderBehind(fixture.trust, lacks: "2.targets.json", newer)) { try fixture.pack() }
        // as the message says
        try sh("cp \(newer)/trust/* \(fixture.trust)/")
        #expect(try TrustFolder.look(fixture.trust).published?.targets.content.header.version == 2)
        #expect(try fixture.pack().fingerprint.count == 64)
    }

    @Test func `cut off between any two writes, the folder opens and goes on`() throws {
        let fixture = try PackFixture()
        try fixture.pack()
        let (place, new) = (fixture.place.path.string, try PrivateKey.generate())
        try sh("cp -r \(fixture.trust) \(place)/before")
        let change = RootChange.Keys(added: [new.publicKey], removed: [id(fixture.keys[0])])
        try rotate(fixture, release: change, by: fixture.rootKeys + [new])
        try sh("cp -r \(fixture.trust) \(place)/after")
        let writes = ["2.root.json", "2.targets.json", "2.snapshot.json", "timestamp.json"]
        for count in 0...writes.count {
            try sh("rm -r \(fixture.trust); cp -r \(place)/before \(fixture.trust)")
            for name in writes.prefix(count) { try sh("cp \(place)/after/\(name) \(fixture.trust)/") }
            if count < writes.count { try sh("echo half > \(fixture.trust)/.\(writes[count]).new") }
            let state = try TrustFolder.look(fixture.trust)
            #expect(state.isCurrent == (count == 0 || count == 4))
            var folder = try TrustFolder(fixture.trust)
            let key = count == 0 ? fixture.keys[0] : new
            let set = try folder.carryOut(
                folder.renewal(expires: nil, now: fixture.now), by: [key], now: fixture.now)
            #expect(set?.targets.content.header.version == (count < 2 ? 2 : 3))
            #expect(set?.targets.content.supported.keys.sorted() == ["1.0.0"])
            #expect(folder.state.isCurrent)
        }
    }

    @Test func `one at a time may change it, and anybody may look`() throws {
        let fixture = try PackFixture()
        let folder = try TrustFolder(fixture.trust)
        #expect(throws: PackError.alreadyRunning(fixture.trust)) { _ = try TrustFolder(fixture.trust) }
        #expect(try TrustFolder.look(fixture.trust).root.root.product == folder.root.root.product)
    }

    @Test func `a change that makes no usable root is refused`() throws {
        let fixture = try PackFixture(releaseKeys: 2)
        let folder = try TrustFolder(fixture.trust)
        func error(_ release: RootChange.Keys) -> SigningError? {
            do {
                _ = try folder.rotation(RootChange(release: release, expires: .latest), now: fixture.now)
                return nil
            } catch { return error as? SigningError }
        }
        let ids = Set(fixture.keys.map { id($0) })
        #expect(error(RootChange.Keys(added: [fixture.keys[1].publicKey])) == .keyListed(id(fixture.keys[1])))
        #expect(error(RootChange.Keys(removed: ids)) == .thresholdTooHigh(1, keys: 0, of: "release"))
        #expect(error(RootChange.Keys(threshold: 3)) == .thresholdTooHigh(3, keys: 2, of: "release"))
        #expect(error(RootChange.Keys(threshold: 0)) == .thresholdTooHigh(0, keys: 2, of: "release"))
    }

    @Test func `a trust-only bundle is small, checked by a shell alone, and the same when made again`() throws {
        let fixture = try PackFixture(rootKeys: 3, rootThreshold: 2, releaseKeys: 3)
        _ = try pack(fixture, by: fixture.keys[0])
        try rotate(
            fixture, release: RootChange.Keys(removed: [id(fixture.keys[0])]), by: fixture.rootKeys + fixture.keys)
        let media = try export(fixture, by: [fixture.keys[1]])
        #expect(try media.totalSize() < 64 << 10)
        #expect(try media.entries() == ["README-VERIFY.txt", "SHA256SUMS", "SHA256SUMS.sig", "trust"])
        #expect(
            try media.appending("trust").entries() == [
                "1.root.json", "2.root.json", "2.snapshot.json", "2.targets.json", "timestamp.json",
            ])
        let recipe = String(decoding: try media.appending("README-VERIFY.txt").contents(limit: 1 << 20), as: UTF8.self)
        let steps = recipe.split(separator: "HOW TO CHECK IT").last.map(String.init) ?? ""
        let script = steps.split(separator: "\n").filter { $0.hasPrefix("     ") }.joined(separator: "\n")
        try write(Array(script.utf8), to: fixture.place.appending("steps.sh"))
        let log = try run(["bash", "-c", "cd \(media) && bash \(fixture.place.path)/steps.sh"]).output
        #expect(log.contains("newest root: trust/2.root.json"))
        #expect(log.components("Verified OK") >= 2, "\(log)")
        #expect(log.components(": OK") == 6 && !log.contains("FAILED"), "\(log)")
        #expect(try export(fixture, by: [fixture.keys[2]]) == media)
        let removed = UncountedKey(place: 0, id: id(fixture.keys[0]), reason: .unlisted(.targets, root: 2))
        #expect(throws: SigningError.noReleaseKey(root: 2, [removed])) {
            try export(fixture, by: [fixture.keys[0]])
        }
        #expect(throws: PackError.self) { try export(fixture, by: fixture.keys, now: .latest) }
        try sh("echo >> \(media)/SHA256SUMS")
        #expect(throws: SigningError.exportExists(media)) { try export(fixture, by: [fixture.keys[1]]) }
    }

    @Test func `a list that is too long for a trust-only bundle is refused with the number of bytes`() throws {
        let fixture = try PackFixture()
        try sh(
            "mkdir \(fixture.place.path)/kit; cd \(fixture.place.path)/kit; for n in {1..250}; do echo $n > program-$n; done"
        )
        var options = fixture.options()
        options.kit = fixture.place.appending("kit")
        _ = try Packing.pack(options, progress: Progress(), now: fixture.now)
        #expect {
            try export(fixture, by: fixture.keys)
        } throws: { error in
            if case .tooLarge(let bytes, 65_535) = error as? SigningError { bytes > 65_535 } else { false }
        }
        // as the message says
        var folder = try TrustFolder(fixture.trust)
        _ = try folder.carryOut(folder.renewal(expires: nil, now: fixture.now), by: fixture.keys, now: fixture.now)
        #expect(try export(fixture, by: fixture.keys).totalSize() < 16 << 10)
    }
}

extension String {
    /// How often a text occurs.
    fileprivate func components(_ text: String) -> Int {
        split(separator: text, omittingEmptySubsequences: false).count - 1
    }
}
