// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import SystemPackage

/// What stands at a path that the user named: bundle folders, or files that may belong to a bundle. Opens no file.
struct MediaWalk {
    /// How far below the path bundle folders are looked for.
    static let depth = 3
    /// The most names that are looked at.
    static let nameLimit = 20_000
    /// The most folders and files of which it is said why they were passed over.
    private static let findingLimit = 20

    /// The folders on the nearest level that has any.
    private(set) var bundles: [FilePath] = []
    /// Regular files on the levels that were looked at.
    private(set) var files: [LooseFile] = []
    private(set) var findings: [Finding] = []
    private var names = 0

    /// Throws `FileError` where the path itself can't be listed.
    init(_ path: FilePath) throws(FileError) {
        guard try path.statusIfPresent()?.isDirectory == true else {
            let folder = path.removingLastComponent()
            add(path.lastComponent?.string ?? path.string, in: folder.isEmpty ? "." : folder)
            for number in files.indices { files[number].isGiven = true }
            return
        }
        if try MediaWalk.isBundle(path) {
            bundles = [path]
            if try !MediaWalk.hasFolders(path) { try list(path) }
            return
        }
        var level = [path]
        for depth in 0...MediaWalk.depth where bundles.isEmpty && !level.isEmpty {
            var below: [FilePath] = []
            for folder in level {
                do throws(FileError) {
                    below += try list(folder)
                } catch {
                    guard depth > 0 else { throw error }
                    note(.notRead(error.path, "\(error.errno)"))
                }
            }
            guard depth < MediaWalk.depth else { return }
            level = look(at: below)
        }
    }

    /// Takes the bundles among folders and gives the others, but for those that nobody may look into.
    private mutating func look(at folders: [FilePath]) -> [FilePath] {
        folders.filter { folder in
            do throws(FileError) {
                guard try MediaWalk.isBundle(folder) else { return true }
                bundles.append(folder)
            } catch {
                note(.notRead(folder, "\(error.errno)"))
            }
            return false
        }
    }

    /// Takes the files of a folder and gives the folders in it; hidden names are nobody's, labels are for people.
    @discardableResult
    private mutating func list(_ folder: FilePath) throws(FileError) -> [FilePath] {
        var below: [FilePath] = []
        for name in try folder.entries() where !name.hasPrefix(".") && !name.hasPrefix("MEDIUM") {
            names += 1
            guard names <= MediaWalk.nameLimit else {
                note(
                    .notRead(
                        folder, "there are more than \(MediaWalk.nameLimit) names; give the bundle's folder itself"))
                return below
            }
            let status = try folder.appending(name).statusIfPresent(followingLinks: false)
            if status?.isDirectory == true {
                below.append(folder.appending(name))
            } else {
                add(name, in: folder, status)
            }
        }
        return below
    }

    private mutating func add(_ name: String, in folder: FilePath) {
        do throws(FileError) {
            add(name, in: folder, try folder.appending(name).statusIfPresent(followingLinks: false))
        } catch {
            note(.notRead(error.path, "\(error.errno)"))
        }
    }

    private mutating func add(_ name: String, in folder: FilePath, _ status: FileStatus?) {
        if let status, status.isRegular {
            files.append(LooseFile(name, in: folder, status))
        } else {
            note(
                .notRead(
                    folder.appending(name), status?.isSymbolicLink == true ? "it is a link" : "it is no regular file"))
        }
    }

    private mutating func note(_ finding: Finding) {
        if findings.count < MediaWalk.findingLimit { findings.append(finding) }
    }

    static func isBundle(_ folder: FilePath) throws(FileError) -> Bool {
        if try hasFolders(folder) { return true }
        for name in ["release.json", "SHA256SUMS"] {
            if try folder.appending(name).statusIfPresent(followingLinks: false) != nil { return true }
        }
        return false
    }

    /// Whether it has a folder that only bundles have. (/usr/bin has a program of the name trust.)
    static func hasFolders(_ folder: FilePath) throws(FileError) -> Bool {
        for name in ["trust", "volumes", "copies"] {
            let place = folder.appending(name)
            guard try place.statusIfPresent(followingLinks: false)?.isDirectory == true else { continue }
            guard name == "copies" else { return true }
            if try place.appending("SHA256SUMS").exists() { return true }
        }
        return false
    }
}
