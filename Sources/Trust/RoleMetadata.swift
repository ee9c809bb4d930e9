// SPDX-License-Identifier: Apache-2.0

package import Cryptography

/// What every metadata file says about itself.
package struct MetadataHeader: Equatable, Sendable {
    /// At least 1; counts up with every change.
    package let version: Int64
    /// When it was signed; a clock that is behind it is wrong.
    package let issued: UTCTime
    package let expires: UTCTime

    package init(version: Int64, issued: UTCTime, expires: UTCTime) {
        (self.version, self.issued, self.expires) = (version, issued, expires)
    }
}

/// The content of one role's file.
package protocol RoleMetadata: Equatable, Sendable {
    static var role: Role { get }
    var header: MetadataHeader { get }
    /// The members of the signed object beside those of the header.
    var members: [String: JSONValue] { get }
    init(header: MetadataHeader, document: JSONCursor) throws(JSONError)
}

extension RoleMetadata {
    /// The file's name in `trust/`.
    package var fileName: String { Self.role.fileName(version: header.version) }

    /// The version of TUF's specification that the files follow.
    private static var specification: String { "1.0.31" }

    private var json: JSONValue {
        var all = members
        all["_type"] = .string(Self.role.rawValue)
        all["spec_version"] = .string(Self.specification)
        all["version"] = .int(header.version)
        all["x-issued"] = .string(header.issued.description)
        all["expires"] = .string(header.expires.description)
        return .object(all)
    }

    /// The file of this content, signed by every key once. Throws what the importer would refuse in it.
    package func signed(by keys: [PrivateKey]) throws(TrustError) -> [UInt8] {
        let body = json.canonicalBytes
        let message = Envelope.message(of: body[...])
        var signatures: [(keyID: KeyID, bytes: [UInt8])] = []
        for key in keys {
            do throws(KeyError) {
                signatures.append((TrustKey(key.publicKey).id, try key.sign(message)))
            } catch { throw .signing(error) }
        }
        let file = Envelope.file(signatures, body: body)
        let envelope = try Envelope(parsing: file, limit: Self.role.byteLimit, file: fileName)
        _ = try Self(content: envelope)
        return file
    }

    /// Parses what `envelope` signs; only after its signatures were checked.
    init(content envelope: Envelope) throws(TrustError) {
        let body = Array(envelope.body)
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: body, .metadata(bytes: Self.role.byteLimit))
            self = try Self(document: JSONCursor(value))
        } catch { throw .malformed(file: envelope.file, error) }
        guard value.canonicalBytes == body else { throw .notCanonical(file: envelope.file) }
    }

    private init(document: JSONCursor) throws(JSONError) {
        let type = try document["_type"]
        guard try type.string() == Self.role.rawValue else { throw type.invalid("\"\(Self.role.rawValue)\"") }
        try self.init(header: MetadataHeader(document), document: document)
    }
}

extension MetadataHeader {
    fileprivate init(_ document: JSONCursor) throws(JSONError) {
        let specification = try document["spec_version"].string().split(
            separator: ".", omittingEmptySubsequences: false)
        let isNumbered = specification.allSatisfy { part in
            !part.isEmpty && part.utf8.allSatisfy { (0x30...0x39).contains($0) }
        }
        guard specification.count == 3, specification[0] == "1", isNumbered else {
            throw try document["spec_version"].invalid("a version 1 of TUF")
        }
        version = try document["version"].int(in: 1...JSONValue.largestInteger)
        issued = try document["x-issued"].time()
        expires = try document["expires"].time()
    }
}

extension JSONCursor {
    /// A moment in the one form that metadata has.
    func time() throws(JSONError) -> UTCTime {
        guard let time = UTCTime(try string()) else { throw invalid("a time like 2031-05-01T00:00:00Z") }
        return time
    }

    /// A digest of `count` bytes in lower-case hex.
    func digest(count: Int) throws(JSONError) -> [UInt8] {
        guard let bytes = [UInt8](hex: Array(try string().utf8)), bytes.count == count else {
            throw invalid("a digest of \(count * 2) lower-case hex digits")
        }
        return bytes
    }
}
