// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import OCI

/// A plan's transfers with what each of them has to wait for.
struct TransferSteps: Sendable {
    enum Step: Sendable {
        case blob(LoadPlan.BlobStep, group: Int)
        case manifest(LoadPlan.ManifestStep, group: Int)
    }

    private(set) var steps: [Step] = []
    private(set) var graph = WorkGraph()

    /// A blob that is mounted waits for the one it comes from, a manifest for its blobs and children; with `wholeGroups` for all
    /// that its group's manifests name, and for what it is about.
    init(_ plan: LoadPlan, _ content: RegistryContent, wholeGroups: Bool = false) {
        var numbers: [Place: Int] = [:]
        for (place, group) in plan.groups.enumerated() {
            for blob in group.blobs {
                let source = blob.mountFrom.flatMap { numbers[Place($0, blob.digest)] }
                numbers[Place(blob.repository, blob.digest)] = graph.add(after: [source].compactMap(\.self))
                steps.append(.blob(blob, group: place))
            }
            let all = wholeGroups ? group.allManifests.flatMap { content.blobs(of: $0.digest) } : []
            for manifest in group.manifests {
                let digest = manifest.descriptor.digest
                let subject = wholeGroups ? content.manifests[digest]?.subject : nil
                let needed =
                    content.blobs(of: digest) + content.children(of: digest) + all + [subject].compactMap(\.self)
                let earlier = Set(needed.compactMap { numbers[Place(manifest.repository, $0.digest)] })
                numbers[Place(manifest.repository, digest)] = graph.add(after: earlier.sorted())
                steps.append(.manifest(manifest, group: place))
            }
        }
    }
}
