// SPDX-License-Identifier: Apache-2.0

import OCI
import Testing

@testable import Palette

@Suite struct DeliveredReferenceTests {
    private static let hex = String(repeating: "2c587a649b1b9b61", count: 4)

    @Test(arguments: [
        // Images keep their full source path; Docker Hub's host alone is dropped.
        (
            "us-docker.pkg.dev/palette-images/edge/stylus:v4.10.4", "us-docker.pkg.dev/palette-images/edge/stylus",
            "v4.10.4"
        ),
        (
            "us-docker.pkg.dev/palette-images-fips/k8s/pause:3.8", "us-docker.pkg.dev/palette-images-fips/k8s/pause",
            "3.8"
        ),
        ("sonobuoy/sonobuoy:v0.57.1", "sonobuoy/sonobuoy", "v0.57.1"),
        ("docker.io/sonobuoy/sonobuoy:v0.57.1", "sonobuoy/sonobuoy", "v0.57.1"),
        ("index.docker.io/sonobuoy/sonobuoy:v0.57.1", "sonobuoy/sonobuoy", "v0.57.1"),
        ("docker.io/library/nginx:1", "library/nginx", "1"),
        ("library/nginx:1", "library/nginx", "1"),
        ("docker.io/nginx", "nginx", "latest"),
        ("nginx", "nginx", "latest"),
        ("docker.io.example.org/a:1", "docker.io.example.org/a", "1"),
        ("ghcr.io/spegel-org/spegel@sha256:\(hex)", "ghcr.io/spegel-org/spegel", "digest-\(hex)"),
        ("ghcr.io/spegel-org/spegel:v1@sha256:\(hex)", "ghcr.io/spegel-org/spegel", "v1"),
        ("acme/bundle-definition:1", "acme/bundle-definition", "1"),
        ("spectro-packs/archive/deep/er:1", "spectro-packs/archive/deep/er", "1"),
    ]) func `delivers an image to its source path`(_ source: String, _ repository: String, _ tag: String) throws {
        let delivered = try DeliveredReference(source: Reference(parsing: source))
        #expect(delivered.repository == repository && delivered.tag == tag && delivered.kind == .image)
    }

    @Test(arguments: [
        "spectro-packs/archive/cni-calico:3.30.2-rev2",
        "us-docker.pkg.dev/palette-images/spectro-packs/archive/cni-calico:3.30.2-rev2",
        "10.0.0.1:30003/spectro-content/spectro-packs/archive/cni-calico:3.30.2-rev2",
    ]) func `delivers a pack where the catalogue looks`(_ source: String) throws {
        let delivered = try DeliveredReference(source: Reference(parsing: source))
        #expect(delivered.description == "spectro-packs/archive/cni-calico:3.30.2-rev2" && delivered.kind == .pack)
        #expect(try delivered == DeliveredReference(pack: "cni-calico", version: "3.30.2-rev2"))
        #expect(!delivered.mayMoveFreely)
    }

    @Test(arguments: [
        ("bundle-definition:bundle", true), ("bundle-definition:palette-thirdparty-bundle-4.7.0", false),
        ("spectro-content/bundle-definition:bundle", true),
        ("10.0.0.1:30003/spectro-content/bundle-definition:bundle", true),
    ]) func `delivers a bundle's definition beside the content`(_ source: String, _ moves: Bool) throws {
        let reference = try Reference(parsing: source)
        let delivered = try DeliveredReference(source: reference)
        #expect(delivered.repository == "bundle-definition" && delivered.kind == .bundleDefinition)
        #expect(delivered.tag == reference.tag && delivered.mayMoveFreely == moves)
        #expect(try delivered == DeliveredReference(bundleDefinition: #require(reference.tag)))
    }

    @Test func `knows a cluster definition by its annotation`() throws {
        let source = try Reference(parsing: "us-docker.pkg.dev/x/cluster-definition:1")
        #expect(try DeliveredReference(source: source, type: "spc").kind == .artifact)
        #expect(try DeliveredReference(source: source, type: "stylus").kind == .image)
        #expect(try DeliveredReference(source: source, type: "of-the-future").kind == .image)
    }

    @Test(arguments: ["localhost:5000/a/b:1", "Registry.example.org/a:1"])
    func `refuses what a registry can't take as a path`(_ source: String) throws {
        let reference = try Reference(parsing: source)
        #expect(throws: MappingError.unusable(source)) { try DeliveredReference(source: reference) }
    }

    @Test(arguments: [("", "1"), ("a/b", "1"), ("a..b", "1"), ("A", "1"), ("a", ""), ("a", "1+2"), ("../a", "1")])
    func `refuses a pack that is no repository and tag`(_ name: String, _ version: String) {
        #expect(throws: MappingError.unusablePack(name: name, version: version)) {
            try DeliveredReference(pack: name, version: version)
        }
    }

    @Test func `writes images before packs and definitions last`() {
        #expect(ContentKind.allCases.shuffled().sorted() == [.image, .artifact, .pack, .bundleDefinition])
    }
}
