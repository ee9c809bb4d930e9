// SPDX-License-Identifier: Apache-2.0

internal import Files
package import SystemPackage

/// A file that is there in parts, `<path>_part00`, `_part01`, ...
package struct PartSet: Sendable, Equatable {
    /// The file that they make, which is not there itself.
    package let whole: FilePath
    /// In order, at least one.
    package let parts: [FilePath]

    /// The set that `path` names, which may be the whole or any of its parts; `nil` for a path that is neither.
    ///
    /// Throws `PartSetError` for a set with a part missing, and for one whose sizes show that a part is cut short or stands at
    /// another's place: all but the last are equally long. Throws `FileError`.
    package init?(at path: FilePath) throws {
        let name = path.lastComponent?.string ?? ""
        let isPart = PartName(name) != nil
        guard try isPart || !path.exists() else { return nil }
        let whole = PartName(name).map { path.removingLastComponent().appending($0.whole) } ?? path
        let names = try PartSet.names(of: whole)
        guard isPart || !names.isEmpty else { return nil }
        self.whole = whole
        parts = try PartSet.paths(of: names, whole)
    }

    private static func names(of whole: FilePath) throws -> [PartName] {
        let folder = whole.removingLastComponent().isEmpty ? FilePath(".") : whole.removingLastComponent()
        guard try folder.statusIfPresent()?.isDirectory == true else { return [] }
        return try folder.entries().compactMap(PartName.init).filter { $0.whole == whole.lastComponent?.string }
            .sorted { ($0.number, $0.width) < ($1.number, $1.width) }
    }

    private static func paths(of names: [PartName], _ whole: FilePath) throws -> [FilePath] {
        let folder = whole.removingLastComponent()
        var parts: [(path: FilePath, size: UInt64)] = []
        for (number, name) in names.enumerated() {
            let path = folder.appending(name.name(of: name.number))
            guard name.number >= number else { throw PartSetError.twice(path) }
            let expected = folder.appending(names[0].name(of: number))
            guard path == expected, let status = try path.statusIfPresent(), status.isRegular else {
                throw PartSetError.missing(expected, of: whole)
            }
            parts.append((path, status.size))
        }
        guard let first = parts.first, let last = parts.last else { throw PartSetError.missing(whole, of: whole) }
        for part in parts.dropLast() where part.size != first.size {
            throw PartSetError.unequal(part.path, size: part.size, first: first.size)
        }
        guard last.size <= first.size, last.size > 0 || parts.count == 1 else {
            throw PartSetError.unequal(last.path, size: last.size, first: first.size)
        }
        return parts.map(\.path)
    }
}

/// Why parts don't make a file.
package enum PartSetError: Error, Equatable {
    /// A part that isn't there as a file.
    case missing(FilePath, of: FilePath)
    /// A part whose number another part has too, written with other digits.
    case twice(FilePath)
    /// A part that is shorter than the first though another follows, or longer.
    case unequal(FilePath, size: UInt64, first: UInt64)
}

extension PartSetError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .missing(let part, let whole):
            "\(part) is missing; copy it there: \(whole) is its parts from _part00 on, without a gap"
        case .twice(let part): "\(part) has the number of another part of the same file; remove one"
        case .unequal(let part, let size, let first):
            "\(part) has \(size) bytes where the first part has \(first), so it is cut short or a part of another file: all "
                + "parts but the last are equally long; copy the parts again under their own names"
        }
    }
}
