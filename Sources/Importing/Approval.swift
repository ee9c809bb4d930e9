// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Cryptography
package import Files
internal import OCI
package import SystemPackage
package import Trust

/// A person whose signature under a plan counts here.
package struct Approver: Sendable, Equatable {
    package let name: String
    package let key: TrustKey

    package init(name: String, key: TrustKey) { (self.name, self.key) = (name, key) }
}

/// A second person's word that a plan may be carried out: a DSSE envelope beside the plan's file, over a statement whose subject
/// is the SHA-256 of that file.
package struct Approval: Sendable, Equatable {
    package static let predicateType = "urn:dray:approval:1"
    /// The most bytes of the file.
    package static let maximumSize = 1 << 20

    private var envelope: DSSEEnvelope

    /// Signs a plan, of which these are the file's bytes. `name`: what the person calls themself; who they are is what the site
    /// knows their key as. Throws `DSSEError.signing`.
    package init(of plan: [UInt8], by key: PrivateKey, name: String? = nil, at time: UTCTime) throws(DSSEError) {
        var predicate: [String: JSONValue] = ["time": .string(time.description)]
        if let name { predicate["name"] = .string(name) }
        let subject = Statement.Subject(name: "plan.json", sha256: Digest(of: plan).hex)
        envelope = try Statement(about: [subject], Approval.predicateType, .object(predicate)).signed(by: key)
    }

    /// Reads the file. Throws `DSSEError`; no signature is checked.
    package init(parsing bytes: [UInt8]) throws(DSSEError) {
        guard bytes.count <= Approval.maximumSize else { throw .tooLarge(limit: Approval.maximumSize) }
        envelope = try DSSEEnvelope(parsing: bytes)
    }

    /// The file's bytes.
    package var encoded: [UInt8] { envelope.encoded }

    /// Where the approval of a plan is: `<plan>.approval.json`.
    package static func file(of plan: FilePath) -> FilePath {
        FilePath(plan.string + ".approval.json")
    }

    /// Adds another person's signature. Throws `ApprovalError.otherPlan` where it is about another plan, and `DSSEError`.
    package mutating func addSignature(by key: PrivateKey, plan: [UInt8]) throws {
        let statement = try envelope.unverifiedStatement(Approval.predicateType)
        guard statement.subjects.map(\.sha256) == [Digest(of: plan).hex] else { throw ApprovalError.otherPlan }
        try envelope.addSignature(by: key)
    }

    /// Who of `approvers` has signed this plan, at least one; the site's own key counts for nobody, nor does a key that is known
    /// under the name of `person`, who is about to carry it out.
    ///
    /// Throws `ApprovalError`: nobody who counts signed, the approval is another plan's, or a signature doesn't hold.
    package func verified(
        plan: [UInt8], approvers: [Approver], siteKey: KeyID?, person: String? = nil
    ) throws(ApprovalError) -> [Approver] {
        let others = approvers.filter { $0.key.id != siteKey && !$0.isNamed(person) }
        guard !others.isEmpty else { throw approvers.isEmpty ? .noApprovers : .onlyTheSame }
        let (statement, signers): (Statement, [KeyID])
        do throws(DSSEError) {
            (statement, signers) = try envelope.statement(Approval.predicateType, by: others.map(\.key))
        } catch {
            throw .untrusted(error)
        }
        guard statement.subjects.map(\.sha256) == [Digest(of: plan).hex] else { throw .otherPlan }
        return others.filter { signers.contains($0.key.id) }
    }
}

extension Approver {
    /// Whether this is the person, however they write their name.
    fileprivate func isNamed(_ person: String?) -> Bool { person.map { $0.lowercased() == name.lowercased() } ?? false }
}

extension ReceiptApproval {
    /// What a receipt keeps of an approval that was verified.
    package init(plan: [UInt8], _ approvers: [Importing.Approver]) {
        self.init(
            plan: Digest(of: plan).hex,
            approvers: approvers.map { ReceiptApproval.Approver(keyID: $0.key.id.hex, name: $0.name) })
    }
}

