// SPDX-License-Identifier: Apache-2.0

/// Why a tar stream can't be read. What the caller's own closure throws is not wrapped in it.
package enum ArchiveError: Error, Equatable {
    /// The bytes are no tar, or broken off, or damaged; with libarchive's own words.
    case unreadable(String)
    /// An entry is a sparse file, whose bytes in the archive are not the bytes of the file.
    case sparse(String)
    /// An entry's name (its first 100 characters) has more than `ArchiveLimits.name` bytes, or none.
    case badName(String)
    /// An entry says that it has a negative size, or none.
    case badSize(String)
    /// An entry ended before the size that its header gives.
    case short(String, expected: UInt64, got: UInt64)
    /// More entries than `ArchiveLimits.entries`.
    case tooManyEntries
    case outOfMemory
}

/// What an archive may cost to read, whatever it says. libarchive adds the zstd window's limit of 128 MiB (libzstd's
/// own default, which a test holds to).
package enum ArchiveLimits {
    /// Bytes.
    package static let name = 4096
    package static let entries = 1_000_000
}

extension ArchiveError: CustomStringConvertible {
    package var description: String {
        let advice = "; check it against its signature and fetch it again"
        switch self {
        case .unreadable(let why): return "the archive can't be read as tar or tar.zst (\(why))\(advice)"
        case .sparse(let name):
            return "the archive holds \(name) as a sparse file; make it again without sparse files (tar without -S)"
        case .badName(let name):
            return "an archive entry has an unusable name (\"\(name)\"; 1 to \(ArchiveLimits.name) bytes)\(advice)"
        case .badSize(let name): return "the archive gives \(name) an impossible size\(advice)"
        case .short(let name, let expected, let got):
            return "\(name) has \(got) of \(expected) bytes in the archive\(advice)"
        case .tooManyEntries: return "the archive has more than \(ArchiveLimits.entries) entries\(advice)"
        case .outOfMemory: return "there is no memory left to read the archive; end other programs and try again"
        }
    }
}
