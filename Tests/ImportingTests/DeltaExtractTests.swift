// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Importing
import OCI
import Support
import SystemPackage
import Testing
import Trust

/// Files out of a delta and what the site has.
struct DeltaExtractTests {
    private let site: DeltaSite
    private var scene: DeltaScene { site.scene }

    init() throws { site = try DeltaSite() }

    private var wanted: [UInt8] { get throws { try scene.newFile.contents(limit: 1 << 30) } }

    /// A seed of its own, with something done to it.
    private func seed(_ change: (inout [UInt8]) -> Void) throws -> FilePath {
        var bytes = try scene.oldFile.contents(limit: 1 << 30)
        change(&bytes)
        let path = site.folder.appending("seed-\(UInt32.random(in: 0 ... .max)).img")
        try write(bytes, to: path)
        return path
    }

    @Test(arguments: ["seed", "base"]) func `the new file is rebuilt bit for bit`(_ way: String) throws {
        let (file, sources) =
            try way == "seed"
            ? site.extract(seeds: [scene.oldFile]) : site.extract(bases: [scene.base])
        #expect(try file.contents(limit: 1 << 30) == wanted)
        let read = try #require(sources?.bytesRead)
        #expect(read.count == 1 && (2_000_000...2_700_000).contains(read.values.first ?? 0), "\(read)")
    }

    @Test(arguments: [1, 500_000, 1_200_000, 2_999_999]) func `an interrupted extract goes on`(_ count: Int) throws {
        let staged = site.folder.appending(".disk.img.partial")
        try staged.replaceContents(with: Array(try wanted[..<count]))
        let file = try site.extract(seeds: [scene.oldFile]).file
        #expect(try file.contents(limit: 1 << 30) == wanted && !staged.exists())
    }

    @Test func `what is nowhere is listed before anything is written`() throws {
        let error = #expect(throws: LoadError.self) { try site.extract() }
        guard case .elsewhere(let missing, let base)? = error else { return #expect(Bool(false), "\(error as Any)") }
        let old = Digest(of: try scene.oldFile.contents(limit: 1 << 30))
        #expect(missing.map(\.object) == [old] && missing.first?.repository == nil)
        #expect(missing.first?.neededFor == ["disk.img"] && base == "palette-enterprise 1.0.0")
        #expect(error?.failure == .incomplete && error?.description.contains("--seed") == true)
        #expect(try !site.folder.appending("disk.img").exists())
    }

    @Test func `a seed that is something else is said to be`() throws {
        let other = site.folder.appending("other.img")
        try write(DeltaScene.noise(4_000_000, 99), to: other)
        let bundle = try site.verified(scene.delta)
        let sources = try site.sources(bundle, seeds: [other, scene.oldFile])
        #expect(sources?.findings.filter { $0.contains("nothing is taken from") }.count == 1)
        #expect(throws: LoadError.self) { try site.extract(seeds: [other]) }
        #expect(throws: SourceError.noFile(site.folder.path)) { try site.sources(bundle, seeds: [site.folder.path]) }
    }

    @Test func `a seed with a change is used where it is right, the rest comes from the base`() throws {
        let seed = try seed { $0[200_000] ^= 1 }
        #expect(try site.extract(bases: [], seeds: [seed, scene.oldFile]).file.contents(limit: 1 << 30) == wanted)
        try site.folder.appending("disk.img").removeFile()
        let error = #expect(throws: BundleError.self) { try site.extract(seeds: [seed]) }
        guard case .externalDiffers(_, let places)? = error else { return #expect(Bool(false), "\(error as Any)") }
        #expect(places == [seed.string] && error?.failure == .damaged)
        #expect(try !site.folder.appending("disk.img").exists())
    }

    @Test func `a seed that is cut off or changed while it is read harms nothing`() throws {
        for isCut in [true, false] {
            let seed = try seed { _ in }
            let bundle = try site.verified(scene.delta)
            let sources = try #require(try site.sources(bundle, seeds: [seed]))
            let file = site.folder.appending("disk.img")
            let extraction = try Extraction("disk.img", from: bundle, to: file, sources: sources)
            if isCut {
                try OpenFile.writing(seed).truncate(to: 2_000_000)
            } else {
                try OpenFile.writing(seed).write([UInt8](repeating: 7, count: 100_000), at: 2_000_000)
            }
            let error = #expect(throws: BundleError.self) { try extraction.run(Progress()) }
            #expect(error?.failure == .damaged, "\(String(describing: error))")
            #expect(try !file.exists())
        }
        // what was written of it is kept only where it is right
        #expect(try site.extract(seeds: [scene.oldFile]).file.contents(limit: 1 << 30) == wanted)
    }

    @Test func `blobs of a delta come out of a registry by ranges`() throws {
        let server = try ZotServer()
        let target = try registryTarget(server.url + "/spectro-content")
        try site.load(scene.base, into: target)
        let bundle = try site.verified(scene.delta)
        let sources = try site.sources(bundle, target: target)
        let file = site.folder.appending("layer")
        _ = try Extraction(scene.large.description, from: bundle, to: file, sources: sources).run(Progress())
        #expect(Digest(of: try file.contents(limit: 1 << 30)) == scene.large)
        let reads = server.asked.filter { $0.method == "GET" && $0.target.contains(scene.large.hex) }
        #expect(reads.count <= 6 && reads.allSatisfy { $0.headers["range"] != nil })
    }

    @Test func `verify says what a delta is, and checks what is on the media`() throws {
        let bundle = try site.verified(scene.delta)
        let report = try bundle.verification(threads: 1, progress: Progress())
        #expect(report.failure == nil && report.text.contains("delta of:"), "\(report.text) \(report.warnings)")
        #expect(report.text.contains("palette-enterprise 1.0.0") && bundle.inspection.text.contains("left out:"))
        #expect(bundle.listing.text.contains("delta of:"))
        #expect(try !site.verified(scene.full).inspection.text.contains("delta of:"))
    }

    // MARK: Several files

    @Test func `all files, those of the vendor, or those of a pattern are written into one folder`() throws {
        let site = try Site()
        let bundle = try site.verified()
        let (all, originals, some) = (
            site.folder.appending("all"), site.folder.appending("originals"), site.folder.appending("some")
        )
        _ = try ExtractionSet(.all, from: bundle, to: all).run(Progress())
        #expect(Set(try all.entries()) == Set(files(bundle) { _ in true }))
        _ = try ExtractionSet(.originals, from: bundle, to: originals).run(Progress())
        #expect(Set(try originals.entries()) == Set(files(bundle) { $0.signature != nil }))
        _ = try ExtractionSet(.pattern("*.iso"), from: bundle, to: some).run(Progress())
        #expect(try Set(some.entries()) == ["appliance.iso", "appliance.iso.sig.bin"])
        for file in bundle.release.files {
            #expect(Digest(of: try all.appending(file.name).contents(limit: 1 << 30)) == file.digest)
        }
        // again: nothing is written anew; one that was lost comes back
        try all.appending("tool").removeFile()
        let again = try ExtractionSet(.all, from: bundle, to: all).run(Progress())
        #expect(again.text.ranges(of: "it was there already").count == bundle.release.files.count - 1)
        #expect(throws: LoadError.self) { try ExtractionSet(.pattern("x*"), from: bundle, to: some) }
    }

    private func files(_ bundle: VerifiedBundle, _ isMeant: (Release.DeliveredFile) -> Bool) -> [String] {
        bundle.release.files.filter(isMeant).flatMap { [$0.name] + [$0.signature?.name].compactMap(\.self) }
    }
}
