// SPDX-License-Identifier: Apache-2.0

import OCI
import Palette
import Testing

@testable import PaletteSources

/// The shapes that `values.yaml` has in the real packs, in small; `RealPackTests` reads the packs themselves.
@Suite struct PackShapeTests {
    struct Shape: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let text: String
        let images: [String]?
        let charts: [String]

        init(_ name: String, _ images: [String]?, charts: [String] = [], _ text: String) {
            (testDescription, self.images, self.charts, self.text) = (name, images, charts, text)
        }
    }

    private static let digest = "sha256:2c587a649b1b9b61d09e1e42901da5f34b2ab187247acb23086de3fad504a49c"

    static let shapes = [
        Shape("an empty file", nil, ""),
        Shape("no pack block", nil, "manifests:\n  vsclass:\n    name: \"csi\"\n    driver: {{.driver}}\n"),
        Shape(
            "no content", nil,
            "pack:\n  namespace: \"kube-system\"\n\ncharts:\n  antrea:\n    image:\n      tag: \"\"\n"),
        Shape(
            "an empty list before comments", [],
            "pack:\n  content:\n    images: []\n  #namespaceAnnotations:\n  #  \"vms\": \"a=1.2\"\ncharts: {}\n"),
        Shape(
            "no host, charts, overrides", ["appdynamics/appdynamics-cloud-operator:24.7.0-1475"],
            charts: ["https://appdynamics.test/charts/ appdynamics-operators 1.22.374"],
            """
            pack:
              namespace: "appdynamics"
              releaseNameOverride:
                appdynamics-operators: operator
              content:
                images:
                  - image: appdynamics/appdynamics-cloud-operator:24.7.0-1475
                charts:
                  - repo: https://appdynamics.test/charts/
                    name: appdynamics-operators
                    version: 1.22.374
            charts:
              appdynamics-operators:
                fso-agent-mon-operator:
                  enabled: false
            """),
        Shape(
            "a list less deep than its neighbours, a comment after it",
            ["docker.elastic.co/kibana/kibana:9.3.0", "docker.io/curlimages/curl:8.19.0"],
            charts: ["https://helm.elastic.co/ eck-stack 0.19.0"],
            """
            pack:
              content:
                images:
                  - image: docker.elastic.co/kibana/kibana:9.3.0
                  - image: docker.io/curlimages/curl:8.19.0

                charts:
                - repo: https://helm.elastic.co/
                  name: eck-stack
                  version: 0.19.0
              #The namespace (on the target cluster) to install this chart
              namespace: "elastic-stack"

            charts:
              eck-stack: {}
            """),
        Shape(
            "a digest alone, a label with latest in it", ["ghcr.io/spegel-org/spegel@\(digest)"],
            """
            pack:
              content:
                images:
                  - image: ghcr.io/spegel-org/spegel@\(digest)
              namespaceLabels:
                "spegel-system": "pod-security.kubernetes.io/enforce=privileged,enforce-version=latest"
            """),
        Shape(
            "a macro in a label", ["quay.io/piraeusdatastore/piraeus-operator:v2.9.0", "gcr.io/kubebuilder/x:v0.13.1"],
            """
            pack:
              content:
                images:
                  - image: quay.io/piraeusdatastore/piraeus-operator:v2.9.0
                  - image: gcr.io/kubebuilder/x:v0.13.1
              namespaceLabels:
                "piraeus-system": "enforce-version=v{{ .spectro.system.kubernetes.version | substr 0 4 }}"
            charts:
              piraeus:
                image: {repository: quay.io/other/x}
            """),
        Shape(
            "tag and digest, a port, no tag, latest",
            ["quay.io/a/b:v1@\(digest)", "registry.test:5000/a", "a/b", "nginx", "quay.io/a:latest"],
            """
            pack:
              content:
                images:
                  - image: quay.io/a/b:v1@\(digest)
                  - image: registry.test:5000/a
                  - image: a/b
                  - image: nginx
                  - image: quay.io/a:latest
            """),
    ]

    @Test(arguments: shapes) func `reads the shapes of the real packs`(_ shape: Shape) throws {
        let content = PackContent(values: Array(shape.text.utf8))
        #expect(content.images?.map(\.text) == shape.images)
        #expect(content.charts.map { "\($0.repository ?? "") \($0.name) \($0.version ?? "")" } == shape.charts)
        #expect(content.problems == [])
        for image in shape.images ?? [] { #expect(try Reference(parsing: image).description == image) }
    }

    @Test func `knows each image of the real packs as a reference that can be delivered`() throws {
        let images = Set(ExpectedPack.all.flatMap { $0.images ?? [] })
        #expect(ExpectedPack.all.count == 20 && images.count == 80)
        for image in images {
            let reference = try Reference(parsing: image)
            #expect(reference.description == image)
            _ = try DeliveredReference(source: reference)
        }
    }
}
