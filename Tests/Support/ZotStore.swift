// SPDX-License-Identifier: Apache-2.0

import Cryptography
import FoundationEssentials
import Glibc
import OCI
import Synchronization

/// What the stand-in stores, laid out as Zot does it: each repository is an OCI layout with its sessions in `.uploads`.
/// One lock, as in Zot; bytes stream outside it.
final class ZotStore: Sendable {
    let folder: String
    let options: ZotServer.Options
    let state: Mutex<State>

    struct State {
        /// The manifests of each repository that was looked at; the truth is `index.json`.
        var repositories: [String: [Entry]] = [:]
        /// Where a blob is, for dedupe and mounts.
        var holders: [String: Set<String>] = [:]
        /// Manifests read before, by digest.
        var documents: [String: ZotDocument] = [:]
    }

    /// A line of `index.json`.
    struct Entry: Equatable {
        let mediaType: String
        let digest: String
        let size: Int
        let tag: String?
        /// The line itself: the whole index is written with each manifest.
        let json: String
    }

    /// Looks through the folder once, as Zot does at its start.
    init(_ folder: String, _ options: ZotServer.Options) {
        (self.folder, self.options) = (folder, options)
        var holders: [String: Set<String>] = [:]
        for repository in ZotStore.repositories(below: folder) where options.dedupe {
            let blobs = "\(folder)/\(repository)/blobs"
            for algorithm in ZotDisk.names(blobs) {
                for name in ZotDisk.names(blobs + "/\(algorithm)") {
                    holders["\(algorithm):\(name)", default: []].insert(repository)
                }
            }
        }
        state = Mutex(State(holders: holders))
    }

    // MARK: Repositories

    func path(_ repository: String) -> String { "\(folder)/\(repository)" }

    func blobPath(_ repository: String, _ digest: String) -> String {
        let parts = digest.split(separator: ":", maxSplits: 1)
        return path(repository) + "/blobs/\(parts[0])/\(parts[1])"
    }

    /// All repositories, sorted.
    func repositories() -> [String] { ZotStore.repositories(below: folder) }

    private static func repositories(below folder: String, _ prefix: String = "") -> [String] {
        var found: [String] = []
        for name in ZotDisk.names(folder) where !name.hasPrefix(".") {
            let path = "\(folder)/\(name)"
            if ZotDisk.status(path + "/index.json") != nil { found.append(prefix + name) }
            guard name != "blobs", ZotDisk.status(path) == nil else { continue }
            found += repositories(below: path, "\(prefix)\(name)/")
        }
        return found.sorted()
    }

    func exists(_ repository: String) -> Bool { ZotDisk.status(path(repository) + "/index.json") != nil }