/// Why an approval doesn't count.
package enum ApprovalError: Error, Equatable {
    /// The site knows no approver.
    case noApprovers
    /// The only approvers known are the site itself and the person who wants to load.
    case onlyTheSame
    /// It is about another plan, or the plan was changed.
    case otherPlan
    case untrusted(DSSEError)
}

extension ApprovalError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .noApprovers, .onlyTheSame, .otherPlan: .refused
        case .untrusted(let error): error.isDamage ? .damaged : .notTrusted
        }
    }

    package var description: String {
        switch self {
        case .noApprovers:
            "nobody may approve here yet; name an approver's public key: dray-import site approver add PUB"
        case .onlyTheSame: "the approval must be another person's than the operator's, with another key than the site's"
        case .otherPlan: "the approval is of another plan, or this plan was changed since; have it approved again"
        case .untrusted(let error): "the approval doesn't count: \(error); have the plan approved by a known approver"
        }
    }
}

// `site/approvers/<key id>.json`.
extension SiteState {
    private var approversFolder: FilePath { siteFolder.appending("approvers") }
    /// Who may approve on this machine whatever state folder a command is given: the same files, which root alone writes.
    package static let machineApprovers = FilePath("/etc/dray/approvers")
    private static let approverLimit = 64 << 10

    /// Those whose approval counts, by name: the machine's where it has named any, else the state's. Throws
    /// `StateError.unreadable` for a file that is none.
    package func approvers(machineFolder: FilePath = SiteState.machineApprovers) throws -> [Approver] {
        try approvers(in: machineFolder.exists() ? machineFolder : approversFolder)
    }

    private func approvers(in folder: FilePath) throws -> [Approver] {
        guard try folder.exists() else { return [] }
        return try folder.entries().filter { $0.hasSuffix(".json") }.map { entry in
            let file = folder.appending(entry)
            do {
                let limit = SiteState.approverLimit
                let document = JSONCursor(try JSONValue(parsing: file.contents(limit: limit), .document(bytes: limit)))
                let key = TrustKey(try PublicKey(pem: document["key"].string()))
                guard "\(key.id.hex).json" == entry else { throw document.invalid("named by the id of its key") }
                return Approver(name: try document["name"].string(), key: key)
            } catch let error as JSONError {
                throw StateError.unreadable(file, "\(error)")
            } catch let error as KeyError {
                throw StateError.unreadable(file, "\(error)")
            }
        }.sorted { ($0.name, $0.key.id.hex) < ($1.name, $1.key.id.hex) }
    }

    /// Takes an approver's key from now on; `false` where it is known under this name. The lock is held.
    ///
    /// Throws `SiteError.ownKey`, `badName`, and `approverKnown` for a name with another key, or a key with another name.
    package func add(_ approver: Approver) throws -> Bool {
        guard SiteState.isShownName(approver.name) else { throw SiteError.badName(approver.name) }
        guard try siteKey()?.key != approver.key else { throw SiteError.ownKey }
        let known = try approvers(in: approversFolder)
        guard !known.contains(approver) else { return false }
        if let other = known.first(where: { $0.name == approver.name || $0.key == approver.key }) {
            throw SiteError.approverKnown(other.name, other.key.id)
        }
        try approversFolder.createDirectories()
        let document: JSONValue = ["name": .string(approver.name), "key": .string(approver.key.key.pem)]
        try approversFolder.appending("\(approver.key.id.hex).json").replaceContents(with: document.canonicalBytes)
        return true
    }

    /// Forgets the approver of this name, key id or beginning of one (8 digits or more). The lock is held.
    ///
    /// Throws `SiteError.unknownApprover`.
    package func removeApprover(_ name: String) throws -> Approver {
        let known = try approvers(in: approversFolder)
        let found = known.filter { $0.name == name || name.utf8.count >= 8 && $0.key.id.hex.hasPrefix(name) }
        guard let approver = found.first, found.count == 1 else {
            throw SiteError.unknownApprover(name, known: known.map(\.name))
        }
        try approversFolder.appending("\(approver.key.id.hex).json").removeFile()
        try approversFolder.syncDirectory()
        return approver
    }
}
