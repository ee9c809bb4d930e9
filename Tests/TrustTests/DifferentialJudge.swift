// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import SystemPackage
import Testing
import Trust

/// All that a verdict depends on.
struct MetadataSet {
    var pinned: [UInt8]
    var roots: [[UInt8]] = []
    var timestamp: [UInt8]
    var snapshot: [UInt8]
    var targets: [UInt8]
    /// What the client kept of an earlier set.
    var accepted: AcceptedFiles?
    var now = Forge.now

    /// `ok` with the versions of root, timestamp, snapshot, targets and the number of files; else our error's case.
    func verdict(_ chains: inout [[[UInt8]]: TrustedRoot]) -> String {
        do throws(TrustError) {
            let root = try chain(&chains)
            let set = try root.verified(timestamp: timestamp, now: now, since: accepted).verified(snapshot: snapshot)
                .verified(targets: targets)
            let versions = [
                set.root.root.header.version, set.timestamp.content.header.version,
                set.snapshot.content.header.version, set.targets.content.header.version,
            ]
            return "ok \(versions.map(String.init).joined(separator: " ")) \(set.targets.content.files.count)"
        } catch {
            return String("\(MetadataSet.mirrored(error))".prefix { $0 != "(" })
        }
    }

    /// The chain of roots; most sets have a genuine one, and reading it each time would take most of a run's time.
    private func chain(_ chains: inout [[[UInt8]]: TrustedRoot]) throws(TrustError) -> TrustedRoot {
        if let known = chains[[pinned] + roots] { return known }
        var root = try TrustedRoot(pinned: pinned)
        for next in roots { try root.extend(with: next) }
        if chains.count < 64 { chains[[pinned] + roots] = root }
        return root
    }

    /// The case and, for content, what was wrong with it, without places and numbers.
    private static func mirrored(_ error: TrustError) -> String {
        switch error {
        case .malformed(_, .syntax(let fault, _)): "malformed: \(fault.rawValue)"
        case .malformed(_, let fault): "malformed: \(Mirror(reflecting: fault).children.first?.label ?? "\(fault)")"
        default: Mirror(reflecting: error).children.first?.label ?? "\(error)"
        }
    }

    var blobs: [[UInt8]] {
        [
            Array(String(now.secondsSince1970).utf8), accepted?.timestamp ?? [], accepted?.snapshot ?? [], pinned,
            timestamp, snapshot, targets,
        ] + roots
    }
}

/// python-tuf in one process for the whole run.
final class DifferentialJudge {
    private let process: ChildProcess
    private let (questions, answers): (Int32, Int32)
    private let folder = TemporaryFolder()
    private var pending: [UInt8] = []

    init() throws {
        let paths = [folder.appending("questions"), folder.appending("answers")]
        for path in paths { try #require(unsafe mkfifo(path.string, 0o600) == 0) }
        // Open for both directions, so that nobody waits for the other side to open it.
        questions = unsafe open(paths[0].string, O_RDWR | O_CLOEXEC)
        answers = unsafe open(paths[1].string, O_RDWR | O_CLOEXEC)
        let script = SourceTree.root.appending("Tests/python/judge_tuf.py").string
        process = try ChildProcess(
            [PythonTUF.interpreter, script] + paths.map(\.string), output: folder.appending("out"),
            errorOutput: folder.appending("err"))
    }

    deinit {
        process.kill()
        close(questions)
        close(answers)
    }

    func ask(_ set: MetadataSet) throws {
        var message = DifferentialJudge.number(set.blobs.count)
        for blob in set.blobs { message += DifferentialJudge.number(blob.count) + blob }
        var done = 0
        while done < message.count {
            let count = unsafe message[done...].withUnsafeBytes { unsafe write(questions, $0.baseAddress, $0.count) }
            guard count > 0 else { throw Errno(rawValue: errno) }
            done += count
        }
    }

    /// The next answer, a line; waits a minute for it at most.
    func answer() throws -> String {
        while true {
            if let end = pending.firstIndex(of: 10) {
                defer { pending.removeFirst(end + 1) }
                return String(decoding: pending[..<end], as: UTF8.self)
            }
            var wait = pollfd(fd: answers, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&wait, 1, 60_000) == 1 else {
                throw CommandError.tookTooLong(
                    "judge_tuf.py: \(String(decoding: try contents(of: folder.appending("err")), as: UTF8.self))")
            }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(answers, $0.baseAddress, $0.count) }
            guard count > 0 else { throw Errno(rawValue: errno) }
            pending += chunk[..<count]
        }
    }

    private static func number(_ value: Int) -> [UInt8] {
        stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: value >> $0) }
    }
}
