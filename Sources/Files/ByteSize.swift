// SPDX-License-Identifier: Apache-2.0

/// A number of bytes as people write it: `25GB`, `700MiB`, `4294967295`, or the name of a medium.
package struct ByteSize: Hashable, Sendable {
    package let bytes: UInt64

    package init(bytes: UInt64) { self.bytes = bytes }

    /// The smallest volume: one block (docs/format.md).
    package static let smallestVolume: UInt64 = 1 << 20

    /// What stands on every medium beside the volumes (index, trust, kit) and the file system itself need this much.
    private static let reserve: UInt64 = 256 << 20

    /// Media by name. Discs: the user capacity of their standards, less the room for what stands on every medium.
    package static let media: [(name: String, bytes: UInt64)] = [
        ("fat32", (4 << 30) - 1),
        ("dvd", 4_700_372_992 - reserve),
        ("bd25", 25_025_314_816 - reserve),
        ("bd50", 50_050_629_632 - reserve),
        ("bd100", 100_103_356_416 - reserve),
        ("none", 0),
    ]

    private static let units: [(name: String, bytes: UInt64)] = [
        ("kb", 1_000), ("mb", 1_000_000), ("gb", 1_000_000_000), ("tb", 1_000_000_000_000),
        ("kib", 1 << 10), ("mib", 1 << 20), ("gib", 1 << 30), ("tib", 1 << 40),
        ("k", 1_000), ("m", 1_000_000), ("g", 1_000_000_000), ("t", 1_000_000_000_000), ("b", 1), ("", 1),
    ]

    /// Reads digits, at most three decimals, and a unit of `B`, `kB` to `TB` or `k` to `T`, `KiB` to `TiB` in any case. Throws
    /// `ByteSizeError` for anything else, for a fraction of a byte and for 2^63 bytes or more.
    package init(parsing text: String) throws(ByteSizeError) {
        guard let match = text.lowercased().wholeMatch(of: /([0-9]{1,19})(?:\.([0-9]{1,3}))? ?([a-z]{0,3})/),
            let whole = UInt64(match.1), let unit = ByteSize.units.first(where: { $0.name == match.3 })?.bytes
        else { throw .malformed(String(text.prefix(50))) }
        var total = whole.multipliedReportingOverflow(by: unit)
        if let decimals = match.2, let number = UInt64(decimals) {
            let scale: UInt64 = [10, 100, 1000][decimals.count - 1]
            guard (number * (unit % scale)) % scale == 0 || unit > 1000 else {
                throw .malformed(String(text.prefix(50)))
            }
            let sum = total.partialValue.addingReportingOverflow(unit / scale * number + unit % scale * number / scale)
            total = (sum.partialValue, total.overflow || sum.overflow)
        }
        guard !total.overflow, total.partialValue < 1 << 63 else { throw .tooLarge(String(text.prefix(50))) }
        bytes = total.partialValue
    }

    /// Reads the size of a volume: as above, at least 1 MiB, or a medium of `media`; 0 means no limit.
    package init(parsingVolume text: String) throws(ByteSizeError) {
        if let medium = ByteSize.media.first(where: { $0.name == text.lowercased() }) {
            self = ByteSize(bytes: medium.bytes)
            return
        }
        try self.init(parsing: text)
        guard bytes >= ByteSize.smallestVolume else { throw .tooSmall(String(text.prefix(50))) }
    }
}

extension ByteSize: CustomStringConvertible {
    /// For people: at most four digits and a decimal unit, for example `1.3 GB`.
    package var description: String {
        guard bytes >= 1000 else { return "\(bytes) B" }
        var unit = 0
        var tenths = bytes / 100  // tenths of a kB
        while tenths >= 10_000 && unit < 3 {
            tenths /= 1000
            unit += 1
        }
        let name = ["kB", "MB", "GB", "TB"][unit]
        return tenths < 1000 ? "\(tenths / 10).\(tenths % 10) \(name)" : "\(tenths / 10) \(name)"
    }
}

/// Why a text is no size.
package enum ByteSizeError: Error, Equatable {
    case malformed(String)
    case tooSmall(String)
    case tooLarge(String)
}

extension ByteSizeError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformed(let text):
            "\"\(text)\" is no size; write bytes, 80G, 25GB, 700MiB, or one of \(ByteSize.media.map(\.name).joined(separator: ", "))"
        case .tooSmall(let text): "\(text) is too small for a volume; give at least 1MiB"
        case .tooLarge(let text): "\(text) is more than any file can have; give less than 8388608TiB"
        }
    }
}
