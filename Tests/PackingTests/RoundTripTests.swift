// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Packing
import Support
import SystemPackage
import Testing
import Trust

/// Every input comes back bit for bit, through programs that are not ours.
struct RoundTripTests {
    static let sizes: [UInt64] = [0, 1 << 20, 1_500_000, 3 << 20, 10_000_000]

    @Test(arguments: sizes) func `rescue rebuilds every file and blob from volumes of any size`(size: UInt64) throws {
        let fixture = try PackFixture()
        if size < 8 << 20 && size > 0 { try fixture.leaveNothingPlain() }
        let result = try fixture.pack(volumeSize: size)
        let (bundle, inputs) = (result.folder.string, fixture.sample.inputs.string)
        let out = fixture.place.path.string
        for (name, source) in [
            ("appliance.iso", "appliance.iso"), ("tool", "tools/tool"),
            ("appliance.iso.sig.bin", "appliance.iso.sig.bin"),
            ("palette-enterprise-appliance-1.0.0.tar.zst", "palette-enterprise-appliance-1.0.0.tar.zst"),
        ] {
            try sh(
                """
                rm -f \(out)/x; python3 \(bundle)/rescue.py extract \(name) \(out)/x \(bundle)
                cmp \(out)/x \(inputs)/\(source)
                """)
        }
        for blob in try fixture.sample.inputs.appending("mirror/blobs/sha256").entries() {
            try sh(
                """
                rm -f \(out)/x; python3 \(bundle)/rescue.py extract sha256:\(blob) \(out)/x \(bundle)
                echo '\(blob)  \(out)/x' | sha256sum -c
                """)
        }
    }

    @Test func `rescue touches no file that exists, and is quiet about a reader that goes away`() throws {
        let fixture = try PackFixture()
        let bundle = try fixture.pack().folder
        let out = fixture.place.appending("x")
        try write(Array("mine".utf8), to: out)
        let result = try run(["python3", "\(bundle)/rescue.py", "extract", "tool", out.string, bundle.string])
        #expect(result.status == 64)
        #expect(result.errorOutput.contains("\(out) exists"))
        #expect(try contents(of: out) == Array("mine".utf8))
        let line = "python3 \(bundle)/rescue.py list \(bundle) 2>&1 >&3 3>&- | cat"
        let quiet = try run(["bash", "-c", "{ \(line); } 3> >(exec true)"])
        #expect(!quiet.output.contains("Errno") && !quiet.output.contains("Traceback"), "\(quiet.output)")
    }

    @Test(arguments: [1 << 20, 1_234_567, 2 << 20, 3_100_000] as [UInt64])
    func `no volume is larger than the volume size`(size: UInt64) throws {
        let fixture = try PackFixture()
        try fixture.leaveNothingPlain()
        let result = try fixture.pack(volumeSize: size)
        #expect(result.volumes.count > 3)
        for volume in result.volumes { #expect(volume.length <= size) }
        // full but for what a member's part may not use
        let full = result.volumes.filter { $0.length + (128 << 10) >= size }
        #expect(full.count >= result.volumes.count / 3)
    }

    @Test func `the index can be read and names every volume's blocks`() throws {
        let fixture = try PackFixture()
        let result = try fixture.pack()
        let index = try BundleIndex(parsing: try result.folder.appending("index").contents(limit: 1 << 24))
        #expect(index.volumes == result.volumes)
        for (number, volume) in index.volumes.enumerated() {
            let bytes = try result.folder.appending("volumes/\(volume.name)").contents(limit: 1 << 24)
            #expect(UInt64(bytes.count) == volume.length)
            #expect(Digest(of: bytes) == volume.digest)
            let first = Array(bytes.prefix(blockSize))
            #expect(Digest(of: first) == index.blockDigest(volume: number, block: 0))
        }
    }

    @Test(arguments: [0, 1 << 20] as [UInt64])
    func `the unpacked volumes are an image layout that skopeo reads`(size: UInt64) throws {
        let fixture = try PackFixture()
        try fixture.leaveNothingPlain()
        let bundle = try fixture.pack(volumeSize: size).folder
        let layout = fixture.place.appending("layout").string
        try sh(
            """
            mkdir \(layout); for v in \(bundle)/volumes/*.tar.zst; do zstd -dc "$v" | tar -xf - -C \(layout); done
            cd \(layout); find blobs chunks -name '*.part0001' | while read -r f; do
              n=${f%.part0001}; cat "$n".part???? > "$n"; rm "$n".part????; done
            cd blobs/sha256; for f in *; do echo "$f  $f"; done | sha256sum --quiet -c
            """)
        let source = "oci:\(layout):us-docker.pkg.dev/palette-images/web:1.2.3"
        let raw = try sh("skopeo inspect --raw '\(source)'").stdout
        let mirror = "oci:\(fixture.sample.inputs)/mirror:us-docker.pkg.dev/palette-images/web:1.2.3"
        #expect(try sh("skopeo inspect --raw '\(mirror)'").stdout == raw)
        try sh("skopeo --insecure-policy copy -q '\(source)' dir:\(fixture.place.path)/copy")
    }

    @Test func `all volumes as one stream are a tar for those who join them`() throws {
        let fixture = try PackFixture()
        try fixture.leaveNothingPlain()
        let bundle = try fixture.pack(volumeSize: 2 << 20).folder
        let names = try sh("cat \(bundle)/volumes/*.tar.zst | zstd -dc | tar -i -tf -").output.split(separator: "\n")
        #expect(names.prefix(2) == ["oci-layout", "index.json"])
        #expect(names.contains { $0.hasSuffix(".part0002") })
    }

    @Test func `plain files stand on the medium as they are, once`() throws {
        let fixture = try PackFixture()
        let result = try fixture.pack()
        try sh("cmp \(result.folder)/volumes/appliance.iso \(fixture.sample.inputs)/appliance.iso")
        // 3 MB base lies in the image: the archive volumes hold the 2.2 MB of other layers and the pack
        let archives = result.volumes.filter { $0.kind == .archive }.reduce(0) { $0 + $1.length }
        #expect(archives < 2_500_000)
        let bundle = "palette-enterprise-appliance-1.0.0.tar"
        try sh(
            """
            cd \(result.folder)/volumes && openssl dgst -sha256 -verify \(fixture.sample.inputs)/spectro_public_key.pem \
            -signature \(bundle).sig.bin \(bundle).zst
            """)
    }

    @Test func `a layer that image, bundle and mirror hold costs its bytes once`() throws {
        let fixture = try PackFixture()
        try fixture.leaveNothingPlain()
        let result = try fixture.pack()
        // image: base 3.0 + 2.5 opaque + text; mirror adds 0.7 + 1.5, the archive file itself 4.5, the pack 0.1
        #expect(result.bytesOnMedia < 12_500_000)
        #expect(result.bytesIn > 16_000_000)
    }

    @Test func `sums and signature hold for coreutils and openssl`() throws {
        let fixture = try PackFixture()
        let bundle = try fixture.pack().folder
        try sh("cd \(bundle) && sha256sum --quiet -c SHA256SUMS")
        try sh("openssl pkey -in \(fixture.place.path)/release.pem -pubout -out \(fixture.place.path)/pub.pem")
        try sh(
            """
            cd \(bundle) && openssl dgst -sha384 -verify \(fixture.place.path)/pub.pem -signature SHA256SUMS.sig SHA256SUMS
            """)
        for name in ["release.json", "index", "SHA256SUMS", "SHA256SUMS.sig", "trust/timestamp.json"] {
            try sh("cmp \(bundle)/\(name) \(bundle)/copies/\(name)")
        }
    }
}
