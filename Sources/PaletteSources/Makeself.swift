// SPDX-License-Identifier: Apache-2.0

internal import Archive
package import Files
internal import Palette

/// A self-extracting shell archive of the older airgap installs, `airgap-*.bin` (reference/palette.md, section 4): a shell
/// script with a tar behind it. It is read, never run: its fields are taken out of the script's text.
package struct Makeself: Sendable, Equatable {
    /// Bytes from the start that tell whether a file is one.
    package static let beginning = 4096
    /// The most bytes of the script.
    package static let maximumScript = 1 << 20

    /// The makeself that made it, for example `2.4.5`.
    package let tool: String?
    package let label: String?
    /// What the script would run after unpacking.
    package let script: String?
    /// The checksums embedded in the script: `CRC`, `MD5`, `SHA-256`, and `signature`. The file itself vouches for them.
    package let checksums: [String]
    /// Where the archive begins; absent where the script doesn't say it in a way that is known.
    package let offset: UInt64?
    /// Bytes of the archive, as the script says.
    package let length: UInt64?

    /// Whether a file of this beginning is one.
    package static func begins(_ bytes: [UInt8]) -> Bool {
        let bytes = bytes.prefix(beginning)
        return bytes.starts(with: Array("#!".utf8)) && bytes.firstRange(of: Array("Makeself".utf8)) != nil
    }

    /// Reads a file's first bytes, at most `maximumScript`; `nil` for another file.
    package init?(_ bytes: [UInt8]) {
        guard Makeself.begins(bytes) else { return nil }
        var values: [Substring: Substring] = [:]
        var lines = 0
        var end: Int?
        var position = 0
        var counted: Int?
        for line in bytes.prefix(Makeself.maximumScript).split(separator: 0x0A, omittingEmptySubsequences: false) {
            lines += 1
            position += line.count + 1
            if let counted, lines == counted {
                end = position
                break
            }
            guard counted == nil || lines < 100, line.count < 4096,
                let text = String(validating: line, as: UTF8.self)
            else { continue }
            if let match = text.wholeMatch(of: /([A-Za-z0-9_]+)=["'](.*)["']/) {
                let key = text[match.1.startIndex..<match.1.endIndex]
                if values[key] == nil { values[key] = text[match.2.startIndex..<match.2.endIndex] }
                if key == "skip" { counted = Int(match.2) }
            } else if counted == nil, let match = text.firstMatch(of: /^offset=`head -n ([0-9]{1,6}) "\$0"/) {
                counted = Int(match.1)
                if lines == counted { end = position }
            }
        }
        func value(_ key: Substring) -> String? { values[key].map(String.init).flatMap { $0.isEmpty ? nil : $0 } }
        let start = String(decoding: bytes.prefix(Makeself.beginning), as: UTF8.self)
        tool = start.firstMatch(of: /generated using Makeself ([0-9.]{1,20})/).map { String($0.1) }
        (label, script) = (
            value("label").flatMap { VendorName.shown($0) }, value("script").flatMap { VendorName.shown($0) }
        )
        offset = end.map(UInt64.init)
        length = value("filesizes")?.split(separator: " ").first.flatMap { UInt64($0) }
        let sums = [("CRCsum", "CRC"), ("MD5", "MD5"), ("SHA", "SHA-256"), ("SIGNATURE", "signature")]
        checksums = sums.compactMap { key, name in
            value(Substring(key)).flatMap { $0.allSatisfy { $0 == "0" } ? nil : name }
        }
    }

    /// How many entries of the archive are named.
    package static let maximumMembers = 100_000

    /// Lists the archive that `pull` gives, its first piece first, without writing any of it; `nil` where it is compressed in a
    /// way that isn't read (zstd, gzip and plain tar are). Throws `ArchiveError`, and what `pull` throws.
    package static func members(_ pull: @escaping () throws -> Buffer?) throws -> [ArchiveMember]? {
        var kept = try pull()
        let known = kept?.withBytes { filter($0) }
        guard let filter = known ?? nil else { return nil }
        let archive = try ArchiveReader(
            {
                defer { kept = nil }
                return try kept ?? pull()
            }, filter: filter)
        var members: [ArchiveMember] = []
        while members.count < maximumMembers, let entry = try archive.next() {
            guard entry.kind != .directory else { continue }
            members.append(
                ArchiveMember(
                    name: VendorName.shown(entry.name, limit: ArchiveLimits.name) ?? "?", size: entry.size,
                    isFile: entry.kind == .file))
        }
        return members
    }

    private static func filter(_ bytes: RawSpan) -> ArchiveFilter? {
        let start = unsafe bytes.withUnsafeBytes { unsafe Array($0.prefix(512)) }
        if start.starts(with: [0x1f, 0x8b]) { return .gzip }
        let isTar = start.count >= 262 && start[257..<262].elementsEqual(Array("ustar".utf8))
        return start.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) || isTar ? .zstd : nil
    }
}

/// An entry of an archive that is only listed.
package struct ArchiveMember: Sendable, Equatable {
    /// For people, without control characters; never a path to write to.
    package let name: String
    /// Bytes.
    package let size: UInt64
    /// `false` for links, devices and pipes.
    package let isFile: Bool
}
