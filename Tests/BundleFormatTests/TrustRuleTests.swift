// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import OCI
import Support
import SystemPackage
import Testing
import Trust

@Suite struct TrustRuleTests {
    private func site(_ publisher: Publisher, _ accepted: TrustedMetadata) throws -> PinnedRoots {
        let roots = accepted.root.files.sorted { $0.key < $1.key }.map(\.value)
        return try PinnedRoots([PinnedRoots.Chain(roots: roots, accepted: PinnedRoots.AcceptedMetadata(accepted))])
    }

    @Test func `trusts nothing under a root that is not pinned`() throws {
        let scene = try Scene()
        let other = try Publisher()
        #expect(
            scene.refusal(by: try other.pinned) as? BundleError
                == .unknownRoot(
                    scene.path("trust/1.root.json"), claims: Publisher.product, trusted: [Publisher.product]))
        #expect(scene.code(by: try PinnedRoots([])) == .notTrusted)
    }

    @Test func `finds the pinned root of a medium among several products'`() throws {
        let scene = try Scene()
        let others = try (0..<2).map { try Publisher(product: "p\($0)").root.files[1] ?? [] }
        let roots = try PinnedRoots(rootFiles: others + [scene.publisher.root.files[1] ?? []])
        #expect(scene.code(by: roots) == nil)
    }

    @Test func `accepts an older medium as long as the newest targets list its release`() throws {
        let scene = try Scene()
        let place = scene.place
        let newer = try scene.publisher.write(
            .tiny(version: "1.2.4"), to: place.appending("newer"), after: scene.metadata)
        #expect(scene.code(by: try site(scene.publisher, newer)) == nil)
        let delisting = try scene.publisher.write(
            .tiny(version: "1.2.4"), to: place.appending("delisting"), after: scene.metadata, delisting: ["1.2.3"])
        #expect(
            scene.refusal(by: try site(scene.publisher, delisting)) as? BundleError
                == .delisted(version: "1.2.3", accepted: 2))
        var changed = try Draft.tiny()
        changed.archive("more.tar.zst")
        try changed.whole(noise(9))
        let replacing = try scene.publisher.write(changed, to: place.appending("replacing"), after: scene.metadata)
        #expect(scene.code(by: try site(scene.publisher, replacing)) == .replaced)
        #expect(scene.code([place.appending("replacing")], by: try site(scene.publisher, newer)) == .replaced)
    }

    @Test func `accepts what it accepted before, and newer media`() throws {
        let scene = try Scene()
        let newer = scene.place.appending("newer")
        try scene.publisher.write(.tiny(version: "1.2.4"), to: newer, after: scene.metadata)
        let site = try site(scene.publisher, scene.metadata)
        #expect(scene.code(by: site) == nil)
        #expect(try scene.verified([newer], by: site).release.version == "1.2.4")
    }

    @Test func `refuses a medium whose own targets don't list its release any more`() throws {
        let scene = try Scene()
        let folder = scene.place.appending("delisted")
        try scene.publisher.write(.tiny(), to: folder, delisting: ["1.2.3"])
        #expect(scene.code([folder]) == .replaced)
    }

    @Test func `follows the roots on the medium and refuses one that the old root did not sign`() throws {
        let scene = try Scene()
        let publisher = scene.publisher
        let first = publisher.root.root
        let header = MetadataHeader(version: 2, issued: Publisher.now, expires: Publisher.now.adding(days: 900))
        let roles = Dictionary(uniqueKeysWithValues: Role.allCases.map { ($0, first[$0]) })
        let next = try Root(header: header, product: Publisher.product, roles: roles)
        var root = publisher.root
        try root.extend(with: next.signed(by: [publisher.rootKey]))
        let folder = scene.place.appending("rotated")
        try publisher.write(.tiny(), to: folder, under: root)
        #expect(try scene.verified([folder]).metadata.root.root.header.version == 2)
        // a site that knows root 2 takes the older medium, too
        let knowing = try PinnedRoots([PinnedRoots.Chain(roots: [1, 2].map { root.files[$0] ?? [] })])
        #expect(scene.code(by: knowing) == nil)
        try put(next.signed(by: [.generate(.p256)]), folder.appending("trust/2.root.json"))
        #expect(scene.code([folder]) == nil)  // the copy is good
        try put(next.signed(by: [.generate(.p256)]), folder.appending("copies/trust/2.root.json"))
        #expect(scene.code([folder]) == .notTrusted)
    }

    @Test func `shows the first root of a medium that nobody trusts yet`() throws {
        let scene = try Scene()
        #expect(try MediaSet([scene.bundle]).bundle().firstRoot() == scene.publisher.root.files[1])
        try scene.path("trust/1.root.json").removeFile()
        #expect(try MediaSet([scene.bundle]).bundle().firstRoot() == scene.publisher.root.files[1])
        try scene.remove("copies")
        #expect(try MediaSet([scene.bundle]).bundle().firstRoot() == nil)
    }

    @Test func `takes expired media only where it is told to, and names each file`() throws {
        let scene = try Scene()
        let late = Publisher.now.adding(days: 501)
        #expect(scene.code(now: late) == .expired)
        let bundle = try MediaSet([scene.bundle]).bundle().verified(
            by: scene.publisher.pinned, now: late, expiry: .report)
        #expect(bundle.metadata.expired.map(\.file) == ["timestamp.json", "1.snapshot.json", "1.targets.json"])
        let said = bundle.findings.filter { if case .expired = $0 { true } else { false } }
        #expect(said.count == 3 && said.allSatisfy { $0.failure == nil })
        let end = try MediaSet([scene.bundle]).bundle().verified(
            by: scene.publisher.pinned, now: .latest, expiry: .report)
        #expect(end.metadata.expired.first?.file == "1.root.json")
    }

    @Test func `says that a clock is behind by a day or more, not by less`() throws {
        let scene = try Scene()
        let behind = { (now: UTCTime) in
            try scene.verified(now: now).findings.contains { if case .clockBehind = $0 { true } else { false } }
        }
        #expect(try behind(UTCTime(secondsSince1970: 0)))
        #expect(try behind(Publisher.now.adding(days: -1)))
        #expect(try !behind(UTCTime(secondsSince1970: Publisher.now.secondsSince1970 - 86_399)))
    }

    @Test func `goes not below a record, as long as its signers may still sign`() throws {
        let scene = try Scene()
        let known = try scene.publisher.write(
            .tiny(version: "1.2.4"), to: scene.place.appending("newer"), after: scene.metadata)
        let signer = scene.metadata.targets.signers[0].hex
        let code = { (root: Int64, targets: Int64, signers: Set<String>, accepted: TrustedMetadata?) in
            let floor = VersionFloor(
                source: "a record", rootVersion: root, targetsVersion: targets, signers: signers)
            let chain = PinnedRoots.Chain(
                roots: [scene.publisher.root.files[1] ?? []],
                accepted: accepted.map { PinnedRoots.AcceptedMetadata($0) }, floors: [floor])
            return scene.code(by: try PinnedRoots([chain]))
        }
        #expect(try code(1, 1, [signer], nil) == nil)
        #expect(try code(1, 2, [signer], nil) == .replaced)
        #expect(try code(1, 2, ["00"], nil) == nil)
        #expect(try code(2, 1, [], nil) == .replaced)
        // what is accepted speaks for all up to its version: the list decides there
        #expect(try code(1, 2, [signer], known) == nil)
        #expect(try code(1, 3, [signer], known) == .replaced)
    }

    @Test func `takes newer kept metadata if it is genuine, and nothing else`() throws {
        let scene = try Scene()
        let newer = try scene.publisher.write(
            .tiny(version: "1.2.4"), to: scene.place.appending("newer"), after: scene.metadata)
        let roots = [scene.publisher.root.files[1] ?? []]
        let site = try site(scene.publisher, scene.metadata)
        #expect(try site.newer(PinnedRoots.AcceptedMetadata(newer), roots: roots)?.targets.content.header.version == 2)
        #expect(try site.newer(PinnedRoots.AcceptedMetadata(scene.metadata), roots: roots) == nil)
        let other = try Publisher()
        #expect(try site.newer(PinnedRoots.AcceptedMetadata(newer), roots: [other.root.files[1] ?? []]) == nil)
        let mixed = PinnedRoots.AcceptedMetadata(
            timestamp: newer.timestamp.bytes, snapshot: newer.snapshot.bytes, targets: scene.metadata.targets.bytes)
        #expect(throws: TrustError.self) { try site.newer(mixed, roots: roots) }
        #expect(throws: TrustError.self) {
            try site.newer(PinnedRoots.AcceptedMetadata(newer), roots: roots + [other.root.files[1] ?? []])
        }
    }

    @Test func `a folder of trust alone is told from a bundle that lost its release`() throws {
        let scene = try Scene()
        for name in ["release.json", "copies/release.json"] { try scene.path(name).removeFile() }
        #expect(scene.code() == .damaged)
        for name in ["index", "volumes", "kit"] { try scene.remove(name) }
        let refused = scene.refusal()
        #expect(refused as? BundleError == .trustOnly(scene.bundle, product: Publisher.product))
        #expect(refused?.failure == .usage)
        // nobody's trust is refused first
        #expect(scene.code(by: try PinnedRoots([])) == .notTrusted)
    }
}
