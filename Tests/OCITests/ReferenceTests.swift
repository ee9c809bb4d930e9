// SPDX-License-Identifier: Apache-2.0

import OCI
import Testing

struct ReferenceTests {
    @Test(arguments: [
        ("sonobuoy/sonobuoy:v0.57.1", "sonobuoy/sonobuoy", "v0.57.1"),
        (
            "us-docker.pkg.dev/palette-images/edge/stylus:v4.10.4", "us-docker.pkg.dev/palette-images/edge/stylus",
            "v4.10.4"
        ),
        ("localhost:5000/a", "localhost:5000/a", nil),
        ("Registry.example:5000/a/b:1", "Registry.example:5000/a/b", "1"),
        ("busybox", "busybox", nil), ("a/b__c/d.e-f--g:latest", "a/b__c/d.e-f--g", "latest"),
    ]) func `host, path and tag are told apart`(text: String, name: String, tag: String?) throws {
        let reference = try Reference(parsing: text)
        #expect(reference.name == name)
        #expect(reference.tag == tag)
        #expect(reference.description == text)
    }

    @Test func `a digest stands beside or instead of a tag`() throws {
        let digest = "sha256:" + DigestTests.hex
        #expect(try Reference(parsing: "ghcr.io/spegel-org/spegel@\(digest)").digest?.description == digest)
        let both = try Reference(parsing: "a/b:1@\(digest)")
        #expect(both.tag == "1" && both.digest?.description == digest)
    }

    @Test(arguments: [
        "", ":1", "a:", "../x", "a/../b", "A/b", "a//b", "/a", "a/", "a b", "a:b/c:d:e", "a@sha256:123", "a:.x",
        "a:" + String(repeating: "x", count: 129), String(repeating: "a", count: 256), "a/-b", "a/b-", "a._b",
    ]) func `what a registry would refuse is refused`(text: String) {
        #expect(throws: ReferenceError.self) { try Reference(parsing: text) }
    }
}
