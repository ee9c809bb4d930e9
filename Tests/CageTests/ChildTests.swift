// SPDX-License-Identifier: Apache-2.0

import Cage
import Compression
import Files
import Glibc
import Support
import SystemPackage
import Testing

private let content = Array(String(repeating: "what is said once can be said again; ", count: 3000).utf8)

private func frame() throws -> [UInt8] {
    var bytes: [UInt8] = []
    let isSmaller = try FrameEncoder().compress(unsafe content.span.bytes) { frame in
        bytes = unsafe frame.withUnsafeBytes { unsafe Array($0) }
    }
    try #require(isSmaller)
    return bytes
}

/// Decodes with what the lane has; the bytes.
private func decode(_ frame: [UInt8], length: Int, _ lane: LaneDecoder) throws -> [UInt8] {
    var out = [UInt8](repeating: 0, count: length)
    try unsafe out.withUnsafeMutableBytes { try unsafe lane.decode(frame.span.bytes, into: $0) }
    return out
}

/// A caged decoder as `dray-import` has it.
private var real: FrameDecoders { .caged(Cage(CageProgram(SourceTree.tool("dray-import")))) }

/// One whose child behaves as `cage-probe child` is told.
private func played(_ behaviour: String, patience: Double = 20) -> FrameDecoders {
    .caged(Cage(CageProgram(SourceTree.tool("cage-probe"), arguments: ["child", behaviour]), patience: patience))
}

@Suite struct CagedDecoderTests {
    @Test func `a caged decoder gives what the decoder gives, frame after frame`() throws {
        let lane = real.decoder()
        let frame = try frame()
        for _ in 0..<20 { #expect(try decode(frame, length: content.count, lane) == content) }
    }

    @Test func `frames of the largest size pass, larger ones are refused before they are sent`() throws {
        let lane = real.decoder()
        let noise = (0..<4 << 20).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
        var raw: [UInt8] = []
        RawFrame.write(unsafe noise.span.bytes) { piece in raw += unsafe piece.withUnsafeBytes { unsafe Array($0) } }
        #expect(try decode(raw, length: noise.count, lane) == noise)
        #expect(throws: DecodeError.frame(.wrongLength(expected: 4 << 20 | 1))) {
            try decode(raw, length: 4 << 20 | 1, lane)
        }
        #expect(throws: DecodeError.frame(.wrongLength(expected: 5))) {
            try decode([UInt8](repeating: 0, count: 8 << 20 | 1), length: 5, lane)
        }
    }

    @Test func `the status says that seccomp holds, and Landlock where the kernel has it`() throws {
        let status = try real.status()
        #expect(status.seccomp && status.openat2)
        #expect((status.landlock != nil) == hasLandlock)
        #expect(try !FrameDecoders.inProcess.status().seccomp)
    }

    /// Frames of hostile makers: what libzstd finds comes back as the same fault as without a cage, and the next frame decodes.
    @Test(
        arguments: [
            // two gigabytes said and asked for ten; a window of 2^41 bytes; a skippable frame; a dictionary; no frame at all
            ([0x28, 0xB5, 0x2F, 0xFD, 0xE0, 0, 0, 0, 0x80, 0, 0, 0, 0, 9, 0, 0, 1], 10),
            ([0x28, 0xB5, 0x2F, 0xFD, 0x80, 0xF8, 10, 0, 0, 0, 81, 0, 0], 10),
            ([0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0, 1, 2, 3], 3),
            ([0x28, 0xB5, 0x2F, 0xFD, 0x21, 9, 3, 25, 0, 0, 1, 2, 3], 3),
            ([], 0), ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 10),
        ] as [([UInt8], Int)]) func `hostile frames`(_ bytes: [UInt8], _ length: Int) throws
    {
        let lane = real.decoder()
        let expected = #expect(throws: DecodeError.self) {
            try decode(bytes, length: length, FrameDecoders.inProcess.decoder())
        }
        let found = #expect(throws: DecodeError.self) { try decode(bytes, length: length, lane) }
        #expect(found == expected)
        #expect(try decode(frame(), length: content.count, lane) == content)
    }

    @Test func `a bomb fills no more than its signed length`() throws {
        let zeros = [UInt8](repeating: 0, count: 4 << 20)
        var bomb: [UInt8] = []
        _ = try FrameEncoder(level: 19).compress(unsafe zeros.span.bytes) { frame in
            bomb = unsafe frame.withUnsafeBytes { unsafe Array($0) }
        }
        #expect(bomb.count < 1000)
        #expect(try decode(bomb, length: zeros.count, real.decoder()) == zeros)
        #expect(throws: DecodeError.frame(.wrongLength(expected: 100))) {
            try decode(bomb, length: 100, real.decoder())
        }
    }
}

@Suite struct LyingChildTests {
    @Test(
        arguments: [
            (SIGKILL, .ended(.killed(SIGKILL))), (SIGSEGV, .ended(.crashed(SIGSEGV))),
            (SIGABRT, .ended(.crashed(SIGABRT))),
        ] as [(Int32, CageError)])
    func `a real child that is ended has its name, and the next frame gets another child`(
        _ signal: Int32, _ error: CageError
    ) throws {
        let folder = TemporaryFolder()
        let (lane, child) = try named("cage-\(signal)-\(getpid() % 10000)", in: folder)
        let frame = try frame()
        _ = kill(child, signal)
        #expect(throws: DecodeError.cage(error)) { try decode(frame, length: content.count, lane) }
        #expect(try decode(frame, length: content.count, lane) == content)
    }

