// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import OCI
import Support
import Synchronization
import SystemPackage
import Testing
import Trust

/// One packed release, and a site that has loaded it with trust of version 5: made once, copied for each row.
final class HostileGround: Sendable {
    static let shared = Result { try HostileGround() }
    static let name = "palette-enterprise-1.0.0"
    /// KiB that no command may ever take, and seconds after which it is ended.
    static let memoryLimit = 200 << 10
    static let timeLimit = 20

    let keys: HostileKeys
    private let place = TemporaryFolder()
    private let packed: PackedSample
    private let figures = Mutex((runs: 0, crashes: 0, memory: 0, milliseconds: 0))

    private init() throws {
        keys = try HostileKeys()
        var layout = MadeLayout()
        _ = layout.image("library/hostile:1", [layout.blob(Array("a layer".utf8))])
        packed = try layout.packed()
        let scene = try scene(copying: nil)
        let first = try scene.medium("first") { $0.versions = .init(5) }
        let fingerprint = Digest(of: keys.pinned).hex
        try scene.importer("trust", "add", first, "--fingerprint", fingerprint).mustSucceed()
        try scene.importer("load", first, "--to", "oci:layout").mustSucceed()
        try run(["cp", "-a", scene.folder.path.string, place.appending("site").string]).mustSucceed()
        try run(["rm", "-r", place.appending("site/first").string]).mustSucceed()
    }

    func scene(copying: Bool? = true) throws -> HostileScene {
        let scene = HostileScene(keys: keys, bundle: packed.bundle)
        if copying != nil {
            try run(["cp", "-a", "\(place.appending("site"))/.", scene.folder.path.string]).mustSucceed()
        }
        return scene
    }

    /// A library that says another time than the machine's clock does.
    static let clock = Result { () throws -> TemporaryFolder in
        let folder = TemporaryFolder()
        let source = """
            #include <stdlib.h>
            #include <time.h>
            time_t time(time_t *out) {
                time_t now = atoll(getenv("DRAY_TEST_TIME"));
                if (out) *out = now;
                return now;
            }
            """
        try write(Array(source.utf8), to: folder.appending("clock.c"))
        let (from, to) = (folder.appending("clock.c").string, folder.appending("clock.so").string)
        try run(["clang", "-shared", "-fPIC", "-o", to, from]).mustSucceed()
        return folder
    }

    func count(_ measured: Measured) {
        figures.withLock { figures in
            figures.runs += 1
            figures.crashes += measured.code < 0 ? 1 : 0
            figures.memory = max(figures.memory, measured.memory)
            figures.milliseconds = max(figures.milliseconds, measured.milliseconds)
        }
    }

    var summary: String {
        let (runs, crashes, memory, milliseconds) = figures.withLock { $0 }
        return "hostile trust: \(runs) runs, \(crashes) crashes, at most \(memory) KiB and \(milliseconds) ms"
    }
}

/// What `Tests/python/measured.py` says of a command.
struct Measured {
    /// The exit code; negative for a signal.
    let code: Int
    /// In KiB.
    let memory: Int
    let milliseconds: Int
    let text: String
}

/// A folder with a site's `state` and `layout`, in which media are laid and commands run.
struct HostileScene {
    let folder = TemporaryFolder()
    let keys: HostileKeys
    let bundle: FilePath

    /// Lays a medium into the folder; its path.
    @discardableResult
    func medium(_ place: String, _ change: (inout HostileMedium) throws -> Void) throws -> String {
        var medium = try HostileMedium(keys)
        try change(&medium)
        let target = folder.appending(place).appending(HostileGround.name)
        try target.removingLastComponent().createDirectories()
        try run(["cp", "-r", bundle.string, target.string]).mustSucceed()
        try medium.write(to: target)
        return target.string
    }

    @discardableResult
    func importer(_ arguments: String...) throws -> CommandResult {
        try run(
            ["env", "-C", folder.path.string, SourceTree.tool("dray-import").string] + arguments
                + ["--state", "state"], environment: ["DOCKER_CONFIG": "/nonexistent"])
    }

    /// Runs a command and measures it.
    func measured(_ arguments: [String], clock: UTCTime?) throws -> Measured {
        let notes = TemporaryFolder()
        var environment = ["DOCKER_CONFIG": "/nonexistent"]
        var program = [SourceTree.tool("dray-import").string]
        if let clock {
            let library = try HostileGround.clock.get().appending("clock.so").string
            environment["DRAY_TEST_TIME"] = "\(clock.secondsSince1970)"
            program = ["env", "LD_PRELOAD=\(library)"] + program
        }
        let script = SourceTree.root.appending("Tests/python/measured.py").string
        let result = try run(
            [
                SourceTree.root.appending(".build/python/bin/python").string, script, "\(HostileGround.timeLimit)",
                notes.appending("report").string, folder.path.string,
            ]
                + program + arguments + ["--state", "state"], environment: environment)
        let report = String(decoding: try contents(of: notes.appending("report")), as: UTF8.self)
        let numbers = report.split(separator: " ").compactMap { Int($0) }
        try #require(numbers.count == 3, "\(report)")
        return Measured(
            code: numbers[0], memory: numbers[1], milliseconds: numbers[2], text: result.output + result.errorOutput)
    }

    /// Everything in the folder with modes, but for the receipts that a refused load leaves and the lock; and the digest of each file that isn't a hole of gigabytes.
    func listing() throws -> String {
        let line = """
            find . -path ./state/receipts -prune -o -name lock -o -path ./state -o -printf '%p %y %m %s %l\\n' | sort
            find . -path ./state/receipts -prune -o -name lock -o -type f -size -4M -print0 | sort -z | xargs -0 sha256sum
            """
        return try run(["sh", "-ec", "cd \(folder.path); \(line)"]).output
    }

    /// Takes away what an accepted `verify` remembers, which is all that it may write.
    func forgetVerified() throws { _ = try run(["rm", "-rf", "\(folder.path)/state/verified"]) }
}
