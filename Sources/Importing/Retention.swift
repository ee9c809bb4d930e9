// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Palette

/// Which releases stay in a target and which go, by receipts alone (docs/retention.md): a value, asks nobody.
package struct Retention: Sendable {
    /// Why a release stays.
    package enum Reason: Sendable, Equatable {
        /// One of the newest appliance releases of its product.
        case newest
        /// This release, which stays, needs it.
        case needed(by: String)
        /// A fix of a release that stays.
        case fixes(String)
        /// A fix that doesn't say of what.
        case fixesUnknown
        /// Packs that no newer release of packs of its product replaces.
        case packs
        /// Nobody says what it is.
        case unknownKind
        /// Its receipts are not signed by the site's key.
        case unproven
        /// No load of it has ended well.
        case unfinished
    }

    /// A release, and why it stays; `nil`: it goes.
    package struct Verdict: Sendable {
        package let release: SiteRelease
        package let reason: Reason?
    }

    /// The newest load first.
    package let verdicts: [Verdict]
    /// How many appliance releases of each product stay.
    package let keep: Int

    package init(_ site: SiteReleases, keep: Int) {
        self.keep = keep
        var reasons: [String: Reason] = [:]
        var counted: [String: Int] = [:]
        for release in site.releases {
            reasons[release.id] = Retention.ownReason(of: release, site, &counted, keep)
        }
        // What stays keeps what it needs, and its fixes; and those theirs.
        var count = -1
        while count != reasons.count {
            count = reasons.count
            for release in site.releases where reasons[release.id] == nil {
                reasons[release.id] = Retention.inherited(by: release, site, reasons)
            }
        }
        verdicts = site.releases.map { Verdict(release: $0, reason: reasons[$0.id]) }
    }

    private static func ownReason(
        of release: SiteRelease, _ site: SiteReleases, _ counted: inout [String: Int], _ keep: Int
    ) -> Reason? {
        guard release.isLoaded || release.isPartlyGone else { return .unfinished }
        guard release.isProven else { return .unproven }
        switch release.kind {
        case nil: return .unknownKind
        case .packs: return isReplaced(release, site) ? nil : .packs
        case .fix: return release.newest.facts.needs.isEmpty ? .fixesUnknown : nil
        case .appliance:
            guard !release.isPartlyGone else { return nil }
            counted[release.newest.product, default: 0] += 1
            return counted[release.newest.product, default: 0] <= keep ? .newest : nil
        }
    }

    private static func inherited(
        by release: SiteRelease, _ site: SiteReleases, _ reasons: [String: Reason]
    ) -> Reason? {
        for other in site.releases where reasons[other.id] != nil {
            if other.newest.facts.needs.contains(where: release.isNamed) { return .needed(by: other.title) }
            if release.kind == .fix, release.newest.facts.needs.contains(where: other.isNamed) {
                return .fixes(other.title)
            }
        }
        return nil
    }

    /// Whether newer releases of packs of the same product have all of its packs, in whatever version.
    private static func isReplaced(_ release: SiteRelease, _ site: SiteReleases) -> Bool {
        let newer = site.releases.prefix { $0.id != release.id }.filter {
            $0.kind == .packs && $0.isLoaded && $0.newest.product == release.newest.product
        }
        let packs = release.packNames
        return !packs.isEmpty && packs.isSubset(of: Set(newer.flatMap(\.packNames)))
    }

    package var kept: [Verdict] { verdicts.filter { $0.reason != nil } }
    package var gone: [SiteRelease] { verdicts.filter { $0.reason == nil }.map(\.release) }
}

extension SiteRelease {
    /// SHA-256 of its `release.json`.
    var id: String { newest.release }

    fileprivate func isNamed(_ name: Release.Name) -> Bool {
        newest.product == name.product && newest.version == name.version
    }

    fileprivate var packNames: Set<String> {
        let folder = DeliveredReference.packFolder + "/"
        return Set(receipts.flatMap(\.counts.tags).map(\.repository).filter { $0.hasPrefix(folder) })
    }
}

extension Retention.Reason: CustomStringConvertible {
    package var description: String {
        switch self {
        case .newest: "one of the newest appliance releases of its product"
        case .needed(let other): "\(other) needs it"
        case .fixes(let other): "it fixes \(other)"
        case .fixesUnknown: "a fix that doesn't say of what"
        case .packs: "packs, which no newer release of packs replaces"
        case .unknownKind: "no receipt says what it is; a release of packs or a fix may be in use"
        case .unproven: "the site's key has not signed all of its receipts"
        case .unfinished: "no load of it has ended well: load it again, or undo it"
        }
    }

    /// For programs.
    var word: String {
        switch self {
        case .newest: "newest"
        case .needed: "needed"
        case .fixes: "fixes"
        case .fixesUnknown: "fixesUnknown"
        case .packs: "packs"
        case .unknownKind: "unknownKind"
        case .unproven: "unproven"
        case .unfinished: "unfinished"
        }
    }
}
