// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import SystemPackage
internal import Trust

/// Files of any names among which bundles are looked for by content: single files, folders without a bundle's names, a drop folder.
package struct LooseFiles: Sendable {
    package let files: [LooseFile]
    private let contents: LooseContents

    /// The most trust metadata that is tried, files and bytes.
    private static let candidateLimit = (count: 512, bytes: 64 << 20)
    /// The most files that are tried as the signature of `SHA256SUMS`.
    private static let signatureLimit = 512

    /// `contents`: what was read of them before, and will be.
    package init(_ files: [LooseFile], contents: LooseContents = LooseContents()) {
        (self.files, self.contents) = (files, contents)
        contents.keep(only: files)
    }

    /// The bundles whose trust metadata is among the files and under a root that is trusted here, sorted by name.
    ///
    /// Nothing is decided by names where content can: small files by their signed length and SHA-256, volumes as
    /// `LooseVolumes` says; a file whose content fits nothing is taken by its name, so that it is found damaged, not missing.
    /// Files that can't be read count as absent and are in `unreadable`. It verifies nothing: `LooseBundle.bundle` is yet to be.
    package func bundles(by trust: PinnedRoots) -> (bundles: [LooseBundle], unreadable: [BundleError]) {
        var search = LooseSearch(files, contents)
        let found = trust.metadata(among: search.candidates(LooseFiles.candidateLimit))
        var drafts = found.map { LooseDraft($0) }
        for number in drafts.indices { search.addSigned(&drafts[number], signatures: LooseFiles.signatureLimit) }
        search.addVolumes(&drafts)
        for number in drafts.indices { search.addOthers(&drafts[number]) }
        return (drafts.map(\.bundle).sorted { $0.name < $1.name }, search.unreadable)
    }
}

/// A bundle whose files are being found.
struct LooseDraft {
    let metadata: TrustedMetadata
    private(set) var names = LooseNames()
    private(set) var complete: Set<String> = []
    private(set) var partial: [LooseBundle.Partial] = []

    init(_ found: LooseMetadata) {
        metadata = found.metadata
        for (name, file) in found.files { add(name, file, isWhole: true) }
    }

    var targets: Targets { metadata.targets.content }

    /// Every signed name of the bundle, and the two that aren't targets.
    var signedNames: [String] {
        targets.files.keys.filter { !$0.hasPrefix("releases/") } + ["SHA256SUMS", "SHA256SUMS.sig"]
            + metadata.files.map { "trust/\($0.name)" }
    }

    mutating func add(_ name: String, _ file: LooseFile, isWhole: Bool) {
        names.add(name, file)
        if isWhole {
            complete.insert(name)
        } else {
            partial.append(LooseBundle.Partial(name: name, file: file.path, size: file.size))
        }
    }

    /// What has no name that is signed: blocks that were carried on their own, parity.
    mutating func addUnsigned(_ name: String, _ file: LooseFile) { names.add(name, file) }

    var bundle: LooseBundle {
        let release = targets.release
        let document = targets.files["release.json"]
        let label = targets.deltas[release.version]?.first { entry in
            entry.value.length == document?.length && entry.value.sha256 == document?.sha256
        }
        let name = "\(release.product)-\(release.version)" + (label.map { "-delta-\($0.key)" } ?? "")
        let open = partial.filter { !complete.contains($0.name) }
        let there = complete.union(open.map(\.name))
        return LooseBundle(
            name: name, release: document.map { Digest(hashed: $0.sha256) } ?? Digest(of: [UInt8]()),
            bundle: UnverifiedBundle(name: name, media: names.media), complete: complete, partial: open,
            missing: Set(signedNames).subtracting(there).sorted())
    }
}

/// Reads the files and tells what they are.
struct LooseSearch {
    private let files: [LooseFile]
    private let contents: LooseContents
    private let bySize: [UInt64: [LooseFile]]
    private var used: Set<LooseFile> = []
    private(set) var unreadable: [BundleError] = []