    @Test(arguments: [SIGINT, SIGTERM, SIGHUP]) func `what stops the parent leaves its frame alone`(_ signal: Int32)
        throws
    {
        let folder = TemporaryFolder()
        let (lane, child) = try named("cage-\(signal)-\(getpid() % 10000)", in: folder)
        let frame = try frame()
        _ = kill(child, signal)
        #expect(try decode(frame, length: content.count, lane) == content)
    }

    @Test(
        arguments: [
            ("crashes", .ended(.crashed(SIGSEGV))), ("is-forbidden", .ended(.forbidden)),
            ("is-killed", .ended(.killed(SIGKILL))), ("exits", .ended(.exited(5))), ("talks-nonsense", .nonsense),
            ("stops-in-mid-word", .ended(.exited(0))), ("ends-at-start", .endedAtStart(.exited(3))),
            ("nonsense-at-start", .nonsense), ("no-seccomp", .notApplied(.seccomp, .noFunction)),
        ] as [(String, CageError)]) func `what a child does wrong has its name`(_ behaviour: String, _ error: CageError)
        throws
    {
        let lane = played(behaviour).decoder()
        let frame = try frame()
        #expect(throws: DecodeError.cage(error)) { try decode(frame, length: content.count, lane) }
        // and again, by a new child
        #expect(throws: DecodeError.cage(error)) { try decode(frame, length: content.count, lane) }
    }

    @Test(arguments: ["silent-at-start", "is-silent"]) func `a silent child is given up in time`(_ behaviour: String)
        throws
    {
        let lane = played(behaviour, patience: 0.2).decoder()
        let frame = try frame()
        #expect(throws: DecodeError.cage(.silent(seconds: 0.2))) { try decode(frame, length: content.count, lane) }
    }

    @Test func `a made-up error is a damaged frame`() throws {
        let frame = try frame()
        let error = #expect(throws: DecodeError.self) {
            try decode(frame, length: 9, played("invents-an-error").decoder())
        }
        guard case .frame(let fault) = error else { throw error ?? .cage(.nonsense) }
        #expect("\(fault)".hasPrefix("a frame can't be decoded: "))
    }

    @Test func `memory can't be taken away below the parent`() throws {
        let lane = played("shrinks").decoder()
        #expect(try decode(frame(), length: 1 << 20, lane) == [UInt8](repeating: 0x78, count: 1 << 20))
    }

    @Test func `bytes that were given can't be changed any more`() throws {
        let lane = played("changes-its-mind").decoder()
        let frame = try frame()
        var out = [UInt8](repeating: 0, count: 4 << 20)
        try unsafe out.withUnsafeMutableBytes { target in
            try unsafe lane.decode(frame.span.bytes, into: target)
            let before = unsafe Array(target)
            usleep(20_000)
            #expect(unsafe before == Array(target))
        }
    }

    @Test func `no child outlives its decoders`() throws {
        let before = try children()
        do {
            let lanes = (0..<3).map { _ in played("lies").decoder() }
            for lane in lanes { _ = try decode(frame(), length: 5, lane) }
            #expect(try children().subtracting(before).count >= 3)
        }
        // other tests run beside this one: only what lies is ours
        #expect(try children().subtracting(before).filter { try line(of: $0).contains("lies") } == [])
    }

    @Test func `where a program can't be started the message says how to go on`() throws {
        let missing = FrameDecoders.caged(Cage(CageProgram("/nonexistent/dray-import")))
        let error = #expect(throws: CageError.notStarted("/nonexistent/dray-import", .noSuchFileOrDirectory)) {
            try missing.status()
        }
        #expect(error?.failure == .refused)
        #expect(error.map { "\($0)".contains("policy.json") } == true)
    }

    @Test func `only what a frame did is the frame's fault`() {
        #expect(CageError.ended(.forbidden).failure == .damaged)
        #expect(CageError.nonsense.failure == .damaged)
        #expect(CageError.ended(.killed(SIGKILL)).failure == .failed)
        #expect(CageError.silent(seconds: 60).failure == .failed)
        #expect(CageError.notApplied(.seccomp, .noFunction).failure == .refused)
    }

    /// A lane whose child's process has this name, of at most 15 bytes, and runs.
    private func named(_ name: String, in folder: TemporaryFolder) throws -> (LaneDecoder, pid_t) {
        try #require(unsafe symlink(SourceTree.tool("dray-import").string, folder.appending(name).string) == 0)
        let lane = FrameDecoders.caged(Cage(CageProgram(folder.appending(name)))).decoder()
        #expect(try decode(frame(), length: content.count, lane) == content)
        let list = try run(["ps", "-o", "pid=,comm=", "--ppid", "\(getpid())"]).output.split(separator: "\n")
        let child = try #require(list.first { $0.hasSuffix(name) }?.split(separator: " ").first)
        return (lane, try #require(pid_t(child)))
    }

    /// Ids of this process's children.
    private func children() throws -> Set<String> {
        let list = try run(["ps", "-o", "pid=", "--ppid", "\(getpid())"]).output
        return Set(list.split(separator: "\n").map { $0.filter { $0 != " " } })
    }

    private func line(of process: String) throws -> String { try run(["ps", "-o", "args=", "-p", process]).output }
}
