// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Glibc
import Importing
import OCI
import Support
import SystemPackage
import Testing

/// A pack folder goes through `pack` and `load`, and other people's tools read what arrives.
struct PackArtifactProofTests {
    private static let name = "spectro-packs/archive/demo:1.0.0"

    /// A pack with a Helm chart, a script and a folder's depth, in `FOLDER`; a manifest that packs it alone.
    private static func make(_ folder: FilePath, pack: String, _ change: String = "true") throws {
        try shell(
            folder,
            """
            mkdir -p \(pack)/charts \(pack)/manifests/deep c/web/templates
            printf '{"name": "demo", "version": "1.0.0", "displayName": "Demo", "layer": "addon"}' > \(pack)/pack.json
            printf 'pack: {content: {images: []}}\\n' > \(pack)/values.yaml
            printf 'name: web\\nversion: 2.0.0\\n' > c/web/Chart.yaml
            printf 'a: {{ .Values.a }}\\n' > c/web/templates/a.yaml
            tar --sort=name --owner=0 --group=0 --mtime=@1000000000 -cf - -C c web | gzip -n > \(pack)/charts/web-2.0.0.tgz
            printf '#!/bin/sh\\n' > \(pack)/manifests/deep/run.sh; chmod 755 \(pack)/manifests/deep/run.sh
            head -c 200000 /dev/zero | tr '\\0' 'x' > \(pack)/logo.png; : > \(pack)/README.md
            cat > release.yaml <<'END'
            format: 1
            release: {product: palette-enterprise, version: 1.0.0, edition: palette}
            contents: [{packs: \(pack)}]
            END
            cd \(pack) && { \(change); }
            """)
    }

    private static func shell(_ folder: FilePath, _ lines: String) throws {
        let result = try run(["bash", "-euc", "mkdir -p \(folder) && cd \(folder)\n" + lines])
        try #require(result.status == 0, "\(result.errorOutput)")
    }

    @Test func `the same pack has the same digest wherever, whenever and by whoever it is packed`() throws {
        let place = TemporaryFolder()
        try PackArtifactProofTests.make(place.appending("one"), pack: "demo-1.0.0")
        let changes = [
            "find . -exec touch -d '1999-12-31 23:59:59' {} +", "chmod -R go-rwx .",
            "chmod -R a+rwX . && chmod 700 charts",
        ]
        let first = try PackedSample(place.appending("one"))
        let expected = try #require(try Site(first).verified().release.references.first)
        #expect(expected.name == PackArtifactProofTests.name)
        for (number, change) in changes.enumerated() {
            let folder = place.appending("other-\(number)")
            try PackArtifactProofTests.make(folder, pack: "elsewhere", change)
            let reference = try Site(PackedSample(folder)).verified().release.references.first
            #expect(reference?.descriptor == expected.descriptor)
        }
    }

    @Test(.enabled(if: OrasPython.isExpected, "oras is missing: scripts/setup --test"))
    func `oras, skopeo and tar read what arrives, and the chart's archive is the same to the byte`() throws {
        let place = TemporaryFolder()
        try PackArtifactProofTests.make(place.appending("in"), pack: "any-name")
        let site = try Site(PackedSample(place.appending("in")))
        let server = try RegistryServer()
        _ = try site.load(registryTarget(server.url + "/spectro-content"))
        let expected = try #require(try site.verified().release.references.first).descriptor.digest

        let target = "127.0.0.1:\(server.port)/spectro-content/\(PackArtifactProofTests.name)"
        let pulled = place.appending("pulled")
        try pulled.createDirectories()
        let oras = try run([OrasPython.interpreter, OrasPython.script, target, pulled.string])
        try #require(oras.status == 0, "\(oras.errorOutput)")
        let lines = oras.output.split(separator: "\n").map(String.init)
        #expect(lines.first == "\(expected.hex) application/vnd.oci.image.manifest.v1+json")
        let layer = Digest(of: try pulled.appending("demo-1.0.0.tar.gz").contents(limit: 1 << 20))
        #expect(lines.dropFirst() == ["\(layer.hex) demo-1.0.0.tar.gz"])
        #expect(try skopeoDigest("docker://" + target) == expected.description)

        try PackArtifactProofTests.shell(
            place.path,
            """
            tar -xzf pulled/demo-1.0.0.tar.gz && diff -r demo-1.0.0 in/any-name
            test -x demo-1.0.0/manifests/deep/run.sh
            cmp <(sha256sum < demo-1.0.0/charts/web-2.0.0.tgz) <(sha256sum < in/any-name/charts/web-2.0.0.tgz)
            tar -xzf demo-1.0.0/charts/web-2.0.0.tgz -O web/Chart.yaml | grep -qx 'name: web'
            """)
    }

    @Test func `skopeo copies it out of a layout, its layer tar reads`() throws {
        let place = TemporaryFolder()
        try PackArtifactProofTests.make(place.appending("in"), pack: "any-name")
        let site = try Site(PackedSample(place.appending("in")))
        _ = try site.load(LayoutTarget(place.appending("layout")))
        let copy = try run([
            "skopeo", "copy", "-q", "--preserve-digests",
            "oci:\(place.appending("layout")):\(PackArtifactProofTests.name)",
            "dir:\(place.appending("copy"))",
        ])
        #expect(copy.status == 0, "\(copy.errorOutput)")
        try PackArtifactProofTests.shell(
            place.path,
            """
            layer=$(python3 -c 'import json; print(json.load(open("copy/manifest.json"))["layers"][0]["digest"][7:])')
            echo "$layer  copy/$layer" | sha256sum -c --quiet
            tar -xzf "copy/$layer" && diff -r demo-1.0.0 in/any-name
            """)
    }
}

/// oras for Python, where it is installed.
private enum OrasPython {
    static let interpreter =
        variable("DRAY_TEST_PYTHON") ?? SourceTree.root.appending(".build/python/bin/python3").string
    static let script = SourceTree.root.appending("Tests/python/check_oras.py").string

    /// In CI a missing one is a failure, elsewhere the test is left out.
    static var isExpected: Bool {
        if variable("CI") != nil { return true }
        guard unsafe access(interpreter, X_OK) == 0 else { return false }
        return (try? run([interpreter, "-c", "import oras.client"]).status) == 0
    }

    private static func variable(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }
}
