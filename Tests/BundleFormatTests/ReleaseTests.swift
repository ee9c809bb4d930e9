// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Testing
import Trust

@Suite struct ReleaseTests {
    private static func full() -> Release {
        let digest = Digest(of: [1])
        var release = Release(
            product: "palette-enterprise", version: "4.7.27", edition: "palette",
            index: Release.IndexFile(length: 5, sha256: digest, sha512: String(repeating: "ab", count: 64)),
            volumeSize: 4_294_967_295)
        release.supportEnd = "2030-01-31"
        release.vendorKeys = [digest]
        release.contents = [
            Release.Content(
                kind: "iso", name: "a \"b\"\u{1}\u{e9}.iso", digest: digest, size: 7, delivered: ["file"],
                vendorSignature: .key(digest)),
            Release.Content(kind: "layout", name: "mirror", delivered: ["registry"], vendorSignature: .notApplicable),
            Release.Content(
                kind: "bundle", name: "x.tar.zst", digest: digest, size: 1, delivered: ["file", "registry"],
                vendorSignature: .waived),
        ]
        release.files = [
            Release.DeliveredFile(
                name: "a.iso", kind: "iso", digest: digest, size: 7,
                signature: Release.SignatureFile(name: "a.iso.sig.bin", digest: digest, size: 2)),
            Release.DeliveredFile(name: "tool", kind: "file", digest: digest, size: 0, signature: nil),
        ]
        release.references = [
            ReleaseReference(
                repository: "spectro-packs/archive/a", tag: "1.0.0",
                descriptor: Descriptor(mediaType: MediaType.manifest, digest: digest, size: 3), kind: "pack",
                source: "a:1.0.0", mayMove: true),
            ReleaseReference(
                repository: "library/b", tag: nil,
                descriptor: Descriptor(mediaType: MediaType.index, digest: digest, size: 3), kind: "artifact",
                source: "b"),
        ]
        release.references[0].images = ["a/b:1", "c@\(digest)"]
        release.references[0].fips = true
        release.movesTags = [
            Release.TagMove(repository: "spectro-packs/archive/a", tag: "1.0.0", from: Digest(of: [3]), to: digest),
            Release.TagMove(repository: "spectro-packs/archive/a", tag: "1.0.0", from: Digest(of: [2]), to: digest),
        ].sorted()
        release.kind = .appliance
        release.needs = [Release.Name(product: "palette-third-party", version: "4.7.3")]
        release.isPreview = true
        release.upgradesFrom = ["4.7.15", "4.7.3"]
        release.profile = Release.Profile(
            layers: [Release.Layer(layer: "cni", component: "calico", version: "3.29.2", fips: true, isDeclared: true)],
            platforms: ["baremetal", "maas"])
        release.fipsEvidence = [Release.FIPSEvidence(component: "kubernetes", statement: "FIPS 140-3", source: "docs")]
        release.contents[0].iso = Release.ISOFacts(volumeID: "DRAY")
        release.contents[0].iso?.bundles = ["a.tar.zst"]
        release.contents[2].bundle = Release.BundleFacts()
        release.contents[2].bundle?.packs = [Release.Pack(name: "zot", version: "1", fips: nil)]
        release.contents[2].isNonFIPSAllowed = true
        release.base = Release.Base()
        release.base?.releases = [
            Release.BaseRelease(
                name: Release.Name(product: "palette-enterprise", version: "4.7.15"), release: digest, index: digest)
        ]
        release.base?.sites = [Release.BaseSite(target: "https://a/b", time: "2026-01-01T00:00:00Z", digest: digest)]
        release.base?.repositories = ["a/b", "c"]
        release.requirements.mediaTypes = [MediaType.manifest]
        release.requirements.largestBlob = 9
        release.requirements.registryBytes = 10
        return release
    }

    @Test func `reads back what was written, and writes the same bytes again`() throws {
        let release = ReleaseTests.full()
        let read = try Release(parsing: release.encoded)
        #expect(read == release)
        #expect(read.encoded == release.encoded)
        #expect(read.name == "palette-enterprise-4.7.27")
        #expect(read.references.map(\.name) == ["spectro-packs/archive/a:1.0.0", "library/b@\(Digest(of: [1]))"])
    }

    @Test(arguments: [
        ("\"format\":1", "\"format\":2", "format 2"),
        ("\"features\":[\"delta\"]", "\"features\":[\"gzip\"]", "feature \"gzip\""),
    ]) func `names what a newer Dray is needed for`(_ old: String, _ new: String, _ said: String) throws {
        let bytes = ReleaseTests.edited(old, new)
        let error = #expect(throws: ReleaseError.self) { try Release(parsing: bytes) }
        #expect(error?.description.contains(said) == true)
        #expect(error?.failure == .refused)
    }

