// SPDX-License-Identifier: Apache-2.0

import Files
import RegistryClient
import SystemPackage
import Trust

/// Fetches target files (TUF section 5.7).
struct Download {
    let metadata: TrustedMetadata
    let targets: WebFiles
    let folder: FilePath

    /// Bytes of one file, which are held in memory.
    private static let limit: Int64 = 256 << 20

    /// Stores the file below its quoted name, unless it is there with the right digests.
    func run(_ name: String) throws {
        let table = try TargetTable(metadata.targets)
        guard let file = table.files[name], let length = file.length else {
            throw table.hasDelegations ? ClientError.delegatedTarget(name) : .unknownTarget(name)
        }
        guard length <= Download.limit else { throw ClientError.targetTooLarge(name, limit: Download.limit) }
        let path = folder.appending(Download.quoted(name, keeping: ""))
        guard try !isStored(file, path, name) else { return }
        try folder.createDirectories()
        switch try targets.get(address(name, file), limit: Int(length)) {
        case .status(let status): throw ClientError.status(name, status)
        case .file(let bytes):
            try file.check(bytes, file: name)
            try path.replaceContents(with: bytes)
        }
    }

    private func isStored(_ file: LinkContent, _ path: FilePath, _ name: String) throws -> Bool {
        guard let status = try path.statusIfPresent(), Int64(status.size) == file.length else { return false }
        let bytes = try path.contents(limit: Int(status.size))
        do throws(TrustError) {
            try file.check(bytes, file: name)
            return true
        } catch {
            return false  // other bytes: the right ones replace them
        }
    }

    /// The name as a URL has it; with consistent snapshots a digest stands before its last part (TUF section 6.2).
    private func address(_ name: String, _ file: LinkContent) -> String {
        var parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        if metadata.root.root.consistentSnapshot, let digest = file.sha256 ?? file.sha512 {
            let digits = digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            parts.append("\(digits).\(parts.removeLast())")
        }
        return Download.quoted(parts.joined(separator: "/"), keeping: "/!$&'()*+,;=:@%")
    }

    /// Percent escapes for every byte but letters, digits, `-._~` and those to keep (RFC 3986, section 2).
    static func quoted(_ text: String, keeping kept: String) -> String {
        var out = ""
        for byte in text.utf8 {
            let scalar = Unicode.Scalar(byte)
            let isPlain = byte < 0x80 && (Character(scalar).isLetter || Character(scalar).isNumber)
            if isPlain || "-._~".utf8.contains(byte) || kept.utf8.contains(byte) {
                out.unicodeScalars.append(scalar)
            } else {
                out += (byte < 16 ? "%0" : "%") + String(byte, radix: 16, uppercase: true)
            }
        }
        return out
    }
}
