// SPDX-License-Identifier: Apache-2.0

package import Cryptography

/// A public key as root metadata lists it (TUF section 4.2), and its computed id.
package struct TrustKey: Equatable, Sendable {
    package let id: KeyID
    package let key: PublicKey

    /// The key object of a public key, with the scheme of its kind.
    package init(_ key: PublicKey) {
        self.key = key
        let object = TrustKey.object(of: key).canonicalBytes
        id = KeyID(digest: Hasher.hash(Envelope.message(of: object[...])))
    }

    /// Reads a key object, which must be exactly what we would write for this key: with one way to write a key, no key
    /// has two ids.
    init(_ object: JSONCursor) throws(JSONError) {
        let text = try object["keyval"]["public"]
        let pem = try text.string()
        do throws(KeyError) {
            self.init(try PublicKey(pem: pem))
        } catch {
            throw text.invalid("a key for trust: \(error)")
        }
        guard object.value == json else { throw object.invalid("a key object in its one canonical form") }
    }

    var json: JSONValue { TrustKey.object(of: key) }

    private static func object(of key: PublicKey) -> JSONValue {
        let type: (name: String, scheme: String) =
            switch key.kind {
            case .p384: ("ecdsa", "ecdsa-sha2-nistp384")
            case .p256: ("ecdsa", "ecdsa-sha2-nistp256")
            case .rsa: ("rsa", "rsassa-pss-sha256")
            }
        return [
            "keytype": .string(type.name), "keyval": ["public": .string(key.pem)], "scheme": .string(type.scheme),
        ]
    }
}
