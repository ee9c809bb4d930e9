// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// What the vendor has in registries, in a Helm repository and behind web addresses goes by `dray mirror` into a folder, killed
/// on the way, then by `pack` and `load` into a site's registry, and is the same there.
struct MirrorWayTests {
    private let vendor: SyntheticVendor
    private let publisher: Publisher
    private let source: ZotServer
    private let web: ChildProcess
    private let webPort = Loopback.freePort()

    init() throws {
        vendor = try SyntheticVendor(editions: ["palette"], releases: ["4.7.3"])
        publisher = try Publisher(in: TemporaryFolder(), editions: ["palette"])
        source = try ZotServer()
        let (place, input) = (publisher.place, vendor.release("palette", "4.7.3"))
        web = try ChildProcess(
            ["python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", input.string, "\(webPort)"],
            output: place.appending("web.out"), errorOutput: place.appending("web.err"))
        for _ in 0..<500 {
            if Loopback.accepts(webPort) { break }
            _ = web.wait(seconds: 0.01)
        }
        let script = SourceTree.root.appending("Tests/python/push_layout.py").string
        let pushed = try run(["python3", script, "\(input)/upstream", source.url])
        guard pushed.status == 0 else { throw SampleError.failed(pushed.errorOutput) }
        try write(manifest.utf8, to: place.appending("mirror.yaml"))
        try write(release.utf8, to: place.appending("release.yaml"))
    }

    private var input: FilePath { vendor.release("palette", "4.7.3") }

    private var manifest: String {
        let hosts = ["quay.io", "registry.k8s.io", "ghcr.io", "docker.io"].map {
            "  - host: \($0)\n    address: \(source.url)/\($0)\n"
        }
        return """
            format: 1
            registries:
            \(hosts.joined())
            images:
              - quay.io/piraeusdatastore/piraeus-operator:v2.8.1
              - image: registry.k8s.io/sig-storage/csi-attacher
                versions: ">=4.8 <5"
              - sonobuoy/sonobuoy:latest
            charts:
              - oci://ghcr.io/stefanprodan/charts/podinfo:6.8.0
              - {chart: podinfo, repository: "http://127.0.0.1:\(webPort)/charts", versions: 6.8.0, as: charts.example.org/podinfo}
            files:
              - {url: "http://127.0.0.1:\(webPort)/palette-enterprise-appliance-4.7.3.tar.zst", signature: vendor}
            vendorKeys: [\(vendor.top)/spectro_public_key.pem]

            """
    }

    private var release: String {
        """
        format: 1
        release: { product: palette-enterprise, version: 4.7.3, edition: palette }
        vendorKeys: [\(vendor.top)/spectro_public_key.pem]
        contents:
          - layout: mirror
          - bundle: mirror/files/palette-enterprise-appliance-4.7.3.tar.zst

        """
    }

    @Test func `what was mirrored, killed on the way, is at the site what it was at its source`() throws {
        try mirrorWithKills()
        try publisher.dray("mirror", "mirror.yaml", "--to", "again", "--lock", "mirror.lock.json", "--locked")
        try sh("cd \(publisher.place.path); diff -r mirror/blobs again/blobs; cmp mirror/index.json again/index.json")
        try publisher.pack(publisher.place.appending("release.yaml"), edition: "palette", out: "bundles")
        let zot = try ZotServer()
        let site = try ImportSite(publisher, edition: "palette")
        try site("load", "bundles", "--to", "\(zot.url)/spectro-content")
        try site("check", "--to", "\(zot.url)/spectro-content", "--deep")
        let there = Set(try lines(ofRegistry: "\(zot.url)/spectro-content"))
        for host in ["quay.io", "registry.k8s.io", "ghcr.io"] {
            for line in try lines(ofRegistry: "\(source.url)/\(host)") where isWanted(line) {
                #expect(there.contains("\(host)/\(line)"))
            }
        }
        try expectChart(zot.port)
        try sh("test ! -e \(publisher.place.path)/mirror/.partial")
    }

    private func isWanted(_ line: String) -> Bool {
        ["piraeusdatastore/piraeus-operator ", "sig-storage/csi-attacher ", "stefanprodan/"].contains(
            where: line.hasPrefix)
    }

    private func mirrorWithKills() throws {
        for delay in [0.1, 0.3, 0.6] {
            let child = try ChildProcess(
                [
                    "env", "-C", publisher.place.path.string, SourceTree.tool("dray").string, "mirror", "mirror.yaml",
                    "--to", "mirror",
                ],
                output: publisher.place.appending("out"), errorOutput: publisher.place.appending("err"))
            _ = child.wait(seconds: delay)
            child.kill()
        }
        try publisher.dray("mirror", "mirror.yaml", "--to", "mirror")
    }

    /// The Helm repository's archive, as Helm's own artifact.
    private func expectChart(_ port: UInt16) throws {
        let name = "docker://127.0.0.1:\(port)/spectro-content/charts.example.org/podinfo:6.8.0"
        let folder = TemporaryFolder()
        try sh(
            """
            skopeo --insecure-policy copy -q --src-tls-verify=false \(name) oci:\(folder.path)/chart
            cd \(folder.path)/chart/blobs/sha256; m=$(jq -r '.manifests[0].digest[7:]' ../../index.json)
            cmp $(jq -r '.layers[0].digest[7:]' $m) \(input)/charts/podinfo-6.8.0.tgz
            """)
    }
}
