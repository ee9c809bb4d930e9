// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// A release as the vendor ships it, all the way: pack, verify, load into two registries, check, extract; and what other
/// people's tools make of the results.
struct VendorWayTests {
    private static let version = "4.7.27"

    @Test(arguments: ["palette", "vertex"])
    func `the vendor's content arrives whole, and skopeo, oras and openssl agree`(edition: String) throws {
        let vendor = try SyntheticVendor(editions: [edition], releases: ["4.7.3", Self.version])
        let (publisher, input) = (
            try Publisher(in: TemporaryFolder(), editions: [edition]), vendor.release(edition, Self.version)
        )
        try publisher.pack(input.appending("release.yaml"), edition: edition, out: "bundles")
        let (registry, zot) = (try RegistryServer(), try ZotServer())
        let site = try ImportSite(publisher, edition: edition)
        try site("verify", "bundles")
        for address in ["\(registry.url)/base", "\(zot.url)/spectro-content"] {
            try site("load", "bundles", "--to", address)
            try site("check", "--to", address, "--deep")
        }
        let there = try lines(ofRegistry: "\(registry.url)/base")
        #expect(withoutFallbacks(there) == withoutFallbacks(try lines(ofRegistry: "\(zot.url)/spectro-content")))
        try expectDelivered(input, there)
        try readChart(registry.port, input)
        try readPack(registry.port, input, publisher.place)
        try extract(site, input, vendor.top)
    }

    /// Every reference of the vendor's own list is a tag with the vendor's digest.
    private func expectDelivered(_ input: FilePath, _ there: [String]) throws {
        let listed = try sh(
            "jq -r '.bundles[] | to_entries[] | \"\\(.key) \\(.value)\"' \(input)/facts.json"
        ).output.split(separator: "\n")
        let tags = Set(there.filter { $0.contains(" tag ") })
        #expect(listed.count > 30)
        for line in listed where !line.hasPrefix("bundle-definition:bundle ") {
            let parts = line.split(separator: " ")
            #expect(tags.contains(Self.tagLine(String(parts[0]), String(parts[1]))), "\(line)")
        }
    }

    private static func tagLine(_ reference: String, _ digest: String) -> String {
        if let at = reference.firstIndex(of: "@") {
            return "\(reference[..<at]) tag digest-\(digest.dropFirst(7)) \(digest)"
        }
        guard let colon = reference.lastIndex(of: ":"), !reference[colon...].contains("/") else {
            return "\(reference) tag latest \(digest)"
        }
        return "\(reference[..<colon]) tag \(reference[reference.index(after: colon)...]) \(digest)"
    }

    /// A chart in helm's own form: configuration and chart are the vendor's bytes.
    private func readChart(_ port: UInt16, _ input: FilePath) throws {
        let name = "docker://127.0.0.1:\(port)/base/ghcr.io/stefanprodan/charts/podinfo:6.8.2"
        let folder = TemporaryFolder()
        try sh(
            """
            skopeo --insecure-policy copy -q --src-tls-verify=false \(name) oci:\(folder.path)/chart
            cd \(folder.path)/chart/blobs/sha256
            m=$(jq -r '.manifests[0].digest[7:]' ../../index.json)
            jq -e '.config.mediaType == "application/vnd.cncf.helm.config.v1+json"' $m
            cmp $(jq -r '.layers[0].digest[7:]' $m) \(input)/charts/podinfo-6.8.2.tgz
            tar -xzOf $(jq -r '.layers[0].digest[7:]' $m) podinfo/Chart.yaml | grep -q 'version: 6.8.2'
            """)
    }

    /// A pack folder, pulled by another ORAS: the tar holds the folder's own files.
    private func readPack(_ port: UInt16, _ input: FilePath, _ place: TemporaryFolder) throws {
        let python = SourceTree.root.appending(".build/python/bin/python3").string
        let script = SourceTree.root.appending("Tests/python/oras_pull.py").string
        let target = "127.0.0.1:\(port)/base/spectro-packs/archive/edge-native-byoi:2.1.0"
        let pulled = try run([python, script, target, "\(place.path)/pulled"])
        #expect(pulled.status == 0, "\(pulled.errorOutput)")
        #expect(pulled.output == "tags 2.1.0\nfile edge-native-byoi-2.1.0.tar.gz\n")
        try sh(
            """
            cd \(place.path)/pulled; tar -xzf edge-native-byoi-2.1.0.tar.gz; rm edge-native-byoi-2.1.0.tar.gz
            diff -r . \(input)/folders && exit 1; diff -r $(ls) \(input)/folders/byoi
            """)
    }

    /// What the appliance itself must be given comes out as the vendor signed it.
    private func extract(_ site: ImportSite, _ input: FilePath, _ top: FilePath) throws {
        let name = try sh("basename \(input)/*-slim.iso -slim.iso").output.dropLast()
        let folder = TemporaryFolder()
        for (file, signature) in [("\(name).iso", "\(name).iso.sig.bin"), ("\(name).tar.zst", "\(name).tar.sig.bin")] {
            try site("extract", file, "bundles", "--to", "\(folder.path)/\(file)")
            try sh(
                """
                cmp \(folder.path)/\(file) \(input)/\(file)
                openssl dgst -sha256 -verify \(top)/spectro_public_key.pem -signature \(folder.path)/\(signature) \
                  \(folder.path)/\(file)
                """)
        }
    }
}

/// What `Tests/python/list_registry.py` finds below an address: tags, manifests and blobs, every blob fetched and hashed.
func lines(ofRegistry address: String) throws -> [String] {
    let script = SourceTree.root.appending("Tests/python/list_registry.py").string
    let result = try run(["python3", script, address, "--deep"], timeout: 120)
    guard result.status == 0 else { throw SampleError.failed(result.errorOutput) }
    return result.output.split(separator: "\n").map(String.init)
}

/// Without the tags and indexes by which a registry that has no referrers API (docker-registry) is told of them
/// (distribution-spec 1.1, "Referrers Tag Schema").
func withoutFallbacks(_ lines: [String]) -> [String] {
    let tags = lines.filter { $0.contains(" tag sha256-") }
    let indexes = Set(tags.compactMap { line in line.split(separator: " ").last })
    return lines.filter { line in
        !tags.contains(line) && !(line.contains(" manifest ") && indexes.contains { line.hasSuffix($0) })
    }
}

/// The disconnected side of one edition: a state folder that trusts its product.
struct ImportSite {
    let publisher: Publisher
    let state: String

    init(_ publisher: Publisher, edition: String, state: String = "site") throws {
        (self.publisher, self.state) = (publisher, state)
        let root = "trust-\(edition)/1.root.json"
        let sum = try sh("sha256sum \(publisher.place.path)/\(root)").output
        try self("trust", "add", root, "--fingerprint", String(sum.prefix(64)))
    }

    /// Runs `dray-import` with the site's state; it must succeed.
    @discardableResult
    func callAsFunction(_ arguments: String...) throws -> CommandResult {
        let result = try publisher.tool("dray-import", arguments + ["--state", state])
        guard result.status == 0 else { throw SampleError.failed("dray-import \(arguments): \(result.errorOutput)") }
        return result
    }
}
