// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cage
import Files
import FoundationEssentials
import OCI
import Support
import Synchronization
import SystemPackage
import Testing
import Trust

@testable import Importing

/// A drop folder into which a test writes as a diode's receiver would.
struct WatchTests {
    private static let first = Result { try WatchTests.packed("1.0.0") }
    private static let second = Result { try WatchTests.packed("2.0.0") }

    private static func packed(_ version: String) throws -> PackedSample {
        var layout = MadeLayout()
        let layers = try (0..<3).map { _ in try layout.noise(2_500_000) }
        for (number, layer) in layers.enumerated() {
            _ = layout.image("library/w\(number):\(version)", [layer], config: #"{"v":"\#(version)\#(number)"}"#)
        }
        return try layout.packed(product: "product-\(version.prefix(1))", version: version)
    }

    private let packed: [PackedSample]
    private let site: Site
    private let drop: FilePath

    init() throws {
        packed = [try Self.first.get(), try Self.second.get()]
        site = try Site(packed[0])
        _ = try site.state.add(root: packed[1].root1.contents(limit: 1 << 20))
        drop = site.folder.appending("drop")
        try drop.createDirectories()
    }

    /// The files of a bundle, volumes last, with names that say nothing.
    private func files(_ number: Int) throws -> [(name: String, from: FilePath)] {
        let found = try run(["find", packed[number].bundle.string, "-type", "f"]).output.split(separator: "\n").sorted()
        let small = found.filter { !$0.contains("/volumes/") && !$0.contains("/copies/") }
        let volumes = found.filter { $0.contains("/volumes/") }
        return (small + volumes).enumerated().map { ("f\(number)-\($0).bin", FilePath(String($1))) }
    }

    private func copy(_ file: (name: String, from: FilePath)) throws {
        #expect(try run(["cp", file.from.string, drop.appending(file.name).string]).status == 0)
    }

    private func watch(once: Bool = false) -> Watch {
        var watch = Watch(DropFolder([drop]), state: site.state)
        (watch.interval, watch.idle, watch.isOnce, watch.patience) = (0.02, 0.1, once, 0.05)
        return watch
    }

    private func loading(_ target: any LoadTarget) throws -> (LooseBundle) throws -> Watch.Handled {
        try site.state.bind(target.address, to: ProductBinding(["product-1", "product-2"]))
        var load = LoadRun(state: site.state, tool: "test")
        load.now = { PackedSample.now }
        let given = GivenArguments(media: ["DROP"], target: ["--to", "TARGET"])
        return { [load] in try load.handle($0, to: target, decoders: .inProcess, given: given, progress: Progress()) }
    }

    private func codes(_ report: Report) throws -> [String: Int64] {
        let bundles = try JSONCursor(report.json)["bundles"].elements()
        return Dictionary(
            uniqueKeysWithValues: try bundles.map { (try $0["name"].string(), try $0["exitCode"].int()) })
    }

    private func listing() throws -> String {
        try run([
            "bash", "-c",
            "cd \(drop) && find . -type f -printf '%p %s %T@\\n' | sort && sha256sum $(find . -type f | sort)",
        ])
        .output
    }

    @Test func `two bundles that arrive mixed, under other names and growing, are each loaded`() throws {
        let server = try ZotServer()
        let all = [try files(0), try files(1)]
        let lines = Mutex<[String]>([])
        for number in 0..<max(all[0].count, all[1].count) {
            for bundle in all where number < bundle.count - 1 { try copy(bundle[number]) }
        }
        // The last volume of each comes in pieces while the watch goes on.
        let rounds = Mutex(0)
        let grow = { (bundle: Int, parts: Range<Int>) in
            let last = all[bundle][all[bundle].count - 1]
            let bytes = try last.from.contents(limit: 1 << 30)
            let file = try OpenFile.writing(drop.appending(last.name))
            let from = bytes.count * parts.lowerBound / 3
            try file.write(Array(bytes[from..<bytes.count * parts.upperBound / 3]), at: UInt64(from))
        }
        let handle = try loading(server.target())
        let report = try watch().run(
            handle: { bundle in
                let handled = try handle(bundle)
                let isFirst = rounds.withLock { count in
                    count += 1
                    return count <= 2
                }
                if isFirst { try grow(bundle.name == "product-1-1.0.0" ? 0 : 1, 0..<2) }
                return handled
            },
            say: { line in
                lines.withLock { $0.append(line) }
                guard line.contains("is arriving") else { return }
                do {
                    try grow(line.hasPrefix("product-1-1.0.0") ? 0 : 1, 2..<3)
                } catch {
                    Issue.record(error)
                }
            })
        #expect(try codes(report) == ["product-1-1.0.0": 0, "product-2-2.0.0": 0], "\(lines.withLock { $0 })")
        #expect(report.failure == nil && server.allTags.count == 6)
        #expect(rounds.withLock { $0 } == 4, "each once before its last volume came, and once after")
        #expect(try !site.state.spoolFolder.exists() || site.state.spoolFolder.entries().isEmpty)
    }

    @Test func `nothing in the folder is changed, and who starts again finds what is done`() throws {
        let server = try ZotServer()
        for file in try files(0) { try copy(file) }
        let before = try listing()
        let first = try watch(once: true).run(handle: try loading(server.target())) { _ in }
        #expect(first.failure == nil && server.allTags.count == 3)
        let (puts, receipts) = (server.puts.count, try site.receipts.count)
        let again = try watch(once: true).run(handle: try loading(server.target())) { _ in }
        #expect(again.failure == nil && again.text.contains("already"))
        #expect(try server.puts.count == puts && site.receipts.count == receipts)
        #expect(try listing() == before)
    }

    @Test func `a bundle that isn't all there is loaded as far as it is, keeps nothing here, and ends with 3`() throws {
        let server = try ZotServer()
        for file in try files(0).dropLast() { try copy(file) }
        let report = try watch(once: true).run(handle: try loading(server.target())) { _ in }
        #expect(report.failure == .incomplete && server.allTags.allSatisfy { $0.isStaging })
        let folder = try site.state.spoolFolder(of: site.verified().releaseDigest)
        #expect(try !folder.appending("blocks").exists())
    }

    @Test func `what is not trusted or damaged is said, and stops nothing else`() throws {
        let server = try ZotServer()
        let stranger = try Site(packed[0])  // trusts the first product alone
        for number in 0..<2 { for file in try files(number) { try copy(file) } }
        let volume = drop.appending(try #require(try files(0).dropLast().last).name)
        let bytes = try volume.contents(limit: 1 << 30)
        try volume.replaceContents(with: bytes.enumerated().map { $0 == 2_500_000 ? $1 ^ 1 : $1 })
        var lines: [String] = []
        var watch = Watch(DropFolder([drop]), state: stranger.state)
        watch.isOnce = true
        let report = try watch.run(handle: try loading(server.target())) { lines.append($0) }
        #expect(lines.contains { $0.contains("product-2 that is not trusted here") }, "\(lines)")
        #expect(try codes(report) == ["product-1-1.0.0": 13])

        let both = try self.watch(once: true).run(handle: try loading(server.target())) { _ in }
        #expect(try codes(both) == ["product-1-1.0.0": 13, "product-2-2.0.0": 0])
        try volume.replaceContents(with: bytes)
        #expect(try self.watch(once: true).run(handle: try loading(server.target())) { _ in }.failure == nil)
    }

    @Test func `what may pass is tried again, and an interrupted handling ends the watch`() throws {
        for file in try files(0) { try copy(file) }
        let tries = Mutex(0)
        let report = try watch().run(
            handle: { _ in
                let number = tries.withLock {
                    $0 += 1; return $0
                }
                return Watch.Handled(failure: number < 3 ? .failed : nil, text: "try \(number)", json: .null)
            }, say: { _ in })
        #expect(report.failure == nil && tries.withLock { $0 } == 3)
        #expect(throws: Interrupted.self) {
            try watch().run(handle: { _ in try Watch.Handled(stopping: Interrupted()) }, say: { _ in })
        }
        #expect(
            try watch(once: true).run(handle: { _ in .init(failure: nil, text: "", json: .null) }) { _ in }.failure
                == nil)
    }
}
