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
    /// When the newest root of its chain expires: a first root may have, once others follow it.
    package private(set) var expires: UTCTime
    /// The SHA-256 of the file, which the sender gives by another way.
    package let fingerprint: Digest
    /// The bundle's folder that it lies in, if it lies in one.
    package private(set) var media: FilePath?
    /// What errors call it.
    private let file: String

    /// Takes a file, or the first root on the media below a folder. Throws `TrustError` where it is no root.
    package init(at path: FilePath) throws {
        if try path.statusIfPresent()?.isDirectory == true {
            let bundle = try MediaSet([path]).bundle(nil)
            for folder in bundle.media {
                for trust in ["trust", "copies/trust"] {
                    let name = "\(trust)/\(Role.root.fileName(version: 1))"
                    guard let bytes = try folder.contents(of: name, limit: Role.root.byteLimit) else { continue }
                    try self.init(bytes, file: folder.path(of: name).printable)
                    extend { try folder.contents(of: "\(trust)/\($0)", limit: Role.root.byteLimit) }
                    media = path
                    return
                }
            }
            throw FileError("open", path.appending("trust/1.root.json"), .noSuchFileOrDirectory)
        }
        try self.init(path.contents(limit: Role.root.byteLimit), file: path.printable)
        let folder = path.removingLastComponent()
        extend { try folder.appending($0).contents(limit: Role.root.byteLimit) }
        if folder.lastComponent?.string == "trust" {
            let bundle = folder.removingLastComponent()
            let place = bundle.isEmpty ? FilePath(".") : bundle
            if try place.appending("release.json").exists() { media = place }
        }
    }

    /// Takes the bytes of a `1.root.json`; `file` is what errors call it.
    package init(_ bytes: [UInt8], file: String = "1.root.json") throws(TrustError) {
        let trusted = try TrustedRoot(pinned: bytes, file: file)
        guard trusted.root.header.version == 1 else {
            throw .rootVersion(file: file, expected: 1, found: trusted.root.header.version)
        }
        self.file = file
        self.bytes = bytes
        product = trusted.root.product
        expires = trusted.root.header.expires
        fingerprint = Digest(of: bytes)
    }

    // The chain ends at whatever doesn't follow: verification says what is wrong with it.
    private mutating func extend(_ read: (String) throws -> [UInt8]?) {
        do {
            var chain = try TrustedRoot(pinned: bytes)
            while let next = try read(chain.nextName) {
                try chain.extend(with: next)
                expires = chain.root.header.expires
            }
        } catch {
            return
        }
    }

    /// Throws `TrustError.expired` where the root's time is over, and that of those that follow it.
    package func checkExpiry(now: UTCTime) throws(TrustError) {
        guard now < expires else { throw .expired(file: file, at: expires, now: now) }
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
            throw .fingerprint(file: file, expected: typed.hex, actual: fingerprint.hex)
        }
    }
}
