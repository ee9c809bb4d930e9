// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// A site at 4.7.3 goes to 4.7.15 and to 4.7.27 by deltas: what it has is carried out, only what it lacks comes in. After
/// each hop it is what a twin is that took full bundles.
struct UpgradeStoryTests {
    @Test(arguments: ["palette", "vertex"])
    func `after each delta the site equals a full import`(edition: String) throws {
        let story = try UpgradeStory(edition)
        let first = try story.packFull("4.7.3")
        for site in [story.site, story.twin] {
            try site("load", first, "--to", story.address(site))
        }
        for (number, version) in SyntheticVendor.releases.dropFirst().enumerated() {
            let full = try story.packFull(version)
            try story.twin("load", full, "--to", story.address(story.twin))
            let delta = try story.packDelta(
                version, having: number == 0 ? story.inventory() : story.receipt("4.7.3", "4.7.15"))
            #expect(try story.bytes(delta) * 10 < story.bytes(full) * 7, "a delta is worth its name")
            try story.loadWithKills(delta)
            try story.site("check", "--to", story.address(story.site), "--deep")
            let there = try lines(ofRegistry: story.address(story.site))
            #expect(there == (try lines(ofRegistry: story.address(story.twin))), "\(edition) \(version)")
            #expect(there.contains { $0.hasPrefix("bundle-definition tag \(story.name)-\(version) ") })
        }
    }
}

/// The people and machines of one story.
private final class UpgradeStory: Sendable {
    let edition: String
    let vendor: SyntheticVendor
    let publisher: Publisher
    /// Goes by deltas.
    let site: ImportSite
    /// Goes by full bundles.
    let twin: ImportSite
    /// Of Palette's sites it is Zot's stand-in, of VerteX's docker-registry; one for each site.
    private let zots: [ZotServer]
    private let registries: [RegistryServer]

    init(_ edition: String) throws {
        self.edition = edition
        vendor = try SyntheticVendor(editions: [edition])
        publisher = try Publisher(in: TemporaryFolder(), editions: [edition])
        zots = try edition == "palette" ? [ZotServer(), ZotServer()] : []
        registries = try edition == "palette" ? [] : [RegistryServer(), RegistryServer()]
        site = try ImportSite(publisher, edition: edition, state: "site")
        twin = try ImportSite(publisher, edition: edition, state: "twin")
    }

    /// The content bundle's name without its version.
    var name: String { edition == "palette" ? "palette-enterprise-appliance" : "palette-vertex-appliance" }

    func address(_ site: ImportSite) -> String {
        (zots.map(\.url) + registries.map(\.url))[site.state == "site" ? 0 : 1] + "/spectro-content"
    }

    /// Packs a full bundle; returns its folder.
    func packFull(_ version: String) throws -> String { try pack(version, "full", []) }

    /// Packs what a site with this inventory or receipt lacks; returns its folder.
    func packDelta(_ version: String, having file: String) throws -> String {
        try pack(version, "delta-\(version)", ["--have", file])
    }

    private func pack(_ version: String, _ folder: String, _ more: [String]) throws -> String {
        let manifest = vendor.release(edition, version).appending("release.yaml")
        try publisher.pack(manifest, edition: edition, out: folder, more)
        return "\(folder)/" + (try sh("ls \(publisher.place.path)/\(folder) | grep -- -\(version)").output.dropLast())
    }

    /// The bytes of a folder's files.
    func bytes(_ folder: String) throws -> Int {
        let sizes = try sh("find \(publisher.place.path)/\(folder) -type f -printf '%s\\n'").output
        return sizes.split(separator: "\n").compactMap { Int($0) }.reduce(0, +)
    }

    /// What the site writes down of its registry.
    func inventory() throws -> String {
        try site("inventory", "--to", address(site), "--out", "site.jsonl")
        return "site.jsonl"
    }

    /// The receipts of the loads of these releases.
    func receipt(_ versions: String...) throws -> String {
        let list = try sh("ls \(publisher.place.path)/site/receipts/*-\(versions.last ?? "").json").output
        return String(list.split(separator: "\n").last ?? "")
    }

    /// Loads; the first attempts are killed on the way.
    func loadWithKills(_ bundle: String) throws {
        for delay in [0.15, 0.4, 0.8] {
            let child = try ChildProcess(
                [
                    "env", "-C", publisher.place.path.string, SourceTree.tool("dray-import").string, "load", bundle,
                    "--to",
                    address(site), "--state", site.state,
                ], output: publisher.place.appending("out"), errorOutput: publisher.place.appending("err"))
            _ = child.wait(seconds: delay)
            child.kill()
        }
        try site("load", bundle, "--to", address(site))
    }
}
