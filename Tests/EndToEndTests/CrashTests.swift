// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import SystemPackage
import Testing

/// Commands that are killed, find the disk full or unreadable, or lose their power at one call that changes a file, and are run
/// again (docs/crash.md). Here a few trials of each command; all of them with
///
///     DRAY_SWEEP=1 swift test --disable-xctest --filter CrashTests
struct CrashTests {
    private static let isWhole = unsafe getenv("DRAY_SWEEP") != nil

    private func sweep(_ arguments: [String]) throws -> CommandResult {
        let script = SourceTree.root.appending("Tests/python/crash_sweep.py").string
        let tools = SourceTree.tool("dray").removingLastComponent().string
        let result = try run(
            ["python3", script, "--tools", tools] + arguments, timeout: Self.isWhole ? 20_000 : 240)
        if Self.isWhole { print(result.output) }
        return result
    }

    @Test func `stopped at any call, a command goes on to the same end`() throws {
        let result = try sweep(Self.isWhole ? ["--jobs", "2"] : ["--trials", "4", "--jobs", "2"])
        #expect(result.status == 0, "\(result.output) \(result.errorOutput)")
        #expect(!result.output.contains("WRONG") && result.output.contains(#""wrong": 0}"#), "\(result.output)")
    }

    @Test func `after a power cut, or with a full disk, under a real file system too`() throws {
        let script = SourceTree.root.appending("Tests/python/real_disks.py").string
        let tools = SourceTree.tool("dray").removingLastComponent().string
        let sample = Self.isWhole ? ["--sample", "20"] : ["--disk", "ext4", "--sample", "1"]
        let result = try run(["python3", script, "--tools", tools] + sample, timeout: Self.isWhole ? 10_000 : 240)
        if result.output.contains("SKIPPED ext4") { try Test.cancel("this machine lets nobody mount an image") }
        #expect(
            result.status == 0 && result.output.contains(#""wrong": 0}}"#), "\(result.output) \(result.errorOutput)")
    }

    @Test func `the harness tells a tool that loses bytes from one that doesn't`() throws {
        let result = try sweep(["--self-test"])
        #expect(result.status == 0, "\(result.output) \(result.errorOutput)")
        #expect(result.output.split(separator: "\n").count == 4 && result.output.contains("toy sound: 0 wrong"))
    }
}
