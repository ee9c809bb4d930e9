// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import SystemPackage
internal import Trust

/// Keeps Zot away from its storage folder while it lives. Zot locks its databases with flock(2) (bbolt), waits some seconds for
/// the lock and then doesn't start, so holding them works both ways.
final class ZotRootLock: Sendable {
    private let folder: OpenFile
    private let databases: [FileLock]

    /// Seconds for which an upload that nobody has open counts as one that goes on.
    private static let uploadPause: Int64 = 60

    /// Throws `ZotRootError.live`, and `LoadError.busy` where another load works there.
    init(_ root: ZotRoot, _ repositories: [String]) throws {
        folder = try OpenFile.reading(root.path)
        guard try folder.lock() else { throw LoadError.busy(root.path.string, holder: "") }
        var locks: [FileLock] = []
        for name in ZotRoot.databases where try root.path.appending(name).exists() {
            do {
                locks.append(try FileLock(root.path.appending(name), saysWho: false))
            } catch LoadError.busy {
                throw ZotRootError.live(root.path, "another process holds the lock of \(name)")
            }
        }
        databases = locks
        try ZotRootLock.checkUnused(root)
        try ZotRootLock.checkUploads(root, repositories)
    }

    /// Throws `ZotRootError.live` where a process is seen to work there.
    static func checkUnused(_ root: ZotRoot) throws {
        let files = Set(ZotRoot.databases.compactMap { root.path.appending($0).identityIfSeen() })
        guard let user = try root.path.firstUser(files: files) else { return }
        let what = "process \(user.process) (\(user.program.printable)) has \(user.path.printable) open"
        throw ZotRootError.live(root.path, what)
    }

    /// Zot without a database (no dedupe, no search, no login) shows itself by what it is being sent.
    private static func checkUploads(_ root: ZotRoot, _ repositories: [String]) throws {
        let now = UTCTime.now.secondsSince1970
        for repository in repositories {
            let uploads = root.path.pushing(FilePath(repository)).appending(".uploads")
            guard try uploads.exists() else { continue }
            for name in try uploads.entries() {
                guard let status = try uploads.appending(name).statusIfPresent() else { continue }
                let age = now - status.modified / 1_000_000_000
                guard (0..<uploadPause).contains(age) else { continue }
                throw ZotRootError.live(root.path, "an upload to \(repository) was written \(age) s ago")
            }
        }
    }
}
