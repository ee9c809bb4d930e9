// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import OCI
import Packing
import Support
import SystemPackage
import Trust

/// A sample release with a publisher's keys and trust folder, and a place to pack into.
final class PackFixture: Sendable {
    static let now = UTCTime(secondsSince1970: 1_795_000_000)

    let sample: SampleRelease
    let place = TemporaryFolder()
    let rootKeys: [PrivateKey]
    /// The release keys.
    let keys: [PrivateKey]
    let now: UTCTime

    init(
        seed: Int = 0, now: UTCTime = now, rootKeys: Int = 1, rootThreshold: Int = 1, releaseKeys: Int = 1,
        releaseThreshold: Int = 1
    ) throws {
        self.now = now
        sample = try SampleRelease(seed: seed)
        self.rootKeys = try (0..<rootKeys).map { _ in try .generate(.p384) }
        keys = try (0..<releaseKeys).map { _ in try .generate(.p384) }
        let root = try Root(
            firstFor: "palette-enterprise", rootKeys: self.rootKeys.map(\.publicKey), rootThreshold: rootThreshold,
            releaseKeys: keys.map(\.publicKey), releaseThreshold: releaseThreshold, issued: now, expires: .latest)
        let signed = try Proposal(first: root).signed(by: self.rootKeys, now: now).root
        try TrustFolder.create(place.appending("trust"), signed)
        let pem = try keys[0].withPEM { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
        try place.appending("release.pem").replaceContents(with: pem, mode: 0o600)
    }

    var trust: FilePath { place.appending("trust") }

    func options(out: String = "out", volumeSize: UInt64 = 0) -> PackOptions {
        PackOptions(
            manifest: sample.manifest, trust: place.appending("trust"), keys: { [keys] in keys },
            out: place.appending(out), volumeSize: volumeSize, state: place.appending("state"))
    }

    @discardableResult
    func pack(out: String = "out", volumeSize: UInt64 = 0) throws -> PackResult {
        try Packing.pack(options(out: out, volumeSize: volumeSize), progress: Progress(), now: now)
    }

    /// Packs everything into archive volumes, nothing plain.
    func leaveNothingPlain() throws {
        try sample.edit("  - iso: appliance.iso\n", "  - iso: appliance.iso\n    plain: false\n")
        try sample.edit("deliver: [file, registry]\n", "deliver: [file, registry]\n    plain: false\n")
        try sample.edit("  - file: tools/tool\n", "  - file: tools/tool\n    plain: false\n")
    }

    /// `sha256sum`'s lines over the volumes of a bundle.
    func volumeSums(_ bundle: FilePath) throws -> String {
        try sh("cd \(bundle.string)/volumes && sha256sum *").output
    }
}

/// Runs a shell line; it must succeed.
@discardableResult
func sh(_ line: String, timeout: Int = 120) throws -> CommandResult {
    let result = try run(["bash", "-euo", "pipefail", "-c", line], timeout: timeout)
    guard result.status == 0 else { throw SampleError.failed("\(line): \(result.errorOutput)\(result.output)") }
    return result
}
