// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import OCI
internal import SystemPackage

/// One medium as it was found: its file system, and what of the bundle it has already.
package struct Medium: Sendable {
    /// From 1, in the order of the options or of arrival.
    package let number: Int
    package let layout: MediumLayout
    package let system: FileSystem
    /// Of the volumes and parity files, by name, those it has with the right length.
    let whole: Set<String>
    /// Of those it has in part: the bytes that they take.
    let parts: [String: UInt64]
    /// Bytes that the common files still need.
    let commonBytes: UInt64

    /// Room that is left to the file system, folders and labels.
    private static let reserve: UInt64 = 1 << 20

    /// Looks; writes nothing. Throws `CopyError` for what can't be a medium of this bundle, `FileError`.
    init(_ number: Int, _ layout: MediumLayout, _ source: CopySource) throws {
        (self.number, self.layout) = (number, layout)
        system = try layout.mount.fileSystem()
        guard !system.limits.isReadOnly else { throw CopyError.readOnly(layout.mount, system.limits.name) }
        try Medium.refuseSource(layout, source)
        try Medium.refuseOtherRelease(layout, source)
        if !layout.isFlat, try layout.folder.exists() {
            let names = try source.bundle.unsignedNames(in: layout.folder)
            if let foreign = names.refused.first { throw CopyError.foreignName(foreign) }
        }
        var (whole, parts): (Set<String>, [String: UInt64]) = ([], [:])
        for item in source.items {
            if let status = try Medium.file(layout.path(of: item.name)) {
                guard status.size <= item.length else {
                    throw CopyError.otherFile(layout.path(of: item.name), "larger than the file of this name")
                }
                if status.size == item.length { whole.insert(item.name) } else { parts[item.name] = status.allocated }
            } else if let status = try Medium.file(layout.staged(item.name)) {
                parts[item.name] = status.allocated
            }
        }
        (self.whole, self.parts) = (whole, parts)
        let unit = system.unit
        commonBytes = try source.common.reduce(0) { sum, file in
            let there = try Medium.file(layout.path(of: file.name))?.size == file.length
            return sum + (there ? 0 : (file.length + unit - 1) / unit * unit + unit)
        }
    }

    /// What the planner needs.
    var bin: SpreadPlan.Bin {
        let used = commonBytes + Medium.reserve
        return SpreadPlan.Bin(
            room: system.free > used ? system.free - used : 0, unit: system.unit,
            largestFile: system.limits.largestFile ?? .max)
    }

    /// Nothing, or a regular file.
    private static func file(_ path: FilePath) throws -> FileStatus? {
        guard let status = try path.statusIfPresent(followingLinks: false) else { return nil }
        guard status.isRegular else { throw CopyError.otherFile(path, status.isDirectory ? "a folder" : "no file") }
        return status
    }

    private static func refuseSource(_ layout: MediumLayout, _ source: CopySource) throws {
        let target = try layout.mount.resolved()
        for place in Set(source.common.flatMap { $0.places.map(\.folder.path) }) {
            let folder = try place.resolved()
            let inside = target == folder || target.string.hasPrefix(folder.string + "/")
            let same = try layout.folder.exists() && layout.folder.resolved() == folder
            guard !inside, !same else { throw CopyError.sourceInside(layout.mount) }
        }
    }

    /// A folder of this name with another `release.json` is left alone; a damaged one of this release has its copy.
    private static func refuseOtherRelease(_ layout: MediumLayout, _ source: CopySource) throws {
        var found = false
        for name in ["release.json", "copies/release.json"] {
            let path = layout.path(of: name)
            guard let status = try file(path) else { continue }
            found = true
            guard status.size <= UInt64(Release.maximumSize) else { continue }
            if Digest(of: try path.contents(limit: Release.maximumSize)) == source.release { return }
        }
        if found { throw CopyError.otherRelease(layout.folder) }
    }

    /// Writes and removes a file of one byte, so that a lack of permission shows now.
    func probe() throws {
        for folder in [layout.mount, layout.folder] where try folder.exists() { try Medium.probe(folder) }
    }

    static func probe(_ folder: FilePath) throws {
        // one name for all runs: what a kill leaves, the next run takes away
        let path = folder.appending(".dray-probe")
        do throws(FileError) {
            let file = try OpenFile.writing(path)
            try file.write([0], at: 0)
        } catch {
            // the plan has said where there is too little room
            guard error.isOutOfSpace else { throw error }
        }
        try path.removeFile()
    }

    /// Checks the names and lengths that would be written there.
    func checkLimits(_ source: CopySource, _ items: [CopyItem]) throws {
        let limits = system.limits
        var seen: [String: String] = [:]
        for name in source.common.map(\.name) + items.map(\.name) {
            let written = layout.isFlat ? MediumLayout.flatName(name, in: layout.bundle) : name
            let parts =
                [layout.bundle, layout.staged(name).lastComponent?.string ?? ""]
                + written.split(separator: "/").map(String.init)
            for part in parts {
                if let why = limits.names.objection(to: part) {
                    throw CopyError.impossibleName(name, layout.mount, why)
                }
            }
            if let other = seen.updateValue(name, forKey: limits.names == .windows ? written.lowercased() : written) {
                throw CopyError.sameName(other, name)
            }
        }
        for item in items {
            let limit = limits.largestFile ?? .max
            guard item.length <= limit else {
                throw CopyError.volumeTooLarge(item.name, length: item.length, system: limits.name, limit: limit)
            }
        }
    }
}
