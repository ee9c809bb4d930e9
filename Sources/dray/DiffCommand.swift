// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import Packing
import SystemPackage
import Trust

struct DiffCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Say what B has otherwise than A: packs, images, tags, files, infrastructure, and the bytes to send.",
        discussion: """
            A and B: a bundle's folder or its release.json, a site's inventory or receipt, an OCI image layout, a pack folder or a
            folder with packs. Reads no volume, changes nothing. Without --root a bundle is judged by its own root; what nothing
            vouches for is compared all the same, and the output says so. Names are those in the site's registry, below its base
            path. The bytes are those of a delta for who has A, at most.

            \(exitCodeHelp([.notTrusted, .replaced, .damaged, .refused]))
            """)

    @Argument(help: ArgumentHelp("What was before.", valueName: "a"), completion: .file()) var before: String
    @Argument(help: ArgumentHelp("What is compared with it.", valueName: "b"), completion: .file()) var after: String

    @Option(help: ArgumentHelp("The product's first root, for bundles.", valueName: "file"), completion: .file())
    var root: String?

    @OptionGroup var sites: SitesOptions
    @Flag(help: "Print every line, not only the first of each section.") var all = false
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let old = try listing(FilePath(before))
        let new = try listing(FilePath(after))
        let difference = ContentDifference(from: old, to: new)
        let unproven = [old, new].filter { !$0.isProven }
        return Outcome(
            text: DiffText(old, new, difference, limit: all ? .max : DiffText.usualLimit).text,
            data: DiffData(old, new, difference),
            warnings: unproven.map { "\($0.title): \($0.proof)" })
    }

    private func listing(_ path: FilePath) throws -> ContentListing {
        guard let status = try path.statusIfPresent() else { throw UsageError("\(path) does not exist") }
        guard status.isDirectory else {
            let folder = try path.absolute().removingLastComponent()
            if ["release.json", "index"].contains(path.lastComponent?.string) {
                return try folder.appending("trust").exists() ? bundle(folder) : release(path)
            }
            return try ContentListing(site: path, sites.folder)
        }
        if try path.appending("trust").exists() { return try bundle(path) }
        if try path.appending("oci-layout").exists() { return try ContentListing(layout: path) }
        guard try ContentListing.hasPacks(path) else {
            throw UsageError("\(path) is no bundle, no OCI image layout and has no packs")
        }
        return try ContentListing(packs: path)
    }

    private func bundle(_ folder: FilePath) throws -> ContentListing {
        let first = root.map { FilePath($0) } ?? folder.appending("trust/1.root.json")
        let roots = try PinnedRoots(rootFiles: [first.contents(limit: Role.root.byteLimit)])
        let name = try folder.absolute().lastComponent?.string ?? "bundle"
        let described = try UnverifiedBundle(name: name, folders: [folder]).described(by: roots, now: .now)
        let release = described.release
        return ContentListing(
            release, index: described.index, title: "bundle \(release.product) \(release.version)",
            proof: root == nil
                ? "origin not checked: judged by its own root; give --root to check it" : "checked by the given root",
            isProven: root != nil)
    }

    private func release(_ path: FilePath) throws -> ContentListing {
        guard path.lastComponent?.string == "release.json" else {
            throw UsageError("\(path) has no trust/ beside it; name the bundle's folder or its release.json")
        }
        let release = try Release(parsing: path.contents(limit: Release.maximumSize))
        return ContentListing(
            release, index: nil, title: "release \(release.product) \(release.version)",
            proof: "NOT CHECKED: a release.json alone, without the trust/ that signs it", isProven: false)
    }
}
