// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import FoundationEssentials
internal import OCI
internal import SystemPackage

/// The repositories of a Zot storage folder below a base path.
struct ZotRootInventory: InventorySource {
    let root: ZotRoot

    var address: String { root.address }

    func reader() -> any InventoryReader { ZotRootReader(root) }

    func repositories(_ body: (String?, [InventoryItem]) throws -> Void) throws {
        let all = try root.repositories()
        guard try root.isUsable(all) else { throw ZotRootError.otherFolder(root.path) }
        let base = root.base.isEmpty ? "" : root.base + "/"
        for name in all where name.hasPrefix(base) {
            try Interruption.check()
            let repository = String(name.dropFirst(base.count))
            guard repository != SiteArtifact.repository else { continue }
            let index = try LayoutIndex(at: root.folder(of: repository).appending("index.json"))
            try body(repository, index?.items(of: repository) ?? [])
        }
    }
}

extension LayoutIndex {
    /// The tags of a repository that has this index for itself.
    fileprivate func items(of repository: String) -> [InventoryItem] {
        tags(after: "").filter(Reference.isTag).compactMap { tag in
            guard let digest = digest(named: tag) else { return nil }
            return InventoryItem(
                repository: repository, tag: tag, digest: digest, mediaType: mediaType(of: digest))
        }
    }
}

private final class ZotRootReader: InventoryReader {
    private let root: ZotRoot

    init(_ root: ZotRoot) { self.root = root }

    func manifest(_ item: InventoryItem) throws -> (bytes: Data, mediaType: String)? {
        guard let repository = item.repository, let digest = item.digest else { return nil }
        let file = root.blobs(of: repository).appending(digest.hex)
        guard let status = try file.statusIfPresent(), status.isRegular, status.size <= UInt64(Manifest.maximumSize)
        else { return nil }
        let bytes = try file.contents(limit: Manifest.maximumSize)
        return (Data(bytes), item.mediaType ?? Manifest.mediaType(of: bytes))
    }
}
