// SPDX-License-Identifier: Apache-2.0

import Files
import OCI
import Palette
import Support
import SystemPackage
import Testing

@testable import PaletteSources

@Suite struct PackRequestsTests {
    private let folder = TemporaryFolder()

    private func add(_ name: String, version: String = "1.0", values: String?, in place: String) throws -> FilePath {
        let pack = folder.appending(place)
        try pack.createDirectories()
        let json = #"{"name": "\#(name)", "version": "\#(version)", "layer": "addon"}"#
        try pack.appending("pack.json").replaceContents(with: Array(json.utf8))
        if let values { try pack.appending("values.yaml").replaceContents(with: Array(values.utf8)) }
        return pack
    }

    @Test func `tells what packs ask for, with pack and place`() throws {
        let hex = String(repeating: "ab", count: 32)
        let first = try add(
            "one",
            values: """
                pack:
                  content:
                    images:
                      - image: quay.io/a/b:v1
                      - image: "{{.x}}"
                      - image: Bad Reference
                      - image: ghcr.io/c@sha256:\(hex)
                    charts:
                      - {repo: "https://x.test/", name: here, version: 1.2.3}
                      - {repo: "https://x.test/", name: elsewhere, version: 1.2.3}
                """, in: "packs/b")
        try first.appending("charts").createDirectories()
        try first.appending("charts/here-1.2.3.tgz").replaceContents(with: [])
        let second = try add(
            "two", version: "v2", values: "pack:\n content:\n  images: [{image: quay.io/a/b:v1}]\n", in: "packs/a")
        let third = try add("three", values: nil, in: "alone")
        try folder.appending("packs/.hidden").createDirectories()
        try folder.appending("packs/other").createDirectories()

        let requests = try PackRequests(reading: [folder.appending("packs"), third])
        #expect(requests.packs == ["two:v2", "one:1.0", "three:1.0"])
        #expect(requests.packsWithoutList == ["three:1.0"])
        let image = try Reference(parsing: "quay.io/a/b:v1")
        func place(_ folder: FilePath, _ line: Int) -> PackPlace {
            PackPlace(folder: folder, file: "values.yaml", line: line)
        }
        #expect(
            requests.images == [
                .init(reference: image, pack: "two:v2", place: place(second, 3)),
                .init(reference: image, pack: "one:1.0", place: place(first, 4)),
                .init(
                    reference: try Reference(parsing: "ghcr.io/c@sha256:\(hex)"), pack: "one:1.0",
                    place: place(first, 7)),
            ])
        #expect(requests.distinctImages.map(\.reference.name) == ["quay.io/a/b", "ghcr.io/c"])
        #expect(requests.distinctImages.map(\.askedBy.count) == [2, 1])
        #expect(requests.charts.map(\.name) == ["here", "elsewhere"])
        #expect(requests.charts.map(\.isInFolder) == [true, false])
        #expect(requests.unknown.map(\.place) == [place(first, 5), place(first, 6)])
    }

    @Test func `refuses a folder that holds no packs, and a pack that can't be read`() throws {
        #expect(throws: PackFolderError.noPacks(folder.path)) { try PackRequests(reading: [folder.path]) }
        let pack = try add("one", values: "pack: {}\n", in: "one")
        try pack.appending("pack.json").replaceContents(with: [])
        #expect(throws: PackFolderError.badMetadata(pack.appending("pack.json"), .unreadable("it is no JSON"))) {
            try PackRequests(reading: [folder.path])
        }
        try pack.appending("pack.json").removeFile()
        #expect(throws: PackFolderError.noMetadata(pack)) { try PackRequests(reading: [folder.path]) }
    }
}
