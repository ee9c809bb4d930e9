// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// Where something stands in a manifest.
package struct ManifestPlace: Sendable, Hashable {
    /// From 1.
    package let line: Int
    /// From 1, counted in characters (Unicode scalars).
    package let column: Int

    package init(line: Int, column: Int) { (self.line, self.column) = (line, column) }
}

/// A manifest that can't be used, with the place of the fault.
package struct ManifestError: Error, Equatable {
    package enum Problem: Equatable, Sendable {
        /// No YAML; with the parser's own words.
        case syntax(String)
        case notUTF8
        /// Bytes; the limit is 1 MiB.
        case tooLarge(UInt64)
        case tooManyNodes
        /// An anchor, an alias or a tag.
        case unsupported(String)
        case unknownKey(String, suggestion: String?)
        /// Placed at the first of the two.
        case repeatedKey(String)
        case missingKey(String)
        case wrongType(key: String, expected: String)
        case badValue(key: String, value: String, expected: String, suggestion: String?)
        /// The key has no meaning for an item of this kind.
        case keyNotForKind(key: String, kind: String)
        /// The key has no meaning in a release of this edition.
        case keyNotForEdition(key: String, edition: String)
        /// An entry that stands twice in the list of this key.
        case repeatedEntry(String)
        /// A pattern that no file or folder fits.
        case noMatch(String)
        case notFound(FilePath)
        /// It is there but of another sort than the item needs.
        case wrongSort(FilePath, expected: String)
        /// Parts of a file that don't make it.
        case parts(PartSetError)
        /// A makeself archive where a bundle is wanted.
        case selfExtracting(FilePath)
        /// A `name` for a pattern that fits several files.
        case oneNameForMany(String, count: Int)
        /// A file name that can't stand on every medium.
        case unusableName(String)
        /// Two items would be delivered under one name, capitals aside; the other's line.
        case sameName(String, other: Int)
        /// Two items name the same file or folder; the other's line.
        case samePath(FilePath, other: Int)
        /// Two entries of `movesTags` are about one tag; the other's line.
        case sameTag(String, other: Int)
        /// A digest that stands twice in one entry of `movesTags`.
        case sameDigest(String)
        /// An entry of `movesTags` about a tag that the release doesn't deliver.
        case tagNotDelivered(String)
        /// An entry of `movesTags` whose `from` is what the release delivers.
        case tagStays(String, digest: String)
    }

    /// As the user named it.
    package let file: String
    package let place: ManifestPlace
    package let problem: Problem

    package init(file: String, place: ManifestPlace, problem: Problem) {
        (self.file, self.place, self.problem) = (file, place, problem)
    }
}

extension ManifestError: CustomStringConvertible {
    package var description: String { "\(file):\(place.line):\(place.column): \(problem)" }
}

extension ManifestError.Problem: CustomStringConvertible {
    package var description: String {
        func hint(_ suggestion: String?) -> String { suggestion.map { "; did you mean \"\($0)\"?" } ?? "" }
        switch self {
        case .syntax(let why): return "this is no valid YAML: \(why)"
        case .notUTF8: return "the file is no UTF-8 text; save it as UTF-8"
        case .tooLarge(let size): return "the manifest has \(size) bytes; the limit is \(ManifestDocument.maximumSize)"
        case .tooManyNodes: return "the manifest has more than \(ManifestDocument.maximumNodes) values; use patterns"
        case .unsupported(let what): return "\(what) can't be used in a manifest; write the value out"
        case .unknownKey(let key, let suggestion): return "unknown key \"\(key)\"\(hint(suggestion))"
        case .repeatedKey(let key): return "the key \"\(key)\" is given twice; keep one"
        case .missingKey(let key): return "the key \"\(key)\" is missing here; see manifests/README.md"
        case .wrongType(let key, let expected): return "\"\(key)\" must be \(expected)"
        case .badValue(let key, let value, let expected, let suggestion):
            return "\"\(value)\" is no value for \"\(key)\": expected \(expected)\(hint(suggestion))"
        case .keyNotForKind(let key, let kind): return "\"\(key)\" has no meaning for an item of kind \"\(kind)\""
        case .keyNotForEdition(let key, let edition):
            return "\"\(key)\" has no meaning in a release of the edition \"\(edition)\"; remove it"
        case .repeatedEntry(let key): return "this entry of \"\(key)\" is given twice; keep one"
        case .noMatch(let pattern): return "nothing fits \"\(pattern)\"; correct the pattern or fetch the files"
        case .notFound(let path): return "there is no \(path); correct the path (relative to the manifest) or fetch it"
        case .wrongSort(let path, let expected): return "\(path) is not \(expected)"
        case .parts(let error): return error.description
        case .selfExtracting(let path):
            return "\(path) is a self-extracting archive (makeself), which Dray never runs and takes nothing out of; "
                + "deliver it as it is with file: instead of bundle:, or fetch the same content as .zst (Artifact Studio)"
        case .oneNameForMany(let pattern, let count):
            return "\"\(pattern)\" fits \(count) files, which can't all have one name; list them one by one"
        case .unusableName(let name):
            return
                "\"\(name)\" can't be a file name on every medium (printable ASCII without \\ / : * ? \" < > |, no dot "
                + "first, no dot or space last, at most \(ManifestItem.maximumName) bytes); give another with name:"
        case .sameName(let name, let other):
            return "\"\(name)\" is delivered by the item in line \(other) too; give one of them another name:"
        case .sameTag(let name, let other):
            return "\(name) stands in line \(other) too; write one entry with all digests under from:"
        case .sameDigest(let digest): return "\(digest) is given twice; keep one"
        case .tagNotDelivered(let name):
            return
                "the release doesn't deliver \(name), so it can't move it; correct the tag (pack's JSON output lists "
                + "what is delivered), or remove the entry"
        case .tagStays(let name, let digest):
            return "\(name) is \(digest) in this release; from: is for what it was before"
        case .samePath(let path, let other): return "\(path) is taken by the item in line \(other) already"
        }
    }
}
