// SPDX-License-Identifier: Apache-2.0

package import Trust

// What can be proposed for a trust folder; nothing is written.

extension UTCTime {
    /// How long a set of metadata is good for unless something says otherwise: 18 months.
    package static func usualExpiry(from now: UTCTime) -> UTCTime { now.adding(days: 548) }
}

extension TrustFolder {
    /// The set for a bundle, or for none. Throws `PackError.expired` under a root that has expired.
    func proposal(_ publication: Publication, issued: UTCTime, expires: UTCTime) throws -> Proposal {
        let set = Proposal.SetProposal(
            publication: publication, versions: try nextVersions(), issued: issued, expires: expires)
        guard root.root.header.expires > issued else {
            throw PackError.expired(
                "the root in \(path) expired at \(root.root.header.expires); dray trust rotate makes the next one")
        }
        guard expires > issued else { throw PackError.expired("the set would expire at \(expires)") }
        return Proposal(base: state, set: set)
    }

    /// The next root; with it the list of releases for the new release keys to sign, where what was published last isn't
    /// theirs any more.
    ///
    /// Throws `SigningError.keyListed`, `.keyUnlisted`, `.thresholdTooHigh`.
    package func rotation(_ change: RootChange, now: UTCTime) throws -> Proposal {
        try TrustFolder.check(change.root, of: root.root[.root], "root")
        try TrustFolder.check(change.release, of: root.root[.targets], "release")
        let next = try root.root.following(change, issued: now)
        guard let published, !next.vouches(for: published) else {
            return Proposal(base: state, root: next)
        }
        let former = published.targets.content.header.expires
        let set = Proposal.SetProposal(
            publication: Publication(renewing: published), versions: try nextVersions(), issued: now,
            expires: former > now.adding(days: 90) ? former : .usualExpiry(from: now))
        return Proposal(base: state, root: next, set: set)
    }

    private static func check(_ change: RootChange.Keys, of old: RoleKeys, _ kind: String) throws(SigningError) {
        for key in change.added.map(TrustKey.init) where old.keys.contains(where: { $0.id == key.id }) {
            throw .keyListed(key.id)
        }
        let new = change.applied(to: old)
        guard (1...min(max(new.keys.count, 1), TrustLimits.signatures)).contains(new.threshold), !new.keys.isEmpty
        else {
            throw .thresholdTooHigh(new.threshold, keys: new.keys.count, of: kind)
        }
    }

    /// The list of releases without some of them. Throws `SigningError.unlisted` for one that isn't there.
    package func delisting(_ versions: [String], expires: UTCTime?, now: UTCTime) throws -> Proposal {
        for version in versions { try state.requireListed(version) }
        let published = try requirePublished()
        let former = published.targets.content.header.expires
        return try proposal(
            Publication(renewing: published, delisting: Set(versions)), issued: now,
            expires: expires ?? max(former, .usualExpiry(from: now)))
    }

    /// The same list of releases with a later end.
    package func renewal(expires: UTCTime?, now: UTCTime) throws -> Proposal {
        try proposal(
            Publication(renewing: try requirePublished()), issued: now, expires: expires ?? .usualExpiry(from: now))
    }

    private func requirePublished() throws(SigningError) -> TrustedMetadata {
        guard let published else { throw .nothingPublished(path) }
        return published
    }
}
