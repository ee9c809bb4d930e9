// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import SystemPackage

/// A path with `*` (any characters of one name) and `?` (one character); nothing else is special. A name that begins
/// with a dot fits only a pattern that does.
package struct PathPattern {
    private let path: FilePath

    init(_ path: FilePath) { self.path = path }

    /// Whether it can fit more than one path.
    var isPattern: Bool { path.components.contains { PathPattern.isPattern($0.string) } }

    /// What is there that fits, sorted bytewise; a path without special characters fits itself, there or not.
    func matches() throws(FileError) -> [FilePath] {
        var found = [path.isAbsolute ? FilePath("/") : FilePath("")]
        for component in path.components {
            guard PathPattern.isPattern(component.string) else {
                found = found.map { $0.appending(component) }
                continue
            }
            var next: [FilePath] = []
            for folder in found {
                let folder = folder.isEmpty ? FilePath(".") : folder
                guard try folder.statusIfPresent()?.isDirectory == true else { continue }
                for name in try folder.entries() where PathPattern.fits(name, component.string) {
                    next.append(folder.appending(name))
                }
            }
            found = next
        }
        guard isPattern else { return found }
        var there: [FilePath] = []
        for path in found where try path.exists() { there.append(path) }
        return there.sorted { $0.string.utf8.lexicographicallyPrecedes($1.string.utf8) }
    }

    private static func isPattern(_ text: String) -> Bool { text.contains { $0 == "*" || $0 == "?" } }

    /// Whether a name fits one component. Goes back to the last `*` alone, so a hostile name costs no more than
    /// length times length.
    package static func fits(_ name: String, _ pattern: String) -> Bool {
        guard name.hasPrefix(".") == pattern.hasPrefix(".") else { return false }
        let (name, pattern) = (Array(name.unicodeScalars), Array(pattern.unicodeScalars))
        var (i, j) = (0, 0)
        var star: (pattern: Int, name: Int)?
        while i < name.count {
            if j < pattern.count, pattern[j] == "*" {
                star = (j, i)
                j += 1
            } else if j < pattern.count, pattern[j] == "?" || pattern[j] == name[i] {
                (i, j) = (i + 1, j + 1)
            } else if let last = star {
                star = (last.pattern, last.name + 1)
                (i, j) = (last.name + 1, last.pattern + 1)
            } else {
                return false
            }
        }
        return pattern[j...].allSatisfy { $0 == "*" }
    }
}
