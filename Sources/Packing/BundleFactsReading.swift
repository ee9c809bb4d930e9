// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import OCI
internal import Palette
internal import PaletteSources

/// What one input delivers to the registry, as far as facts and rules about it go.
struct RegistryFacts: Codable {
    /// A pack with what decides of which build it is.
    struct Pack: Codable {
        let name: String
        let version: String
        /// The `layer` of its `pack.json`, where it was read.
        var layer: String?
        /// As its values name them; empty where they name none.
        var images: [String] = []

        var fips: Bool? { PackFlavour.isFIPS(images) }
        /// `<name>:<version>`.
        var title: String { "\(name):\(version)" }
    }

    var packs: [Pack] = []
    /// An image as it is delivered.
    struct Image: Codable {
        let repository: String
        let tag: String
    }

    var images: [Image] = []
    /// The bundle's own name, by its definition.
    var definition: String?
    private var annotatedVersion: String?
    private var agent: String?
    private let fileName: String

    /// Reads what an index lists; `lists` holds what packs name, by layer. `name` is the file's or the folder's.
    init(
        of entries: [Descriptor], lists: [Digest: PackImages], annotations: [String: String], name: String,
        manifest: (Descriptor) -> Manifest?
    ) {
        fileName = name
        annotatedVersion = annotations[RegistryFacts.versionAnnotation]
        for entry in entries {
            guard let name = entry.referenceName, let source = try? Reference(parsing: name) else { continue }
            let type = entry.annotations?[DeliveredReference.typeAnnotation]
            // What can't be delivered stops the run elsewhere.
            guard let target = try? DeliveredReference(source: source, type: type) else { continue }
            switch target.kind {
            case .image:
                images.append(Image(repository: target.repository, tag: target.tag))
                if RegistryFacts.isAgent(target.repository, type: type) { agent = agent ?? target.tag }
            case .pack:
                let list = manifest(entry)?.blobs.lazy.compactMap { lists[$0.digest] }.first
                packs.append(
                    Pack(
                        name: String(target.repository.split(separator: "/").last ?? ""), version: target.tag,
                        layer: list?.packLayer, images: RegistryFacts.repositories(list)))
            case .bundleDefinition:
                definition = definition ?? target.tag
                annotatedVersion = annotatedVersion ?? entry.annotations?[RegistryFacts.versionAnnotation]
            case .artifact: break
            }
        }
    }

    /// Of a layout or an archive whose manifests were walked.
    init(
        of entries: [Descriptor], _ graph: ManifestGraph, lists: [Digest: PackImages], annotations: [String: String],
        name: String
    ) {
        let manifests = Dictionary(graph.manifests.map { ($0.descriptor.digest, $0.manifest) }) { first, _ in first }
        self.init(of: entries, lists: lists, annotations: annotations, name: name) { manifests[$0.digest] }
    }

    /// image-spec 1.1, annotations.md.
    private static let versionAnnotation = "org.opencontainers.image.version"

    /// Of a pack folder.
    init(_ pack: PackArtifact, images: PackImages?) {
        fileName = pack.metadata.name
        packs = [
            Pack(
                name: pack.metadata.name, version: pack.metadata.version, layer: pack.metadata.layer,
                images: RegistryFacts.repositories(images))
        ]
    }

    /// Repositories of the images that a list names, as a node asks for them.
    private static func repositories(_ list: PackImages?) -> [String] {
        (list?.references ?? []).compactMap { text in
            guard let source = try? Reference(parsing: text) else { return nil }
            return (try? PackImage(source))?.repository
        }
    }

    /// The agent's image by its type, or by its name (`.../edge/stylus`, `.../edge/stylus-linux-amd64`).
    private static func isAgent(_ repository: String, type: String?) -> Bool {
        let last = repository.split(separator: "/").last ?? ""
        return type == "stylus" || last == "stylus" || last.hasPrefix("stylus-")
    }

    /// The version that the bundle gives itself inside: by annotation, else by its definition's name.
    var innerVersion: String? {
        let annotated = annotatedVersion.flatMap { VendorName.isVersion($0) ? $0 : nil }
        return annotated ?? definition.flatMap(VendorName.version(in:))
    }

    /// What to say where the file is named after another version than it has inside.
    func renamed(_ name: String) -> [String] {
        guard let inner = innerVersion, let outer = VendorName.version(in: name), inner != outer else { return [] }
        return ["\(name) is named after version \(outer), but inside it says \(inner)"]
    }

    var facts: Release.BundleFacts {
        var facts = Release.BundleFacts()
        facts.version = innerVersion ?? VendorName.version(in: fileName)
        facts.agent = agent
        facts.packs = packs.map { Release.Pack(name: $0.name, version: $0.version, fips: $0.fips) }
            .sorted { ($0.name, $0.version) < ($1.name, $1.version) }
        facts.images = images.count
        facts.fips = PackFlavour.isFIPS(images.map(\.repository) + packs.flatMap(\.images))
        facts.capabilities = Capability.brought(by: images.map(\.repository)).map(\.rawValue).sorted()
        return facts
    }

    /// What is of the vendor's build without FIPS: packs, then images, each once.
    var nonFIPS: [String] {
        let packs = packs.filter { $0.images.contains { PackFlavour.isFIPS(repository: $0) == false } }
        let images = images.filter { PackFlavour.isFIPS(repository: $0.repository) == false }
        return packs.map { "pack \($0.title)" } + images.map { "\($0.repository):\($0.tag)" }
    }
}
