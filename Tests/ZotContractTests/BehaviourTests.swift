// SPDX-License-Identifier: Apache-2.0

import Glibc
import OCI
import Support
import SystemPackage
import Testing

/// What the records don't hold: accounts and permissions, collection, restarts, many clients at once.
@Suite struct BehaviourTests {
    // MARK: Access

    @Test func basicAuthenticationIsAskedForAndChecked() throws {
        var options = ZotServer.Options()
        options.auth = .basic(user: "loader", password: "s3cret")
        let site = try Site(options)
        let refused = site.client.ask("GET", "/v2/")
        #expect(refused.status == 401)
        #expect(refused.headers["www-authenticate"] == #"Basic realm="zot""#)
        #expect(Row(id: "", refused, showsBody: false).codes == "UNAUTHORIZED (no list)")
        let login = ["Authorization": "Basic bG9hZGVyOnMzY3JldA=="]
        let welcome = site.client.ask("GET", "/v2/", login)
        #expect(welcome.status == 200 && welcome.headers["www-authenticate"] == "basic realm=zot")
        #expect(site.client.ask("GET", "/v2/", ["Authorization": "Basic bG9hZGVyOndyb25n"]).status == 401)
        #expect(site.client.ask("POST", "/v2/apps/web/blobs/uploads/", login).status == 202)
    }

    @Test func permissionsGoByTheLongestPrefix() throws {
        var options = ZotServer.Options()
        options.auth = .basic(user: "loader", password: "s3cret")
        options.permissions = [.init("", [.read]), .init("apps/", [.read, .create])]
        let site = try Site(options, ["Authorization": "Basic bG9hZGVyOnMzY3JldA=="])
        let refused = site.ask("POST", "/v2/packs/x/blobs/uploads/")
        #expect(refused.status == 403 && refused.headers["www-authenticate"] != nil)
        #expect(Row(id: "", refused, showsBody: false).codes == "DENIED")
        #expect(site.putIndex("apps/web", "v1", "{}") == 201)
        #expect(site.putIndex("apps/web", "v1", #"{"a":"b"}"#) == 403, "a tag that exists needs update")
        #expect(site.putIndex("apps/web", "v2", #"{"a":"b"}"#) == 201)
        #expect(site.ask("DELETE", "/v2/apps/web/manifests/v2").status == 403)
    }

