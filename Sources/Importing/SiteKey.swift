// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Cryptography
package import Files
package import SystemPackage
package import Trust

/// The key by which a site proves its receipts and inventories, as the state names it. The private half is opened by the command.
package struct SiteKey: Sendable, Equatable {
    /// Where the private half is.
    package enum Place: Sendable, Equatable {
        /// A PEM file of the state.
        case file(FilePath)
        /// A PKCS #11 URI (RFC 7512).
        case token(String)
    }

    /// What the site calls itself.
    package let name: String
    package let key: TrustKey
    package let place: Place

    package init(name: String, key: TrustKey, place: Place) {
        (self.name, self.key, self.place) = (name, key, place)
    }

    /// What a `--key` option would be given for it.
    package var argument: String {
        switch place {
        case .file(let path): path.string
        case .token(let uri): uri
        }
    }

    /// Whether the text of a `--key` option names a token rather than a file.
    package static func isToken(_ argument: String) -> Bool { PKCS11URI.isURI(argument) }

    /// What signs with it. Throws `SiteError.otherKey` where the private key isn't this one's.
    package func signer(_ key: PrivateKey) throws(SiteError) -> SiteSigner {
        guard TrustKey(key.publicKey) == self.key else { throw .otherKey(argument) }
        return SiteSigner(name: name, key: key)
    }
}

/// A site's opened key.
package struct SiteSigner: Sendable {
    package let name: String
    private let key: PrivateKey

    fileprivate init(name: String, key: PrivateKey) { (self.name, self.key) = (name, key) }

    package var id: KeyID { TrustKey(key.publicKey).id }

    /// The file of a statement's envelope. Throws `DSSEError.tooLarge` and `signing`.
    package func file(of statement: Statement) throws(DSSEError) -> [UInt8] { try statement.signed(by: key).encoded }
}

// Below `site/`: `key.pem` or `key.json`, `site.json`, and `key.pub.pem`, which is written last and says that there is a key.
extension SiteState {
    var siteFolder: FilePath { path.appending("site") }
    private var keyFile: FilePath { siteFolder.appending("key.pem") }
    private var tokenFile: FilePath { siteFolder.appending("key.json") }
    private var nameFile: FilePath { siteFolder.appending("site.json") }
    /// Where the public half is: what people carry out.
    package var sitePublicKeyFile: FilePath { siteFolder.appending("key.pub.pem") }

    private static let fileLimit = 64 << 10

    /// The site's key; `nil` where `site init` made none. Throws `StateError.unreadable`, and `KeyError` for a key that is none.
    package func siteKey() throws -> SiteKey? {
        guard try sitePublicKeyFile.exists() else { return nil }
        let key = TrustKey(try PublicKey(pem: try sitePublicKeyFile.contents(limit: SiteState.fileLimit)))
        let name = try text("name", in: nameFile)
        guard try tokenFile.exists() else { return SiteKey(name: name, key: key, place: .file(keyFile)) }
        return SiteKey(name: name, key: key, place: .token(try text("uri", in: tokenFile)))
    }

    private func text(_ member: String, in file: FilePath) throws -> String {
        do {
            let bytes = try file.contents(limit: SiteState.fileLimit)
            let document = JSONCursor(try JSONValue(parsing: bytes, .document(bytes: SiteState.fileLimit)))
            return try document[member].string()
        } catch let error as JSONError {
            throw StateError.unreadable(file, "\(error)")
        }
    }

    /// Makes a P-384 key for the site, readable by its owner alone; goes on where an earlier run was stopped. The lock is held.
    ///
    /// Throws `SiteError.hasKey` where there is one, and `badName`.
    package func makeSiteKey(name: String) throws -> SiteKey {
        try prepareSite(name)
        if try !keyFile.exists() { try keep(PrivateKey.generate()) }
        var pem = try keyFile.contents(limit: SiteState.fileLimit)
        defer { pem.wipe() }
        return try finishSite(name, PrivateKey(pem: pem).publicKey)
    }

    /// Takes a key that exists: the bytes of its PEM file, protected or not, or the URI of a token. The lock is held.
    package func takeSiteKey(_ key: PrivateKey, name: String, file pem: [UInt8]) throws -> SiteKey {
        try prepareSite(name)
        guard try !keyFile.exists() else { throw SiteError.hasKey(keyFile) }
        try keyFile.replaceContents(with: pem, mode: 0o600)
        return try finishSite(name, key.publicKey)
    }

    /// The same with a token's key, whose URI is kept and no secret.
    package func takeSiteKey(_ key: PrivateKey, name: String, token uri: String) throws -> SiteKey {
        try prepareSite(name)
        guard try !keyFile.exists() else { throw SiteError.hasKey(keyFile) }
        try tokenFile.replaceContents(with: JSONValue.object(["uri": .string(uri)]).canonicalBytes)
        return try finishSite(name, key.publicKey)
    }