    init(_ files: [LooseFile], _ contents: LooseContents) {
        (self.files, self.contents) = (files, contents)
        bySize = Dictionary(grouping: files, by: \.size)
    }

    /// The value, or `nil` and a note for a file that can't be read.
    private mutating func noting<Value>(_ body: () throws(FileError) -> Value) -> Value? {
        do throws(FileError) {
            return try body()
        } catch {
            let fault = BundleError(error)
            if !unreadable.contains(fault) { unreadable.append(fault) }
            return nil
        }
    }

    /// Files that begin as trust metadata in its canonical form does.
    mutating func candidates(_ limit: (count: Int, bytes: Int)) -> [LooseMetadata.Candidate] {
        let mark = Array("{\"signatures\":[{\"keyid\":\"".utf8)
        var found: [LooseMetadata.Candidate] = []
        var bytes = 0
        for file in files where file.size > UInt64(mark.count) && file.size <= UInt64(Role.targets.byteLimit) {
            let contents = contents
            guard noting({ () throws(FileError) in try contents.start(of: file) })?.starts(with: mark) == true else {
                continue
            }
            bytes += Int(file.size)
            guard found.count < limit.count, bytes <= limit.bytes else { break }
            guard let all = noting({ () throws(FileError) in try file.open().bytes(at: 0, length: Int(file.size)) })
            else {
                continue
            }
            found.append(LooseMetadata.Candidate(file: file, bytes: all))
            used.insert(file)
        }
        return found
    }

    /// Adds all files of a length and SHA-256; whether there was one.
    @discardableResult
    private mutating func add(_ name: String, _ target: TargetFile, to draft: inout LooseDraft) -> Bool {
        var isFound = false
        let contents = contents
        for file in bySize[UInt64(clamping: target.length)] ?? [] {
            guard let digest = noting({ () throws(FileError) in try contents.digest(of: file) }),
                digest.bytes == target.sha256
            else { continue }
            draft.add(name, file, isWhole: true)
            used.insert(file)
            isFound = true
        }
        return isFound
    }

    /// The small files, and `SHA256SUMS` with its signature.
    mutating func addSigned(_ draft: inout LooseDraft, signatures limit: Int) {
        for (name, target) in draft.targets.files.sorted(by: { $0.key < $1.key })
        where !name.hasPrefix("releases/") && !name.hasPrefix("volumes/") {
            add(name, target, to: &draft)
        }
        guard let release = draft.targets.files["release.json"] else { return }
        let sums = sums(naming: Digest(hashed: release.sha256))
        var tried = 0
        for file in files where file.size <= UInt64(TrustLimits.signatureDigits / 2) && !used.contains(file) {
            tried += 1
            guard tried <= limit else { return }
            guard let bytes = noting({ () throws(FileError) in try file.open().bytes(at: 0, length: Int(file.size)) })
            else { continue }
            let root = draft.metadata.root.root
            guard let match = sums.first(where: { root.hasSigned($0.bytes, bytes) }) else { continue }
            draft.add("SHA256SUMS", match.file, isWhole: true)
            draft.add("SHA256SUMS.sig", file, isWhole: true)
            used.formUnion([match.file, file])
        }
    }

    /// Files that begin as the lines of `sha256sum` do and have the line of this release.
    private mutating func sums(naming release: Digest) -> [LooseMetadata.Candidate] {
        let line = Array("\(release.hex)  release.json\n".utf8)
        let contents = contents
        return files.filter { $0.size >= UInt64(line.count) && $0.size <= UInt64(SumsFile.maximumSize) }.compactMap {
            file in
            guard let start = noting({ () throws(FileError) in try contents.start(of: file) }), start.isSumsLine,
                let bytes = noting({ () throws(FileError) in try file.open().bytes(at: 0, length: Int(file.size)) }),
                bytes.split(separator: UInt8(ascii: "\n")).contains(where: { $0.elementsEqual(line.dropLast()) })
            else { return nil }
            return LooseMetadata.Candidate(file: file, bytes: bytes)
        }
    }

