// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import PaletteSources
internal import SystemPackage

/// Checks vendors' detached signatures over the digests of whole files (reference/palette.md, section 1.2).
struct VendorSignatures {
    private let keys: [(digest: Digest, key: PublicKey)]

    /// Reads the vendor keys. Throws `PackError.vendorKeyUnusable`.
    init(_ paths: [FilePath]) throws {
        keys = try paths.map { path in
            let pem = try path.contents(limit: 1 << 20)
            do {
                return (Digest(of: pem), try PublicKey(pem: pem, for: .vendor))
            } catch {
                throw PackError.vendorKeyUnusable(path, why: "\(error)")
            }
        }
    }

    /// The SHA-256 of each key file.
    var keyDigests: [Digest] { keys.map(\.digest) }

    /// What the release says of an item's signature: it is valid, waived or not needed. Throws otherwise.
    func check(_ item: ManifestItem, digest: Digest) throws -> Release.VendorSignature {
        switch item.signature {
        case .waived: return .waived
        case .absent:
            guard item.kind == .iso || item.kind == .bundle else { return .notApplicable }
            throw PackError.signatureMissing(
                item.path.string, expected: ManifestItem.signatureName(for: item.path.lastComponent?.string ?? ""))
        case .file(let path): return .key(try signer(of: digest, signature: path, for: item.path))
        }
    }

    /// The key that made the signature beside a file whose SHA-256 is `digest`. Throws `PackError.signatureMissing` and
    /// `.signatureWrong`.
    func check(_ digest: Digest, of path: FilePath) throws -> Digest {
        let name = ManifestItem.signatureName(for: path.lastComponent?.string ?? "")
        let beside = path.removingLastComponent().appending(name)
        guard try beside.exists() else { throw PackError.signatureMissing(path.string, expected: name) }
        return try signer(of: digest, signature: beside, for: path)
    }

    private func signer(of digest: Digest, signature path: FilePath, for file: FilePath) throws -> Digest {
        let signature = try path.contents(limit: 64 << 10)
        for (name, key) in keys {
            do {
                try key.verify(signature: signature, digest: digest.bytes, hash: .sha256, padding: .openSSLDefault)
                return name
            } catch { continue }  // another of the keys may have made it
        }
        throw PackError.signatureWrong(file.string)
    }
}