    /// Makes a repository unless there is one; false where that is impossible.
    func makeRepository(_ repository: String) -> Bool {
        if exists(repository) { return true }
        let path = path(repository)
        guard ZotDisk.makeFolder(path + "/blobs/sha256"), ZotDisk.makeFolder(path + "/.uploads")
        else { return false }
        return state.withLock { _ in
            exists(repository)
                || ZotDisk.replace(path + "/oci-layout", Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
                    && ZotDisk.replace(path + "/index.json", Array(#"{"schemaVersion":2,"manifests":[]}"#.utf8))
        }
    }

    // MARK: Blobs

    /// The size of a blob of this repository; `nil` when there is none. Until 2.1.19 an empty one isn't seen.
    func blob(_ repository: String, _ digest: String) -> Int? {
        guard let size = ZotDisk.status(blobPath(repository, digest))?.size else { return nil }
        return size == 0 && options.era == .v2_1_2 ? nil : size
    }

    /// The same, where a blob of any repository that may be read is linked into this one.
    func findBlob(_ repository: String, _ digest: String, mayRead: (String) -> Bool) -> Int? {
        if let size = blob(repository, digest) {
            // One that a manifest says to be of another size is damaged, and not there for Zot.
            let said = state.withLock { reachable(repository, &$0)[digest] }
            return said == nil || said == size ? size : nil
        }
        guard options.dedupe else { return nil }
        let holders = state.withLock { $0.holders[digest] ?? [] }
        guard let holder = holders.first(where: { mayRead($0) && blob($0, digest) != nil }),
            makeRepository(repository)
        else { return nil }
        return state.withLock { state in
            guard adopt(blobPath(holder, digest), repository, digest, &state) else { return nil }
            return blob(repository, digest)
        }
    }

    private func adopt(_ source: String, _ repository: String, _ digest: String, _ state: inout State) -> Bool {
        let target = blobPath(repository, digest)
        guard ZotDisk.makeFolder(ZotDisk.parent(target)), ZotDisk.link(source, target) else { return false }
        state.holders[digest, default: []].insert(repository)
        return true
    }

    /// Makes an uploaded file a blob; the hash has been compared.
    func keepBlob(_ file: String, _ repository: String, _ digest: String) -> Bool {
        let target = blobPath(repository, digest)
        guard ZotDisk.makeFolder(ZotDisk.parent(target)) else { return false }
        return state.withLock { state in
            let known = options.dedupe ? state.holders[digest]?.first { blob($0, digest) != nil } : nil
            if options.dedupe { state.holders[digest, default: []].insert(repository) }
            let said = reachable(repository, &state)[digest]
            let isDamaged = said != nil && blob(repository, digest).map { $0 != said } ?? false
            guard let known, !isDamaged else { return ZotDisk.move(file, target) }
            ZotDisk.remove(file)
            return ZotDisk.link(blobPath(known, digest), target)
        }
    }

    enum Deletion { case done, unknown, used }

    func deleteBlob(_ repository: String, _ digest: String) -> Deletion {
        state.withLock { state in
            guard ZotDisk.status(blobPath(repository, digest)) != nil else { return .unknown }
            guard reachable(repository, &state)[digest] == nil else { return .used }
            remove(repository, digest, &state)
            return .done
        }
    }

    func remove(_ repository: String, _ digest: String, _ state: inout State) {
        ZotDisk.remove(blobPath(repository, digest))
        state.holders[digest]?.remove(repository)
    }

    // MARK: Sessions

    func sessionPath(_ repository: String, _ id: String) -> String {
        path(repository) + "/.uploads/\(id)"
    }

    /// A new session; `nil` where the repository can't be made.
    func makeSession(_ repository: String) -> String? {
        guard makeRepository(repository) else { return nil }
        let id = UUID().uuidString.lowercased()
        return ZotDisk.make(sessionPath(repository, id), []) ? id : nil
    }

    /// Bytes in a session; `nil` when there is none.
    func session(_ repository: String, _ id: String) -> Int? { ZotDisk.status(sessionPath(repository, id))?.size }

    /// All sessions, as paths below the folder.
    func sessions() -> [String] {
        repositories().flatMap { repository in
            ZotDisk.names(path(repository) + "/.uploads").map { "\(repository)/\($0)" }
        }
    }

    /// The digest of a file, in the algorithm of another digest.
    static func digest(of file: String, like digest: String) -> String? {
        guard let hasher = hasher(for: digest) else { return nil }
        let descriptor = unsafe open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var chunk = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            guard count >= 0 else { return nil }
            if count == 0 { return text(hasher.finish(), like: digest) }
            unsafe chunk.withUnsafeBytes { memory in
                hasher.update(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: memory[..<count])))
            }
        }
    }

    static func hasher(for digest: String) -> Hasher? {
        HashAlgorithm(rawValue: String(digest.prefix { $0 != ":" })).map { Hasher($0) }
    }

    static func text(_ hash: [UInt8], like digest: String) -> String {
        digest.prefix { $0 != ":" } + ":" + hash.lowercaseHex
    }

    /// Whether text is a digest of a known algorithm.
    static func isDigest(_ text: String) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let algorithm = HashAlgorithm(rawValue: String(parts[0])) else { return false }
        return [UInt8](lowercaseHex: parts[1])?.count == algorithm.byteCount
    }
}
