// SPDX-License-Identifier: Apache-2.0

import Files
import OCI
import SystemPackage
import Testing

@testable import PaletteSources

/// The real packs, where the machine has them.
@Suite(.enabled(if: SharedPacks.folder != nil)) struct RealPackTests {
    @Test func `reads every real pack as another YAML reader does`() throws {
        let packs = try #require(SharedPacks.folder)
        #expect(try PackFolder.all(at: packs).map(\.lastComponent?.string) == ExpectedPack.all.map(\.folder))
        for expected in ExpectedPack.all {
            let pack = try PackFolder(reading: packs.appending(expected.folder))
            #expect(pack.name == expected.pack)
            let content = try #require(pack.content)
            #expect(content.images?.map(\.text) == expected.images, "\(expected.folder)")
            #expect(
                content.charts.map { "\($0.repository ?? "") \($0.name) \($0.version ?? "")" } == expected.charts)
            #expect(content.problems == [])
        }
    }

    @Test func `every line that a reader names holds the image`() throws {
        let packs = try #require(SharedPacks.folder)
        for image in try PackRequests(reading: [packs]).images {
            let text = try String(
                decoding: image.place.folder.appending(image.place.file).contents(limit: 1 << 20), as: UTF8.self)
            let line = try #require(image.place.line)
            #expect(TextLines(text).lines[line - 1].contains(image.reference.description))
        }
    }

    @Test func `asks for what the table says`() throws {
        let requests = try PackRequests(reading: [try #require(SharedPacks.folder)])
        #expect(requests.images.map(\.reference.description) == ExpectedPack.all.flatMap { $0.images ?? [] })
        #expect(requests.packsWithoutList == ExpectedPack.all.filter { $0.images == nil }.map(\.pack))
        #expect(requests.unknown.isEmpty && requests.charts.count == 4)
    }
}