    // MARK: Volumes, blocks and what only its name tells

    /// The volumes, by the indexes that were found. A file that is a whole volume of one bundle is no piece of another's.
    mutating func addVolumes(_ drafts: inout [LooseDraft]) {
        let files = files.filter { !used.contains($0) }
        var found: [(draft: Int, name: String, match: LooseVolumes.Match)] = []
        for number in drafts.indices {
            guard let index = index(of: drafts[number]) else { continue }
            var volumes = LooseVolumes(index, contents)
            found += volumes.matches(files).map { (number, "volumes/\(index.volumes[$0.volume].name)", $0) }
            note(volumes.unreadable)
        }
        let whole = Set(found.filter(\.match.isWhole).map(\.match.file))
        for (number, name, match) in found where match.isWhole || !whole.contains(match.file) {
            drafts[number].add(name, match.file, isWhole: match.isWhole)
            used.insert(match.file)
        }
    }

    private mutating func note(_ unreadable: [(file: LooseFile, fault: FileError)]) {
        for (_, fault) in unreadable where !self.unreadable.contains(BundleError(fault)) {
            self.unreadable.append(BundleError(fault))
        }
    }

    private mutating func index(of draft: LooseDraft) -> BundleIndex? {
        guard draft.complete.contains("index"), let target = draft.targets.files["index"],
            target.length <= BundleIndex.maximumSize
        else { return nil }
        let (media, contents) = (draft.names.media, contents)
        let index = noting { () throws(FileError) in
            try contents.index(Digest(hashed: target.sha256)) { () throws(FileError) in
                for folder in media {
                    if let bytes = try folder.contents(of: "index", limit: Int(target.length)) { return bytes }
                }
                return nil
            }
        }
        return index ?? nil
    }

    /// Files of blocks by what they begin with, parity by its names, and in place of what is missing files of its name.
    mutating func addOthers(_ draft: inout LooseDraft) {
        let blocks = draft.blocksStart
        let contents = contents
        for file in files where !used.contains(file) && file.size >= UInt64(BlocksFile.headerLength) {
            guard let start = noting({ () throws(FileError) in try contents.start(of: file) }) else { continue }
            if let blocks, start.starts(with: blocks) { draft.addUnsigned("blocks/\(file.lastName)", file) }
            if let name = file.parityName { draft.addUnsigned("parity/\(name)", file) }
        }
        for name in draft.signedNames where !name.hasPrefix("volumes/") && !draft.complete.contains(name) {
            for file in files where !used.contains(file) && file.isNamed(name) {
                draft.add(name, file, isWhole: false)
                used.insert(file)
            }
        }
    }
}

extension LooseDraft {
    /// What a file of this bundle's blocks begins with.
    fileprivate var blocksStart: [UInt8]? {
        guard let release = targets.files["release.json"], let index = targets.files["index"] else { return nil }
        return BlocksFile.magic + release.sha256 + index.sha256
    }
}

extension LooseFile {
    /// The name below `parity/`, `X.pNN`; `nil` for anything else.
    fileprivate var parityName: Substring? {
        guard lastName.wholeMatch(of: /.+\.p[0-9]{2,3}/) != nil else { return nil }
        return lastName.ranges(of: "--parity--").last.map { lastName[$0.upperBound...] } ?? lastName
    }
}

extension [UInt8] {
    /// Whether it begins as a line of `sha256sum` does.
    fileprivate var isSumsLine: Bool {
        count >= 67 && self[64..<66].elementsEqual("  ".utf8)
            && prefix(64).allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
}

extension Root {
    fileprivate func hasSigned(_ message: [UInt8], _ signature: [UInt8]) -> Bool {
        do throws(TrustError) {
            _ = try verifyDetached(signature: signature, over: message)
            return true
        } catch {
            return false
        }
    }
}
