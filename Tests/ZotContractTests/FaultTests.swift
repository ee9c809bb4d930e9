// SPDX-License-Identifier: Apache-2.0

import OCI
import Support
import Testing

/// What can be made to go wrong.
@Suite struct FaultTests {
    private let bytes = Array("some bytes of a layer".utf8)
    private var digest: String { Questions.digest(bytes) }

    private func finish(_ site: Site, _ begun: RawClient.Answer) -> RawClient.Answer {
        site.client.ask("PUT", Questions.place(begun, digest: digest), Questions.binary, .whole(bytes))
    }

    @Test func aCutBodyEndsTheSession() throws {
        let site = try Site()
        site.server.inject(.cutBody(after: 5)) { $0.kind == .session && $0.method == "PATCH" }
        let begun = site.ask("POST", "/v2/a/blobs/uploads/")
        #expect(site.client.ask("PATCH", Questions.place(begun), Questions.part(0, bytes), .whole(bytes)).status == 0)
        #expect(site.ask("GET", Questions.place(begun)).status == 404)
        let cut = try #require(site.server.asked.first { $0.method == "PATCH" })
        #expect(cut.bodyCount == 5 && cut.status == 0)
    }

    @Test func aLostAnswerWasStillCarriedOut() throws {
        let site = try Site()
        site.server.inject(.loseAnswer) { $0.kind == .session && $0.method == "PUT" }
        #expect(finish(site, site.ask("POST", "/v2/a/blobs/uploads/")).status == 0)
        #expect(site.server.hasBlob("a", digest))
    }

    @Test func anAnswerIsGivenAsOftenAsAsked() throws {
        let site = try Site()
        site.server.inject(.answer(429, headers: ["Retry-After": "3"], body: "Too Many Requests"), times: 2) { _ in true
        }
        let first = site.ask("GET", "/v2/")
        #expect(first.status == 429 && first.headers["retry-after"] == "3")
        #expect(String(decoding: first.body, as: UTF8.self) == "Too Many Requests")
        #expect([site.ask("GET", "/v2/").status, site.ask("GET", "/v2/").status] == [429, 200])
    }

    @Test func blobsCanGoBeforeTheirManifestComes() throws {
        let site = try Site()
        let image = site.image("a", "layer")
        site.server.inject(.collectBefore) { $0.kind == .manifest }
        #expect(site.put("a", "v1", image, MediaType.manifest) == 400)
        #expect(!site.server.hasBlob("a", Questions.digest("layer")))
    }

    @Test func anAbsoluteLocationInsistsOnItsQuery() throws {
        let site = try Site()
        site.server.inject(.absoluteLocation(query: true)) { $0.kind == .uploads }
        let begun = site.ask("POST", "/v2/a/blobs/uploads/")
        let location = try #require(begun.headers["location"])
        #expect(location.hasPrefix(site.server.url + "/v2/a/blobs/uploads/") && location.contains("?_state="))
        let bare = String(Questions.place(begun).prefix { $0 != "?" })
        #expect(site.client.ask("PUT", "\(bare)?digest=\(digest)", Questions.binary, .whole(bytes)).status == 404)
        #expect(finish(site, begun).status == 201)
    }

    @Test func headersCanLie() throws {
        let site = try Site()
        site.server.inject(.rangePrefix) { $0.method == "GET" }
        site.server.inject(.foreignLocation("http://elsewhere.invalid")) { $0.kind == .uploads }
        let begun = site.ask("POST", "/v2/a/blobs/uploads/")
        #expect(begun.headers["location"]?.hasPrefix("http://elsewhere.invalid/v2/a/blobs/uploads/") == true)
        let place = "/v2/" + (begun.headers["location"]?.split(separator: "/v2/").last ?? "")
        #expect(site.ask("GET", place).headers["range"] == "bytes=0--1")
        site.server.inject(.claimDigest("sha256:0")) { $0.method == "PUT" }
        #expect(finish(site, begun).headers["docker-content-digest"] == "sha256:0")
    }

    @Test func whatIsKeptCanBeOtherThanWhatCame() throws {
        let site = try Site()
        site.server.inject(.storeOtherBytes) { $0.kind == .session && $0.method == "PUT" }
        #expect(finish(site, site.ask("POST", "/v2/a/blobs/uploads/")).status == 201)
        let read = site.ask("GET", "/v2/a/blobs/\(digest)")
        #expect(read.status == 200 && read.body.count == bytes.count && read.body != bytes)
    }

    @Test func aRequestHasItsDeadline() throws {
        var options = ZotServer.Options()
        options.requestDeadline = .milliseconds(60)
        let site = try Site(options)
        let begun = site.ask("POST", "/v2/a/blobs/uploads/")
        let headers = Questions.binary.merging(["Content-Length": "100"]) { $1 }
        #expect(site.client.ask("PATCH", Questions.place(begun), headers, .stalled(bytes)).status == 0)
        #expect(site.ask("GET", Questions.place(begun)).status == 404)
        #expect(site.ask("GET", "/v2/").status == 200)
    }
}