    private func keep(_ key: PrivateKey) throws {
        var bytes = try key.withPEM { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
        defer { bytes.wipe() }
        try keyFile.replaceContents(with: bytes, mode: 0o600)
    }

    private func prepareSite(_ name: String) throws {
        guard try !sitePublicKeyFile.exists() else { throw SiteError.hasKey(sitePublicKeyFile) }
        guard SiteState.isShownName(name) else { throw SiteError.badName(name) }
        try siteFolder.createDirectories()
    }

    private func finishSite(_ name: String, _ key: PublicKey) throws -> SiteKey {
        try nameFile.replaceContents(with: JSONValue.object(["name": .string(name)]).canonicalBytes)
        try sitePublicKeyFile.replaceContents(with: Array(key.pem.utf8))
        guard let made = try siteKey() else { throw SiteError.hasKey(sitePublicKeyFile) }
        return made
    }

    /// Whether a text can name a site or a person: 1 to 100 printable characters of ASCII, no space at its ends.
    package static func isShownName(_ text: String) -> Bool {
        (1...100).contains(text.utf8.count) && text.utf8.allSatisfy { (0x20...0x7e).contains($0) }
            && text.first != " " && text.last != " "
    }
}

/// Why a site's key, approvers or other sites can't be used.
package enum SiteError: Error, Equatable {
    /// There is a key, and none is ever replaced.
    case hasKey(FilePath)
    /// The private key isn't the one that the state names.
    case otherKey(String)
    /// The state has a key, and the work was begun without opening it.
    case keyNotOpened(FilePath)
    case badName(String)
    /// The site's own key can't approve.
    case ownKey
    /// Another person's key has this name, or this key has another name.
    case approverKnown(String, KeyID)
    /// No approver of this name or key id; those that are known.
    case unknownApprover(String, known: [String])
    /// No site of this name; those that are known.
    case unknownSite(String, known: [String])
    /// Another key is known for this site.
    case siteKnown(String, FilePath)
    /// An inventory without its signature file.
    case inventoryUnsigned(FilePath)
    /// The signature is another inventory's, or the inventory was changed.
    case inventoryChanged(FilePath)
    /// A receipt that this site's key has not proven, where it is to be carried out.
    case unproven(FilePath)
    /// A signed document isn't trusted; which, and why.
    case untrusted(String, DSSEError)
}

extension SiteError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .hasKey, .ownKey, .approverKnown, .siteKnown, .keyNotOpened: .refused
        case .otherKey, .inventoryUnsigned, .unproven: .notTrusted
        case .badName, .unknownApprover, .unknownSite: .usage
        case .inventoryChanged: .damaged
        case .untrusted(_, let error): error.isDamage ? .damaged : .notTrusted
        }
    }

    package var description: String {
        switch self {
        case .hasKey(let file):
            "\(file) is there: this site has a key, and a key is never replaced; site show says which one"
        case .otherKey(let argument):
            "\(argument) is not the private half of this site's key; bring the key back from its backup"
        case .keyNotOpened(let file): "\(file) says that this site signs its receipts, and its key was not opened"
        case .badName(let name):
            "\(name.printable) can't be a name: give 1 to 100 printable characters; dray site add takes "
                + "letters, digits, dots and hyphens"
        case .ownKey:
            "this is the site's own key, and what it signs is no second person's word; give the approver's key"
        case .approverKnown(let name, let id):
            "\(name) is known with the key \(id.hex.prefix(16)); remove that approver first: dray-import site approver remove"
        case .unknownApprover(let name, let known):
            "no approver \(name.printable) is known here; "
                + (known.isEmpty
                    ? "none is: dray-import site approver add" : "known are \(known.joined(separator: ", "))")
        case .unknownSite(let name, let known):
            "no site \(name.printable) is known here; "
                + (known.isEmpty
                    ? "add it with its public key: dray site add" : "known are \(known.joined(separator: ", "))")
        case .siteKnown(let name, let file):
            "another key is known for \(name); nothing was changed. Ask the site which one is right; to give up the known one, "
                + "remove \(file) first"
        case .inventoryUnsigned(let file):
            "\(file.printable) is not there, and without it nothing proves the inventory; bring it too, or let the site run "
                + "site init and make the inventory again"
        case .inventoryChanged(let file):
            "\(file.printable) is not the file that was signed; copy both files again from the site's medium"
        case .unproven(let file):
            "\(file.printable) is not signed by this site's key, so nobody knows that it is this site's load; nothing was changed. Take "
                + "the receipt that receipt list names"
        case .untrusted(let what, let error): "\(what.printable) is not trusted: \(error)"
        }
    }
}
