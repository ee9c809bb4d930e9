// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
internal import OCI
internal import Palette
package import Trust

/// A release beside what a target has by its receipts: what it lacks there, and what it changes. A value; asks nobody.
package struct SiteFit: Sendable {
    private let release: Release
    /// Loaded releases, the newest first, without this one.
    private let others: [SiteRelease]
    private let isLoaded: Bool
    private let assumed: Set<String>
    private let address: String

    /// `assumed`: releases, as `product-version`, that a person says the site has without a receipt of them.
    package init(_ release: Release, _ site: SiteReleases, at address: String, assumed: [String] = []) {
        (self.release, self.address, self.assumed) = (release, address, Set(assumed))
        let isThis = { (other: SiteRelease) in
            other.newest.product == release.product && other.newest.version == release.version
        }
        others = site.loaded.filter { !isThis($0) }
        isLoaded = site.loaded.contains(where: isThis)
    }

    /// Releases that this one needs and nothing tells that the site has.
    package var unmet: [String] {
        release.needs.filter { need in
            !assumed.contains("\(need.product)-\(need.version)")
                && !others.contains { $0.newest.product == need.product && $0.newest.version == need.version }
        }.map { "\($0.product)-\($0.version)" }
    }

    /// Why it may not be loaded yet; `nil` where it may.
    var objection: LoadError? { unmet.isEmpty ? nil : .needsUnmet(release.name, unmet, address) }

    /// What should be known before it is loaded.
    package var warnings: [String] {
        let preview = "\(release.product) \(release.version) is a \(ReleaseTitle.preview), by its publisher's word"
        return [release.isPreview ? preview : nil, editionWarning, pathWarning].compactMap(\.self)
    }

    private var editionWarning: String? {
        guard let other = others.first(where: { $0.newest.edition != release.edition }) else { return nil }
        return "these media are of the edition \(release.edition), and \(address) has \(other.title) of the edition "
            + "\(other.newest.edition): the two must not share a registry, as their packs share tags"
    }

    /// The appliance release that the site came to last; its version, and whether a receipt says so.
    private var before: (version: String, release: SiteRelease?)? {
        if let last = others.first(where: {
            $0.newest.product == release.product && ($0.kind ?? .appliance) == .appliance
        }) {
            return (last.newest.version, last)
        }
        let prefix = "\(release.product)-"
        return assumed.sorted().last { $0.hasPrefix(prefix) }.map { (String($0.dropFirst(prefix.count)), nil) }
    }

    private var isAppliance: Bool { (release.kind ?? .appliance) == .appliance }

    private var pathWarning: String? {
        guard isAppliance, !isLoaded, !release.upgradesFrom.isEmpty, let before else { return nil }
        let versions = [before.version] + assumedVersions
        guard !release.upgradesFrom.contains(where: versions.contains), before.version != release.version else {
            return nil
        }
        return
            "the newest \(release.product) at \(address) is \(before.version), and \(release.version) lists no upgrade from "
            + "that: it lists \(release.upgradesFrom.joined(separator: ", ")). Load one of those and upgrade the appliance to "
            + "it first; where the appliance is at one of them already, say so: --assume-release "
            + "\(release.product)-\(release.upgradesFrom.last ?? "")"
    }

    private var assumedVersions: [String] {
        assumed.compactMap { name in
            name.hasPrefix("\(release.product)-") ? String(name.dropFirst(release.product.utf8.count + 1)) : nil
        }
    }
}

// What it brings and changes, as people and programs read it.
extension SiteFit {
    private enum Capability: String {
        /// The site has no release that brings it, by its receipts.
        case new
        /// This release brings it, and the site has it.
        case again
        /// The site has it, and this release doesn't bring it.
        case kept
    }

    /// By name, sorted.
    private var capabilities: [(name: String, state: Capability, by: String?)] {
        let brought = Set(release.broughtCapabilities)
        var had: [String: String] = [:]
        for other in others.reversed() {
            for name in other.newest.facts.capabilities ?? [] { had[name] = other.title }
        }
        return brought.union(had.keys).sorted().map { name in
            (name, had[name] == nil ? .new : brought.contains(name) ? .again : .kept, had[name])
        }
    }

