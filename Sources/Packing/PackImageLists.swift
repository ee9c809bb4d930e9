// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import OCI
internal import Palette
internal import PaletteSources

/// An image that a pack of the release names and the release doesn't hold.
package struct MissingImage: Sendable, Equatable {
    /// `<repository>:<tag>` of the pack.
    package let pack: String
    /// `<repository>:<tag>` or `<repository>@<digest>`.
    package let image: String
}

/// What the packs of a release name, against what the release delivers.
struct PackImageLists {
    /// By the pack's delivered name; `nil` for a pack whose values weren't found.
    private var lists: [String: PackImages?] = [:]
    /// `<repository>@<digest>` of every manifest that a repository gets, children of indexes too.
    private var manifests: Set<String> = []

    /// Notes the list of a pack; two inputs may hold one pack, and one of them in a way that can't be read.
    mutating func add(_ list: PackImages?, of pack: String) {
        if list != nil || lists[pack] == nil { lists[pack] = .some(list) }
    }

    /// Notes that a repository gets a manifest.
    mutating func add(_ manifest: Digest, in repository: String) { manifests.insert("\(repository)@\(manifest)") }

    /// What `settle` found out.
    struct Findings {
        var missing: [MissingImage] = []
        var warnings: [String] = []
    }

    /// Gives each pack its images and its flavour, and says what they name and the release lacks.
    func settle(_ references: inout [ReleaseReference]) -> Findings {
        let tags = Set(references.filter { $0.tag != nil }.map(\.name))
        var findings = Findings()
        for index in references.indices {
            let pack = references[index].name
            guard references[index].kind == ContentKind.pack.rawValue, let list = lists[pack] else { continue }
            guard let list else {
                findings.warnings.append("pack \(pack): no values.yaml that can be read; its images can't be checked")
                continue
            }
            findings.warnings += list.skipped.map { "pack \(pack): \($0); passed over" }
            guard let sources = list.references else { continue }
            let images = images(sources, of: pack, tags: tags, &findings)
            references[index].images = Set(images.map(\.name)).sorted()
            references[index].fips = PackFlavour.isFIPS(images.map(\.repository))
            let lacking = Set(images.filter { !isDelivered($0, tags) }.map(\.name)).sorted()
            findings.missing += lacking.map { MissingImage(pack: pack, image: $0) }
        }
        if let first = findings.missing.first { findings.warnings.append(summary(findings.missing, first)) }
        return findings
    }

    private func images(
        _ sources: [String], of pack: String, tags: Set<String>, _ findings: inout Findings
    ) -> [PackImage] {
        var images: [PackImage] = []
        for source in sources {
            do {
                let image = try PackImage(Reference(parsing: source))
                let other = image.otherSpelling
                images.append(
                    isDelivered(image, tags) ? image : other.map { isDelivered($0, tags) ? $0 : image } ?? image)
            } catch {
                findings.warnings.append("pack \(pack): \"\(source.prefix(200))\" is no image reference; passed over")
            }
        }
        return images
    }

    private func isDelivered(_ image: PackImage, _ tags: Set<String>) -> Bool {
        tags.contains(image.name) || manifests.contains(image.name)
    }

    private func summary(_ missing: [MissingImage], _ first: MissingImage) -> String {
        let packs = Set(missing.map(\.pack)).count
        return "\(missing.count) image\(missing.count == 1 ? "" : "s") that \(packs) pack\(packs == 1 ? "" : "s") "
            + "of the release name\(packs == 1 ? "s" : "") are not in it (\(first.image) for \(first.pack)"
            + (missing.count == 1 ? "" : " is the first") + "); --output json lists them under missingImages"
    }
}
