// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import OCI
import RegistryClient
import Support
import Testing

/// Lists of tags, repositories and referrers.
struct ListTests {
    private let digest: Digest

    init() throws { digest = try Content("x").digest }

    @Test func `tags are followed from page to page, and to no other host`() throws {
        let other = ScriptedServer { _ in .answer(200, [:], #"{"tags":["stolen"]}"#) }
        let server = ScriptedServer([
            .answer(200, ["Link": #"</v2/a/tags/list?n=1000&last=b>; rel="next""#], #"{"tags":["a","b"]}"#),
            .answer(200, ["Link": #"<https://h/x>; rel="up""#], #"{"name":"a","tags":["c","d\u001b[2J","e f"]}"#),
            .answer(200, ["Link": "<http://127.0.0.1:\(other.port)/v2/a/tags/list>; rel=next"], #"{"tags":["a"]}"#),
        ])
        let connection = try connect(server.url)
        #expect(try connection.tags("a") == ["a", "b", "c"])
        #expect(server.lines == ["GET /v2/a/tags/list?n=1000", "GET /v2/a/tags/list?n=1000&last=b"])
        let error = #expect(throws: RegistryError.self) { try connection.tags("a") }
        guard case .foreignLocation = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(other.asked.isEmpty)
    }

    @Test func `an unknown repository has no list, an empty one an empty list`() throws {
        let server = ScriptedServer([.answer(404, [:], "no"), .answer(200, [:], #"{"tags":null}"#), .answer(200)])
        let connection = try connect(server.url)
        #expect(try connection.tags("a") == nil)
        #expect(try connection.tags("a") == [])
        let error = #expect(throws: RegistryError.self) { try connection.tags("a") }
        #expect(error?.kind == .refusal)
    }

    @Test func `a list without an end is given up`() throws {
        let server = ScriptedServer { asked in
            .answer(200, ["Link": "<\(asked.target)>; rel=\"next\""], #"{"manifests":[]}"#)
        }
        let error = #expect(throws: RegistryError.self) { try connect(server.url).referrers("a", digest) }
        guard case .listTooLong = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(server.asked.count == 16)
    }

    @Test func `a list that breaks off is no whole list`() throws {
        let server = ScriptedServer([
            .answer(200, ["Link": "</v2/a/tags/list?last=b>; rel=next"], #"{"tags":["a","b"]}"#), .answer(404),
        ])
        let error = #expect(throws: RegistryError.self) { try connect(server.url).tags("a") }
        #expect(error?.kind == .refusal)
    }

    @Test func `the catalog comes in pages, and stops when it is told to`() throws {
        let server = ScriptedServer { asked in
            asked.target.contains("last=b")
                ? .answer(200, [:], #"{"repositories":["c"]}"#)
                : .answer(200, ["Link": "</v2/_catalog?last=b>; rel=\"next\""], #"{"repositories":["a","b"]}"#)
        }
        let connection = try connect(server.url)
        var pages: [[String]] = []
        let isThere = try connection.catalog { page in
            pages.append(page)
            return true
        }
        #expect(isThere && pages == [["a", "b"], ["c"]])
        #expect(try connection.catalog { _ in false } && server.asked.count == 3)
        #expect(try connection.catalog(after: "b") { _ in true })
        #expect(server.lines.last == "GET /v2/_catalog?n=1000&last=b")
        #expect(throws: MediumGone.self) { try connection.catalog { _ in throw MediumGone(volume: 1) } }
    }

    @Test func `referrers are read, and a registry without them says so`() throws {
        let entry =
            #"{"mediaType":"m","digest":"\#(digest)","size":3,"artifactType":"a/b","annotations":{"k":"v"}}"#
        let index = #"{"manifests":[{"mediaType":"m","digest":"sha512:00","size":1},\#(entry)]}"#
        let server = ScriptedServer([.answer(200, [:], index), .answer(404, [:], "404 page not found")])
        let connection = try connect(server.url)
        let listed = try #require(try connection.referrers("a", digest))
        #expect(
            listed == [
                Descriptor(mediaType: "m", digest: digest, size: 3, artifactType: "a/b", annotations: ["k": "v"])
            ])
        #expect(try connection.referrers("a", digest) == nil)
    }

    @Test func `lists of a real registry are complete`() throws {
        let server = try RegistryServer()
        let connection = try connect(server.url)
        #expect(try connection.tags("a/b") == nil)
        let config = try Content("{}")
        _ = try connection.upload("a/b", config.digest, size: config.size) { config.body }
        let manifest = try Content.manifest(config: config)
        for tag in ["v1", "v2"] {
            let receipt = try connection.putManifest(
                "a/b", tag, Data(manifest.bytes), mediaType: MediaType.manifest, digest: manifest.digest)
            #expect(!receipt.subjectKept)
        }
        #expect(try connection.tags("a/b").map { $0.sorted() } == ["v1", "v2"])
        var names: [String] = []
        #expect(
            try connection.catalog { page in
                names += page
                return true
            })
        #expect(names == ["a/b"])
        #expect(try connection.referrers("a/b", manifest.digest) == nil)
        guard case .unknownManifest = try connection.manifestAnswer("a/b", "v3") else {
            Issue.record("an unknown manifest is taken for something else")
            return
        }
    }

    @Test func `an unknown repository is told from an unknown manifest`() throws {
        let unknown = #"{"errors":[{"code":"NAME_UNKNOWN"}]}"#
        let server = ScriptedServer([.answer(404, [:], unknown), .answer(404, [:], "x")])
        let connection = try connect(server.url)
        guard case .unknownRepository = try connection.manifestAnswer("a", "v1"),
            case .unknownManifest = try connection.manifestAnswer("a", "v1")
        else {
            Issue.record("not told apart")
            return
        }
    }
}

/// The index that lists a manifest's referrers where the registry doesn't.
struct ReferrersTagTests {
    private let subject: Digest
    private let referrer: Descriptor

    init() throws {
        subject = try Content("subject").digest
        let text = """
            {"schemaVersion":2,"artifactType":"","config":{"mediaType":"c/d","digest":"\(subject)","size":1},"layers":[],\
            "annotations":{"a":"b/c"}}
            """
        referrer = try ReferrersTag.descriptor(
            of: Data(text.utf8), mediaType: MediaType.manifest, digest: Content(text).digest)
    }

    @Test func `a referrer is listed by its type and annotations, once`() throws {
        #expect(referrer.artifactType == "c/d" && referrer.annotations == ["a": "b/c"])
        let first = try #require(try ReferrersTag.index(nil, adding: referrer))
        let manifest = try Manifest(parsing: first, mediaType: MediaType.index)
        #expect(manifest.manifests == [referrer])
        #expect(try ReferrersTag.index(first, adding: referrer) == nil)
    }

    @Test func `what others wrote into the index stays`() throws {
        let known = """
            {"schemaVersion":2,"mediaType":"\(MediaType.index)","manifests":[{"mediaType":"\(MediaType.manifest)",\
            "digest":"\(subject)","size":7,"platform":{"os":"linux"},"x":[1,2.5,true,null]}],"annotations":{"k":"v"}}
            """
        let longer = try #require(try ReferrersTag.index(Data(known.utf8), adding: referrer))
        let text = String(decoding: longer, as: UTF8.self)
        for piece in [#""platform":{"os":"linux"}"#, #""x":[1,2.5,true,null]"#, #""annotations":{"k":"v"}"#] {
            #expect(text.contains(piece))
        }
        let manifest = try Manifest(parsing: longer, mediaType: MediaType.index)
        #expect(manifest.manifests.map(\.digest) == [subject, referrer.digest])
    }

    @Test func `the list is kept in a registry without the API, and left alone where it is known`() throws {
        let server = try RegistryServer()
        let connection = try connect(server.url)
        let known = { try #require(Digest(bytes: Content([UInt8]($0 as Data)).digest.bytes)) }
        let config = try Content("{}")
        _ = try connection.upload("a", config.digest, size: config.size) { config.body }
        var listed: [Digest] = []
        for note in ["1", "2", "2"] {
            let manifest = try Content.manifest(config: config, note: note)
            try connection.putManifest(
                "a", manifest.digest.description, Data(manifest.bytes), mediaType: MediaType.manifest,
                digest: manifest.digest)
            let descriptor = try ReferrersTag.descriptor(
                of: Data(manifest.bytes), mediaType: MediaType.manifest, digest: manifest.digest)
            try connection.ensureReferrer("a", of: subject, descriptor) { bytes in (try? known(bytes)) ?? subject }
            if !listed.contains(manifest.digest) { listed.append(manifest.digest) }
        }
        let index = try #require(try connection.manifest("a", "sha256-\(subject.hex)"))
        #expect(try Manifest(parsing: index.bytes, mediaType: MediaType.index).manifests.map(\.digest) == listed)
    }

    @Test func `a tag that holds something else is not written over`() throws {
        let server = ScriptedServer { asked in
            asked.target.contains("referrers")
                ? .answer(404) : .answer(200, ["Content-Type": MediaType.manifest], #"{"config":{}}"#)
        }
        let error = #expect(throws: RegistryError.self) {
            try connect(server.url).ensureReferrer("a", of: subject, referrer) { _ in subject }
        }
        guard case .referrersTagTaken = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(!server.lines.contains { $0.hasPrefix("PUT") })
    }
}
