// SPDX-License-Identifier: Apache-2.0

package import Cryptography
internal import Files
internal import OCI
package import SystemPackage
package import Trust

/// The signatures of a stage that have come back, each checked.
struct StageSignatures: Sendable {
    private(set) var byRole: [Role: [KeyID: [UInt8]]] = [:]

    static func fileName(_ id: KeyID) -> String { "\(id.hex).signatures.json" }
    private static let format = "dray-signatures 1"
    /// Four RSA-8192 signatures and what is around them.
    private static let byteLimit = 16 << 10

    /// Reads the file of each key that the stage asks for; others aren't looked at.
    ///
    /// Throws `SigningError.signatureWrong` for a signature of anything but this stage's bodies.
    init(in stage: SigningStage) throws {
        for key in stage.keys {
            for (role, signature) in try StageSignatures.read(key, in: stage) ?? [:] {
                byRole[role, default: [:]][key.id] = signature
            }
        }
    }

    /// What a key's file holds; `nil` where there is none.
    static func read(_ key: TrustKey, in stage: SigningStage) throws -> [Role: [UInt8]]? {
        let path = stage.folder.appending(fileName(key.id))
        let wrong = SigningError.signatureWrong(path)
        do {
            let bytes = try MediaFolder(stage.folder).contents(of: fileName(key.id), limit: byteLimit)
            guard let bytes else { return nil }
            let document = JSONCursor(try JSONValue(parsing: bytes, .document(bytes: byteLimit, depth: 3, values: 16)))
            try document.allow(only: ["format", "keyid", "signatures"])
            guard try document["format"].string() == format, try document["keyid"].string() == key.id.hex else {
                throw wrong
            }
            var signatures: [Role: [UInt8]] = [:]
            for (name, cursor) in try document["signatures"].members() {
                let body = stage.unsigned(for: key).first { $0.role.rawValue == name }
                guard let body, let signature = [UInt8](lowercaseHex: try cursor.string()),
                    body.isSigned(by: key.key, signature)
                else { throw wrong }
                signatures[body.role] = signature
            }
            return signatures
        } catch is JSONError {
            throw wrong
        }
    }

    /// Adds what the keys at hand sign.
    mutating func add(_ keys: [PrivateKey], in stage: SigningStage) throws {
        for key in keys {
            let known = TrustKey(key.publicKey)
            for body in stage.unsigned(for: known) where byRole[body.role]?[known.id] == nil {
                byRole[body.role, default: [:]][known.id] = try body.signature(by: key)
            }
        }
    }

    /// The demands that aren't met yet, a line each.
    func missing(in stage: SigningStage) -> [String] {
        stage.demands.compactMap { demand in
            let signed = byRole[demand.role] ?? [:]
            let absent = demand.keys.keys.filter { signed[$0.id] == nil }
            let have = demand.keys.keys.count - absent.count
            guard have < demand.keys.threshold else { return nil }
            let who = absent.map { "\($0.id) (\($0.kind))" }.joined(separator: ", ")
            return "\(demand.role.rawValue), by the keys of root \(demand.root): \(have) of \(demand.keys.threshold); "
                + "\(demand.keys.threshold - have) more of \(who)"
        }
    }

    /// The file of a body, at most as many signatures as a file may hold.
    func file(_ body: UnsignedBody, in stage: SigningStage) -> [UInt8] {
        let all = byRole[body.role] ?? [:]
        var chosen: [KeyID: [UInt8]] = [:]
        let demands = stage.demands.filter { $0.role == body.role }
        let signers = demands.map { $0.keys.keys.map(\.id).filter { all[$0] != nil } }
        // first what each threshold needs, then the others
        let needed = zip(demands, signers).flatMap { $1.prefix($0.keys.threshold) }
        for id in needed + signers.flatMap(\.self) where chosen.count < TrustLimits.signatures { chosen[id] = all[id] }
        return body.file(signed: chosen)
    }

    /// The bytes of a key's file.
    fileprivate static func encoded(_ id: KeyID, _ signatures: [Role: [UInt8]]) -> [UInt8] {
        let members = signatures.map { ($0.key.rawValue, JSONValue.string($0.value.lowercaseHex)) }
        let document: JSONValue = [
            "format": .string(format), "keyid": .string(id.hex),
            "signatures": .object(Dictionary(members) { first, _ in first }),
        ]
        return document.canonicalBytes
    }
}

