// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing

@testable import Importing

/// A file of 13 MB on volumes of 4 MiB each, of which the site has one at a time.
struct ExtractMediaTests {
    private let site: Site
    private let content: [UInt8]
    private let destination: FilePath
    private var staged: FilePath { destination.removingLastComponent().appending(".disk.img.partial") }
    private var journal: FilePath { FilePath(staged.string + ".ranges") }

    init() throws {
        content = try run(["head", "-c", "13000001", "/dev/urandom"]).stdout
        var layout = MadeLayout()
        _ = layout.image("a/b:1", [try layout.noise(1000)])
        site = try Site(try layout.packed(files: ["disk.img": content]))
        destination = site.folder.appending("disk.img")
    }

    /// The volumes that the file needs, by name.
    private func volumes() throws -> [String] {
        let bundle = try site.verified()
        return try bundle.volumeNumbers(for: [Digest(of: content)]).sorted().map { bundle.index.volumes[$0].name }
    }

    /// A medium with some of these volumes and everything else.
    private func medium(_ kept: [String], of volumes: [String]) throws -> FilePath {
        let name = kept.joined(separator: "+")
        let gone = volumes.filter { !kept.contains($0) }.map { "volumes/\($0)" }
        let place = site.folder.appending(name).appending(site.packed.bundle.lastComponent?.string ?? "")
        return try place.exists() ? place : try site.medium(name, without: gone)
    }

    private func extract(_ kept: [String], of volumes: [String]) throws -> Extraction.Result {
        let bundle = try site.verified([try medium(kept, of: volumes)])
        return try Extraction("disk.img", from: bundle, to: destination).run(Progress())
    }

    @Test(arguments: [false, true]) func `media come one at a time, in any order`(isReversed: Bool) throws {
        let volumes = try volumes()
        #expect(volumes.count >= 4)
        let order = isReversed ? volumes.reversed() : volumes
        for (number, volume) in order.enumerated() {
            let result = try extract([volume], of: volumes)
            guard case .partial(let lack) = result else {
                #expect(result == .written && number == volumes.count - 1)
                break
            }
            let rest = Set(order[(number + 1)...])
            #expect(Set(lack.volumes.map(\.name)) == rest && lack.size == UInt64(content.count))
            #expect(lack.volumes.reduce(0) { $0 + $1.bytes } + lack.done == lack.size)
            #expect(try !destination.exists() && journal.exists())
            // the same medium once more adds nothing
            #expect(try extract([volume], of: volumes) == result)
        }
        #expect(try destination.contents(limit: 1 << 30) == content)
        #expect(try !staged.exists() && !journal.exists())
    }

    @Test func `nothing that it needs at hand is said before anything is written`() throws {
        let volumes = try volumes()
        #expect(throws: LoadError.missingVolumes(volumes)) { try extract([], of: volumes) }
        #expect(try !staged.exists() && !journal.exists())
    }

    @Test func `bytes that changed between two media are found before the file has its name`() throws {
        let volumes = try volumes()
        _ = try extract(Array(volumes.dropLast()), of: volumes)
        let file = try OpenFile.writing(staged)
        try file.write([content[5_000_000] ^ 1], at: 5_000_000)
        let last = [volumes[volumes.count - 1]]
        #expect(throws: ExtractError.partsDiffer(staged)) { try extract(last, of: volumes) }
        #expect(try !destination.exists() && !journal.exists())
        #expect(try extract(last, of: volumes) != .written)
        #expect(try extract(Array(volumes.dropLast()), of: volumes) == .written)
        #expect(try destination.contents(limit: 1 << 30) == content)
    }

    @Test func `with all media at hand the changed bytes are written again at once`() throws {
        let volumes = try volumes()
        _ = try extract(Array(volumes.dropLast()), of: volumes)
        try OpenFile.writing(staged).write([content[5_000_000] ^ 1], at: 5_000_000)
        #expect(try extract(volumes, of: volumes) == .written)
        #expect(try destination.contents(limit: 1 << 30) == content)
    }

    @Test func `a partial file that was cut off is wanted again from there`() throws {
        let volumes = try volumes()
        _ = try extract(Array(volumes.dropLast()), of: volumes)
        try OpenFile.writing(staged).truncate(to: 3_000_000)
        guard case .partial(let lack) = try extract([volumes[volumes.count - 1]], of: volumes) else {
            Issue.record("it can't be whole")
            return
        }
        #expect(lack.volumes.map(\.name).contains(volumes[volumes.count - 2]) && lack.done < lack.size)
        #expect(try extract(volumes, of: volumes) == .written)
        #expect(try destination.contents(limit: 1 << 30) == content)
    }

    @Test(arguments: ["of another file", "cut off", "no ranges", "beyond the end"])
    func `a journal that doesn't fit counts for nothing`(_ fault: String) throws {
        let volumes = try volumes()
        _ = try extract([volumes[0]], of: volumes)
        var text = String(decoding: try journal.contents(limit: 1 << 20), as: UTF8.self)
        switch fault {
        case "of another file": text = text.replacing("sha256:", with: "sha256:00")
        case "cut off": text = text.replacing("end\n", with: "")
        case "no ranges": text = text.replacing("\nend", with: "\n7 3\nend")
        default: text = text.replacing("\nend", with: "\n0 99999999999\nend")
        }
        try journal.replaceContents(with: Array(text.utf8))
        guard case .partial(let lack) = try extract([volumes[1]], of: volumes) else {
            Issue.record("it can't be whole")
            return
        }
        #expect(lack.volumes.map(\.name).contains(volumes[0]))
    }

    @Test func `a damaged block is never written`() throws {
        let volumes = try volumes()
        let medium = try medium([volumes[1]], of: volumes)
        let file = try OpenFile.writing(medium.appending("volumes/\(volumes[1])"))
        let old = try file.bytes(at: 2_000_000, length: 1)
        try file.write([old[0] ^ 1], at: 2_000_000)
        let error = #expect(throws: BundleError.self) { try extract([volumes[1]], of: volumes) }
        #expect(error?.failure == .damaged)
        try file.write(old, at: 2_000_000)
        for volume in volumes { _ = try extract([volume], of: volumes) }
        #expect(try destination.contents(limit: 1 << 30) == content)
    }

    @Test func `all files with some of the media: what can be is written, the rest is named`() throws {
        let site = try Site()
        let medium = try site.medium("one", without: ["volumes/tool"])
        let report = try ExtractionSet(.all, from: try site.verified([medium]), to: site.folder.path).run(Progress())
        #expect(report.failure == .incomplete)
        #expect(report.text.contains("tool: not there yet, wanted: tool"))
        #expect(try site.folder.appending("appliance.iso").exists() && !site.folder.appending("tool").exists())
        let all = try ExtractionSet(.all, from: try site.verified(), to: site.folder.path).run(Progress())
        #expect(try all.failure == nil && site.folder.appending("tool").exists())
    }
}
