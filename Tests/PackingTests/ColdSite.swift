// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Files
import Packing
import Support
import SystemPackage
import Testing

@testable import Trust

/// A medium of a publisher with two roots, each of three keys of which two must sign, and someone who would like to be it.
struct ColdSite: Sendable {
    let fixture: PackFixture
    let bundle: FilePath
    /// The SHA-256 of the first root, as it reached the site on paper.
    let fingerprint: String
    /// Of the first root, and its release keys; the second root has others.
    let rootKeys: [PrivateKey]
    let oldRelease: [PrivateKey]
    let thief: PrivateKey

    init(keepingRootKeys: Bool = false) throws {
        let fixture = try PackFixture()
        func three() throws -> [PrivateKey] { try (0..<3).map { _ in try .generate(.p384) } }
        let (first, release) = (try three(), try three())
        let second = keepingRootKeys ? first : try three()
        (rootKeys, oldRelease, thief) = (first, try three(), try .generate(.p384))
        func root(_ version: Int64, _ keys: [PrivateKey], _ release: [PrivateKey]) throws -> Root {
            func role(_ keys: [PrivateKey]) -> RoleKeys {
                RoleKeys(keys: keys.map { TrustKey($0.publicKey) }, threshold: 2)
            }
            let roles: [Role: RoleKeys] = [
                .root: role(keys), .targets: role(release), .snapshot: role(release), .timestamp: role(release),
            ]
            let header = MetadataHeader(version: version, issued: PackFixture.now, expires: .latest)
            return try Root(header: header, product: "palette-enterprise", roles: roles)
        }
        let signers = keepingRootKeys ? Array(first[..<2]) : Array(first[..<2] + second[..<2])
        let files = [
            try root(1, first, oldRelease).signed(by: Array(first[..<2])),
            try root(2, second, release).signed(by: signers),
        ]
        fingerprint = Hasher.hash(files[0]).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        for (index, file) in files.enumerated() {
            try write(file, to: fixture.place.appending("trust/\(index + 1).root.json"))
        }
        var options = fixture.options()
        options.keys = try release[1...].enumerated().map { number, key in
            let path = fixture.place.appending("release\(number).pem")
            try write(try key.withPEM { unsafe $0.withUnsafeBytes { unsafe Array($0) } }, to: path)
            return path
        }
        self.fixture = fixture
        bundle = try Packing.pack(options, progress: Progress(), now: PackFixture.now).folder
    }

    func text(_ name: String) throws -> String {
        String(decoding: try contents(of: bundle.appending(name)), as: UTF8.self)
    }

    func edit(_ name: String, _ change: (String) -> String) throws {
        let (old, new) = (try text(name), change(try text(name)))
        try #require(old != new)
        try write(Array(new.utf8), to: bundle.appending(name))
    }

    /// Makes a key's owner the one who vouches for `SHA256SUMS`.
    func sign(by key: PrivateKey) throws {
        try write(try key.signDetached(Array(try text("SHA256SUMS").utf8)), to: bundle.appending("SHA256SUMS.sig"))
    }

    /// Runs the steps as they are printed, in an empty environment with the programs that the page names.
    func recipe() throws -> CommandResult {
        let place = TemporaryFolder()
        let steps = try text("README-VERIFY.txt").split(separator: "\n", omittingEmptySubsequences: false)
            .drop { !$0.hasPrefix("1.") }.prefix { !$0.hasPrefix("WHAT THIS") }.filter { $0.hasPrefix("     ") }
        try write(Array((steps.joined(separator: "\n") + "\n").utf8), to: place.appending("recipe"))
        let tools = "bash sha256sum mktemp grep sed find openssl"
        try sh("mkdir \(place.path)/bin; for t in \(tools); do ln -s \"$(command -v $t)\" \(place.path)/bin/; done")
        let shell = "cd \(bundle) && exec env -i PATH=\(place.path)/bin bash --noprofile --norc \(place.path)/recipe"
        return try run(["bash", "-c", shell], timeout: 60)
    }
}

extension ColdSite {
    /// A root in which the thief holds the release keys.
    func evilBody() throws -> String {
        let keys = RoleKeys(keys: rootKeys.map { TrustKey($0.publicKey) }, threshold: 2)
        let release = RoleKeys(keys: [TrustKey(thief.publicKey)], threshold: 1)
        let root = try Root(
            header: MetadataHeader(version: 2, issued: PackFixture.now, expires: .latest),
            product: "palette-enterprise",
            roles: [.root: keys, .targets: release, .snapshot: release, .timestamp: release])
        return try parts(String(decoding: root.signed(by: []), as: UTF8.self)).body
    }

    /// A file of this body with a signature by each of the keys.
    func envelope(_ keys: [PrivateKey], _ body: String) throws -> String {
        let message = Array(body.replacing("\\n", with: "\n").utf8)
        let signatures = try keys.map { key in
            let digits = try key.sign(message).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            return "{\"keyid\":\"\(TrustKey(key.publicKey).id)\",\"sig\":\"\(digits)\"}"
        }
        return "{\"signatures\":[\(signatures.joined(separator: ","))],\"signed\":\(body)}"
    }

    /// The thief's key as a root's table has it.
    func keyEntry() throws -> String {
        let id = TrustKey(thief.publicKey).id.hex
        let body = try evilBody()
        let entry = try #require(body.split(separator: "\"\(id)\":", maxSplits: 1).last)
        return "\"\(id)\":" + entry.prefix { $0 != "}" } + "}}"
    }

    /// The signatures of a file on the medium, and its signed part.
    func parts(ofFile name: String) throws -> (signatures: String, body: String) { try parts(try text(name)) }

    func parts(_ file: String) throws -> (signatures: String, body: String) {
        let halves = file.split(separator: "],\"signed\":", maxSplits: 1, omittingEmptySubsequences: false)
        try #require(halves.count == 2)
        return (String(halves[0].dropFirst("{\"signatures\":[".count)), String(halves[1].dropLast()))
    }
}
