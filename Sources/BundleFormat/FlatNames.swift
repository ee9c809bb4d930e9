// SPDX-License-Identifier: Apache-2.0

/// Bundles whose files lie in one folder, as `dray copy --flat` writes them: the bundle's name, `--`, and the file's name with
/// `--` for each `/` (docs/format.md, "Flat folder").
enum FlatNames {
    static let separator = "--"

    /// What every medium of a bundle has, in this order of preference: by these a bundle is noticed.
    private static let marks = ["SHA256SUMS", "SHA256SUMS.sig", "release.json", "index", "trust/timestamp.json"]
    /// The folders below which `--` may stand for `/` once only.
    private static let shallow = ["trust/", "volumes/", "parity/", "blocks/"]
    /// More `--` than this in one name below `kit/` are taken as they are.
    private static let deepest = 6

    /// A name as it stands after the bundle's.
    static func flat(_ name: String) -> String { name.split(separator: "/").joined(separator: separator) }

    /// The bundles among the names of a folder, and for each the real name of every file by the name that it has in a bundle.
    ///
    /// Of a name that can be read in several ways every reading is there: only the signed one is asked for.
    static func bundles(in names: [String]) -> [String: [String: String]] {
        let prefixes = Set(names.compactMap(bundle)).sorted { $0.utf8.count > $1.utf8.count }
        var tables: [String: [String: String]] = [:]
        for name in names {
            guard let prefix = prefixes.first(where: { name.hasPrefix($0 + separator) }) else { continue }
            for reading in readings(of: String(name.dropFirst(prefix.count + separator.count))) {
                tables[prefix, default: [:]][reading] = name
            }
        }
        return tables
    }

    /// The bundle's name in front of a mark.
    private static func bundle(_ name: String) -> String? {
        for mark in marks {
            let end = separator + flat(mark)
            guard name.hasSuffix(end) else { continue }
            var prefix = name.dropLast(end.count)
            if prefix.hasSuffix(separator + "copies") { prefix = prefix.dropLast(separator.count + 6) }
            if !prefix.isEmpty { return String(prefix) }
        }
        return nil
    }

    private static func readings(of name: String) -> [String] {
        if name.hasPrefix("copies" + separator) {
            return readings(of: String(name.dropFirst(8))).map { "copies/\($0)" }
        }
        for folder in shallow where name.hasPrefix(flat(folder) + separator) {
            return [folder + name.dropFirst(flat(folder).count + separator.count)]
        }
        guard name.hasPrefix("kit" + separator) else { return [name] }
        let places = name.ranges(of: separator)
        var found = [""]
        var last = name.startIndex
        for (count, place) in places.enumerated() where place.lowerBound >= last {
            let piece = name[last..<place.lowerBound]
            found = found.flatMap { start in
                count < deepest ? [start + piece + "/", start + piece + separator] : [start + piece + separator]
            }
            last = place.upperBound
        }
        return found.map { $0 + name[last...] }
    }
}
