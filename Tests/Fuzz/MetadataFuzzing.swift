// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Files
import SystemPackage

@testable import Trust

/// A metadata file: the grammar, the strict parser, and that nothing unsigned passes.
enum MetadataFuzzing {
    /// The golden bundle's keys were thrown away: whatever its root vouches for has one of these bodies.
    private static let golden = Golden()

    static func check(_ file: [UInt8]) {
        guard let envelope = accepted({ try Envelope(parsing: file, limit: Role.targets.byteLimit, file: "input") })
        else { return }
        checkGrammar(envelope, file)
        // each role parses for itself; what no role takes costs one look only
        let limits = JSONLimits.metadata(bytes: Role.targets.byteLimit)
        guard accepted({ try JSONValue(parsing: Array(envelope.body), limits) }) != nil else { return }
        check(Root.self, envelope, file)
        check(Targets.self, envelope, file)
        check(Snapshot.self, envelope, file)
        check(Timestamp.self, envelope, file)
    }

    /// A file has one reading: its parts written again are the file, and the signed message has one body.
    private static func checkGrammar(_ envelope: Envelope, _ file: [UInt8]) {
        let signatures = envelope.signatures.map { signature in
            (keyID: KeyID(digest: [UInt8](hex: Array(signature.keyID.utf8)) ?? []), bytes: signature.bytes)
        }
        demand(Envelope.file(signatures, body: Array(envelope.body)) == file, "the grammar has one reading of a file")
        let message = Envelope.message(of: envelope.body)
        let body = message.flatMap { $0 == 0x0a ? Array("\\n".utf8) : [$0] }
        demand(body == Array(envelope.body), "a signed message has one body")
    }

    private static func check<Content: RoleMetadata>(_: Content.Type, _ envelope: Envelope, _ file: [UInt8]) {
        guard let content = accepted({ try Content(content: envelope) }) else { return }
        // a client that parses first, as TUF's others do, must see the same signed value
        let whole = accepted { try JSONValue(parsing: file, .document(bytes: file.count, depth: 20)) }
        guard case .object(let members)? = whole, members.count == 2, let signed = members["signed"] else {
            fatalError("broken: an accepted file is a JSON object of signatures and signed")
        }
        demand(signed.canonicalBytes == Array(envelope.body), "grammar and JSON agree on what is signed")
        let again = accepted { try Content(header: content.header, document: JSONCursor(.object(content.members))) }
        demand(again == content, "what is understood of a file survives writing and reading")
        golden.checkSignatures(envelope, Content.role, file)
    }
}

/// The root that is trusted while fuzzing, and all that was ever signed under it.
private struct Golden: Sendable {
    let root: TrustedRoot
    let bodies: Set<[UInt8]>

    init() {
        do {
            let folder = FilePath("bundles/golden/format-1/trust")
            let files = try ["1.root.json", "1.targets.json", "1.snapshot.json", "timestamp.json"].map { name in
                try folder.appending(name).contents(limit: 1 << 20)
            }
            root = try TrustedRoot(pinned: files[0])
            bodies = Set(try files.map { Array(try Envelope(parsing: $0, limit: 1 << 20, file: "golden").body) })
        } catch { fatalError("the golden bundle can't be read (run it in the project's folder): \(error)") }
    }

    func checkSignatures(_ envelope: Envelope, _ role: Role, _ file: [UInt8]) {
        if accepted({ try envelope.signers(role, root.root[role]) }) != nil {
            demand(bodies.contains(Array(envelope.body)), "only what was signed has signers")
        }
        var next = root
        demand(accepted { try next.extend(with: file) } == nil, "no root follows the golden one")
        // with keys of its own: signatures and keys of any shape reach libcrypto
        if role == .root { _ = accepted { try TrustedRoot(pinned: file) } }
    }
}