extension TrustKey {
    /// `P-384`, `P-256` or `RSA 3072`.
    package var kind: String {
        switch key.kind {
        case .p384: "P-384"
        case .p256: "P-256"
        case .rsa(let bits): "RSA \(bits)"
        }
    }
}

/// What a holder's key has added to a stage.
package struct AddedSignatures: Sendable {
    package let key: KeyID
    /// What it has signed: roles, or `SHA256SUMS`.
    package let signed: [String]
    /// The file that goes back.
    package let file: FilePath
}

extension SigningStage {
    /// Signs everything that this key has a role in, or, where the set is signed already, the bundle's sums; writes the file
    /// that goes back.
    ///
    /// Throws `SigningError.keyNotAsked` for a key that has no role here, and as reading does.
    package func add(_ key: PrivateKey) throws -> AddedSignatures {
        let known = TrustKey(key.publicKey)
        if let finished = try finished() { return try addSums(key, known, finished) }
        let bodies = unsigned(for: known)
        guard !bodies.isEmpty else { throw SigningError.keyNotAsked(known.id) }
        let file = folder.appending(StageSignatures.fileName(known.id))
        if try StageSignatures.read(known, in: self)?.count != bodies.count {
            var signatures: [Role: [UInt8]] = [:]
            for body in bodies { signatures[body.role] = try body.signature(by: key) }
            try file.replaceContents(with: StageSignatures.encoded(known.id, signatures))
        }
        return AddedSignatures(key: known.id, signed: bodies.map(\.role.rawValue), file: file)
    }

    private func addSums(_ key: PrivateKey, _ known: TrustKey, _ finished: TrustedMetadata) throws -> AddedSignatures {
        guard finished.root.root.sumsSigner(among: [key]) != nil else { throw SigningError.keyNotAsked(known.id) }
        let file = folder.appending(SigningStage.sumsName(known.id))
        try file.replaceContents(with: try key.signDetached(BundleSeal(finished).sums))
        return AddedSignatures(key: known.id, signed: ["SHA256SUMS"], file: file)
    }

    static func sumsName(_ id: KeyID) -> String { "\(id.hex).SHA256SUMS.sig" }

    // MARK: The bundle's sums, known when the set is signed

    /// The signed set, put here for who signs the sums; verified, and made of this stage's bodies. `nil` before.
    package func finished() throws -> TrustedMetadata? {
        let place = folder.appending("signed")
        guard isOfBundle, try place.statusIfPresent(followingLinks: false) != nil else { return nil }
        do {
            let trust = try PublishedTrust(reading: MediaFolder(place))
            guard trust.root.files[1] == base?.root.files[1], let published = trust.published, trust.isCurrent,
                try set?.isSigned(in: published) == true
            else { throw SigningError.stageUnusable(place, why: "it isn't what this stage asked to sign") }
            return published
        } catch let error as TrustError {
            throw SigningError.stageUnusable(place, why: "\(error)")
        }
    }

    /// Puts the signed set here.
    func keep(finished set: TrustedMetadata) throws {
        let place = folder.appending("signed")
        try place.createDirectories()
        // the timestamp last: without it nothing is finished
        let files = set.files.filter { $0.name != "timestamp.json" } + set.files.filter { $0.name == "timestamp.json" }
        for (name, bytes) in files { try place.appending(name).replaceContents(with: bytes) }
    }

    /// The signature of the sums by one of the keys at hand, or one that has come back; `nil` when there is none.
    func sumsSignature(_ set: TrustedMetadata, by keys: [PrivateKey]) throws -> [UInt8]? {
        let (sums, root) = (BundleSeal(set).sums, set.root.root)
        if let signer = root.sumsSigner(among: keys) { return try signer.signDetached(sums) }
        for key in root[.targets].keys {
            let name = SigningStage.sumsName(key.id)
            guard let signature = try MediaFolder(folder).contents(of: name, limit: TrustLimits.signatureDigits) else {
                continue
            }
            do throws(TrustError) {
                _ = try root.verifyDetached(signature: signature, over: sums)
                return signature
            } catch { throw SigningError.signatureWrong(folder.appending(name)) }
        }
        return nil
    }
}

extension UnsignedSet {
    /// Whether this is what the files of a set sign.
    func isSigned(in set: TrustedMetadata) throws -> Bool {
        try UnsignedMetadata<Targets>(unsigning: set.targets.bytes).body == targets.body
            && UnsignedMetadata<Snapshot>(unsigning: set.snapshot.bytes).body == snapshot.body
            && UnsignedMetadata<Timestamp>(unsigning: set.timestamp.bytes).body == timestamp.body
    }
}
