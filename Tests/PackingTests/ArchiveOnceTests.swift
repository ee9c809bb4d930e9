// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Packing
import Support
import SystemPackage
import Testing

/// A vendor archive that is delivered both ways costs its bytes about once (docs/format.md, "How the data goes through").
struct ArchiveOnceTests {
    private static let archive = "palette-enterprise-appliance-1.0.0.tar.zst"

    /// A release of the content bundle alone, packed; with its size.
    private static func packed(
        _ fixture: PackFixture, volumeSize: UInt64 = 0, plain: Bool
    ) throws -> (result: PackResult, size: UInt64) {
        try fixture.sample.edit("  - iso: appliance.iso\n", "")
        try fixture.sample.edit("  - layout: mirror\n  - packs: packs/*\n  - file: tools/tool\n", "")
        if !plain { try fixture.leaveArchivePacked() }
        let size = try fixture.sample.inputs.appending(archive).statusIfPresent()?.size ?? 0
        return (try fixture.pack(volumeSize: volumeSize), size)
    }

    private static func volumeBytes(_ result: PackResult) -> UInt64 { result.volumes.reduce(0) { $0 + $1.length } }

    @Test(arguments: [true, false]) func `stores it once, however it stands on the medium`(plain: Bool) throws {
        let fixture = try PackFixture()
        let (result, size) = try ArchiveOnceTests.packed(fixture, plain: plain)
        #expect(size > 4_000_000)
        #expect(ArchiveOnceTests.volumeBytes(result) < size + size / 10)
    }

    @Test(arguments: [true, false], [0, 1 << 20] as [UInt64])
    func `gives back the file and each blob bit for bit`(plain: Bool, volumeSize: UInt64) throws {
        let fixture = try PackFixture()
        if plain && volumeSize > 0 { return }
        let bundle = try ArchiveOnceTests.packed(fixture, volumeSize: volumeSize, plain: plain).result.folder.string
        let (inputs, out) = (fixture.sample.inputs.string, fixture.place.path.string)
        try sh(
            """
            python3 \(bundle)/rescue.py extract \(ArchiveOnceTests.archive) \(out)/x \(bundle)
            cmp \(out)/x \(inputs)/\(ArchiveOnceTests.archive)
            cd \(inputs)/bundle-pkg/blobs/sha256; for f in *; do
              rm -f \(out)/y; python3 \(bundle)/rescue.py extract sha256:$f \(out)/y \(bundle); cmp \(out)/y $f
            done
            """)
    }

    @Test(arguments: ["cat", "zstd -q -19", "zstd -q -1 --long=27", "zstd -q -3 -T2", "zstd -q -3 --no-content-size"])
    func `takes a tar as it is, and from any setting of zstd`(program: String) throws {
        let fixture = try PackFixture()
        let (inputs, name) = (fixture.sample.inputs, ArchiveOnceTests.archive)
        try sh(
            """
            cd \(inputs); zstd -dq \(name) -o t; \(program) <t >\(name)
            openssl dgst -sha256 -sign vendor.key -out \(name.dropLast(4)).sig.bin \(name)
            """)
        for plain in [true, false] {
            let other = try PackFixture()
            try sh("cp \(inputs)/*.zst \(inputs)/*.sig.bin \(inputs)/*.pem \(other.sample.inputs)/")
            let (result, size) = try ArchiveOnceTests.packed(other, plain: plain)
            #expect(ArchiveOnceTests.volumeBytes(result) < size + size / 10)
            let out = other.place.path.string
            try sh(
                """
                python3 \(result.folder)/rescue.py extract \(name) \(out)/x \(result.folder)
                cmp \(out)/x \(inputs)/\(name)
                """)
        }
    }

    /// An archive that has a blob twice, the second time with other bytes, must not be rebuilt from the wrong one.
    @Test func `a member with another's name and size stands for itself`() throws {
        let fixture = try PackFixture()
        let (inputs, name) = (fixture.sample.inputs, ArchiveOnceTests.archive)
        try sh(
            """
            cd \(inputs); mkdir other; cp -r bundle-pkg other/; cd other/bundle-pkg/blobs/sha256
            big=$(ls -S | head -n 1); head -c $(stat -c %s $big) /dev/urandom >$big
            cd \(inputs); tar -cf t bundle-pkg; tar -rf t -C other bundle-pkg/blobs/sha256/$big
            zstd -q -3 -f t -o \(name)
            openssl dgst -sha256 -sign vendor.key -out \(name.dropLast(4)).sig.bin \(name)
            """)
        let result = try ArchiveOnceTests.packed(fixture, plain: false).result
        let out = fixture.place.path.string
        try sh(
            """
            python3 \(result.folder)/rescue.py extract \(name) \(out)/x \(result.folder)
            cmp \(out)/x \(inputs)/\(name)
            """)
    }
}

extension PackFixture {
    /// Packs the content bundle into archive volumes.
    fileprivate func leaveArchivePacked() throws {
        try sample.edit("deliver: [file, registry]\n", "deliver: [file, registry]\n    plain: false\n")
    }
}
