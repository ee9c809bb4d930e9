// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import OCI
internal import Palette
internal import PaletteSources

/// The vendor's two builds share names and tags: they must not meet under one, and a VerteX release takes the FIPS build
/// alone unless its manifest says otherwise for an item (reference/palette.md, section 6).
struct FlavourRule {
    private var seen: [String: (fips: Bool, place: String)] = [:]

    /// Throws `PackError.nonFIPS` for what a VerteX release may not hold.
    static func check(_ facts: RegistryFacts, of item: ManifestItem, edition: Edition) throws(PackError) {
        guard edition == .vertex, !item.isNonFIPSAllowed else { return }
        let found = facts.nonFIPS
        guard !found.isEmpty else { return }
        throw .nonFIPS(item.name, Array(found.prefix(5)), count: found.count)
    }

    /// Notes a pack's build, by what its list names. Throws `PackError.flavoursMixed` for a tag that another input has of the
    /// other build.
    mutating func note(_ list: PackImages?, of pack: String, place: String) throws(PackError) {
        let repositories = (list?.references ?? []).compactMap { text -> String? in
            guard let source = try? Reference(parsing: text) else { return nil }  // warned of with the pack's images
            return (try? PackImage(source))?.repository
        }
        guard let fips = PackFlavour.isFIPS(repositories) else { return }
        // Where it goes to decides, not where it came from.
        let name = (try? DeliveredReference(source: Reference(parsing: pack)))?.description ?? pack
        if let other = seen[name], other.fips != fips {
            throw .flavoursMixed(name, fips: fips ? place : other.place, other: fips ? other.place : place)
        }
        seen[name] = (fips, place)
    }

    /// What to say of a release that holds both builds, if under different tags.
    static func warnings(_ contents: [Release.Content]) -> [String] {
        let packs = contents.flatMap { $0.bundle?.packs ?? [] }
        guard let fips = packs.first(where: { $0.fips == true }), let other = packs.first(where: { $0.fips == false })
        else { return [] }
        return [
            "the release holds packs of the FIPS build (\(fips.name):\(fips.version)) and of the other "
                + "(\(other.name):\(other.version)); they share tags, so a registry should have one of the two"
        ]
    }
}

/// An installer and a content bundle of different versions don't work together.
enum VersionRule {
    /// What to say of the contents' versions, as far as they are known.
    static func warnings(_ contents: [Release.Content]) -> [String] {
        let bundles = contents.compactMap { content in
            content.bundle?.version.flatMap { version in
                content.kind == ItemKind.bundle.rawValue
                    && (ManifestItem.isApplianceBundle(content.name) || content.bundle?.agent != nil)
                    ? (name: content.name, version: version) : nil
            }
        }
        var warnings: [String] = []
        for iso in contents {
            guard let version = iso.iso?.version else { continue }
            for bundle in bundles where bundle.version != version {
                warnings.append(
                    "\(iso.name) is of version \(version) and \(bundle.name) of \(bundle.version); an installer needs the "
                        + "content bundle of its own version")
            }
        }
        return warnings
    }
}
