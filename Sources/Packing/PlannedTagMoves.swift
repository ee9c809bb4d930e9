// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import OCI
internal import Palette
internal import PaletteSources

extension PackPlan {
    /// What the layouts and packs deliver under a tag, by `<repository>:<tag>`; what archives deliver isn't known before
    /// they are read. A name that the run itself will refuse is left out.
    package var delivered: [String: Digest] {
        var found: [String: Digest] = [:]
        for input in inputs {
            for entry in input.layout?.entries ?? [] {
                guard let name = entry.referenceName, let target = PackPlan.target(name, entry) else { continue }
                found[target.description] = entry.digest
            }
            guard let pack = input.pack, let layer = input.packLayer else { continue }
            let manifest = pack.manifest(layerDigest: layer, configDigest: Digest(of: PackArtifact.config))
            let path = "\(DeliveredReference.packFolder)/\(pack.metadata.name):\(pack.metadata.version)"
            found[path] = Digest(of: manifest)
        }
        return found
    }

    private static func target(_ name: String, _ entry: Descriptor) -> DeliveredReference? {
        guard let source = try? Reference(parsing: name) else { return nil }
        return try? DeliveredReference(source: source, type: entry.annotations?[DeliveredReference.typeAnnotation])
    }

    /// The moves of the manifest with where they lead, sorted as a release has them. Throws `ManifestError` at the entry
    /// for a tag that is not in `delivered`, or that doesn't move.
    func tagMoves(to delivered: [String: Digest]) throws -> [Release.TagMove] {
        try movesTags.flatMap { move in
            guard let to = delivered[move.name] else {
                throw failure(.tagNotDelivered(move.name), at: move)
            }
            guard !move.from.contains(to) else {
                throw failure(.tagStays(move.name, digest: to.description), at: move)
            }
            return move.from.map { Release.TagMove(repository: move.repository, tag: move.tag, from: $0, to: to) }
        }.sorted()
    }

    private func failure(
        _ problem: PaletteSources.ManifestError.Problem, at move: ManifestTagMove
    ) -> PaletteSources.ManifestError {
        PaletteSources.ManifestError(file: manifestFile, place: move.place, problem: problem)
    }
}