    @Test func tokensAreGivenForScopesAndRunOut() throws {
        var options = ZotServer.Options()
        options.auth = .bearer(user: "loader", password: "s3cret")
        options.permissions = [.init("apps/", [.read, .create])]
        let site = try Site(options)
        let refused = site.ask("POST", "/v2/apps/web/blobs/uploads/")
        let challenge =
            #"Bearer realm="\#(site.server.url)/token",service="zot",scope="repository:apps/web:pull,push""#
        #expect(refused.status == 401 && refused.headers["www-authenticate"] == challenge)
        let ask = "/token?service=zot&scope=repository:apps/web:pull,push&scope=repository:packs/x:push"
        #expect(site.ask("GET", ask).status == 401)
        let login = ["Authorization": "Basic bG9hZGVyOnMzY3JldA=="]
        let text = String(decoding: site.ask("GET", ask, login).body, as: UTF8.self)
        let token = ["Authorization": "Bearer \(text.split(separator: "\"")[3])"]
        #expect(site.ask("POST", "/v2/apps/web/blobs/uploads/", token).status == 202)
        #expect(site.ask("POST", "/v2/packs/x/blobs/uploads/", token).status == 401)
        #expect(site.ask("GET", "/v2/other/tags/list", token).status == 401)
        #expect(site.ask("GET", "/v2/", token).status == 200)
    }

    // MARK: Content

    @Test func dockerManifestsAreTakenWhereTheyAreAllowed() throws {
        var options = ZotServer.Options()
        options.docker2s2 = true
        let site = try Site(options)
        let rows = Questions.ask(site.client)
        #expect(rows.filter { $0.id.hasPrefix("docker-") && $0.status == 201 }.count == 2)
    }

    @Test func withoutDedupeRepositoriesKnowNothingOfEachOther() throws {
        var options = ZotServer.Options()
        options.dedupe = false
        let site = try Site(options)
        let digest = site.push("a", "layer")
        #expect(site.ask("HEAD", "/v2/b/blobs/\(digest)").status == 404)
        #expect(site.ask("POST", "/v2/b/blobs/uploads/?mount=\(digest)&from=a").status == 202)
        #expect(site.ask("HEAD", "/v2/a/blobs/\(digest)").status == 200)
    }

    @Test func headOfABlobOfAnotherRepositoryMakesTheRepository() throws {
        let site = try Site()
        let digest = site.push("a", "layer")
        #expect(site.server.repositories == ["a"])
        #expect(site.ask("HEAD", "/v2/b/c/blobs/\(digest)").status == 200)
        #expect(site.server.repositories == ["a", "b/c"] && site.server.hasBlob("b/c", digest))
    }

    @Test func aDeletedTagLeavesItsManifest() throws {
        let site = try Site()
        #expect(site.putIndex("a", "v1", "{}") == 201)
        let digest = try #require(site.server.manifests(of: "a").first)
        #expect(site.ask("DELETE", "/v2/a/manifests/v1").status == 202)
        #expect(site.server.tags(of: "a") == [])
        #expect(site.ask("HEAD", "/v2/a/manifests/\(digest)").status == 200)
        #expect(site.ask("DELETE", "/v2/a/manifests/\(digest)").status == 202)
        #expect(!site.server.hasBlob("a", digest) && site.server.manifests(of: "a") == [])
    }

    @Test func aBlobOfAnotherSizeThanItsManifestSaysIsNotThere() throws {
        let site = try Site()
        #expect(site.put("a", "v1", site.image("a", "layer"), MediaType.manifest) == 201)
        let digest = Questions.digest("layer")
        try write("lay".utf8, to: site.server.file("a", digest))
        #expect(site.ask("HEAD", "/v2/a/blobs/\(digest)").status == 404)
        #expect(site.push("a", "layer") == digest)
        #expect(site.ask("HEAD", "/v2/a/blobs/\(digest)").headers["content-length"] == "5")
        #expect(try contents(of: site.server.file("a", digest)) == Array("layer".utf8))
    }

    /// What a plan asks: nothing is made by it.
    @Test func refusedManifestsTellWhatIsAllowed() throws {
        let site = try Site()
        #expect(site.put("a", "v1", "", "application/x-none") == 415)
        let long = String(repeating: "n", count: 300)
        #expect(site.put(long, "v1", "", MediaType.dockerManifest) == 415)
        #expect(site.ask("DELETE", "/v2/a/manifests/\(Questions.digest("none"))").status == 400)
        #expect(site.server.repositories == [])
        var options = ZotServer.Options()
        options.docker2s2 = true
        #expect(try Site(options).put(long, "v1", "", MediaType.dockerManifest) == 500)
        #expect(site.put("a", "v1", "", MediaType.manifest) == 400)
        #expect(site.server.repositories == ["a"], "a type that is known makes the repository, whatever comes")
    }

    @Test func rangesAreAnsweredAsZotDoes() throws {
        let site = try Site()
        let place = "/v2/a/blobs/\(site.push("a", "0123456789"))"
        let part = site.ask("GET", place, ["Range": "bytes=3-"])
        #expect(part.status == 206 && part.headers["content-range"] == "bytes 3-9/10")
        #expect(part.body == Array("3456789".utf8))
        #expect(site.ask("GET", place, ["Range": "bytes=-3"]).status == 416)
        #expect(site.ask("GET", place, ["Range": "bytes=10-"]).status == 500)
    }

    @Test func mandatoryAnnotationsAreAskedFor() throws {
        var options = ZotServer.Options()
        options.mandatoryAnnotations = ["org.opencontainers.image.licenses"]
        let site = try Site(options)
        let plain = site.image("a", "layer")
        #expect(site.put("a", "v1", plain, MediaType.manifest) == 400)
        let licensed = String(plain.dropLast()) + #","annotations":{"org.opencontainers.image.licenses":"Apache-2.0"}}"#
        #expect(site.put("a", "v1", licensed, MediaType.manifest) == 201)
    }

    // MARK: Collection

    @Test func collectionTakesWhatNothingRefersTo() throws {
        let site = try Site()
        let lone = site.push("a", "lone")
        #expect(site.put("a", "v1", site.image("a", "layer"), MediaType.manifest) == 201)
        let kept = Questions.digest("layer")
        _ = site.ask("POST", "/v2/a/blobs/uploads/")
        site.server.collect(olderThan: .seconds(60))
        #expect(site.server.hasBlob("a", lone) && site.server.sessions.count == 1, "nothing is that old")
        site.server.collect()
        #expect(!site.server.hasBlob("a", lone) && site.server.hasBlob("a", kept))
        #expect(site.server.sessions == [])
    }

    @Test(arguments: ZotServer.Era.allCases)
    func manifestsWithoutTagGoOnlyInNewerVersions(_ era: ZotServer.Era) throws {
        var options = ZotServer.Options()
        options.era = era
        let site = try Site(options)
        let image = site.image("a", "layer")
        let digest = Questions.digest(image)
        #expect(site.put("a", digest, image, MediaType.manifest) == 201)
        site.server.collect()
        #expect(site.server.manifests(of: "a").contains(digest) == (era == .v2_1_2))
        #expect(site.server.hasBlob("a", Questions.digest("layer")) == (era == .v2_1_2))
    }

    @Test func collectionRunsByItself() throws {
        var options = ZotServer.Options()
        options.gcDelay = .milliseconds(50)
        let site = try Site(options)
        let digest = site.push("a", "lone")
        let limit = ContinuousClock.now + .seconds(5)
        while site.server.hasBlob("a", digest), ContinuousClock.now < limit { usleep(10_000) }
        #expect(!site.server.hasBlob("a", digest))
    }

    // MARK: Restarts

    @Test func sessionsAndContentOutliveARestart() throws {
        let site = try Site()
        #expect(site.put("a", "v1", site.image("a", "layer"), MediaType.manifest) == 201)
        let begun = site.ask("POST", "/v2/a/blobs/uploads/")
        let first = Array("0123456789".utf8)
        #expect(site.client.ask("PATCH", Questions.place(begun), Questions.part(0, first), .whole(first)).status == 202)
        try site.server.restart()
        #expect(site.ask("GET", Questions.place(begun)).headers["range"] == "0-9")
        #expect(
            site.client.ask("PATCH", Questions.place(begun), Questions.part(10, first), .whole(first)).status == 202)
        let digest = Questions.digest("01234567890123456789")
        #expect(site.ask("PUT", Questions.place(begun, digest: digest)).status == 201)
        #expect(site.server.tags(of: "a") == ["v1"])
        #expect(site.ask("HEAD", "/v2/b/blobs/\(Questions.digest("layer"))").status == 200, "dedupe knows it again")
    }

    @Test func aKilledProcessKeepsSessions() throws {
        let folder = TemporaryFolder()
        let arguments = [
            SourceTree.tool("zot-stand-in").string, "--folder", folder.appending("store").string, "--port",
        ]
        let port = Loopback.freePort()
        let first = try StandInProcess(arguments + ["\(port)"], port, folder)
        let client = try #require(RawClient(url: "http://127.0.0.1:\(port)"))
        let begun = client.ask("POST", "/v2/a/blobs/uploads/")
        let bytes = Array("0123456789".utf8)
        #expect(client.ask("PATCH", Questions.place(begun), Questions.part(0, bytes), .whole(bytes)).status == 202)
        first.process.kill()
        let second = try StandInProcess(arguments + ["\(port)"], port, folder)
        #expect(client.ask("GET", Questions.place(begun)).headers["range"] == "0-9")
        second.process.kill()
    }

    // MARK: Many at once

    @Test func closedConnectionsLeaveNothingOpen() throws {
        let folder = TemporaryFolder()
        let port = Loopback.freePort()
        let arguments = ["--folder", folder.appending("store").string, "--port", "\(port)"]
        let running = try StandInProcess([SourceTree.tool("zot-stand-in").string] + arguments, port, folder)
        let client = try #require(RawClient(url: "http://127.0.0.1:\(port)"))
        let open = { try run(["ls", "/proc/\(running.process.id)/fd"]).output.split(separator: "\n").count }
        let first = try open()
        for _ in 0..<20 {
            let begun = client.ask("POST", "/v2/a/blobs/uploads/")
            _ = client.ask("PATCH", Questions.place(begun), ["Content-Length": "5000"], .cut([1, 2, 3]))
        }
        let limit = ContinuousClock.now + .seconds(5)
        while try open() > first, ContinuousClock.now < limit { usleep(20_000) }
        #expect(try open() <= first)
    }

    @Test func oneBlobMayComeFromTwelveClients() throws {
        let site = try Site()
        let bytes = Questions.random(300_000)
        let digest = Questions.digest(bytes)
        let client = site.client
        let statuses = parallel(12) { _ in
            let begun = client.ask("POST", "/v2/a/blobs/uploads/")
            return client.ask("PUT", Questions.place(begun, digest: digest), Questions.binary, .whole(bytes)).status
        }
        #expect(statuses == Array(repeating: 201, count: 12))
        #expect(site.ask("GET", "/v2/a/blobs/\(digest)").body == bytes && site.server.sessions == [])
    }

    @Test func eightWritersFillOneRepository() throws {
        let site = try Site()
        let client = site.client
        let statuses = parallel(8) { writer in
            (0..<25).map { number in
                let text = #"{"schemaVersion":2,"manifests":[],"annotations":{"n":"\#(writer)-\#(number)"}}"#
                let target = "/v2/a/manifests/t-\(writer)-\(number)"
                return client.ask("PUT", target, ["Content-Type": MediaType.index], .whole(Array(text.utf8))).status
            }
        }
        #expect(statuses.joined().allSatisfy { $0 == 201 })
        #expect(site.server.tags(of: "a").count == 200 && site.server.manifests(of: "a").count == 200)
        #expect(site.server.count(.manifest, "PUT") == 200)
    }
}
