// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
package import SystemPackage
package import Trust

/// A folder in which a change of metadata waits for the signatures of holders who don't meet (docs/trust.md).
///
/// What is in it has travelled, and nothing is believed of it: names are fixed or made of computed key ids, sizes are limited,
/// the metadata that it is based on is verified, and the bodies are read with the importer's code.
package struct SigningStage: Sendable {
    package let folder: FilePath
    /// The metadata that it follows; `nil` for a product's first root.
    package let base: PublishedTrust?
    package let root: UnsignedMetadata<Root>?
    package let set: UnsignedSet?

    static let bodies: [Role] = [.root, .targets, .snapshot, .timestamp]
    static func bodyName(_ role: Role) -> String { "\(role.rawValue).body" }

    /// Reads and checks a stage. Throws `SigningError.stageUnusable` (14) with what is wrong in it.
    package init(reading folder: FilePath) throws {
        let media = MediaFolder(folder)
        self.folder = folder
        let hasBase = try folder.appending("trust").statusIfPresent(followingLinks: false) != nil
        do {
            base = hasBase ? try PublishedTrust(reading: MediaFolder(folder.appending("trust"))) : nil
            root = try SigningStage.read(media)
            let targets: UnsignedMetadata<Targets>? = try SigningStage.read(media)
            let snapshot: UnsignedMetadata<Snapshot>? = try SigningStage.read(media)
            let timestamp: UnsignedMetadata<Timestamp>? = try SigningStage.read(media)
            if let targets, let snapshot, let timestamp {
                set = UnsignedSet(targets: targets, snapshot: snapshot, timestamp: timestamp)
            } else if targets == nil, snapshot == nil, timestamp == nil {
                set = nil
            } else {
                throw SigningError.stageUnusable(folder, why: "it has only some of targets, snapshot and timestamp")
            }
        } catch let error as TrustError {
            throw SigningError.stageUnusable(folder, why: "\(error)")
        } catch let error as PackError {
            throw SigningError.stageUnusable(folder, why: "\(error)")
        } catch let error as FileError where SigningStage.isOdd(error.errno) {
            throw SigningError.stageUnusable(error.path, why: "\(error.errno)")
        }
        try check()
    }

    /// What a name stands for that isn't a regular file of a size that its role has.
    private static func isOdd(_ errno: Errno) -> Bool {
        [.fileTooLarge, .invalidArgument, .tooManySymbolicLinkLevels, .notDirectory, .isDirectory].contains(errno)
    }

    private static func read<Content: RoleMetadata>(_ media: MediaFolder) throws -> UnsignedMetadata<Content>? {
        try media.contents(of: bodyName(Content.role), limit: Content.role.byteLimit).map {
            try UnsignedMetadata(parsing: $0)
        }
    }

    /// What holders can't see at a glance: that the parts belong together, and follow what was published.
    private func check() throws(SigningError) {
        func refuse(_ why: String) -> SigningError { .stageUnusable(folder, why: why) }
        guard root != nil || set != nil else { throw refuse("it is no stage, or an empty one") }
        if let root = root?.content {
            let (expected, product) = ((base?.root.root.header.version ?? 0) + 1, base?.root.root.product)
            guard root.header.version == expected else {
                throw refuse("its root has version \(root.header.version) where \(expected) must follow")
            }
            guard product == nil || product == root.product else { throw refuse("its root is of another product") }
        }
        guard let set else { return }
        guard let base else { throw refuse("it has no root to sign under") }
        guard set.targets.content.release.product == base.root.root.product else {
            throw refuse(
                "its targets are of \(set.targets.content.release.product), its root of \(base.root.root.product)")
        }
        guard set.isOne else { throw refuse("its targets, snapshot and timestamp don't belong together") }
        let (next, last) = (set.versions, base.published.map(SetVersions.init))
        guard let last else { return }
        guard next.targets > last.targets, next.snapshot > last.snapshot, next.timestamp > last.timestamp else {
            throw refuse("its versions don't follow those that were published")
        }
    }

    /// What is to be signed.
    package var unsigned: [UnsignedBody] {
        [root?.body, set?.targets.body, set?.snapshot.body, set?.timestamp.body].compactMap(\.self)
    }

    package var demands: [SignatureDemand] {
        SignatureDemand.all(base: base?.root.root, root: root?.content, hasSet: set != nil)
    }

    /// Every key that may sign here, each once.
    var keys: [TrustKey] {
        var found: [TrustKey] = []
        for key in demands.flatMap(\.keys.keys) where !found.contains(where: { $0.id == key.id }) { found.append(key) }
        return found
    }

    /// The bodies that a key has a role in.
    func unsigned(for key: TrustKey) -> [UnsignedBody] {
        let roles = Set(demands.filter { $0.keys.keys.contains { $0.id == key.id } }.map(\.role))
        return unsigned.filter { roles.contains($0.role) }
    }

    /// Whether the sums of a bundle must be signed, too.
    package var isOfBundle: Bool {
        guard let names = set?.targets.content.files.keys else { return false }
        return !names.allSatisfy { $0.hasPrefix("releases/") }
    }
}

extension SetVersions {
    init(_ set: TrustedMetadata) {
        self.init(
            targets: set.targets.content.header.version, snapshot: set.snapshot.content.header.version,
            timestamp: set.timestamp.content.header.version)
    }
}

extension SigningStage {
    /// Writes a proposal as a new folder, which appears when it is whole. Throws `SigningError.stageExists`.
    package init(writing proposal: Proposal, to folder: FilePath) throws {
        guard try !folder.exists() else { throw SigningError.stageExists(folder) }
        let name = try folder.absolute().lastComponent?.string ?? "stage"
        let staged = folder.removingLastComponent().appending(".\(name).new")
        try staged.createDirectories()
        try staged.removeTree()
        if let base = proposal.base {
            try staged.appending("trust").createDirectories()
            for (name, bytes) in base.files { try staged.appending("trust/\(name)").replaceContents(with: bytes) }
        }
        for body in try proposal.unsigned {
            try staged.appending(SigningStage.bodyName(body.role)).replaceContents(with: body.bytes)
        }
        let stage = try SigningStage(reading: staged)
        try staged.appending("request.json").replaceContents(with: StageSummary(stage).json)
        try staged.rename(to: folder)
        try (folder.removingLastComponent().isEmpty ? FilePath(".") : folder.removingLastComponent()).syncDirectory()
        try self.init(reading: folder)
    }
}

extension Proposal {
    fileprivate var unsigned: [UnsignedBody] {
        get throws {
            let root = try root.map { try UnsignedMetadata($0).body }
            guard let set else { return [root].compactMap(\.self) }
            let bodies = try set.publication.unsigned(
                versions: set.versions, issued: set.issued, expires: set.expires)
            return [root, bodies.targets.body, bodies.snapshot.body, bodies.timestamp.body].compactMap(\.self)
        }
    }
}
