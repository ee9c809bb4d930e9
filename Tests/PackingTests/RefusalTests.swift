// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Files
import OCI
import Packing
import Support
import SystemPackage
import Testing
import Trust

/// What must stop `pack`, with the exit code it means.
struct RefusalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let failure: Failure
        let damage: @Sendable (SampleRelease) throws -> Void

        init(_ name: String, _ failure: Failure, _ damage: @escaping @Sendable (SampleRelease) throws -> Void) {
            (testDescription, self.failure, self.damage) = (name, failure, damage)
        }
    }

    /// What kind of failure `body` ends in; another error than one with an exit code is recorded.
    func failure(_ body: () throws -> Void) -> Failure? {
        do {
            try body()
            return nil
        } catch let error as any ClassifiedError {
            return error.failure
        } catch {
            Issue.record("\(error) has no exit code")
            return nil
        }
    }

    static let cases: [Case] = [
        Case("an image without its signature", .notTrusted) { try sh("rm \($0.inputs)/appliance.iso.sig.bin") },
        Case("a bundle without its signature", .notTrusted) { try sh("rm \($0.inputs)/*.tar.sig.bin") },
        Case("an image that was changed", .notTrusted) {
            try sh("printf X | dd of=\($0.inputs)/appliance.iso bs=1 seek=100000 conv=notrunc")
        },
        Case("a bundle signed by another key", .notTrusted) {
            try sh(
                """
                cd \($0.inputs); openssl ecparam -name prime256v1 -genkey -noout -out other.key
                openssl dgst -sha256 -sign other.key -out palette-enterprise-appliance-1.0.0.tar.sig.bin *.tar.zst
                """)
        },
        Case("no vendor key", .notTrusted) { try $0.edit("vendorKeys: [spectro_public_key.pem]\n", "") },
        Case("a vendor key that is none", .usage) { try sh("echo no > \($0.inputs)/spectro_public_key.pem") },
        Case("a blob whose bytes are not its name's", .damaged) {
            try sh(
                "cd \($0.inputs)/mirror/blobs/sha256; printf X | dd of=$(ls -S | sed -n 3p) bs=1 seek=77 conv=notrunc")
        },
        Case("a blob that is too short", .damaged) {
            try sh("cd \($0.inputs)/mirror/blobs/sha256; truncate -s -1 $(ls -S | head -1)")
        },
        Case("a layer that is missing", .damaged) {
            try sh("cd \($0.inputs)/mirror/blobs/sha256; rm $(ls -S | head -1)")
        },
        Case("a layout without index.json", .usage) { try sh("rm \($0.inputs)/mirror/index.json") },
        Case("a layout without its marker", .usage) { try sh("rm \($0.inputs)/mirror/oci-layout") },
        Case("one reference with two digests", .refused) {
            try sh(
                """
                cd \($0.inputs)/mirror; sed -i 's|sonobuoy/sonobuoy"|us-docker.pkg.dev/palette-images/web:1.2.3"|' index.json
                """)
        },
        Case("a signature of a truncated bundle", .notTrusted) {
            try sh("cd \($0.inputs); echo >> palette-enterprise-appliance-1.0.0.tar.sig.bin")
        },
    ]

    @Test(arguments: cases) func `stops, leaves no bundle`(_ case: Case) throws {
        let fixture = try PackFixture()
        try `case`.damage(fixture.sample)
        #expect(failure { _ = try fixture.pack() } == `case`.failure)
        #expect(try !fixture.place.appending("out/palette-enterprise-1.0.0").exists())
    }

    @Test func `signature none is allowed, and the release says so`() throws {
        let fixture = try PackFixture()
        try sh("rm \(fixture.sample.inputs)/appliance.iso.sig.bin")
        try fixture.sample.edit("  - iso: appliance.iso\n", "  - iso: appliance.iso\n    signature: none\n")
        let release = try fixture.pack().folder.appending("release.json")
        try sh("jq -e '.contents[] | select(.kind == \"iso\") | .vendorSignature == \"none\"' \(release)")
    }

    @Test func `a wrong key or product stops before anything is read`() throws {
        let fixture = try PackFixture()
        var options = fixture.options()
        let key = try PrivateKey.generate()
        options.keys = { [key] }
        let stranger = UncountedKey(
            place: 0, id: TrustKey(key.publicKey).id, reason: .unlisted(.targets, root: 1))
        let error = SigningError.tooFewKeys(.targets, root: 1, have: 0, needed: 1, uncounted: [stranger])
        #expect(
            "\(error.naming(["team/c.pem"]))".contains(
                "team/c.pem (key \(stranger.id.hex.prefix(8))...) is no release key"))
        #expect(throws: error) { try pack(options, progress: Progress(), now: fixture.now) }
        #expect(error.failure == .usage)
        let other = try PackFixture()
        try other.sample.edit("product: palette-enterprise", "product: vertex")
        #expect(throws: PackError.self) { try other.pack() }
        #expect(try !other.place.appending("out/.vertex-1.0.0.partial").exists())
    }

    @Test func `a full disk is said with the bytes missing, and the run goes on once there is room`() throws {
        let fixture = try PackFixture()
        let out = fixture.place.appending("out")
        guard try run(["bash", "-c", "mkdir \(out) && mount -t tmpfs -o size=4m tmpfs \(out)"]).status == 0 else {
            try Test.cancel("this machine lets nobody mount a tmpfs")
        }
        defer { _ = try? run(["umount", "-l", out.string]) }
        #expect(failure { _ = try fixture.pack() } == .noSpace)
        try sh("mount -o remount,size=100m \(out)")
        let result = try fixture.pack()
        try sh("cmp \(result.folder)/volumes/appliance.iso \(fixture.sample.inputs)/appliance.iso")
        try sh("cd \(result.folder) && sha256sum --quiet -c SHA256SUMS")
    }
}
