// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import Importing
import OCI
import Support
import SystemPackage
import Testing
import Trust

struct StateTests {
    private let site: Site
    private var state: SiteState { site.state }
    private func root() throws -> [UInt8] { try site.packed.root1.contents(limit: 1 << 20) }

    init() throws { site = try Site(trusting: false) }

    @Test func `a root is trusted once, by its fingerprint`() throws {
        #expect(try state.roots().isEmpty)
        #expect(try state.add(root: root()))
        #expect(try !state.add(root: root()))
        #expect(try state.roots() == [site.packed.fingerprint: [root()]])
    }

    @Test func `a stored root that was changed is not trusted`() throws {
        _ = try state.add(root: root())
        let folder = state.path.appending("roots").appending(site.packed.fingerprint.hex)
        try folder.appending("1.root.json").replaceContents(with: try root() + [0x20])
        #expect(throws: StateError.changedRoot(folder)) { try state.roots() }
    }

    @Test func `accepted metadata is kept as one file and never goes back`() throws {
        _ = try state.add(root: root())
        let metadata = try site.verified().metadata
        try state.accept(metadata)
        let file = state.path.appending("accepted").appending("\(site.packed.fingerprint.hex).json")
        let first = try file.contents(limit: 1 << 20)
        try state.accept(metadata)
        #expect(try file.contents(limit: 1 << 20) == first)
        #expect(try state.accepted(site.packed.fingerprint)?.snapshot == metadata.snapshot.bytes)
    }

    @Test func `an unreadable file of accepted metadata is named`() throws {
        let file = state.path.appending("accepted").appending("\(site.packed.fingerprint.hex).json")
        try state.path.appending("accepted").createDirectories()
        try file.replaceContents(with: Array("{".utf8))
        let error = #expect(throws: StateError.self) { try state.accepted(site.packed.fingerprint) }
        #expect(error.map { "\($0)".contains(file.string) } == true)
    }

    @Test func `a candidate is read from a file and from media alike`() throws {
        let file = try RootCandidate(at: site.packed.root1)
        let media = try RootCandidate(at: site.packed.bundle.removingLastComponent())
        #expect(file.bytes == media.bytes)
        #expect(file.product == "palette-enterprise")
        #expect(file.fingerprint == site.packed.fingerprint)
    }

    @Test func `the fingerprint is shown in groups of four digits`() throws {
        let shown = try RootCandidate(at: site.packed.root1).shownFingerprint
        #expect(shown.split(separator: " ").count == 16)
        #expect(shown.split(separator: " ").allSatisfy { $0.count == 4 })
        #expect(RootCandidate.fingerprint(typed: shown) == site.packed.fingerprint)
    }

    @Test(
        arguments: [
            { $0 }, { $0.uppercased() }, { "sha256:" + $0 }, { RootCandidate.grouped($0) },
            { RootCandidate.grouped($0).replacing(" ", with: ":") },
            { RootCandidate.grouped($0).replacing(" ", with: "-") },
        ] as [@Sendable (String) -> String]) func `a fingerprint may be typed in many ways`(
            _ typed: @Sendable (String) -> String
        ) throws
    {
        let digest = site.packed.fingerprint
        #expect(RootCandidate.fingerprint(typed: typed(digest.hex)) == digest)
    }

    @Test(arguments: ["", "00", "xyz", String(repeating: "g", count: 64), String(repeating: "0", count: 63)])
    func `anything else is no fingerprint`(_ text: String) {
        #expect(RootCandidate.fingerprint(typed: text) == nil)
    }

    @Test func `another fingerprint is not trusted`() throws {
        let root = try RootCandidate(at: site.packed.root1)
        let other = Digest(of: [1])
        #expect(
            throws: TrustError.fingerprint(
                file: site.packed.root1.string, expected: other.hex, actual: site.packed.fingerprint.hex)
        ) { try root.check(other) }
    }

    @Test func `a file that is no root is not trusted`() throws {
        let file = site.folder.appending("x.json")
        try file.replaceContents(with: Array("{}".utf8))
        #expect(throws: TrustError.grammar(file: file.string, offset: 1)) { try RootCandidate(at: file) }
    }

    @Test func `a root that has expired is refused unless one that follows it has not`() throws {
        let (old, folder) = (PackedSample.now.adding(days: -3650), site.folder.appending("t"))
        let key = try PrivateKey.generate(.p384)
        let first = try Root(
            firstFor: "p", rootKeys: [key.publicKey], releaseKeys: [key.publicKey], issued: old,
            expires: old.adding(days: 1))
        try folder.createDirectories()
        let file = folder.appending("1.root.json")
        try file.replaceContents(with: first.signed(by: [key]))
        let expired = TrustError.expired(file: file.string, at: old.adding(days: 1), now: PackedSample.now)
        #expect(throws: expired) { try RootCandidate(at: file).checkExpiry(now: PackedSample.now) }
        try folder.appending("2.root.json").replaceContents(
            with: Root(
                header: MetadataHeader(version: 2, issued: old, expires: PackedSample.now.adding(days: 1)),
                product: "p",
                roles: [.root: first[.root], .timestamp: first[.root], .snapshot: first[.root], .targets: first[.root]]
            ).signed(by: [key]))
        try RootCandidate(at: file).checkExpiry(now: PackedSample.now)
    }

    @Test func `a second root for a product is refused, and the known one named`() throws {
        _ = try state.add(root: root())
        let key = try PrivateKey.generate(.p384)
        let other = try Root(
            firstFor: "palette-enterprise", rootKeys: [key.publicKey], releaseKeys: [key.publicKey],
            issued: PackedSample.now, expires: PackedSample.now.adding(days: 1)
        ).signed(by: [key])
        let error = try #require(throws: StateError.self) { try state.add(root: other) }
        #expect(error.failure == .refused)
        #expect(error.description.contains(RootCandidate.grouped(site.packed.fingerprint.hex)))
        #expect(try state.roots().count == 1)
    }
}
