// SPDX-License-Identifier: Apache-2.0

package import Cryptography
package import Trust

/// A change of a product's metadata before anyone has signed it: a next root, a next set, or both.
package struct Proposal: Sendable {
    /// What it is based on; `nil` for a product's first root.
    package let base: PublishedTrust?
    package let root: Root?
    package let set: SetProposal?

    /// Targets, snapshot and timestamp to be.
    package struct SetProposal: Sendable {
        package let publication: Publication
        package let versions: SetVersions
        package let issued: UTCTime
        package let expires: UTCTime
    }

    init(base: PublishedTrust?, root: Root? = nil, set: SetProposal? = nil) {
        (self.base, self.root, self.set) = (base, root, set)
    }

    /// The product's first root.
    package init(first root: Root) { self.init(base: nil, root: root) }

    package var demands: [SignatureDemand] {
        SignatureDemand.all(base: base?.root.root, root: root, hasSet: set != nil)
    }

    /// Signs with the keys at hand, each only what it has a role in; checked with the importer's code.
    ///
    /// Throws `SigningError.tooFewKeys` where they make up no threshold, before anything is signed.
    package func signed(by keys: [PrivateKey], now: UTCTime) throws -> (root: TrustedRoot, set: TrustedMetadata?) {
        try check(keys)
        let root = try signedRoot(by: signers(of: [.root], among: keys))
        guard let set else { return (root, nil) }
        let metadata = try set.publication.signed(
            under: root, after: base?.published, versions: set.versions, issued: set.issued, expires: set.expires,
            by: signers(of: [.targets, .snapshot, .timestamp], among: keys))
        return (root, metadata)
    }

    /// Throws `SigningError.tooFewKeys` unless these keys make up every threshold.
    package func check(_ keys: [PrivateKey]) throws(SigningError) {
        for demand in demands {
            let have = demand.keys(among: keys).count
            guard have >= demand.keys.threshold else {
                throw .tooFewKeys(
                    demand.role, root: demand.root, have: have, needed: demand.keys.threshold,
                    uncounted: keys.uncounted(by: demands, for: demand.role, root: demand.root))
            }
        }
    }

    private func signers(of roles: Set<Role>, among keys: [PrivateKey]) -> [PrivateKey] {
        var signers: [PrivateKey] = []
        for demand in demands where roles.contains(demand.role) {
            signers += demand.keys(among: keys).filter { key in !signers.contains { $0.publicKey == key.publicKey } }
        }
        return signers
    }

    private func signedRoot(by signers: [PrivateKey]) throws -> TrustedRoot {
        guard var trusted = base?.root else {
            guard let root else { preconditionFailure("a proposal proposes something") }
            return try TrustedRoot(pinned: root.signed(by: signers))
        }
        if let root { try trusted.extend(with: root.signed(by: signers)) }
        return trusted
    }
}

/// A threshold that signatures must meet.
package struct SignatureDemand: Sendable {
    package let role: Role
    package let keys: RoleKeys
    /// The version of the root that demands it.
    package let root: Int64

    /// What a change needs: a root the keys of the one before it and its own, a set those of the newest root.
    static func all(base: Root?, root: Root?, hasSet: Bool) -> [SignatureDemand] {
        var demands: [SignatureDemand] = []
        func add(_ role: Role, of root: Root) {
            demands.append(SignatureDemand(role: role, keys: root[role], root: root.header.version))
        }
        if let root {
            if let base { add(.root, of: base) }
            add(.root, of: root)
        }
        if hasSet, let newest = root ?? base {
            for role in [Role.targets, .snapshot, .timestamp] { add(role, of: newest) }
        }
        return demands
    }

    /// Those of the private keys that count here, each once.
    func keys(among given: [PrivateKey]) -> [PrivateKey] {
        var found: [PrivateKey] = []
        for key in given where keys.keys.contains(where: { $0.key == key.publicKey }) {
            if !found.contains(where: { $0.publicKey == key.publicKey }) { found.append(key) }
        }
        return found
    }
}
