// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import FoundationEssentials
import Importing
import OCI
import RegistryClient
import Support
import Synchronization
import SystemPackage
import Testing

/// Whole loads into registries that want more than their due (docs/hostile-cases.md). In every case the load ends with
/// its documented exit code, no tag is changed, and no other host is even connected to.
struct HostileRegistryTests {
    private static let login = Credentials(username: "loader", password: "s3cret")
    private static let basic = "Basic " + Data("loader:s3cret".utf8).base64EncodedString()
    private static let made = Result {
        var layout = MadeLayout()
        let image = layout.image("library/a:1", [try layout.noise(1000), try layout.noise(300_000)])
        return (packed: try layout.packed(), image: image)
    }

    private let site: Site
    private let image: Descriptor
    private let server: ZotServer
    /// Where nothing may go.
    private let other = ScriptedServer { _ in .answer(201) }

    init() throws {
        let (packed, image) = try Self.made.get()
        (site, self.image) = (try Site(packed), image)
        var options = ZotServer.Options()
        options.auth = .basic(user: "loader", password: "s3cret")
        server = try ZotServer(options)
    }

    private func target(_ change: (inout RegistryOptions) -> Void = { _ in }) throws -> RegistryTarget {
        try server.target(login: Self.login) { options in
            // Two chunks for the large layer, so that every kind of request is made.
            (options.upload.singleLimit, options.upload.firstChunk) = (64 << 10, 160_000)
            (options.upload.smallestChunk, options.upload.largestChunk) = (16 << 10, 160_000)
            change(&options)
        }
    }

    /// No final tag, no connection elsewhere, no password in what is said and kept.
    private func checkNothingDone(_ error: LoadFailure, _ failure: Failure) throws {
        #expect(error.failure == failure, "\(error)")
        #expect(server.allTags.allSatisfy { $0.isStaging })
        try checkSecrets(error)
    }

    private func checkSecrets(_ error: LoadFailure) throws {
        #expect(other.connections == 0 && other.asked.isEmpty)
        let receipts = try site.receipts.map {
            String(decoding: try site.state.receiptsFolder.appending($0).contents(limit: 1 << 20), as: UTF8.self)
        }
        for text in receipts + ["\(error)"] {
            #expect(!text.contains("s3cret") && !text.contains(Self.basic.dropFirst(6)))
        }
        #expect(server.asked.allSatisfy { [nil, Self.basic].contains($0.headers["authorization"]) })
        #expect(server.asked.allSatisfy { !$0.target.contains("s3cret") })
    }

    // MARK: 68 to 70: elsewhere

    @Test(arguments: [
        "https://127.0.0.1:PORT", "//127.0.0.1:PORT", "http://127.0.0.1:PORT", "http://localhost:PORT",
        "http://loader:s3cret@127.0.0.1:PORT", "ftp://127.0.0.1:PORT", "http://169.254.169.254",
    ])
    func `case 68: an upload location elsewhere gets nothing`(_ address: String) throws {
        let address = address.replacing("PORT", with: "\(other.port)")
        for kind in [ZotServer.Kind.uploads, .session] {
            server.inject(.foreignLocation(address)) {
                $0.kind == kind && $0.headers["authorization"] != nil && !$0.target.contains("digest=")
            }
            try checkNothingDone(try site.failure(of: target(), jobs: 1), .failed)
        }
    }

    @Test(arguments: [302, 307, 308])
    func `case 69: no request follows a redirect`(_ status: Int) throws {
        let asked: [@Sendable (ZotServer.Asked) -> Bool] = [
            { $0.kind == .base }, { $0.kind == .manifest && $0.method == "GET" }, { $0.kind == .uploads },
            { $0.method == "PATCH" }, { $0.kind == .session && $0.method == "PUT" },
            { $0.kind == .manifest && $0.method == "PUT" && $0.target.contains("staging") },
            { $0.kind == .manifest && $0.method == "PUT" && $0.target.hasSuffix("/1") },
        ]
        for when in asked {
            let server = server
            let location = ["Location": "\(other.url)/v2/x"]
            let count = server.asked.count
            server.inject(.answer(status, headers: location)) { $0.headers["authorization"] != nil && when($0) }
            try checkNothingDone(try site.failure(of: target(), jobs: 1), .failed)
            #expect(server.asked.count > count)
        }
    }

