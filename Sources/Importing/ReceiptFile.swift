// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
package import OCI
package import SystemPackage
package import Trust

/// A file of the receipts' folder, or a copy of one: with or without an envelope.
package struct ReceiptFile: Sendable {
    /// What a file tells about.
    package enum Content: Sendable, Equatable {
        case load(Receipt)
        case undo(UndoRecord)
        case prune(PruneRecord)
    }

    /// What proves it.
    package enum Proof: Sendable, Equatable {
        /// Nothing.
        case unsigned
        /// The signature of a key that is known here.
        case signed(KeyID)
        /// Signatures of keys that nobody here knows; the ids that the envelope claims.
        case unknownKey([String])
    }

    package let path: FilePath
    /// SHA-256 of the file: what the next receipt names.
    package let digest: Digest
    package let content: Content
    /// What the signed statement says was verified; nothing where there is none.
    package let properties: [String]
    private let envelope: DSSEEnvelope?

    /// Reads the file of a load's or undo's receipt. Throws `StateError.noReceipt` for any other, `FileError`.
    package init(at path: FilePath) throws {
        do {
            try self.init(parsing: path.contents(limit: DSSEEnvelope.maximumSize), path: path)
        } catch let error as JSONError {
            throw StateError.noReceipt(path, "\(error)")
        } catch let error as DSSEError {
            throw StateError.noReceipt(path, "\(error)")
        }
    }

    /// The same of bytes that came from elsewhere. Throws `JSONError` and `DSSEError`.
    package init(parsing bytes: [UInt8], path: FilePath) throws {
        (self.path, digest) = (path, Digest(of: bytes))
        let document = try JSONValue(parsing: bytes, .document(bytes: DSSEEnvelope.maximumSize))
        guard DSSEEnvelope.isEnvelope(document) else {
            (envelope, properties) = (nil, [])
            content = try Content(JSONCursor(document))
            return
        }
        let envelope = try DSSEEnvelope(parsing: bytes)
        self.envelope = envelope
        (content, properties) = try ReceiptFile.content(of: envelope)
    }

    private static func content(of envelope: DSSEEnvelope) throws -> (Content, [String]) {
        if let undo = try statement(of: envelope, UndoRecord.predicateType) {
            return (.undo(try UndoRecord(JSONCursor(undo.predicate))), [])
        } else if let prune = try statement(of: envelope, PruneRecord.predicateType) {
            return (.prune(try PruneRecord(JSONCursor(prune.predicate))), [])
        } else {
            let predicate = JSONCursor(try envelope.unverifiedStatement(Receipt.predicateType).predicate)
            let properties = try predicate["properties"].elements().map { entry throws(JSONError) in try entry.string()
            }
            return (.load(try Receipt(predicate["dray"])), properties)
        }
    }

    /// `nil` for a statement of another type.
    private static func statement(of envelope: DSSEEnvelope, _ type: String) throws -> Statement? {
        do {
            return try envelope.unverifiedStatement(type)
        } catch DSSEError.predicateType {
            return nil
        }
    }

    /// What proves the file, where these keys are known. Throws `SiteError.untrusted` for a signature under one of them that
    /// isn't that key's.
    package func proof(by keys: [TrustKey]) throws(SiteError) -> Proof {
        guard let envelope else { return .unsigned }
        do throws(DSSEError) {
            let (_, signers) = try envelope.verified(as: Statement.payloadType, by: keys)
            return signers.first.map(Proof.signed) ?? .unknownKey([])
        } catch .unknownKey(let ids) {
            return .unknownKey(ids)
        } catch {
            throw .untrusted(path.string, error)
        }
    }

    /// The SHA-256 of the file before it; `nil` for the first, and for those of version 0.1.
    package var previous: String? {
        switch content {
        case .load(let receipt): receipt.previous
        case .undo(let record): record.previous
        case .prune(let record): record.previous
        }
    }

    package var isSigned: Bool { envelope != nil }
}

extension ReceiptFile.Content {
    fileprivate init(_ document: JSONCursor) throws {
        if try document.optional("pruned") != nil {
            self = .prune(try PruneRecord(document))
        } else {
            self = try document.optional("applied") == nil ? .load(Receipt(document)) : .undo(UndoRecord(document))
        }
    }
}

extension ReceiptFile.Proof {
    /// For people, beside the receipt. `names`: what the known keys are called, by their ids.
    package func text(_ names: [KeyID: String]) -> String {
        switch self {
        case .unsigned: "NONE: nothing proves this receipt"
        case .signed(let id): "holds, by \(names[id] ?? "the given key") (key \(id.hex.prefix(16)))"
        case .unknownKey(let ids):
            "NOT CHECKED: by \(ids.map { $0.printable }.joined(separator: ", ")), which is not known here"
        }
    }

    /// For programs: `none`, `valid`, `unknown`.
    package var word: String {
        switch self {
        case .unsigned: "none"
        case .signed: "valid"
        case .unknownKey: "unknown"
        }
    }

    /// What a command says beside its result where the receipt it goes by isn't proven; `nil` where it is.
    package func warning(_ file: FilePath) -> String? {
        switch self {
        case .signed: nil
        case .unsigned:
            "nothing proves \(file): it is not signed. A site key signs those to come: dray-import site init"
        case .unknownKey(let ids):
            "\(file) is signed by a key that isn't known here (\(ids.map { $0.printable }.joined(separator: ", "))); check it "
                + "with dray-import receipt verify --key"
        }
    }
}
