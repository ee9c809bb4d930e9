// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
package import OCI
package import SystemPackage
package import Trust

/// What a site keeps: the roots it trusts, the newest targets it accepted, its receipts. Below a folder of its own:
/// `roots/<fingerprint>/N.root.json`, `accepted/<fingerprint>.json`, `receipts/`, `lock`.
package struct SiteState: Sendable {
    package let path: FilePath

    /// Nothing is made or read here.
    package init(_ path: FilePath) { self.path = path }

    private var rootsFolder: FilePath { path.appending("roots") }
    var acceptedFolder: FilePath { path.appending("accepted") }
    /// Where receipts are kept.
    package var receiptsFolder: FilePath { path.appending("receipts") }

    /// Keeps other loads out while the value lives. Throws `LoadError.busy`.
    package func lock() throws -> FileLock {
        var writes = PlannedWrites()
        writes.add(path, bytes: 1 << 20)  // records, receipts
        try writes.check()
        try path.createDirectories()
        return try FileLock(path.appending("lock"))
    }

    /// The chains of roots that are trusted here, each from the pinned root on, by the fingerprint of that one.
    package func roots() throws -> [Digest: [[UInt8]]] {
        guard try rootsFolder.exists() else { return [:] }
        var chains: [Digest: [[UInt8]]] = [:]
        for name in try rootsFolder.entries() {
            guard let fingerprint = Digest(hex: name) else { continue }
            let chain = try chain(in: rootsFolder.appending(name))
            // The folder's name is what was compared with paper; a file that isn't that one is not trusted.
            guard let first = chain.first, Digest(of: first) == fingerprint else {
                throw StateError.changedRoot(rootsFolder.appending(name))
            }
            chains[fingerprint] = chain
        }
        return chains
    }

    private func chain(in folder: FilePath) throws -> [[UInt8]] {
        var chain: [[UInt8]] = []
        while chain.count <= TrustLimits.rotations {
            let file = folder.appending(Role.root.fileName(version: Int64(chain.count + 1)))
            guard try file.exists() else { break }
            chain.append(try file.contents(limit: Role.root.byteLimit))
        }
        return chain
    }

    /// Trusts a root from now on; `false` when it was trusted already. Whoever calls has compared the fingerprint.
    ///
    /// Throws `StateError.productKnown` where another root is trusted for its product.
    package func add(root bytes: [UInt8]) throws -> Bool {
        let folder = rootsFolder.appending(Digest(of: bytes).hex)
        let file = folder.appending(Role.root.fileName(version: 1))
        guard try !file.exists() else { return false }
        let product = try TrustedRoot(pinned: bytes).root.product
        for (known, chain) in try roots() {
            guard let first = chain.first, try TrustedRoot(pinned: first).root.product == product else { continue }
            throw StateError.productKnown(product, known, rootsFolder.appending(known.hex))
        }
        try folder.createDirectories()
        try file.replaceContents(with: bytes)
        try rootsFolder.syncDirectory()
        return true
    }

    /// Keeps the later roots of a chain that a verification has walked, in order: a stop in between leaves a shorter chain.
    package func keepRoots(of metadata: TrustedMetadata) throws {
        guard let fingerprint = metadata.fingerprint else { return }
        let folder = rootsFolder.appending(fingerprint.hex)
        guard try folder.exists() else { return }
        for (version, bytes) in metadata.root.files.sorted(by: { $0.key < $1.key }) {
            let file = folder.appending(Role.root.fileName(version: version))
            if try !file.exists() { try file.replaceContents(with: bytes) }
        }
    }
}

extension TrustedMetadata {
    /// The SHA-256 of the pinned root, which people compare.
    package var fingerprint: Digest? { root.files[1].map { Digest(of: $0) } }
}

/// Why a site's state can't be used.
package enum StateError: Error, Equatable {
    /// The first root in this folder isn't the one that the folder is named by.
    case changedRoot(FilePath)
    case unreadable(FilePath, String)
    /// A policy that can't be read: what it forbids isn't known.
    case unreadablePolicy(FilePath, String)
    /// Another root is trusted for this product; its fingerprint and its folder.
    case productKnown(String, Digest, FilePath)
    /// No receipt of this release, or none at all, for this address; the releases that there are receipts of.
    case noSuchRelease(String?, String, known: [String])
    /// No receipt of this release, or none at all, in this folder; the releases that there are receipts of.
    case noReceipts(String?, FilePath, known: [String])
    /// A file that was given as a receipt and is none.
    case noReceipt(FilePath, String)
    /// No root is trusted for this product; those that are.
    case unknownProduct(String, trusted: [String])
}

extension StateError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .changedRoot: .notTrusted
        case .unreadable: .failed
        case .productKnown, .unreadablePolicy: .refused
        case .noReceipt: .damaged
        case .noSuchRelease, .noReceipts, .unknownProduct: .usage
        }
    }

    package var description: String {
        switch self {
        case .changedRoot(let folder):
            "\(folder)/1.root.json is not the root of that fingerprint; remove the folder and add the root again, "
                + "with the fingerprint from paper"
        case .unreadable(let file, let why):
            "\(file) can't be read (\(why)); bring it back from a backup, or remove it: the next load writes it anew"
        case .unknownProduct(let product, let trusted):
            "no root is trusted here for \(product.printable); "
                + (trusted.isEmpty ? "no product is" : "those are: \(trusted.joined(separator: ", "))")
                + ". Trust its root first: dray-import trust add MEDIA"
        case .unreadablePolicy(let file, let why):
            "\(file) is no policy (\(why)); correct it, the rules are in docs/trust.md: nothing is done without it"
        case .productKnown(let product, let known, let folder):
            "another root is trusted for \(product) already, with the fingerprint \(RootCandidate.grouped(known.hex)); "
                + "nothing was changed. Ask the sender which one is right; to give up the known one, remove \(folder) first"
        case .noSuchRelease(let name, let address, let known):
            "there is no receipt of a load\(name.map { " of \($0)" } ?? "") into \(address)"
                + (known.isEmpty ? "" : "; there are some of \(known.joined(separator: ", "))")
                + ". Give a receipt's file, or load first"
        case .noReceipts(let name, let folder, let known):
            "there is no receipt\(name.map { " of a load of \($0.printable), nor a file of that name," } ?? "") in \(folder)"
                + (known.isEmpty ? "" : "; there are some of \(known.joined(separator: ", "))")
                + ". Give a receipt's file, or the folder that the loads were given with --state"
        case .noReceipt(let file, let why):
            "\(file.printable) is no receipt of a load (\(why)); loads name theirs, and keep them in receipts/ of the state's "
                + "folder"
        }
    }
}
