// SPDX-License-Identifier: Apache-2.0

import Files
import Glibc
import Mirroring
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing

/// The command as its user runs it, up to a loaded registry.
struct ToolTests {
    private let registry: ZotServer
    private let site: SourceSite

    init() throws {
        var options = ZotServer.Options()
        options.era = .v2_1_20
        registry = try ZotServer(options)
        site = try SourceSite(registry.url)
    }

    private func tool(_ line: String) throws -> CommandResult {
        let folder = SourceTree.tool("dray").removingLastComponent()
        return try run(
            ["bash", "-euo", "pipefail", "-c", "cd \(site.place.path); PATH=\(folder):$PATH; \(line)"])
    }

    private func manifest(_ text: String) throws {
        let head = "format: 1\nregistries: [{host: quay.io, address: '\(registry.url)'}]\n"
        try write(Array((head + text).utf8), to: site.place.appending("mirror.yaml"))
    }

    @Test func `a mirrored folder packs and loads with signatures of children and of SBOMs`() throws {
        let (index, children) = try site.index("team/app", "1", platforms: ["linux/amd64", "linux/arm64"])
        let signature = try site.image("team/app", nil, layers: [noise(50)], subject: index, note: "s")
        let sbom = try site.image("team/app", nil, layers: [noise(60)], subject: children[1], note: "b")
        let about = try site.image("team/app", nil, layers: [noise(70)], subject: sbom, note: "sb")
        let tag = "sha256-\(index.digest.hex).sig"
        try site.image("team/app", tag, layers: [noise(80)], note: "cosign")
        try manifest("images: [quay.io/team/app:1]\n")
        try write(
            Array(
                """
                format: 1
                release: {product: palette-mirror, version: 1.0.0, edition: palette}
                contents: [{layout: mirror}]

                """.utf8), to: site.place.appending("release.yaml"))
        let target = try ZotServer()
        let result = try tool(
            """
            dray mirror mirror.yaml --to mirror
            dray key generate --out root.pem; dray key generate --out release.pem
            dray trust init --product palette-mirror --root-key root.pem --release-key release.pub.pem --out trust
            dray pack release.yaml --trust trust --key release.pem --out bundles --state publisher --output json
            dray-import trust add trust/1.root.json --fingerprint $(sha256sum < trust/1.root.json | cut -c1-64) --state site
            dray-import load bundles --to \(target.url)/base --state site
            """)
        #expect(result.status == 0, "\(result.errorOutput)")
        #expect(!result.output.contains("is not delivered"))
        let connection = try Registry(Endpoint(parsing: target.url), RegistryOptions()).connection()
        for (subject, referrer) in [(index, signature), (children[1], sbom), (sbom, about)] {
            let listed = try connection.referrers("base/quay.io/team/app", subject.digest)
            #expect(listed?.map(\.digest) == [referrer.digest])
        }
        #expect(try connection.manifest("base/quay.io/team/app", tag) != nil)
    }

    @Test func `an index with platforms left out is told in the plan, and refused by pack`() throws {
        try site.index("team/app", "1", platforms: ["linux/amd64", "linux/arm64"])
        try manifest("platforms: [linux/amd64]\nimages: [quay.io/team/app:1]\n")
        let plan = try tool("dray mirror mirror.yaml --to mirror --dry-run")
        #expect(plan.status == 0 && plan.output.contains("without linux/arm64"))
        #expect(plan.errorOutput.contains("docs/mirror.md"))
        try write(
            Array(
                "format: 1\nrelease: {product: p, version: 1.0.0, edition: palette}\ncontents: [{layout: mirror}]\n"
                    .utf8),
            to: site.place.appending("release.yaml"))
        let packed = try tool(
            """
            dray mirror mirror.yaml --to mirror
            dray key generate --out root.pem; dray key generate --out release.pem
            dray trust init --product p --root-key root.pem --release-key release.pub.pem --out trust
            dray pack release.yaml --trust trust --key release.pem --out bundles --state publisher
            """)
        #expect(packed.status == 14 && packed.errorOutput.contains("without platforms:"), "\(packed.errorOutput)")
    }

