// SPDX-License-Identifier: Apache-2.0

internal import CPKCS11

/// Why a key in a PKCS #11 token can't be used.
package enum TokenError: Error, Equatable {
    /// The URI is malformed or asks for what isn't supported.
    case uri(String)
    /// The module's file and why it can't be loaded.
    case moduleUnusable(String, why: String)
    /// No token fits the URI; those that the module shows.
    case noToken(seen: [String])
    /// The URI fits more than one token.
    case severalTokens([String])
    /// No private key of the token fits the URI; the private keys that it shows.
    case noKey(seen: [String])
    case severalKeys([String])
    case wrongPIN(TriesLeft)
    case locked
    /// The token has no PIN for users yet.
    case pinNotSet
    /// The token keeps no public half that fits the key.
    case noPublicKey
    /// Only the token itself can use its keys: they never leave it.
    case staysInToken
    /// Another error of the module, by its name or number in PKCS #11.
    case failed(String, code: UInt)

    /// What a token says about the tries that are left until it locks itself.
    package enum TriesLeft: Sendable, Equatable {
        case several, few, one, none
    }

    /// What a token or a URI says, without what could move a terminal's cursor.
    static func shown(_ text: String) -> String {
        let safe = text.unicodeScalars.prefix(64).filter {
            $0.properties.generalCategory != .control && $0 != "\u{202E}"
        }
        return "\"\(String(String.UnicodeScalarView(safe)))\""
    }
}

extension TokenError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .uri(let why): "this is no URI of a private key in a token (RFC 7512): \(why)"
        case .moduleUnusable(let path, let why):
            "the PKCS#11 module \(path) can't be used (\(why)); name the token's module with --pkcs11-module FILE or "
                + "module-path=FILE in the URI"
        case .noToken(let seen):
            "no token fits the URI; the module shows \(TokenError.list(seen, "none: is it plugged in?"))"
        case .severalTokens(let tokens): "the URI fits several tokens, \(TokenError.list(tokens)); add serial= to it"
        case .noKey(let seen): "no private key in the token fits the URI; it has \(TokenError.list(seen, "none"))"
        case .severalKeys(let keys): "the URI fits several private keys, \(TokenError.list(keys)); add id= to it"
        case .wrongPIN(.several): "the token refused the PIN"
        case .wrongPIN(.few): "the token refused the PIN; few tries are left until it locks itself"
        case .wrongPIN(.one): "the token refused the PIN; one try is left until it locks itself"
        case .wrongPIN(.none): "the token refused the PIN and has locked itself; its security officer unlocks it"
        case .locked: "the token is locked after wrong PINs; its security officer unlocks it"
        case .pinNotSet: "the token has no user PIN yet; its security officer sets one"
        case .noPublicKey:
            "the token has no public key beside the private one; write it there too, with the same id: "
                + "pkcs11-tool --write-object KEY.pub.der --type pubkey --id ID"
        case .staysInToken: "a key in a token never leaves it"
        case .failed(let operation, let code):
            "the token can't \(operation): \(TokenError.names[code] ?? "PKCS #11 error 0x" + String(code, radix: 16))"
        }
    }

    private static func list(_ names: [String], _ none: String = "none") -> String {
        names.isEmpty ? none : names.prefix(20).joined(separator: ", ") + (names.count > 20 ? ", ..." : "")
    }

    private static let names: [UInt: String] = [
        CKR_DEVICE_ERROR: "the device reports an error",
        CKR_DEVICE_REMOVED: "the device was removed",
        CKR_TOKEN_NOT_PRESENT: "the token isn't there any more",
        CKR_SESSION_HANDLE_INVALID: "the session has ended; was the token removed?",
        CKR_KEY_FUNCTION_NOT_PERMITTED: "the key isn't allowed to sign",
        CKR_MECHANISM_INVALID: "it doesn't know this way of signing",
        CKR_MECHANISM_PARAM_INVALID: "it doesn't know this way of signing",
        CKR_USER_NOT_LOGGED_IN: "it wants a PIN",
        CKR_FUNCTION_CANCELED: "somebody cancelled it at the token",
        CKR_GENERAL_ERROR: "general error; does its configuration name the right folder?",
        CKR_PIN_LEN_RANGE: "the PIN is too short or too long",
        CKR_PIN_EXPIRED: "the PIN has expired",
    ]
}
