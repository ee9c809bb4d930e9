// SPDX-License-Identifier: Apache-2.0

package import Files
internal import OCI
package import SystemPackage
package import Trust

/// Writes what a site's target has: repositories, tags, manifests and what those name (docs/format.md, "Inventory").
///
/// Nothing is asked about blobs: on Zot the question itself links one and creates the repository. What a manifest that
/// is there names counts as there.
package struct Inventory: Sendable {
    private let source: any InventorySource
    /// Name and version of the program.
    private let tool: String
    /// Connections to the target, 1 or more.
    package var jobs = 4
    /// Tags, and manifests counted in each of their repositories; more is refused, before memory is taken.
    package var limit = 1_000_000

    /// An inventory of a target; connects to nothing yet.
    package init(of target: any LoadTarget, tool: String) {
        self.tool = tool
        source = Inventory.source(of: target)
    }

    /// What gives a target's content.
    static func source(of target: any LoadTarget) -> any InventorySource {
        switch target {
        case let registry as RegistryTarget:
            RegistryInventory(registry: registry.registry, evidence: SiteArtifact.repository(in: registry))
        case let folder as ZotRootTarget: ZotRootInventory(root: folder.root)
        case let layout as LayoutTarget: LayoutInventory(path: layout.path)
        default: preconditionFailure("no other target is there")
        }
    }

    /// Writes the file, which appears under its name when it is whole and then replaces what had that name.
    ///
    /// Throws `RegistryError`, `InventoryError`, `LayoutError`, `GraphError`, `FileError`, `Interrupted`. Manifests that
    /// the target lists and can't give are lines of the file and warnings, not errors.
    package func write(to path: FilePath, now: UTCTime, progress: Progress) throws -> Report {
        let file = try InventoryFile(path)
        do {
            try file.append([
                "format": .string(InventoryFile.format), "target": .string(source.address),
                "time": .string(now.description), "tool": .string(tool),
            ])
            var walk = InventoryWalk(source, to: file, jobs: jobs, limit: limit, progress: progress)
            try walk.run()
            try file.append(["totals": walk.totals.json])
            try file.finish()
            return report(walk, path, length: file.length)
        } catch {
            try file.discard()
            throw error
        }
    }

    private func report(_ walk: InventoryWalk, _ path: FilePath, length: UInt64) -> Report {
        let totals = walk.totals
        var report = Report(
            text: [
                ("target", source.address), ("inventory", "\(path.string), \(length.asSize)"),
                ("repositories", "\(totals.repositories) with \(totals.tags.of("tag"))"),
                ("manifests", "\(totals.manifests)"),
                ("blobs", "\(totals.blobs), \(totals.blobBytes.asSize) by what the manifests say"),
            ].aligned,
            json: [
                "target": .string(source.address), "file": .string(path.string), "bytes": .int(Int64(length)),
                "totals": totals.json,
            ])
        let examples = walk.examples.joined(separator: ", ")
        if totals.missing + totals.unreadable > 0 {
            report.warnings = [
                "\(totals.missing) manifests that are listed are not there and \(totals.unreadable) can't be read: "
                    + "\(examples); the inventory names all of them. load sends what a release needs of them again"
            ]
        }
        report.next = ["# carry \(path.string.shellWord) to the people who pack the releases"]
        return report
    }
}

extension InventoryWalk.Totals {
    var json: JSONValue {
        [
            "repositories": .int(Int64(repositories)), "tags": .int(Int64(tags)), "manifests": .int(Int64(manifests)),
            "blobs": .int(Int64(blobs)), "blobBytes": .int(Int64(min(blobBytes, UInt64(JSONValue.largestInteger)))),
            "missing": .int(Int64(missing)), "unreadable": .int(Int64(unreadable)),
        ]
    }
}
