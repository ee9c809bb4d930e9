// SPDX-License-Identifier: Apache-2.0

internal import Cage
internal import Files
internal import OCI
package import SystemPackage
package import Trust

// A receipt as it is signed: a Simple Verification Result (in-toto attestation framework, predicate svr, version 0.2).
extension Receipt {
    package static let predicateType = "https://in-toto.io/attestation/svr/v0.2"
    /// Who the result is by, whatever the version: the rules by which it is found.
    package static let verifier = "urn:dray:verifier:1"

    /// What a signed receipt states: the subjects are `release.json` and the manifests that have a tag.
    package var statement: Statement {
        let tags = counts.tags.compactMap { tag in
            tag.digest.sha256.map { Statement.Subject(name: "\(tag.repository):\(tag.tag)", sha256: $0) }
        }
        let predicate: JSONValue = [
            "verifier": [
                "id": .string(Receipt.verifier), "policies": [], "version": ["dray-import": .string(tool)],
            ],
            "timeCreated": .string(finished), "properties": .array(properties.map(JSONValue.string)), "dray": json,
        ]
        return Statement(
            about: [Statement.Subject(name: "release.json", sha256: release)] + tags, Receipt.predicateType, predicate)
    }

    /// What was verified, in the words of SVR: that which doesn't hold is left out.
    package var properties: [String] {
        let isEncrypted = target.hasPrefix("https:") && !skippedTLSVerify
        let found: [String?] = [
            "DRAY_SIGNATURES_VERIFIED", threshold > 0 ? "DRAY_THRESHOLD_\(threshold)_OF_\(keyCount)" : nil,
            outcome == "done" ? "DRAY_LOADED" : nil, readBackProperty, isEncrypted ? "DRAY_TLS_VERIFIED" : nil,
            approval == nil ? nil : "DRAY_PLAN_APPROVED", expiredAccepted == nil ? nil : "DRAY_EXPIRED_ACCEPTED",
            sandbox?.seccomp == true ? "DRAY_SANDBOX" : nil,
            crypto?.isTrue("fips") == true ? "DRAY_FIPS" : nil,
        ]
        return found.compactMap(\.self)
    }

    private var readBackProperty: String? {
        guard counts.readBack.isComplete else { return nil }
        return isReadBackDeeply ? "DRAY_READ_BACK_DEEP" : "DRAY_READ_BACK_HEAD"
    }

    /// Whether the bytes of blobs were hashed, not only their sizes asked for.
    var isReadBackDeeply: Bool { objects.contains { $0.manifestType == nil && $0.proof == .bytes } }

    /// The bytes of the receipt's file: the envelope where somebody signs, else the receipt alone. Throws `DSSEError`.
    package func file(signedBy signer: SiteSigner?) throws(DSSEError) -> [UInt8] {
        try signer?.file(of: statement) ?? encoded
    }

    /// Writes the receipt atomically, never over another one; returns where. The state's lock is held.
    package func write(in state: SiteState, signedBy signer: SiteSigner? = nil) throws -> FilePath {
        try state.prepareReceipts()
        let file = try state.receiptsFolder.unused(String(fileName.dropLast(5)), suffix: ".json")
        try file.replaceContents(with: self.file(signedBy: signer))
        return file
    }
}

extension String {
    /// The hex digits of a digest that is written `sha256:<64 hex>`; `nil` for anything else.
    fileprivate var sha256: String? { hasPrefix("sha256:") ? Digest(hex: dropFirst(7))?.hex : nil }
}

extension JSONValue {
    /// Whether this is an object whose member is `true`.
    fileprivate func isTrue(_ member: String) -> Bool {
        guard case .object(let members) = self else { return false }
        return members[member] == .bool(true)
    }
}
