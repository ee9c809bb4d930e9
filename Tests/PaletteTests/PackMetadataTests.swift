// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Palette

@Suite struct PackMetadataTests {
    @Test func `reads what a pack says of itself and leaves the rest`() throws {
        let pack = try PackMetadata(
            parsing: Array(
                """
                {"addonType": "app services", "annotations": {"source": "community"}, "cloudTypes": ["all"],
                 "displayName": "Hello Universe", "kubeManifests": ["manifests/hello-universe.yaml"],
                 "layer": "addon", "name": "hello-universe", "version": "1.3.1", "commit_msg": 7}
                """.utf8))
        #expect(pack.name == "hello-universe" && pack.version == "1.3.1" && pack.displayName == "Hello Universe")
        #expect(pack.layer == "addon" && pack.addonType == "app services" && pack.cloudTypes == ["all"])
    }

    @Test(arguments: ["a", "a1", "cni-calico", "csi_x.y", "edge-k8s", String(repeating: "a", count: 128)])
    func `takes a name`(_ name: String) throws { #expect(try PackMetadata(parsing: json(name)).name == name) }

    @Test(arguments: [
        "", "-a", "a-", "a.", ".a", "A", "a/b", "../a", "a b", "d\u{fc}nn", String(repeating: "a", count: 129),
    ]) func `refuses a name`(_ name: String) {
        #expect(throws: PackMetadataError.badName(name)) { try PackMetadata(parsing: json(name)) }
    }

    @Test(arguments: ["", "1/2", "1+2", ".1", "-1", "1 2", String(repeating: "1", count: 129)])
    func `refuses a version that is no tag`(_ version: String) {
        #expect(throws: PackMetadataError.badVersion(version)) { try PackMetadata(parsing: json("a", version)) }
    }

    @Test(arguments: [
        ("", "it is no JSON"), ("{", "it is no JSON"), (#"{"version": "1", "layer": "os"}"#, "\"name\" is missing"),
        (#"{"name": "a", "version": 1, "layer": "os"}"#, "\"version\" has the wrong type"),
        (#"{"name": "a", "version": "1"}"#, "\"layer\" is missing"),
        (String(repeating: "[", count: 100_000), "it is no JSON"),
    ]) func `refuses a document`(_ text: String, _ why: String) {
        #expect(throws: PackMetadataError.unreadable(why)) { try PackMetadata(parsing: Array(text.utf8)) }
    }

    @Test func `refuses a document that is too large before reading it`() {
        let bytes = [UInt8](repeating: 32, count: PackMetadata.maximumSize + 1)
        #expect(throws: PackMetadataError.tooLarge(bytes.count)) { try PackMetadata(parsing: bytes) }
    }
}

private func json(_ name: String, _ version: String = "1") -> [UInt8] {
    Array(#"{"name": "\#(name)", "version": "\#(version)", "layer": "os"}"#.utf8)
}
