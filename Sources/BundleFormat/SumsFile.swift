// SPDX-License-Identifier: Apache-2.0

internal import OCI

/// The lines of `SHA256SUMS` (docs/format.md, "Folder").
struct SumsFile: Sendable, Equatable {
    /// The most bytes: the targets' names are in it, and their file has at most 5 MB.
    static let maximumSize = 16 << 20

    let digests: [String: Digest]

    /// Reads signed bytes; `nil` unless each line is `<hex>␠␠<name>\n`, names in bytewise order and each once.
    init?(parsing bytes: [UInt8]) {
        var digests: [String: Digest] = [:]
        var previous: Substring = ""
        let text = String(decoding: bytes, as: UTF8.self)
        guard bytes.allSatisfy({ (0x20..<0x7f).contains($0) || $0 == 0x0a }), bytes.last == 0x0a else { return nil }
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            let name = line.dropFirst(66)
            guard line.utf8.count > 66, line.dropFirst(64).hasPrefix("  "), let digest = Digest(hex: line.prefix(64)),
                previous.utf8.lexicographicallyPrecedes(name.utf8)
            else { return nil }
            digests[String(name)] = digest
            previous = name
        }
        self.digests = digests
    }
}
