// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import SystemPackage
internal import Trust

/// The end of step 2: where the volumes are, under their own names and under others.
extension Verification {
    /// The most names that nothing signs, and files that are no volume, of which it is said.
    private static let findingLimit = 200

    /// Looks for each volume on every medium, then among the files that were given. Where one is missing still, other files beside
    /// the bundle and those that nothing signs are looked into as well: a copy may have another name.
    mutating func places(_ index: BundleIndex, _ loose: [LooseFile], _ contents: LooseContents) -> [VolumePlaces] {
        var places = index.volumes.map { VolumePlaces($0) }
        for number in places.indices {
            for medium in files.media { note(places[number].look(on: medium)) }
        }
        var search = LooseVolumes(index, contents)
        let taken = Set(take(search.matches(loose.filter(\.isGiven)), &places).map(\.path))
        var renamed: Set<FilePath> = []
        if places.contains(where: \.isMissing) {
            let others = loose.filter { !$0.isGiven } + strange()
            renamed = Set(take(search.matches(others), &places).map(\.path))
        }
        for (file, fault) in search.unreadable { files.note(.notRead(file.path, "\(fault.errno)")) }
        let others = unsigned.map(\.path).filter { !renamed.contains($0) }
        for path in others.prefix(Verification.findingLimit) { files.note(.unsignedName(path)) }
        let strangers = loose.filter { $0.isGiven && !taken.contains($0.path) && !isBlocks($0, contents) }
        for file in strangers.prefix(Verification.findingLimit) { files.note(.noVolume(file.path)) }
        for place in places where place.isMissing { files.note(.volumeMissing(place.volume.name)) }
        return places
    }

    private mutating func note(_ finding: Finding?) {
        if let finding { files.note(finding) }
    }

    /// Regular files on the media that nothing signs.
    private mutating func strange() -> [LooseFile] {
        unsigned.compactMap { entry in
            var path = entry.path
            guard path.removePrefix(entry.medium) else { return nil }
            do throws(FileError) {
                return try LooseFile(path.string, in: entry.medium)
            } catch {
                files.note(.notRead(entry.path, "\(error.errno)"))
                return nil
            }
        }
    }

    /// Adds files to the volumes that they are; the files.
    private mutating func take(_ matches: [LooseVolumes.Match], _ places: inout [VolumePlaces]) -> [LooseFile] {
        for match in matches {
            let volume = places[match.volume]
            let known = Set(volume.all.map { $0.path(of: volume.name) })
            guard !known.contains(match.file.path) else { continue }
            let medium = MediaFolder(match.file.folder, files: [volume.name: match.file.name])
            note(places[match.volume].look(on: medium))
            if match.file.lastName != volume.volume.name {
                files.note(.renamed(match.file.path, volume: volume.volume.name))
            }
        }
        return matches.map(\.file)
    }

    // MARK: Blocks that were carried on their own

    private var blocksStart: [UInt8] {
        let files = metadata.targets.content.files
        return BlocksFile.magic + (files["release.json"]?.sha256 ?? []) + (files["index"]?.sha256 ?? [])
    }

    private func isBlocks(_ file: LooseFile, _ contents: LooseContents) -> Bool {
        do throws(FileError) {
            return try contents.start(of: file).starts(with: blocksStart)
        } catch {
            return false  // it was noted that it can't be read
        }
    }

    /// The files of blocks on all media and among the loose files; what is of no use is noted.
    mutating func blocksFiles(
        _ index: BundleIndex, _ loose: [LooseFile], _ contents: LooseContents
    ) throws -> [BlocksFile] {
        var places: [(medium: MediaFolder, name: String)] = []
        for medium in files.media {
            let names = try medium.names(below: "blocks").filter { $0.hasSuffix(".blocks") }
            places += names.prefix(BlocksFile.fileLimit).map { (medium, $0) }
        }
        for file in loose where isBlocks(file, contents) {
            places.append((MediaFolder(file.folder), file.name))
        }
        let (release, digest) = (releaseDigest, indexDigest)
        return places.compactMap { medium, name in
            do {
                return try BlocksFile(name, on: medium, of: index, release: release, index: digest)
            } catch {
                let why = (error as? FileError).map { "\($0.errno)" } ?? "\(error)"
                files.note(.blocksUnusable(medium.path(of: name), why))
                return nil
            }
        }
    }

    private var releaseDigest: Digest { digest(of: "release.json") }
    private var indexDigest: Digest { digest(of: "index") }

    private func digest(of name: String) -> Digest {
        guard let file = metadata.targets.content.files[name] else {
            preconditionFailure("it was read by its line in the targets")
        }
        return Digest(hashed: file.sha256)
    }
}