    @Test(arguments: ["http://localhost:PORT/token", "https://localhost:PORT/token", "http://169.254.169.254/token"])
    func `case 70: no login goes to a token service elsewhere`(_ realm: String) throws {
        let realm = realm.replacing("PORT", with: "\(other.port)")
        let challenge = #"Bearer realm="\#(realm)",service="zot""#
        server.inject(.answer(401, headers: ["WWW-Authenticate": challenge]), times: 100) { _ in true }
        let error = try site.failure(of: server.target(login: Self.login) { $0.tokenHosts = ["auth.example"] })
        try checkNothingDone(error, .registryRefused)
        #expect(server.asked.allSatisfy { $0.headers["authorization"] == nil })
    }

    // MARK: 71 to 73: other content

    @Test func `case 71: a manifest that is stored with other bytes is found out`() throws {
        server.inject(.storeOtherBytes, times: 100) { $0.kind == .manifest && $0.method == "PUT" && $0.bodyCount >= 0 }
        let error = try site.failure(of: target(), jobs: 1)
        #expect(error.failure == .failed)
        guard case .notThere(let names) = error.cause as? LoadError else { throw error }
        #expect(names.contains("library/a@\(image.digest)"))
        try checkSecrets(error)
    }

    @Test func `case 72: a registry that names another digest has not taken ours`() throws {
        let wrong = "sha256:" + String(repeating: "0", count: 64)
        for when in [
            { @Sendable (asked: ZotServer.Asked) in asked.kind == .session && asked.method == "PUT" },
            { @Sendable in $0.kind == .manifest && $0.method == "PUT" && $0.target.contains("staging") },
        ] {
            server.inject(.claimDigest(wrong), times: 1) { $0.headers["authorization"] != nil && when($0) }
            try checkNothingDone(try site.failure(of: target(), jobs: 1), .failed)
        }
        #expect(try site.load(target()).counts.readBack.isComplete)
    }

    @Test func `case 73: a tag with other content stays, and nothing is sent`() throws {
        _ = try site.load(target())
        var layout = MadeLayout()
        _ = layout.image("library/a:1", [try layout.noise(10)])
        let next = try Site(layout.packed())
        let before = try server.listing()
        let error = try next.failure(of: target())
        #expect(error.failure == .refused && "\(error)".contains("library/a:1"))
        #expect(try server.listing() == before)
        let receipt = try next.load(target(), replaceTags: [TagPattern("library/a:1")])
        #expect(receipt.counts.tags.map(\.before) == [image.digest.description])
    }

    // MARK: 74 and 76: not answering

    /// 429 in FaultyRegistryTests takes the same way as 500, and its time.
    @Test(arguments: [0, 500])
    func `case 74: every request may fail once`(_ status: Int) throws {
        var layout = MadeLayout()
        _ = layout.image("library/a:1", [try layout.noise(1000)])
        let packed = try layout.packed()
        for number in 0..<100 {
            let fresh = try ZotServer()
            let left = Mutex(number)
            fresh.inject(status == 0 ? .loseAnswer : .answer(status)) { _ in
                left.withLock { left in
                    left -= 1
                    return left == -1
                }
            }
            let receipt = try Site(packed).load(fresh.target(), jobs: 1)
            #expect(receipt.counts.readBack.isComplete, "request \(number)")
            #expect(fresh.allTags == [Place("library/a", "1")], "request \(number)")
            // 24 and what asks for other hosts' receipts, as this one has none of the registry
            #expect(fresh.asked.count <= 25, "request \(number)")
            if left.withLock({ $0 }) >= 0 { return #expect(number > 12) }
        }
        Issue.record("a load takes more than 100 requests")
    }

    @Test(arguments: [ZotServer.Kind.base, .uploads, .manifest])
    func `case 76: a registry that says nothing is given up`(_ kind: ZotServer.Kind) throws {
        server.inject(.silence, times: 100) {
            $0.kind == kind && (kind != .manifest || $0.method == "PUT") && $0.headers["authorization"] != nil
        }
        let error = try site.failure(
            of: target {
                ($0.stallSeconds, $0.retry.attempts) = (1, 1)
            }, jobs: 1)
        try checkNothingDone(error, .failed)
    }

    @Test func `case 76: a manifest without an end is cut off`() throws {
        let long = String(repeating: " ", count: 5 << 20)
        server.inject(.answer(200, headers: ["Content-Type": MediaType.manifest], body: long), times: 100) {
            $0.kind == .manifest && $0.method == "GET"
        }
        try checkNothingDone(try site.failure(of: target()), .failed)
    }

    @Test func `case 84: a registry that repeats the password gets it into no message and no receipt`() throws {
        let body = #"{"errors":[{"code":"DENIED","message":"loader:s3cret \#(Self.basic)"}]}"#
        server.inject(.answer(403, body: body), times: 100) { $0.kind == .uploads }
        try checkNothingDone(try site.failure(of: target()), .registryRefused)
    }
}
