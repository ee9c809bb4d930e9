// SPDX-License-Identifier: Apache-2.0

/// The SHA-256 of a byte sequence, written `sha256:` and 64 lower-case hex digits
/// (OCI image-spec 1.1, descriptor.md "Digests"). Other algorithms are refused.
package struct Digest: Hashable, Sendable {
    /// The number of bytes of a SHA-256.
    package static let byteCount = 32

    private let words: SIMD4<UInt64>

    /// Takes the 32 bytes of a SHA-256 as a hash function gives them; `nil` for any other count.
    package init?(bytes: some Collection<UInt8>) {
        guard bytes.count == Digest.byteCount else { return nil }
        var words = SIMD4<UInt64>()
        for (index, byte) in bytes.enumerated() {
            words[index / 8] = words[index / 8] << 8 | UInt64(byte)
        }
        self.words = words
    }

    /// Takes the hash as four big-endian 64-bit words.
    package init(bigEndianWords words: SIMD4<UInt64>) { self.words = words }

    /// Takes 64 lower-case hex digits; `nil` for anything else.
    package init?(hex: some StringProtocol) {
        guard let bytes = [UInt8](lowercaseHex: hex) else { return nil }
        self.init(bytes: bytes)
    }

    /// Reads `sha256:<64 lower-case hex digits>`; throws `DigestError` for anything else.
    package init(parsing text: String) throws(DigestError) {
        guard text.hasPrefix("sha256:"), let digest = Digest(hex: text.dropFirst(7)) else {
            throw DigestError.malformed(String(text.prefix(100)))
        }
        self = digest
    }

    /// The 32 bytes, in the order of the hash function.
    package var bytes: [UInt8] {
        (0..<Digest.byteCount).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> UInt64(56 - $0 % 8 * 8)) }
    }

    /// 64 lower-case hex digits without the algorithm, as file names use them.
    package var hex: String { bytes.lowercaseHex }
}

extension Digest: Comparable {
    /// Bytewise order.
    package static func < (left: Digest, right: Digest) -> Bool {
        for index in 0..<4 where left.words[index] != right.words[index] {
            return left.words[index] < right.words[index]
        }
        return false
    }
}

extension Digest: CustomStringConvertible {
    package var description: String { "sha256:\(hex)" }
}

extension Digest: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(parsing: decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Why a text is no digest.
package enum DigestError: Error, Equatable {
    /// The text (its first 100 characters) is not `sha256:` and 64 lower-case hex digits.
    case malformed(String)
}

extension DigestError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed(let text):
            "\"\(text)\" is no digest; expected sha256: and 64 lower-case hex digits"
        }
    }
}
