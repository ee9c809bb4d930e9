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
}
