// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
package import SystemPackage
internal import Trust

extension LoadRun {
    /// A site that has a key signs every receipt: better no load than one that can't be proven.
    func checkSigner() throws {
        guard signer == nil, try state.siteKey() != nil else { return }
        throw SiteError.keyNotOpened(state.sitePublicKeyFile)
    }

    /// Keeps the receipt in the target too. The load is done: what goes wrong here is said, and the next load does it.
    func keepEvidence(_ file: FilePath, _ receipt: Receipt, _ target: any LoadTarget) -> [String] {
        SiteArtifact.warnings(of: "load") {
            _ = try SiteArtifact.keep(
                file, in: target, state, product: receipt.product, fingerprint: Digest(hex: receipt.root))
        }
    }
}

extension Undo {
    /// Keeps the record in the target too. What goes wrong is said, and no error: the undo is done.
    package func keepEvidence(_ record: FilePath, in state: SiteState) -> [String] {
        SiteArtifact.warnings(of: "undo") {
            _ = try SiteArtifact.keep(record, in: target, state, product: nil, fingerprint: nil)
        }
    }
}

extension SiteArtifact {
    static func warnings(of work: String, _ body: () throws -> Void) -> [String] {
        do {
            try body()
            return []
        } catch {
            return [
                "the \(work) is done, but its receipt could not be kept in the target too (\(repository)): \(error)"
            ]
        }
    }

    /// What to say where the target should keep a copy of this receipt and doesn't; `nil` where it does, or need not.
    ///
    /// Throws `RegistryError`.
    package static func warning(of kept: KeptReceipt, in target: any LoadTarget) throws -> String? {
        // receipts of version 0.1 name no account, and have no copy
        guard target.keepsEvidence, kept.receipt.outcome == "done", !kept.receipt.origin.user.isEmpty else {
            return nil
        }
        let place = Place(repository, receiptTag(kept.receipt.fileName, kept.digest))
        guard try target.session().manifestDigest(place) == nil else { return nil }
        return "the target keeps no copy of this receipt (\(place)); it is in \(kept.file.string.printable) alone"
    }
}

extension Receipt {
    /// Who loads, from where, into what, and what computes.
    mutating func note(_ target: any LoadTarget, _ person: String?, _ policy: SitePolicy) {
        origin = .here(person: person)
        origin.account = target.account
        do {
            origin.certificate = try target.certificateDigest()
        } catch {
            findings.append("the target's certificate could not be noted: \(error)")
        }
        var members: [String: JSONValue] = ["fips": .bool(false), "library": .string(LibCrypto.version)]
        if let module = LibCrypto.fipsModule {
            (members["fips"], members["module"]) = (.bool(true), .string(module.path))
            (members["name"], members["version"]) = (.string(module.name), .string(module.version))
            if let certificate = policy.fipsCertificate { members["certificate"] = .string(certificate) }
        }
        crypto = .object(members)
    }
}
