// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing
import Trust

@testable import Importing

/// What a site never goes back behind (docs/trust.md, "Floors"), case by case of the list of hostile cases.
struct TrustFloorTests {
    typealias Versions = MadePublisher.Versions

    @Test(arguments: [
        (Versions(timestamp: 2, snapshot: 4, targets: 4), "timestamp.json has version 2"),
        (Versions(timestamp: 4, snapshot: 2, targets: 4), "2.snapshot.json has version 2"),
        (Versions(timestamp: 4, snapshot: 4, targets: 2), "2.targets.json has version 2"),
        (Versions(timestamp: 4, snapshot: 3, targets: 2), "2.targets.json has version 2"),
    ]) func `15: each role that is rolled back alone is refused`(_ versions: Versions, _ says: String) throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let bundle = try publisher.release("1.0.0", versions: Versions(3))
        try scene.load(bundle)
        let before = try scene.snapshot()
        try publisher.sign(bundle, "1.0.0", versions: versions)
        let refused = try #require(refusal { try scene.verified(bundle) })
        #expect(refused.code == .replaced && refused.text.contains(says), "\(refused.text)")
        #expect(refusal { try scene.load(bundle) }?.code == .replaced)
        #expect(try scene.snapshot() == before)
    }

    @Test func `15: a version that was accepted can't come again with other content`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let bundle = try publisher.release("1.0.0")
        try scene.load(bundle)
        publisher.supported["0.9.0"] = publisher.supported["1.0.0"]
        try publisher.sign(bundle, "1.0.0", versions: Versions(1))
        #expect(refusal { try scene.verified(bundle) }?.code == .replaced)
    }

    @Test
    func `16: versions that a stolen key has raised for ever are left behind by new keys, whatever recorded them`()
        throws
    {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let server = try ZotServer()
        let target = try server.target()
        let stolen = try publisher.release("1.0.0", versions: Versions(JSONValue.largestInteger))
        try scene.load(stolen, to: target)
        #expect(try scene.accepted(publisher) == JSONValue.largestInteger)
        let next = try publisher.release("1.0.1", versions: Versions(2))
        #expect(refusal { try scene.load(next, to: target) }?.code == .replaced)
        try publisher.rotate()
        try publisher.sign(next, "1.0.1", versions: Versions(1))
        try scene.load(next, to: target)
        #expect(try scene.accepted(publisher) == 1)
        // and the new count is a floor of its own, in the state and in the target
        let third = try publisher.release("1.0.2", versions: Versions(2))
        try scene.load(third, to: target)
        #expect(try scene.accepted(publisher) == 2)
        publisher.supported["1.0.1"] = nil
        let fourth = try publisher.release("1.0.3", versions: Versions(3))
        try scene.load(fourth, to: target)
        try scene.forget("accepted")
        #expect(refusal { try scene.load(next, to: target) }?.code == .replaced)
        // media of the stolen keys are worth nothing
        #expect(refusal { try scene.verified(stolen) }?.code == .notTrusted)
    }

    @Test func `30: a fix overtakes the monthly set, a vault copy comes back until its release is delisted`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let first = try publisher.release("1.0.0")
        let vault = try publisher.release("1.0.1")
        let fix = try publisher.release("1.0.2-fix")
        try scene.load(first)
        try scene.load(fix)
        #expect(try scene.accepted(publisher) == 3)
        try scene.load(vault)
        try scene.load(first)
        #expect(try scene.accepted(publisher) == 3)
        publisher.supported["1.0.1"] = nil
        let later = try publisher.release("1.0.3")
        try scene.load(later)
        let refused = try #require(refusal { try scene.load(vault) })
        #expect(refused.code == .replaced && refused.text.contains("1.0.1"))
        try scene.load(first)
    }

    @Test func `79: of two importers the second is refused, and a trust update too`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let bundle = try publisher.release("1.0.0")
        let lock = try scene.state.lock()
        let refused = try #require(refusal { try scene.load(bundle) })
        #expect(refused.code == .failed && refused.text.contains("another load is running"))
        #expect(refusal { try scene.update(bundle) }?.code == .failed)
        withExtendedLifetime(lock) {}
        _ = consume lock
        try scene.load(bundle)
    }

    @Test func `80: an older copy of the state goes no further back than the registry, and learns from it`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let server = try ZotServer()
        let target = try server.target()
        let old = try publisher.release("1.0.0")
        try scene.load(old, to: target)
        try scene.copyState(to: "backup")
        publisher.supported["1.0.0"] = nil
        let new = try publisher.release("1.0.1")
        try scene.load(new, to: target)
        try scene.restoreState(from: "backup")
        #expect(try scene.accepted(publisher) == 1)
        try scene.verified(old)
        #expect(refusal { try scene.plan(old, to: target) }?.code == .replaced)
        #expect(try scene.accepted(publisher) == 1)
        let refused = try #require(refusal { try scene.load(old, to: target) })
        #expect(refused.code == .replaced, "\(refused.text)")
        #expect(try scene.accepted(publisher) == 2)
        #expect(refusal { try scene.verified(old) }?.code == .replaced)
        try scene.load(new, to: target)
    }

    @Test func `80: newer roots come back from the registry as well`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let server = try ZotServer()
        let target = try server.target()
        let old = try publisher.release("1.0.0")
        try scene.load(old, to: target)
        try scene.copyState(to: "backup")
        try publisher.rotate()
        let new = try publisher.release("1.0.1")
        try scene.load(new, to: target)
        try scene.restoreState(from: "backup")
        #expect(refusal { try scene.load(old, to: target) }?.code == .notTrusted)
        #expect(try scene.state.roots()[Digest(of: publisher.pinned)]?.count == 2)
    }

    @Test func `a lost record of what was accepted is held by receipts, and a newer medium mends it`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let old = try publisher.release("1.0.0")
        let new = try publisher.release("1.0.1")
        try scene.load(old)
        try scene.load(new)
        try scene.forget("accepted")
        let refused = try #require(refusal { try scene.verified(old) })
        #expect(refused.code == .replaced)
        #expect(refused.text.contains("the receipt 2026") && refused.text.contains("trust update"), "\(refused.text)")
        try scene.update(new)
        #expect(try scene.accepted(publisher) == 2)
        try scene.verified(old)
    }

    @Test func `a newer release that was refused before its first byte holds nobody back`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let old = try publisher.release("1.0.0", image: "library/same:1")
        let new = try publisher.release("1.0.1", image: "library/same:1")
        try scene.load(old)
        let refused = try #require(refusal { try scene.load(new) })
        #expect(refused.code == .refused && refused.text.contains("tags exist with other content"))
        #expect(try scene.accepted(publisher) == 1)
        try scene.load(old)
    }

    @Test func `receipts hold the roots too: an older copy without them takes no medium of the older keys`() throws {
        var publisher = try MadePublisher(keys: 3, threshold: 2)
        let scene = try TrustScene(publisher)
        let old = try publisher.release("1.0.0")
        try scene.load(old)
        try publisher.rotate()
        let new = try publisher.release("1.0.1")
        try scene.load(new)
        let fingerprint = Digest(of: publisher.pinned).hex
        try scene.forget("accepted")
        try scene.forget("roots/\(fingerprint)/2.root.json")
        let refused = try #require(refusal { try scene.verified(old) })
        #expect(refused.code == .replaced && refused.text.contains("1.root.json"), "\(refused.text)")
        try scene.load(new)
    }

    @Test func `what a registry keeps counts only as far as its signatures go`() throws {
        var (publisher, stranger) = (try MadePublisher(), try MadePublisher())
        let scene = try TrustScene(publisher)
        let server = try ZotServer()
        let target = try server.target()
        let bundle = try publisher.release("1.0.0")
        let forged = try scene.verified(bundle).metadata
        let other = try TrustScene(stranger).verified(stranger.release("9.9.9", versions: Versions(99))).metadata
        // the right root with files that its keys never signed, and a root that nobody here trusts
        for roots in [[publisher.pinned], [stranger.pinned]] {
            var artifact = SiteArtifact()
            artifact.accepted = [SiteArtifact.Accepted(roots: roots, metadata: PinnedRoots.AcceptedMetadata(other))]
            try artifact.write([1], name: "20261118T000000Z-x", to: target)
            let receipt = try scene.load(bundle, to: target)
            #expect(try scene.accepted(publisher) == 1)
            #expect(receipt.findings.contains { $0.contains("does not count") } == (roots == [publisher.pinned]))
        }
        #expect(forged.targets.content.header.version == 1)
    }

    @Test func `a stop between the writes of the state leaves one of two whole states`() throws {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        let first = try publisher.release("1.0.0")
        try scene.load(first)
        try publisher.rotate()
        let second = try publisher.release("1.0.1")
        // the roots were kept and the metadata was not
        try scene.state.keepRoots(of: try scene.verified(second).metadata)
        #expect(try scene.state.pinnedRoots().products == [publisher.product])
        #expect(refusal { try scene.verified(first) }?.code == .notTrusted)
        try scene.load(second)
        #expect(try scene.accepted(publisher) == 2)
        // a write that was cut leaves its staged file, which nothing reads
        let fingerprint = Digest(of: publisher.pinned).hex
        for file in ["accepted/.\(fingerprint).json.new", "roots/\(fingerprint)/.3.root.json.new"] {
            try write(Array("{\"half".utf8), to: scene.state.path.appending(file))
        }
        try scene.verified(second)
        #expect(try scene.accepted(publisher) == 2)
        let third = try publisher.release("1.0.2")
        try scene.load(third)
        #expect(try scene.accepted(publisher) == 3)
    }
}
