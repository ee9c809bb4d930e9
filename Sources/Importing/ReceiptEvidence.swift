// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage

extension LoadRun {
    /// A site that has a key signs every receipt: better no load than one that can't be proven.
    func checkSigner() throws {
        guard signer == nil, try state.siteKey() != nil else { return }
        throw SiteError.keyNotOpened(state.sitePublicKeyFile)
    }

    /// Keeps the receipt in the target too. The load is done: what goes wrong here is said, and the next load does it.
    func keepEvidence(_ file: FilePath, _ receipt: Receipt, _ target: any LoadTarget) -> [String] {
        do {
            _ = try SiteArtifact.keep(
                file, in: target, state, product: receipt.product, fingerprint: Digest(hex: receipt.root))
            return []
        } catch {
            return [
                "the load is done, but its receipt could not be kept in the target too (\(SiteArtifact.repository)): \(error)"
            ]
        }
    }
}

extension Receipt {
    /// Who loads, from where, into what.
    mutating func note(_ target: any LoadTarget, _ person: String?) {
        origin = .here(person: person)
        origin.account = target.account
        do {
            origin.certificate = try target.certificateDigest()
        } catch {
            findings.append("the target's certificate could not be noted: \(error)")
        }
    }
}
