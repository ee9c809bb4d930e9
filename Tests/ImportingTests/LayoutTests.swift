// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Importing
import OCI
import Support
import SystemPackage
import Testing

struct LayoutTests {
    private let site: Site
    private let folder: FilePath

    init() throws {
        site = try Site()
        folder = site.folder.appending("layout")
    }

    @Test func `skopeo finds every reference under its name`() throws {
        let receipt = try site.load(LayoutTarget(folder))
        #expect(receipt.counts.readBack.isComplete)
        for reference in try site.verified().release.references {
            #expect(try skopeoDigest("oci:\(folder):\(reference.name)") == reference.descriptor.digest.description)
        }
        let sums = try run(["bash", "-c", "cd \(folder)/blobs/sha256 && ls -A | sed 's/.*/&  &/' | sha256sum -c"])
        #expect(sums.status == 0, "\(sums.output)")
    }

    @Test func `a second load sends nothing`() throws {
        _ = try site.load(LayoutTarget(folder))
        #expect(try site.load(LayoutTarget(folder)).nothingToDo)
    }

    @Test func `what a folder holds already stays`() throws {
        try folder.createDirectories()
        try folder.appending("oci-layout").replaceContents(with: Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
        let entry = #"{"digest":"sha256:\#(String(repeating: "0", count: 64))","mediaType":"x/y","size":3}"#
        try folder.appending("index.json").replaceContents(
            with: Array(#"{"schemaVersion":2,"annotations":{"a":"b"},"manifests":[\#(entry)]}"#.utf8))
        _ = try site.load(LayoutTarget(folder))
        let index = String(decoding: try folder.appending("index.json").contents(limit: 1 << 20), as: UTF8.self)
        #expect(index.contains(entry))
        #expect(index.contains(#""annotations":{"a":"b"}"#))
        #expect(index.contains("library/db:16"))
    }

    @Test func `a blob with wrong bytes is written again`() throws {
        _ = try site.load(LayoutTarget(folder))
        let blobs = folder.appending("blobs/sha256")
        let layer = try #require(
            try blobs.entries().max {
                try blobs.appending($0).statusIfPresent()?.size ?? 0 < blobs.appending($1).statusIfPresent()?.size ?? 0
            })
        let file = try OpenFile.writing(blobs.appending(layer))
        try file.write([0xFF, 0xFE, 0xFD], at: 1000)
        let receipt = try site.load(LayoutTarget(folder))
        #expect(receipt.counts.pushed.blobs == 1)
        #expect(receipt.counts.readBack.isComplete)
        #expect(Digest(of: try blobs.appending(layer).contents(limit: 1 << 30)).hex == layer)
    }

    @Test func `what a killed run left half-written goes`() throws {
        let left = folder.appending("blobs/sha256/.\(String(repeating: "a", count: 64)).1.partial")
        _ = try site.load(LayoutTarget(folder))
        try left.replaceContents(with: [1, 2, 3])
        _ = try site.load(LayoutTarget(folder))
        #expect(try !left.exists())
    }

    @Test func `a folder with other files is not touched`() throws {
        try folder.createDirectories()
        try folder.appending("thesis.txt").replaceContents(with: [65])
        let error = try site.failure(of: LayoutTarget(folder))
        #expect(error.cause as? LayoutError == .otherFolder(folder))
        #expect(error.failure == .usage)
        #expect(try folder.entries() == ["thesis.txt"])
    }

    @Test func `a folder that another load writes is left to it`() throws {
        let lock = try LayoutTarget(folder).open()
        guard case .busy("\(folder)/.dray.lock", _) = try site.failure(of: LayoutTarget(folder)).cause as? LoadError
        else {
            Issue.record("the folder's lock was not seen")
            return
        }
        withExtendedLifetime(lock) {}
    }
}
