// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import FoundationEssentials
internal import OCI
package import SystemPackage

/// A Zot storage folder: an OCI image layout for each repository, with hard links for what they share
/// (docs/targets.md, "A Zot storage folder").
package struct ZotRoot: Sendable, Equatable {
    /// Zot's `rootDirectory`.
    package let path: FilePath
    /// The repositories' common beginning, `spectro-content` on an appliance, "" for none.
    package let base: String

    /// Zot's databases: a running Zot holds the lock of those that it uses.
    static let databases = ["cache.db", "meta.db"]
    /// Where files are written before they get their names; a name that Zot takes for no repository.
    static let stagingName = ".dray"
    /// Repositories; more is no appliance's registry.
    static let maximumRepositories = 100_000
    private static let maximumDepth = 64

    /// Reads `DIR` or `DIR:BASE`, what follows `zot-root:`; the last colon divides. Throws `ZotRootError.badAddress`.
    package init(parsing text: String) throws(ZotRootError) {
        let mark = text.lastIndex(of: ":")
        let folder = mark.map { String(text[..<$0]) } ?? text
        base = mark.map { String(text[text.index(after: $0)...]) } ?? ""
        guard !folder.isEmpty, base.isEmpty || Reference.isRepository(base) else { throw .badAddress(text) }
        path = FilePath(folder)
    }

    package var address: String { "zot-root:\(path)" + (base.isEmpty ? "" : ":\(base)") }

    /// A repository's name in Zot.
    func full(_ repository: String) -> String { base.isEmpty ? repository : "\(base)/\(repository)" }

    /// The folder of a repository, which was checked to be one.
    func folder(of repository: String) -> FilePath { path.pushing(FilePath(full(repository))) }

    func blobs(of repository: String) -> FilePath {
        folder(of: repository).appending("blobs").appending("sha256")
    }

    /// The names of all repositories, with the base path, sorted. Throws `ZotRootError.missing`, and `InventoryError.tooMuch`.
    func repositories() throws -> [String] {
        guard try path.statusIfPresent()?.isDirectory == true else { throw ZotRootError.missing(path) }
        var found: [String] = []
        try walk(path, "", depth: 0, &found)
        return found
    }

    // Links are not followed; what can't be part of a name is Zot's own or somebody else's.
    private func walk(_ folder: FilePath, _ name: String, depth: Int, _ found: inout [String]) throws {
        let entries = try folder.entries()
        let isRepository = entries.contains("index.json") && entries.contains("oci-layout")
        if isRepository, !name.isEmpty { found.append(name) }
        guard found.count <= ZotRoot.maximumRepositories else {
            throw InventoryError.tooMuch(address, limit: ZotRoot.maximumRepositories)
        }
        guard depth < ZotRoot.maximumDepth else { return }
        for entry in entries where !(isRepository && entry == "blobs") && Reference.isRepository(entry) {
            let place = folder.appending(entry)
            guard try place.statusIfPresent(followingLinks: false)?.isDirectory == true else { continue }
            try walk(place, name.isEmpty ? entry : "\(name)/\(entry)", depth: depth + 1, &found)
        }
    }

    /// Whether the folder is empty, but for what a file system puts there and what a stopped load has left, or is one of Zot.
    /// `repositories`: those that it has.
    func isUsable(_ repositories: [String]) throws -> Bool {
        let names = try path.entries().filter { $0 != "lost+found" && $0 != ZotRoot.stagingName }
        guard !names.contains("oci-layout") else { return false }
        if !repositories.isEmpty || names.contains(where: ZotRoot.databases.contains) { return true }
        return try names.allSatisfy { try holdsOnlyBegun(path.appending($0), $0, depth: 1) }
    }

    /// Whether all files below a folder are those of repositories that a load has begun: they have their marker and blobs, and
    /// no index before the load's end.
    private func holdsOnlyBegun(_ folder: FilePath, _ name: String, depth: Int) throws -> Bool {
        guard depth <= ZotRoot.maximumDepth, Reference.isRepository(name),
            try folder.statusIfPresent(followingLinks: false)?.isDirectory == true
        else { return false }
        let entries = try folder.entries()
        // The marker is there before the first blob.
        let isBegun = entries.contains("oci-layout") && !entries.contains("index.json")
        return try entries.filter { !(isBegun && ["blobs", "oci-layout"].contains($0)) }
            .allSatisfy { try holdsOnlyBegun(folder.appending($0), $0, depth: depth + 1) }
    }
}

/// Why a Zot storage folder can't be used.
package enum ZotRootError: Error, Equatable {
    /// What followed `zot-root:`.
    case badAddress(String)
    case missing(FilePath)
    /// What no repository can be called.
    case badName(String)
    /// It holds files and nothing of Zot's.
    case otherFolder(FilePath)
    /// Zot is running; what shows it.
    case live(FilePath, String)
    /// New files can't be given to Zot's user; who that is, and the system's reason.
    case notOwner(FilePath, user: UInt32, group: UInt32, String)
}

extension ZotRootError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .badAddress, .missing, .otherFolder, .notOwner: .usage
        case .live, .badName: .refused
        }
    }

    package var description: String {
        switch self {
        case .badAddress(let text):
            "zot-root:\(text.printable) is no Zot storage folder's address; write zot-root:DIR, or zot-root:DIR:BASE with the "
                + "repositories' common beginning, for example zot-root:/var/lib/registry:spectro-content"
        case .badName(let name):
            "\(String(name.prefix(300)).printable) can't be a repository's name; nothing was written"
        case .missing(let path):
            "the folder \(path.printable) does not exist; check its name, and that the volume is mounted"
        case .otherFolder(let path):
            "\(path.printable) holds files and nothing of Zot's (no cache.db, meta.db or repository); give the rootDirectory of "
                + "Zot's configuration, or an empty folder. An OCI image layout is oci:DIR"
        case .live(let path, let what):
            "\(path.printable) is in use: \(what); nothing was written. Stop Zot (kubectl scale --replicas=0, or systemctl stop), "
                + "then run the same command again; a running Zot is loaded through its address"
        case .notOwner(let path, let user, let group, let why):
            "\(path.printable) belongs to user \(user), group \(group), and new files can't be given to them (\(why)); run it as "
                + "root, or as that user"
        }
    }
}