    @Test func `the JSON says what was done, and what failed with its code`() throws {
        try site.image("team/app", "1", layers: [noise(500)])
        try manifest("images: [quay.io/team/app:1, quay.io/team/none:1]\n")
        let result = try tool("dray mirror mirror.yaml --to mirror --output json")
        #expect(result.status == 1)
        try write(result.stdout, to: site.place.appending("out.json"))
        let checked = try tool(
            #"""
            jq -e '.command == "mirror" and .exitCode == 1 and .outcome == "failed" and (.result.references | length) == 1
              and .result.references[0].state == "new" and .result.failures[0].what == "quay.io/team/none:1"
              and .result.failures[0].exitCode == 1 and .result.blobsToFetch == 2' out.json
            jq -e '.format == 1 and (.references | length) == 1' mirror.lock.json
            """#)
        #expect(checked.status == 0, "\(result.output)")
    }

    @Test func `everything that packs ask for is mirrored once, and a failure names the packs that want it`() throws {
        try site.image("team/shared", "1", layers: [noise(500)])
        try manifest("images: [quay.io/team/shared:1]\n")
        for (pack, images) in [("a", ["shared:1", "none:2"]), ("b", ["shared:1", "none:2", "{{ .x }}:1"])] {
            let folder = site.place.appending("packs/\(pack)")
            try folder.createDirectories()
            try write(
                Array(#"{"name":"\#(pack)","version":"1.0.0","displayName":"x","layer":"addon"}"#.utf8),
                to: folder.appending("pack.json"))
            let list = images.map { "      - image: \"quay.io/team/\($0)\"\n" }.joined()
            try write(Array("pack:\n  content:\n    images:\n\(list)".utf8), to: folder.appending("values.yaml"))
        }
        let result = try tool("dray mirror mirror.yaml --from-packs packs --to mirror")
        #expect(result.status == 1)
        #expect(result.output.contains("quay.io/team/none:2 is not there"), "\(result.output)")
        #expect(result.output.contains("a:1.0.0") && result.output.contains("b:1.0.0"))
        #expect(result.errorOutput.contains("template"))
        #expect(try site.names() == ["quay.io/team/shared:1"])
    }

    @Test func `wrong use says what is right`() throws {
        for (line, text) in [
            ("dray mirror --to m", "--from-packs"), ("dray mirror mirror.yaml --to m --registry x", "go together"),
            ("dray mirror mirror.yaml --to m --locked", "no lock file"),
            ("dray mirror mirror.yaml --to m --jobs 0", "--jobs"),
            ("dray mirror mirror.yaml --to m --ca-cert none.pem", "none.pem"),
        ] {
            try manifest("images: [quay.io/team/app:1]\n")
            let result = try tool(line)
            #expect(result.status == 64 && result.errorOutput.contains(text), "\(line): \(result.errorOutput)")
        }
    }

    @Test func `a registry with a login takes it from the options, the manifest or docker's file`() throws {
        var options = RegistryServer.Options()
        options.login = ("loader", "s3cret")
        let server = try RegistryServer(options)
        let push = try run([
            "skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", "--dest-creds", "loader:s3cret",
            "oci:\(try layout()):x", "docker://127.0.0.1:\(server.port)/team/app:1",
        ])
        #expect(push.status == 0, "\(push.errorOutput)")
        try write(Array("s3cret\n".utf8), to: site.place.appending("pw"))
        let host = "127.0.0.1:\(server.port)"
        let auth = try run(["bash", "-c", "printf loader:s3cret | base64"]).output.prefix { $0 != "\n" }
        try write(Array(#"{"auths":{"\#(host)":{"auth":"\#(auth)"}}}"#.utf8), to: site.place.appending("config.json"))
        try write(Array("format: 1\nimages: [\(host)/team/app:1]\n".utf8), to: site.place.appending("mirror.yaml"))
        let denied = try tool(
            "echo '{}' > none.json; dray mirror mirror.yaml --to m0 --docker-config none.json")
        #expect(denied.status == 15, "\(denied.output)")
        for line in ["--registry \(host) --username loader --password-file pw", "--docker-config config.json"] {
            let result = try tool("rm -rf m mirror.lock.json; dray mirror mirror.yaml --to m \(line)")
            #expect(result.status == 0, "\(result.output)\(result.errorOutput)")
        }
        try write(
            Array(
                "format: 1\nregistries: [{host: '\(host)', username: loader, passwordFile: pw}]\nimages: [\(host)/team/app:1]\n"
                    .utf8), to: site.place.appending("mirror.yaml"))
        #expect(try tool("rm -rf m mirror.lock.json; dray mirror mirror.yaml --to m").status == 0)
    }

    /// A layout with an image `x`, as a mirror makes it.
    private func layout() throws -> FilePath {
        try site.image("team/x", "1", layers: [noise(300)])
        try site.mirror("images: [quay.io/team/x:1]\n")
        let copied = try run([
            "skopeo", "--insecure-policy", "copy", "-q", "oci:\(site.to):quay.io/team/x:1",
            "oci:\(site.place.path)/lay:x",
        ])
        #expect(copied.status == 0, "\(copied.errorOutput)")
        return site.place.appending("lay")
    }
}
