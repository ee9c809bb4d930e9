// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
package import OCI
package import SystemPackage
package import Trust

/// A root that a person is about to trust: shown, compared, then added.
package struct RootCandidate: Sendable {
    package let bytes: [UInt8]
    package let product: String
    package let expires: UTCTime
    /// The SHA-256 of the file, which the sender gives by another way.
    package let fingerprint: Digest

    /// Takes a file, or the first root on the media below a folder. Throws `TrustError` where it is no root.
    package init(at path: FilePath) throws {
        if try path.statusIfPresent()?.isDirectory == true {
            let bundle = try MediaSet([path]).bundle(nil)
            var found: [UInt8]?
            for folder in bundle.folders where found == nil {
                found = try MediaFolder(folder).contents(of: "trust/1.root.json", limit: Role.root.byteLimit)
            }
            guard let found else {
                throw FileError("open", path.appending("trust/1.root.json"), .noSuchFileOrDirectory)
            }
            try self.init(found)
        } else {
            try self.init(path.contents(limit: Role.root.byteLimit))
        }
    }

    /// Takes the bytes of a `1.root.json`.
    package init(_ bytes: [UInt8]) throws(TrustError) {
        let trusted = try TrustedRoot(pinned: bytes)
        guard trusted.root.header.version == 1 else {
            throw .rootVersion(file: "1.root.json", expected: 1, found: trusted.root.header.version)
        }
        self.bytes = bytes
        product = trusted.root.product
        expires = trusted.root.header.expires
        fingerprint = Digest(of: bytes)
    }

    /// The fingerprint as people compare it: groups of four digits.
    package var shownFingerprint: String { RootCandidate.grouped(fingerprint.hex) }

    /// Hex digits in groups of four.
    package static func grouped(_ hex: String) -> String {
        let digits = Array(hex)
        return stride(from: 0, to: digits.count, by: 4)
            .map { String(digits[$0..<min($0 + 4, digits.count)]) }.joined(separator: " ")
    }

    /// Reads a fingerprint as a person typed it: any case, with spaces, colons or dashes between the digits, `sha256:` before
    /// it or not; `nil` when it isn't 64 hex digits.
    package static func fingerprint(typed text: String) -> Digest? {
        var text = text.lowercased()
        if text.hasPrefix("sha256:") { text.removeFirst(7) }
        return Digest(hex: text.filter { !" :-\t".contains($0) })
    }

    /// Compares what was typed with the file. Throws `TrustError.fingerprint` when they differ.
    package func check(_ typed: Digest) throws(TrustError) {
        guard typed == fingerprint else {
            throw .fingerprint(file: "1.root.json", expected: typed.hex, actual: fingerprint.hex)
        }
    }
}