    /// What of the infrastructure differs from that of the site's newest appliance release.
    private var profileChanges: [String] {
        guard isAppliance, let now = release.profile, let old = before?.release?.newest.facts.profile else { return [] }
        let (was, will) = (old.byLayer, now.byLayer)
        let layers = Set(was.keys).union(will.keys).sorted { Release.Profile.rank($0) < Release.Profile.rank($1) }
        var lines = layers.compactMap { layer in
            was[layer] == will[layer] ? nil : "\(layer): \(was[layer] ?? "none") -> \(will[layer] ?? "none")"
        }
        if old.platforms != now.platforms {
            lines.append(
                "platforms: \(old.platforms.joined(separator: ", ")) -> \(now.platforms.joined(separator: ", "))")
        }
        return lines
    }

    /// Lines below a plan's summary.
    package var text: String {
        var lines: [String] = []
        let capabilities = capabilities
        if !capabilities.isEmpty {
            lines.append("capabilities:")
            lines += capabilities.map { entry in
                let name = Palette.Capability(rawValue: entry.name)?.title ?? entry.name
                return switch entry.state {
                case .new: "  \(name)  new at this site"
                case .again: "  \(name)  brought again; there by \(entry.by ?? "")"
                case .kept: "  \(name)  there by \(entry.by ?? ""), not in this release"
                }
            }
            if others.contains(where: { $0.newest.facts.capabilities == nil }) {
                lines.append("  (older receipts don't tell what their releases bring)")
            }
        }
        if !profileChanges.isEmpty {
            lines.append("infrastructure, against \(before?.release?.title ?? ""):")
            lines += profileChanges.map { "  \($0)" }
        }
        return lines.map(\.printable).joined(separator: "\n")
    }

    package var json: JSONValue {
        [
            "needs": .array(release.needs.map { .string("\($0.product)-\($0.version)") }),
            "unmetNeeds": .array(unmet.map(JSONValue.string)),
            "assumedReleases": .array(assumed.sorted().map(JSONValue.string)),
            "upgradesFrom": .array(release.upgradesFrom.map(JSONValue.string)),
            "before": before.map { .string($0.version) } ?? .null,
            "otherEdition": .bool(editionWarning != nil), "pathNotListed": .bool(pathWarning != nil),
            "releases": .array(others.map { .string($0.name) }),
            "capabilities": .array(
                capabilities.map { ["name": .string($0.name), "state": .string($0.state.rawValue)] }),
            "profileChanges": .array(profileChanges.map(JSONValue.string)),
        ]
    }
}

extension Release.Profile {
    fileprivate static func rank(_ layer: String) -> Int {
        ["os", "k8s", "cni", "csi", "registry"].firstIndex(of: layer) ?? 5
    }

    /// What stands in each layer, for people.
    fileprivate var byLayer: [String: String] {
        Dictionary(
            layers.map { layer in
                let fips = layer.fips.map { $0 ? " (FIPS)" : " (not FIPS)" } ?? ""
                return (layer.layer, "\(layer.component) \(layer.version)\(fips)")
            }
        ) { $1 }
    }
}

extension SiteState {
    /// A release beside what the receipts here tell of a target. The target's own copies of receipts are asked for where those
    /// here tell nothing of it, or lack what the release needs. Returns what could not be read of them, too.
    func fit(
        _ release: Release, at target: any LoadTarget, assumed: [String], _ progress: Progress
    ) throws -> (fit: SiteFit, findings: [String]) {
        var site = try releases(at: target.address)
        if target.keepsEvidence {
            let fit = SiteFit(release, site, at: target.address, assumed: assumed)
            if site.releases.isEmpty || !fit.unmet.isEmpty { site = try releases(in: target, progress) }
        }
        return (SiteFit(release, site, at: target.address, assumed: assumed), site.faults)
    }
}