    @Test(arguments: [
        ("\"format\":1,", ""), ("\"product\":\"palette-enterprise\"", "\"product\":7"),
        ("\"sha256\":\"", "\"sha256\":\"A"),
        ("\"size\":7", "\"size\":-7"), ("\"size\":7", "\"size\":7.0"), ("\"digest\":\"sha256:", "\"digest\":\"sha1:"),
        ("library/b", "Library/b"), ("library/b", "../b"), ("\"tag\":\"1.0.0\"", "\"tag\":\"a b\""),
        ("\"movable\":true", "\"movable\":1"), ("\"fips\":true", "\"fips\":\"yes\""),
        ("\"a/b:1\",", "\"a/b:1\",\"a/b:1\","), ("\"a/b:1\"", "\"z/b:1\""), ("\"a/b:1\"", "\"a/b\""),
        ("\"a/b:1\"", "\"../b:1\""), ("\"a/b:1\"", "\"a/b@sha256:00\""), ("\"a/b:1\"", "1"),
        ("\"kind\":\"pack\"", "\"kind\":\"image\""), ("\"images\":[", "\"images\":7,\"x\":["),
        ("\"to\":\"sha256:4bf5122f", "\"to\":\"sha256:5bf5122f"), ("\"movesTags\":[", "\"movesTags\":[7,"),
        (
            "\"repository\":\"spectro-packs/archive/a\",\"tag\":\"1.0.0\",\"to\"",
            "\"repository\":\"spectro-packs/archive/b\",\"tag\":\"1.0.0\",\"to\""
        ),
        ("\"from\":\"sha256:084fed08", "\"from\":\"sha256:f84fed08"), ("{\"base\"", "{\"product\":\"x\",\"base\""),
        ("null", "nul"), ("\"kind\":\"appliance\"", "\"kind\":\"iso\""), ("\"preview\":true", "\"preview\":1"),
        ("\"features\":[\"delta\"]", "\"features\":[]"), ("[\"a/b\",\"c\"]", "[\"c\",\"c\"]"),
    ]) func `refuses a value that can't be`(_ old: String, _ new: String) {
        let bytes = ReleaseTests.edited(old, new)
        #expect(throws: (any Error).self) { try Release(parsing: bytes) }
    }

    @Test func `the moves of a tag are to what the release has, from something else, in order`() throws {
        var release = ReleaseTests.full()
        #expect(release.movesTags.map(\.name) == Array(repeating: "spectro-packs/archive/a:1.0.0", count: 2))
        let moves = release.movesTags
        for wrong in [Array(moves.reversed()), [moves[0], moves[0]]] {
            release.movesTags = wrong
            #expect(throws: (any Error).self) { try Release(parsing: release.encoded) }
        }
        release.movesTags = [Release.TagMove(repository: "library/b", tag: "1", from: Digest(of: []), to: moves[0].to)]
        #expect(throws: (any Error).self) { try Release(parsing: release.encoded) }
        release.movesTags = [moves[0]]
        release.movesTags[0].from = moves[0].to
        #expect(throws: (any Error).self) { try Release(parsing: release.encoded) }
    }

    @Test func `a release that says nothing of moves, images and facts writes none`() throws {
        var release = ReleaseTests.full()
        release.movesTags = []
        (release.references[0].images, release.references[0].fips) = (nil, nil)
        (release.kind, release.needs, release.isPreview, release.upgradesFrom) = (nil, [], false, [])
        (release.profile, release.fipsEvidence, release.base, release.contents) = (nil, [], nil, [])
        let text = String(decoding: release.encoded, as: UTF8.self)
        for member in [
            "movesTags", "images", "fips", "\"kind\":\"app", "needs", "preview", "upgradesFrom", "profile",
        ] { #expect(!text.contains(member)) }
        #expect(try Release(parsing: release.encoded) == release)
    }

    @Test func `refuses a document that is cut off anywhere`() {
        let bytes = ReleaseTests.full().encoded
        for length in stride(from: 0, to: bytes.count, by: 17) {
            #expect(throws: (any Error).self) { try Release(parsing: Array(bytes[..<length])) }
        }
    }

    private static func edited(_ old: String, _ new: String) -> [UInt8] {
        let text = String(decoding: full().encoded, as: UTF8.self)
        precondition(text.contains(old))
        return Array(
            text.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false).joined(separator: new).utf8)
    }
}
