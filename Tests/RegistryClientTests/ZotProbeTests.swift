// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import OCI
import RegistryClient
import Support
import Testing

/// What Zot answers to questions that change nothing, from the stand-in.
struct ZotProbeTests {
    private func options(_ edit: (inout ZotServer.Options) -> Void) -> ZotServer.Options {
        var options = ZotServer.Options()
        edit(&options)
        return options
    }

    private func put(_ connection: RegistryConnection, _ repository: String, _ tags: [String]) throws -> Content {
        let config = try Content("{}")
        _ = try connection.upload(repository, config.digest, size: config.size) { config.body }
        let manifest = try Content.manifest(config: config)
        for tag in tags {
            try connection.putManifest(
                repository, tag, Data(manifest.bytes), mediaType: MediaType.manifest, digest: manifest.digest)
        }
        return manifest
    }

    @Test(arguments: ZotServer.Era.allCases) func `Zot is known by its version`(_ era: ZotServer.Era) throws {
        let server = try ZotServer(options { $0.era = era })
        let kind = try connect(server.url).kind()
        #expect(kind.family == .zot && kind.version?.contains(era.rawValue) == true)
        #expect(kind.collectsOnline && kind.tagsChangeType == (era == .v2_1_20))
    }

    @Test func `Docker manifests are found out to be refused, and no repository comes of it`() throws {
        let (strict, open) = (try ZotServer(), try ZotServer(options { $0.docker2s2 = true }))
        #expect(try connect(strict.url + "/base").refusesDockerManifests())
        #expect(try !connect(open.url + "/base").refusesDockerManifests())
        for server in [strict, open] {
            var names: [String] = []
            _ = try connect(server.url).catalog { page in
                names += page
                return true
            }
            #expect(names.isEmpty)
        }
    }

    @Test func `what a login may do is told apart, and nothing is done`() throws {
        let rules: [(String, Set<ZotServer.Action>)] = [
            ("all", [.read, .create, .update, .delete]), ("some", [.read, .create]), ("look", [.read]),
        ]
        let server = try ZotServer(
            options {
                $0.permissions = rules.map { ZotServer.Permission($0.0, $0.1) }
                $0.auth = .basic(user: "loader", password: "s3cret")
            })
        var ours = RegistryOptions.waiting()
        ours.credentials = Credentials(username: "loader", password: "s3cret")
        let connection = try connect(server.url, ours)
        let manifest = try put(connection, "all/a", ["v1"])
        _ = try put(connection, "some/a", ["v1"])
        for (prefix, actions) in rules {
            let repository = prefix + "/a"
            #expect(
                try connection.mayCreate(repository) == (actions.contains(.create) ? .allowed : .denied), "\(prefix)")
            #expect(
                try connection.mayDelete(repository) == (actions.contains(.delete) ? .allowed : .denied), "\(prefix)")
            guard prefix != "look" else { continue }  // it has no tag
            #expect(
                try connection.mayUpdate(repository, "v1") == (actions.contains(.update) ? .allowed : .denied),
                "\(prefix)")
        }
        for repository in ["all/a", "some/a"] {
            #expect(server.tags(of: repository) == ["v1"])
            #expect(server.manifests(of: repository) == [manifest.digest.description])
        }
    }

    @Test func `tags and referrers are those that were sent`() throws {
        let server = try ZotServer()
        let connection = try connect(server.url)
        #expect(try connection.tags("a/b") == nil)
        let subject = try put(connection, "a/b", ["v2", "v1"])
        #expect(try connection.tags("a/b") == ["v1", "v2"])
        guard case .unknownManifest = try connection.manifestAnswer("a/b", "v3"),
            case .manifest = try connection.manifestAnswer("a/b", "v1")
        else {
            Issue.record("not told apart")
            return
        }
        let config = try Content("{}")
        let referrer = try Content(
            """
            {"schemaVersion":2,"mediaType":"\(MediaType.manifest)","artifactType":"a/b","config":{"mediaType":\
            "\(MediaType.unknownConfig)","digest":"\(config.digest)","size":2},"layers":[],"subject":{"mediaType":\
            "\(MediaType.manifest)","digest":"\(subject.digest)","size":\(subject.size)}}
            """)
        let receipt = try connection.putManifest(
            "a/b", referrer.digest.description, Data(referrer.bytes), mediaType: MediaType.manifest,
            digest: referrer.digest)
        #expect(receipt.subjectKept)
        #expect(try connection.referrers("a/b", subject.digest)?.map(\.digest) == [referrer.digest])
        let descriptor = try ReferrersTag.descriptor(
            of: Data(referrer.bytes), mediaType: MediaType.manifest, digest: referrer.digest)
        try connection.ensureReferrer("a/b", of: subject.digest, descriptor) { _ in subject.digest }
        #expect(try connection.tags("a/b") == ["v1", "v2"])
    }
}
