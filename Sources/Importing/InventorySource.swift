// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import FoundationEssentials
internal import OCI
internal import RegistryClient
package import SystemPackage

/// A manifest to look at: one that a target lists, or a child of one.
struct InventoryItem: Sendable {
    /// Below the base path; `nil` for what a layout folder holds under no name of a repository.
    let repository: String?
    let tag: String?
    /// `nil` where only the tag is known yet.
    let digest: Digest?
    /// As the list or the parent says; `nil` where only the manifest's own answer tells.
    let mediaType: String?
}

/// What gives a target's content to an inventory.
protocol InventorySource: Sendable {
    /// The address without any credentials.
    var address: String { get }
    /// Gives each repository below the base path with its tags, in the target's order, each once.
    func repositories(_ body: (String?, [InventoryItem]) throws -> Void) throws
    /// What fetches manifests, for one thread.
    func reader() throws -> any InventoryReader
}

/// Fetches manifests on one thread.
protocol InventoryReader: AnyObject {
    /// The bytes and media type of a manifest; `nil` when it isn't there or can't be read by the target itself.
    func manifest(_ item: InventoryItem) throws -> (bytes: Data, mediaType: String)?
}

/// A registry's repositories below a base path.
struct RegistryInventory: InventorySource {
    /// Repositories; more is no appliance's registry.
    static let maximumRepositories = 100_000

    let registry: Registry
    /// The repository of the site's own evidence.
    let evidence: String

    var address: String { registry.endpoint.description }

    func reader() -> any InventoryReader { RegistryReader(registry) }

    func repositories(_ body: (String?, [InventoryItem]) throws -> Void) throws {
        // The catalog's own connection: its next page is asked for when this one's repositories are done.
        let (list, connection) = (registry.connection(), registry.connection())
        let base = registry.endpoint.base.isEmpty ? "" : registry.endpoint.base + "/"
        var seen: Set<String> = []
        let hasCatalog = try list.catalog { page in
            for name in page where name.hasPrefix(base) && Reference.isRepository(name) {
                try Interruption.check()
                guard seen.insert(name).inserted else { continue }
                guard seen.count <= RegistryInventory.maximumRepositories else {
                    throw InventoryError.tooMuch(address, limit: RegistryInventory.maximumRepositories)
                }
                // The site's own evidence is no content.
                guard name != base + evidence else { continue }
                // Gone since the page came, or deleted and still listed, as Docker's registry does.
                let tags = try connection.tags(name) ?? []
                let repository = String(name.dropFirst(base.count))
                let items = tags.filter(Reference.isTag).map {
                    InventoryItem(repository: repository, tag: $0, digest: nil, mediaType: nil)
                }
                try body(repository, items)
            }
            return true
        }
        guard hasCatalog else { throw InventoryError.noCatalog(address) }
    }
}

private final class RegistryReader: InventoryReader {
    private let connection: RegistryConnection

    init(_ registry: Registry) { connection = registry.connection() }

    func manifest(_ item: InventoryItem) throws -> (bytes: Data, mediaType: String)? {
        let name = connection.registry.endpoint.repository(item.repository ?? "")
        guard let reference = item.digest?.description ?? item.tag else { return nil }
        do throws(RegistryError) {
            return try connection.manifest(name, reference).map { ($0.bytes, $0.mediaType) }
        } catch {
            // A manifest whose bytes are lost: docker-registry answers 500, each time. One that is too large is none.
            switch error {
            case .unavailable(_, 500, _), .answerTooLarge: return nil
            default: throw error
            }
        }
    }
}

/// An OCI image layout folder.
struct LayoutInventory: InventorySource {
    private static let maximumIndex = 64 << 20

    let path: FilePath

    var address: String { "oci:\(path)" }

    func reader() -> any InventoryReader { LayoutReader(path) }

    func repositories(_ body: (String?, [InventoryItem]) throws -> Void) throws {
        guard try path.exists() else { throw InventoryError.noFolder(path) }
        guard try path.appending("oci-layout").exists() else { throw LayoutError.otherFolder(path) }
        let items = try entries().map(LayoutInventory.item)
        let groups = Dictionary(grouping: items, by: \.repository)
        for (repository, items) in groups.sorted(by: { $0.key ?? "" < $1.key ?? "" }) { try body(repository, items) }
    }

    private func entries() throws -> [Descriptor] {
        struct Document: Decodable {
            struct Entry: Decodable {
                // Others may list what has no SHA-256.
                let descriptor: Descriptor?
                init(from decoder: any Decoder) { descriptor = try? Descriptor(from: decoder) }
            }
            var manifests: [Entry]
        }
        let bytes = try path.appending("index.json").contents(limit: LayoutInventory.maximumIndex)
        do {
            return try JSONDecoder().decode(Document.self, from: Data(bytes)).manifests.compactMap(\.descriptor)
        } catch {
            throw LayoutError.unreadableIndex("it is no index")
        }
    }

    private static func item(_ entry: Descriptor) -> InventoryItem {
        let name = (entry.referenceName ?? "").split(separator: ":", maxSplits: 1).map(String.init)
        let isName = name.count == 2 && Reference.isRepository(name[0]) && Reference.isTag(name[1])
        return InventoryItem(
            repository: isName ? name[0] : nil, tag: isName ? name[1] : nil, digest: entry.digest,
            mediaType: entry.mediaType)
    }
}

private final class LayoutReader: InventoryReader {
    private let blobs: FilePath

    init(_ path: FilePath) { blobs = path.appending("blobs").appending("sha256") }

    func manifest(_ item: InventoryItem) throws -> (bytes: Data, mediaType: String)? {
        guard let digest = item.digest, let type = item.mediaType else { return nil }
        let file = blobs.appending(digest.hex)
        guard let status = try file.statusIfPresent(), status.isRegular, status.size <= UInt64(Manifest.maximumSize)
        else { return nil }
        return (Data(try file.contents(limit: Manifest.maximumSize)), type)
    }
}

/// Why there is no inventory.
package enum InventoryError: Error, Equatable {
    /// The address; the registry gives no list of its repositories.
    case noCatalog(String)
    /// The layout folder isn't there.
    case noFolder(FilePath)
    /// The address; more repositories, tags or manifests than this.
    case tooMuch(String, limit: Int)
    /// An inventory that can't be read: the line's number, 0 for the file.
    case unreadable(FilePath, line: Int, String)
}

extension InventoryError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .noFolder: .usage
        case .noCatalog, .tooMuch: .failed
        case .unreadable: .damaged
        }
    }

    package var description: String {
        switch self {
        case .noFolder(let path): "the folder \(path.printable) does not exist; check --to oci:\(path.printable)"
        case .noCatalog(let address):
            "\(address) gives no list of its repositories (GET /v2/_catalog); allow it for this login, or ask the "
                + "registry's administrator for an inventory"
        case .unreadable(let path, let line, let why):
            "\(path.printable)\(line > 0 ? ", line \(line)" : ""): \(why); let the site write the inventory again"
        case .tooMuch(let address, let limit):
            "\(address) lists more than \(limit) repositories, tags or manifests; give an address with a base path "
                + "(https://host:port/base)"
        }
    }
}
