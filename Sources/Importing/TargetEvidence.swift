// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import RegistryClient
internal import Trust

/// What a target keeps of the site, as far as it counts here (docs/trust.md, "Floors" and "Product binding").
struct TargetEvidence {
    /// Genuine metadata that is newer than what this site knows.
    private(set) var newer: [TrustedMetadata] = []
    private(set) var binding = ProductBinding()
    /// What was passed over, and why: whoever may write to the registry may have written it.
    private(set) var findings: [String] = []

    /// Reads it and checks it against the roots that are trusted here. Throws `RegistryError` where the target doesn't answer.
    init(from target: any LoadTarget, _ trust: PinnedRoots) throws {
        let artifact: SiteArtifact?
        do {
            artifact = try SiteArtifact.read(from: target)
        } catch let error as SiteArtifactError {
            findings.append("\(error)")
            return
        } catch let error as RegistryError {
            guard case .denied = error else { throw error }
            findings.append(
                "what \(target.address) keeps of this site could not be read, so it holds no floor: \(error)")
            return
        }
        guard let artifact else { return }
        binding = ProductBinding(artifact.products)
        for entry in artifact.accepted {
            do {
                if let metadata = try trust.newer(entry.metadata, roots: entry.roots) { newer.append(metadata) }
            } catch let error as any ClassifiedError {
                findings.append(
                    "what \(target.address) keeps as metadata that was accepted here does not count: \(error)")
            }
        }
    }
}

extension [PinnedRoots.Chain] {
    /// The same with newer metadata of some of their products.
    func moved(by newer: [TrustedMetadata]) -> [PinnedRoots.Chain] {
        map { chain in
            guard let metadata = newer.first(where: { $0.root.files[1] == chain.roots.first }) else { return chain }
            var moved = chain
            moved.roots = metadata.root.files.sorted { $0.key < $1.key }.map(\.value)
            let known = chain.accepted?.metadata(under: metadata.root)
            if known.map({ metadata.isNewer(than: $0) }) ?? true {
                moved.accepted = PinnedRoots.AcceptedMetadata(metadata)
            }
            return moved
        }
    }
}

/// Whether a bundle may go into a target: what plan and load ask alike.
struct Admission {
    let state: SiteState
    /// What the clock says.
    let now: UTCTime
    var expiry = ExpiryRule.refuse
    /// Whether the state learns what is newer in the target: whoever sets it holds the lock.
    var healsState = false

    /// The bundle, checked by what the state knows. Throws what verification throws.
    func verified(_ bundle: UnverifiedBundle) throws -> VerifiedBundle {
        try bundle.verified(by: state.pinnedRoots(), now: now, expiry: expiry)
    }

    /// Checks a bundle that was verified once more by what the target keeps: where that is newer, the state was brought back from
    /// an older copy or was lost.
    ///
    /// Throws what verification throws, and `LoadError.otherProduct`.
    func check(
        _ bundle: VerifiedBundle, _ unverified: UnverifiedBundle, for target: any LoadTarget
    ) throws -> TargetEvidence {
        let chains = try state.chains()
        let evidence = try TargetEvidence(from: target, try PinnedRoots(chains))
        if !evidence.newer.isEmpty {
            let trust = try PinnedRoots(chains.moved(by: evidence.newer))
            // genuine, whatever becomes of this bundle
            if healsState { for metadata in evidence.newer { try state.moveForward(metadata) } }
            let again = try unverified.verified(by: trust, now: now, expiry: expiry)
            // What expired by the newer time alone is in no plan: nobody has accepted it.
            if again.metadata.expired != bundle.metadata.expired {
                _ = try unverified.verified(by: trust, now: now, expiry: .refuse)
            }
        }
        try binding(evidence, at: target.address).check(bundle.release.product, at: target.address)
        return evidence
    }

    /// What the state says; what the target says only where the state knows nothing: whoever writes to a registry must not
    /// widen what a site has decided.
    private func binding(_ evidence: TargetEvidence, at address: String) throws -> ProductBinding {
        let known = try state.binding(of: address)
        return known.products.isEmpty ? evidence.binding : known
    }
}
