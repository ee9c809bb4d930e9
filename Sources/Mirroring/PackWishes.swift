// SPDX-License-Identifier: Apache-2.0

internal import OCI
internal import Palette
package import PaletteSources
package import SystemPackage

extension MirrorDocument {
    /// Adds everything that pack folders, and the packs directly below folders that are none, ask for: each image once, with
    /// the packs that want it. Gives what nobody can mirror: templates, entries that are none, packs without a list.
    ///
    /// Throws `PackFolderError`, `FileError`.
    package mutating func addWishes(ofPacks folders: [FilePath]) throws -> [String] {
        let requests = try PackRequests(reading: folders)
        for (reference, askedBy) in requests.distinctImages {
            var wanted = reference
            // What a node asks for where a pack writes no tag.
            if wanted.tag == nil, wanted.digest == nil { wanted.tag = "latest" }
            var selection = MirrorSelection(wanted)
            selection.wantedBy = askedBy.map { "\($0.pack) (\($0.place))" }
            selection.platforms = platforms
            selections.append(selection)
        }
        var notes = requests.unknown.map { "\($0.pack): \($0.text) (\($0.place)); it is not mirrored" }
        notes += requests.packsWithoutList.map {
            "\($0) has no image list that can be read; nothing is mirrored for it"
        }
        for chart in requests.charts where !chart.isInFolder {
            if let note = add(chart) { notes.append("\(chart.pack): \(note) (\(chart.place)); it is not mirrored") }
        }
        return notes
    }

    /// Why a chart can't be asked for; `nil` when it was added.
    private mutating func add(_ chart: PackRequests.Chart) -> String? {
        guard let repository = chart.repository, let version = chart.version else {
            return "the chart \(chart.name) names no \(chart.repository == nil ? "repository" : "version")"
        }
        let wantedBy = ["\(chart.pack) (\(chart.place))"]
        if repository.hasPrefix("oci://") {
            let tag = version.replacing("+", with: "_")
            let path =
                repository.dropFirst(6).hasSuffix("/") ? repository.dropFirst(6).dropLast() : repository.dropFirst(6)
            do {
                var selection = MirrorSelection(try Reference(parsing: "\(path)/\(chart.name):\(tag)"))
                selection.wantedBy = wantedBy
                selections.append(selection)
                return nil
            } catch {
                return "\(error)"
            }
        }
        guard let range = VersionRange(parsing: version),
            repository.hasPrefix("https://") || repository.hasPrefix("http://")
        else { return "the chart \(chart.name) has a repository or version that is none: \(repository) \(version)" }
        let choice = VersionChoice(range: range, preReleases: version.contains("-"))
        var wish = MirrorChart(repository: repository, name: chart.name, versions: choice)
        wish.wantedBy = wantedBy
        charts.append(wish)
        return nil
    }
}
