// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Glibc
import Support
import SystemPackage
import Testing
import Trust

/// Every byte of the golden bundle's metadata, release and index, changed in three ways: each change must be refused.
///
///     DRAY_SWEEP=all swift test --disable-xctest --filter MutationSweepTests
struct MutationSweepTests {
    private static let isWhole = unsafe getenv("DRAY_SWEEP") != nil
    /// The flag's run takes every byte; the others one in so many, a prime number.
    private static let step = isWhole ? 1 : 211

    @Test(arguments: [
        "trust/1.root.json", "trust/timestamp.json", "trust/1.snapshot.json", "trust/1.targets.json", "release.json",
        "index", "SHA256SUMS", "SHA256SUMS.sig",
    ]) func `every changed byte is refused`(_ name: String) throws {
        let golden = SourceTree.root.appending("bundles/golden/format-1")
        let place = TemporaryFolder()
        let bundle = place.appending("golden-1.0.0")
        try #require(run(["cp", "-r", golden.string, bundle.string]).status == 0)
        try #require(run(["rm", "-r", bundle.appending("copies").string]).status == 0)
        let trust = try PinnedRoots(rootFiles: [contents(of: golden.appending("trust/1.root.json"))])
        let media = try MediaSet([bundle]).bundle()
        func isAccepted() -> Bool {
            do {
                _ = try media.verified(by: trust, now: .now)
                return true
            } catch {
                return false
            }
        }
        #expect(isAccepted())
        let original = try contents(of: golden.appending(name))
        let file = try FileDescriptor.open(bundle.appending(name), .readWrite)
        defer { try? file.close() }
        var (tried, accepted) = (0, [String]())
        for offset in stride(from: 0, to: original.count, by: Self.step) {
            for value in Set([original[offset] ^ 1 << UInt8(offset % 8), 0x00, 0xff]) where value != original[offset] {
                try file.writeAll(toAbsoluteOffset: Int64(offset), [value])
                tried += 1
                if isAccepted() { accepted.append("byte \(offset) as \(value)") }
            }
            try file.writeAll(toAbsoluteOffset: Int64(offset), [original[offset]])
        }
        #expect(accepted == [] && tried > 0)
        #expect(isAccepted())
        if Self.isWhole { print("mutation sweep \(name): \(tried) tried, \(tried - accepted.count) detected") }
    }
}
