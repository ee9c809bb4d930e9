// SPDX-License-Identifier: Apache-2.0

import OCI
import Palette
import Testing

@Suite struct PackImageTests {
    private static let hex = String(repeating: "2c587a649b1b9b61", count: 4)

    @Test(arguments: [
        ("quay.io/a/b:v1", "quay.io/a/b:v1", nil),
        ("docker.io/library/nginx:1", "library/nginx:1", "nginx:1"),
        ("nginx:1", "nginx:1", "library/nginx:1"),
        ("sonobuoy/sonobuoy", "sonobuoy/sonobuoy:latest", nil),
        ("ghcr.io/a/b@sha256:\(hex)", "ghcr.io/a/b@sha256:\(hex)", nil),
        ("nginx:1@sha256:\(hex)", "nginx@sha256:\(hex)", "library/nginx@sha256:\(hex)"),
    ]) func `names an image as a node asks for it`(_ source: String, _ name: String, _ other: String?) throws {
        let image = try PackImage(Reference(parsing: source))
        #expect(image.name == name && image.otherSpelling?.name == other)
    }

    @Test(arguments: [
        (["us-docker.pkg.dev/palette-images-fips/a", "quay.io/b"], true),
        (["gcr.io/spectro-images-fips/a"], true),
        (["us-docker.pkg.dev/palette-images/a", "gcr.io/spectro-images-public/b"], false),
        (["us-docker.pkg.dev/palette-images/a", "us-docker.pkg.dev/palette-images-fips/b"], nil),
        (["quay.io/palette-images-fips/a", "palette-images-fips/b", "us-docker.pkg.dev/palette-images-fips"], nil),
        ([], nil),
    ]) func `tells the FIPS build by the vendor's repositories`(_ repositories: [String], _ isFIPS: Bool?) {
        #expect(PackFlavour.isFIPS(repositories) == isFIPS)
    }
}
