// SPDX-License-Identifier: Apache-2.0

internal import Files
package import OCI
package import SystemPackage

/// Where a pack says something.
package struct PackPlace: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The pack folder, as the user named it.
    package let folder: FilePath
    /// Below the folder; inside a chart's archive after a `!`.
    package let file: String
    /// From 1; `nil` for the file as a whole.
    package let line: Int?

    package init(folder: FilePath, file: String, line: Int? = nil) {
        (self.folder, self.file, self.line) = (folder, file, line)
    }

    /// `folder/file:line`.
    package var description: String { "\(folder.appending(file))\(line.map { ":\($0)" } ?? "")" }

    package static func < (left: PackPlace, right: PackPlace) -> Bool {
        (left.folder.string, left.file, left.line ?? 0) < (right.folder.string, right.file, right.line ?? 0)
    }
}

/// Everything that pack folders ask for from elsewhere: the images and charts of their `pack.content` lists, each with the
/// pack and the place that ask for it. This is what a mirror must bring so that the packs run without a network.
package struct PackRequests: Sendable, Equatable {
    package struct Image: Sendable, Equatable {
        /// As written: a missing host stays missing, as does a tag.
        package let reference: Reference
        /// `<name>:<version>`.
        package let pack: String
        package let place: PackPlace
    }

    package struct Chart: Sendable, Equatable {
        /// The chart repository's address, `https://...` or `oci://...`, as written; `nil` where none is.
        package let repository: String?
        package let name: String
        package let version: String?
        /// Whether the pack's folder holds `charts/<name>-<version>.tgz`, so that none needs to be fetched.
        package let isInFolder: Bool
        /// `<name>:<version>` of the pack.
        package let pack: String
        package let place: PackPlace
    }

    /// What is asked for but can't be known: templates, entries that are no image, lists that can't be read.
    package struct Unknown: Sendable, Equatable {
        /// `<name>:<version>`.
        package let pack: String
        package let place: PackPlace
        /// For people.
        package let text: String
    }

    /// In the order of packs and lists; an image that several packs ask for stands once for each.
    package private(set) var images: [Image] = []
    package private(set) var charts: [Chart] = []
    package private(set) var unknown: [Unknown] = []
    /// `<name>:<version>` of each pack read.
    package private(set) var packs: [String] = []
    /// The packs without an image list, or without one that can be read.
    package private(set) var packsWithoutList: [String] = []

    /// Reads pack folders, and the packs directly below folders that are none. Throws `PackFolderError` for the first
    /// that can't be read, and `FileError`.
    package init(reading paths: [FilePath]) throws {
        for path in paths {
            for folder in try PackFolder.all(at: path) { try add(PackFolder(reading: folder)) }
        }
    }

    /// Each reference once, in order, with all that ask for it.
    package var distinctImages: [(reference: Reference, askedBy: [Image])] {
        var places: [Reference: Int] = [:]
        var distinct: [(reference: Reference, askedBy: [Image])] = []
        for image in images {
            if let place = places[image.reference] {
                distinct[place].askedBy.append(image)
            } else {
                places[image.reference] = distinct.count
                distinct.append((image.reference, [image]))
            }
        }
        return distinct
    }

    private mutating func add(_ pack: PackFolder) throws {
        packs.append(pack.name)
        guard let content = pack.content else {
            packsWithoutList.append(pack.name)
            return
        }
        func place(_ line: Int?) -> PackPlace { PackPlace(folder: pack.path, file: "values.yaml", line: line) }
        if content.images == nil { packsWithoutList.append(pack.name) }
        for problem in content.problems {
            unknown.append(Unknown(pack: pack.name, place: place(problem.line), text: problem.text))
        }
        for image in content.images ?? [] {
            do throws(ReferenceError) {
                guard !image.isTemplate else {
                    let text = "\"\(image.text.prefix(200))\" is a template"
                    unknown.append(Unknown(pack: pack.name, place: place(image.line), text: text))
                    continue
                }
                let reference = try Reference(parsing: image.text)
                images.append(Image(reference: reference, pack: pack.name, place: place(image.line)))
            } catch {
                unknown.append(Unknown(pack: pack.name, place: place(image.line), text: "\(error)"))
            }
        }
        for chart in content.charts {
            charts.append(
                Chart(
                    repository: chart.repository, name: chart.name, version: chart.version,
                    isInFolder: try pack.holds(chart), pack: pack.name, place: place(chart.line)))
        }
    }
}

extension PackFolder {
    /// Whether `charts/` holds the chart's archive, by the name that `helm package` gives it. Throws `FileError`.
    func holds(_ chart: PackContent.Chart) throws -> Bool {
        guard let version = chart.version, !chart.name.contains("/"), !version.contains("/") else { return false }
        return try path.appending("charts").appending("\(chart.name)-\(version).tgz").exists()
    }
}
