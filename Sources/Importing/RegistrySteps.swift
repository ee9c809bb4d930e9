// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import FoundationEssentials
internal import OCI
internal import RegistryClient

/// Steps that take something away from a target, or put a tag back, carried out one after another.
package struct RegistrySteps: Sendable {
    private let steps: [Undo.Step]
    private let target: any LoadTarget
    private let traits: TargetTraits
    /// Whether it ends at the first manifest that a registry refuses to delete because it deletes none.
    var stopsWhereNothingIsDeleted = false

    init(_ steps: [Undo.Step], at target: any LoadTarget, _ traits: TargetTraits) {
        (self.steps, self.target, self.traits) = (steps, target, traits)
    }

    /// How far it came.
    package struct Ending {
        /// The steps that are not known to be done, each with the reason; all others are.
        package fileprivate(set) var left: [String] = []
        /// Those of them that a manifest's removal is among: a tag alone holds nothing that anybody else doesn't hold.
        package fileprivate(set) var leavesContent = false
        /// What stopped it: login, network, interruption. The same again goes on.
        fileprivate var stop: (any Error)?

        /// The steps that the registry refused. Throws what stopped it.
        package func finished() throws -> [String] {
            if let stop { throw stop }
            return left
        }
    }

    /// Carries the steps out, in order; a registry's refusal of one leaves it, and the others are done. A manifest stays while a
    /// tag that could not be taken away names it. `opening`: whether the target is still to be opened, and locked.
    package func carryOut(_ progress: Progress? = nil, opening: Bool = false) -> Ending {
        var (ending, next) = (Ending(), 0)
        do {
            let lock = opening ? try target.open() : nil
            defer { withExtendedLifetime(lock) {} }
            try carryOut(&ending, &next, progress)
        } catch {
            ending.stop = error
            ending.left += steps[next...].map { "\($0): not known to be done: \(error)" }
            ending.leavesContent = true
        }
        return ending
    }

    private func carryOut(_ ending: inout Ending, _ next: inout Int, _ progress: Progress?) throws {
        let session = try target.session()
        var named: Set<Place> = []
        // Only where the manifest goes too: Docker's registry deletes no tags, their manifest takes them along.
        let manifests = Set(steps.compactMap(\.removedManifest))
        for (number, step) in steps.enumerated() {
            next = number
            try Interruption.check()
            progress?.label = "\(number + 1) of \(steps.count) steps"
            if case .removeManifest(let place) = step, named.contains(place) {
                ending.leavesContent = true
                continue
            }
            do {
                try carryOut(step, session)
            } catch let error as RegistryError where error.kind == .refusal || error.isDenial {
                if case .removeTag(let tag, let digest) = step, manifests.contains(Place(tag.repository, digest)) {
                    continue
                }
                if stopsWhereNothingIsDeleted, step.removedManifest != nil, error.deletesNothing { throw error }
                ending.left.append("\(step): \(error)")
                if step.removedManifest != nil { ending.leavesContent = true }
                if let manifest = step.manifest { named.insert(manifest) }
            }
        }
    }

    private func carryOut(_ step: Undo.Step, _ session: any TargetSession) throws {
        switch step {
        case .removeTag(let place, _), .removeManifest(let place): try session.remove(place)
        case .restoreTag(let place, _, let digest):
            let former = Place(place.repository, digest)
            guard case .present(let bytes, let type) = try session.manifest(former), Digest(of: bytes) == digest,
                case .present(_, let now) = try session.manifest(place)
            else { throw LoadError.notThere([former.description]) }
            let manifest = try Manifest(parsing: Data(bytes), mediaType: type)
            let descriptor = Descriptor(mediaType: type, digest: digest, size: Int64(bytes.count))
            let assignment = TagAssignment(
                repository: place.repository, tag: place.reference, manifest: manifest, descriptor: descriptor,
                retypes: type != now && !traits.retypesTags)
            try target.setTags([assignment], width: 1)
        }
    }
}

extension Undo.Step {
    fileprivate var removedManifest: Place? {
        guard case .removeManifest(let place) = self else { return nil }
        return place
    }
}

extension RegistryError {
    fileprivate var isDenial: Bool {
        guard case .denied = self else { return false }
        return true
    }

    /// Whether the registry says that it deletes no manifest at all (docker-registry without `storage.delete.enabled`).
    fileprivate var deletesNothing: Bool {
        guard case .refused(_, 405, let faults) = self else { return false }
        return faults.contains { $0.code == "UNSUPPORTED" }
    }
}
