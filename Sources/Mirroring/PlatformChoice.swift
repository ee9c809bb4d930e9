// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import OCI
internal import PaletteSources

/// Which children of an index a list of platforms leaves out.
struct PlatformChoice {
    let leftOut: [LeftOut]

    private struct Document: Decodable {
        struct Entry: Decodable {
            struct Platform: Decodable {
                var os: String?
                var architecture: String?
                var variant: String?
            }
            var digest: Digest
            var platform: Platform?
            var annotations: [String: String]?
        }
        var manifests: [Entry]
    }

    /// What BuildKit calls the manifest that an attestation is about (moby/buildkit, "Attestation Storage").
    private static let attested = "vnd.docker.reference.digest"

    /// Reads an index. Children without a platform stay; attestations go with what they are about. Throws
    /// `MirrorError.noPlatform` where no child of a wanted platform is in it.
    init(_ index: Data, _ wanted: [MirrorPlatform], _ name: String) throws {
        let document = try JSONDecoder().decode(Document.self, from: index)
        let known = document.manifests.filter { PlatformChoice.text(of: $0) != nil }
        let kept = Set(known.filter { entry in wanted.contains { PlatformChoice.fits(entry, $0) } }.map(\.digest))
        guard known.isEmpty || !kept.isEmpty else {
            throw MirrorError.noPlatform(
                name, wanted: wanted.map(\.description), has: known.compactMap(PlatformChoice.text).sorted())
        }
        leftOut = document.manifests.compactMap { entry in
            if let platform = PlatformChoice.text(of: entry) {
                return kept.contains(entry.digest) ? nil : LeftOut(digest: entry.digest, platform: platform)
            }
            guard let about = entry.annotations?[PlatformChoice.attested],
                known.contains(where: { "\($0.digest)" == about }),
                !kept.contains(where: { "\($0)" == about })
            else { return nil }
            return LeftOut(digest: entry.digest, platform: "attestation")
        }
    }

    // `nil` for none and for "unknown", which attestations have.
    private static func text(of entry: Document.Entry) -> String? {
        guard let os = entry.platform?.os, let architecture = entry.platform?.architecture, os != "unknown" else {
            return nil
        }
        let text = "\(os)/\(architecture)" + (entry.platform?.variant.map { "/\($0)" } ?? "")
        return String(text.filter { $0 > " " && $0 < "\u{7F}" }.prefix(100))
    }

    private static func fits(_ entry: Document.Entry, _ wanted: MirrorPlatform) -> Bool {
        entry.platform?.os == wanted.os && entry.platform?.architecture == wanted.architecture
            && (wanted.variant == nil || wanted.variant == entry.platform?.variant)
    }
}
