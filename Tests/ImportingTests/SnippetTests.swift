// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing

@testable import Importing

/// What clusters and hosts are told.
struct SnippetTests {
    private func snippets(
        _ rules: [String] = [], base: String = "spectro-content", references: [ReleaseReference] = []
    ) throws -> SiteSnippets {
        SiteSnippets(
            try RegistryMapping(rules), authority: "10.0.0.10:30003", scheme: "https", base: base,
            references: references,
            hasAuthority: false)
    }

    private func file(_ name: String, _ snippets: SiteSnippets) throws -> String {
        try #require(snippets.files.first { $0.name == name }).text
    }

    @Test func `without rules it is as the appliance does`() throws {
        let made = try snippets()
        #expect(made.warnings.isEmpty)
        let swap = try file("image-swap.txt", made)
        #expect(
            swap.contains("docker.io::10.0.0.10:30003/spectro-content,gcr.io::10.0.0.10:30003/spectro-content/gcr.io,"))
        let rules = try file("registry-mapping-rules.yaml", made)
        #expect(rules.hasPrefix("#cloud-config\nstylus:\n  externalRegistries:\n    registryMappingRules:\n"))
        #expect(rules.contains("      \"quay.io\": \"10.0.0.10:30003/spectro-content/quay.io\"\n"))
        let hosts = try file("certs.d/docker.io/hosts.toml", made)
        #expect(
            hosts == """
                server = "https://registry-1.docker.io"

                [host."https://10.0.0.10:30003/v2/spectro-content"]
                  capabilities = ["pull", "resolve"]
                  override_path = true

                """)
        #expect(
            try file("certs.d/quay.io/hosts.toml", snippets(base: "")).contains(
                "[host.\"https://10.0.0.10:30003/v2/quay.io\"]"))
    }

    @Test func `rules for a host change its prefix, finer ones get a pair of their own`() throws {
        let made = try snippets([
            "quay.io/*=mirror/*", "docker.io/*=hub/*", "us-docker.pkg.dev/palette-images/*=palette/*",
        ])
        let swap = try file("image-swap.txt", made)
        #expect(swap.contains("quay.io::10.0.0.10:30003/spectro-content/mirror,"))
        #expect(swap.contains("docker.io::10.0.0.10:30003/spectro-content/hub,"))
        #expect(swap.contains("us-docker.pkg.dev/palette-images::10.0.0.10:30003/spectro-content/palette"))
        #expect(try file("certs.d/quay.io/hosts.toml", made).contains("/v2/spectro-content/mirror\""))
        #expect(!made.files.contains { $0.name == "certs.d/us-docker.pkg.dev/hosts.toml" })
        #expect(made.warnings.contains { $0.contains("us-docker.pkg.dev") })
    }

    @Test func `flattened names are named one by one`() throws {
        let references = try Site().verified().release.references
        let made = try snippets(["*={flat}"], references: references)
        let swap = try file("image-swap.txt", made)
        #expect(swap.contains("[EXACT]docker.io/library/db:16::10.0.0.10:30003/spectro-content/library-db:16\n"))
        #expect(!made.files.contains { $0.name.hasSuffix("hosts.toml") })
        #expect(made.warnings.contains { $0.contains("one by one") })
        #expect(try snippets(["*={flat}"]).warnings.contains { $0.contains("give the release's media too") })
    }

    /// Applies the rules as the webhook does: exact names, then the longest source.
    private func swapped(_ name: String, _ text: String) -> String {
        var pairs: [(String, String)] = []
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            for entry in line.hasPrefix("[EXACT]") ? [line.dropFirst(7)] : line.split(separator: ",") {
                let parts = entry.split(separator: "::", maxSplits: 1)
                if line.hasPrefix("[EXACT]"), parts[0] == name { return String(parts[1]) }
                if !line.hasPrefix("[EXACT]") { pairs.append((String(parts[0]), String(parts[1]))) }
            }
        }
        let best = pairs.filter { name.hasPrefix($0.0 + "/") }.max { $0.0.count < $1.0.count }
        return best.map { $0.1 + name.dropFirst($0.0.count) } ?? name
    }

    @Test(
        arguments: [
            [], ["*={flat}"], ["*=deep/*"], ["quay.io/*=q/*", "ghcr.io/*=g/{flat}"], ["docker.io/*=hub/*"],
            ["us-docker.pkg.dev/palette-images/*=p/*", "library/db=database"],
        ])
    func `each image of a release is found where it was loaded to`(rules: [String]) throws {
        let references = try Site().verified().release.references
        let swap = try file("image-swap.txt", snippets(rules, references: references))
        let mapping = try RegistryMapping(rules)
        for reference in references where reference.kind == "image" {
            let isHub = RegistryMapping.isOfDockerHub(reference.repository)
            let tail = String(reference.name.dropFirst(reference.repository.count))
            let name = (isHub ? "docker.io/" : "") + reference.repository + tail
            let wanted = "10.0.0.10:30003/spectro-content/\(mapping.destination(of: reference.repository))\(tail)"
            #expect(swapped(name, swap) == wanted)
        }
    }

    @Test func `the files are what their readers parse`() throws {
        let folder = TemporaryFolder()
        try snippets(["quay.io/*=mirror/*"]).write(to: folder.path)
        let script = """
            import sys, tomllib, pathlib
            for file in pathlib.Path(sys.argv[1]).rglob("hosts.toml"):
                document = tomllib.loads(file.read_text())
                (address, host), = document["host"].items()
                assert host == {"capabilities": ["pull", "resolve"], "override_path": True}, host
                assert document["server"].startswith("https://") and "/v2/" in address
                print(file.parent.name)
            """
        let result = try run(["python3", "-c", script, folder.path.string])
        #expect(result.status == 0, "\(result.errorOutput)")
        #expect(Set(result.output.split(separator: "\n").map(String.init)) == Set(SiteSnippets.knownHosts))
    }
}
