// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Files
import FoundationEssentials
import Glibc
import OCI
import Palette
import Support
import SystemPackage
import Testing

@testable import PaletteSources

@Suite struct PackArtifactTests {
    private let folder = TemporaryFolder()
    private var pack: FilePath { folder.appending("any name") }

    private func make(_ commands: String = "") throws {
        try shell(
            """
            mkdir -p 'any name/charts/empty' && cd 'any name' && printf '{"name":"hello","version":"1.2","layer":"addon"}' \
            > pack.json && echo v > values.yaml && : > empty.yaml && echo hidden > .helmignore && \
            head -c 200000 /dev/urandom > charts/large.tgz && echo '#!/bin/sh' > run.sh && chmod 700 run.sh && \
            chmod 600 values.yaml && chmod 700 charts\(commands.isEmpty ? "" : " && \(commands)")
            """)
    }

    private func shell(_ commands: String) throws {
        try #require(unsafe system("cd \(folder.path.string) && { \(commands)\n}") == 0)
    }

    private func layer(_ artifact: PackArtifact) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try artifact.writeLayer { span in unsafe span.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
        return bytes
    }

    /// Writes the layer of `pack` to `layer.tar.gz` and returns it.
    @discardableResult private func written() throws -> [UInt8] {
        let artifact = try PackArtifact.plan(pack)
        let bytes = try layer(artifact)
        #expect(UInt64(bytes.count) == artifact.layerSize)
        try folder.appending("layer.tar.gz").replaceContents(with: bytes)
        return bytes
    }

    @Test func `gives the tar that GNU tar gives, in gzip that gzip reads`() throws {
        try make()
        try written()
        // The same names, modes, owners and times by the tools everybody has.
        try shell(
            """
            cp -r 'any name' hello-1.2 && find hello-1.2 -type d -exec chmod 755 {} + && \
            find hello-1.2 -type f -exec chmod 644 {} + && chmod 755 hello-1.2/run.sh && \
            LC_ALL=C tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=ustar -b1 \
            -cf expected.tar hello-1.2 && gzip -t layer.tar.gz && gzip -dc layer.tar.gz | cmp - expected.tar
            """)
    }

    @Test func `stores every byte and gives no time or name away`() throws {
        try make()
        let bytes = try written()
        #expect(Array(bytes.prefix(10)) == [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])
        try shell(
            #"""
            python3 - <<'END'
            import struct, zlib
            b = open('layer.tar.gz', 'rb').read(); at = 10; out = b''; last = 0
            while not last:
                last, n, inverse = struct.unpack_from('<BHH', b, at)
                assert last in (0, 1) and n ^ inverse == 0xffff and n > 0
                out += b[at + 5:at + 5 + n]; at += 5 + n
            assert struct.unpack_from('<II', b, at) == (zlib.crc32(out), len(out)) and at + 8 == len(b)
            END
            """#)
    }

    @Test func `gives the same bytes whatever the folder's times and name`() throws {
        try make()
        let first = try written()
        try shell(
            "find 'any name' -exec touch -d 2001-01-01 {} + && mv 'any name' other && mkdir 'any name' && cp -r other/. 'any name'"
        )
        #expect(try written() == first)
    }

    @Test func `is what it was in the first version`() throws {
        // The digest is of the same layer made by GNU tar, Python's zlib.crc32 and the rule in PackArtifact.swift.
        try shell(
            #"mkdir 'any name' && cd 'any name' && printf '{"name":"hello","version":"1.2","layer":"addon"}' > pack.json"#
        )
        #expect(
            try Hasher.hash(written()).lowercaseHex
                == "45ac39c13a6f15fa8aa31bb988822aff3900b1a1ec6c04cb458ab4df203f3b9e")
    }

    @Test func `cuts a file alike wherever it stands`() throws {
        try make()
        let large = try pack.appending("charts/large.tgz").contents(limit: 1 << 20)
        let stored: (Range<Int>) -> [UInt8] = { part in
            let count = UInt16(part.count)
            return [0, UInt8(count & 255), UInt8(count >> 8), UInt8(~count & 255), UInt8(~count >> 8)] + large[part]
        }
        let expected = stored(0..<65535) + stored(65535..<131070) + stored(131070..<196605) + stored(196605..<200000)
        #expect(try written().firstRange(of: expected) != nil)
        try shell("echo more >> 'any name/.helmignore'; head -c 3333 /dev/urandom > 'any name/another'")
        #expect(try written().firstRange(of: expected) != nil)
    }

    @Test(arguments: [
        String(repeating: "n", count: 95) + ".yaml", String(repeating: "n", count: 200),
        Array(repeating: String(repeating: "d", count: 60), count: 3).joined(separator: "/") + "/f",
        Array(repeating: String(repeating: "d", count: 120), count: 6).joined(separator: "/") + "/f",
        "d\u{fc}nn \u{2713}.txt",
    ]) func `keeps long and non-ASCII names`(_ name: String) throws {
        try make("mkdir -p \"$(dirname '\(name)')\" && echo found > '\(name)'")
        try written()
        try shell(
            """
            mkdir out && LC_ALL=C.UTF-8 tar -xzf layer.tar.gz -C out && diff -r 'any name' out/hello-1.2 && \
            python3 -c "import tarfile; t = tarfile.open('layer.tar.gz'); \
            assert t.extractfile('hello-1.2/\(name)').read() == b'found\\n'; \
            assert all((m.mtime, m.uid, m.gid, m.uname) == (0, 0, 0, '') for m in t)"
            """)
    }

    @Test func `goes on over many empty files`() throws {
        try make("for i in $(seq 1000); do : > e$i; done")
        try written()
        try shell("test $(tar -tzf layer.tar.gz | wc -l) = 1009")
    }

    @Test func `names the artifact after pack.json`() throws {
        try make()
        let artifact = try PackArtifact.plan(pack)
        #expect(artifact.title == "hello-1.2.tar.gz" && artifact.metadata.layer == "addon")
        let layerDigest = try #require(Digest(bytes: try Hasher.hash(layer(artifact))))
        let configDigest = try #require(Digest(bytes: Hasher.hash(PackArtifact.config)))
        let expected =
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"#
            + #""application/vnd.unknown.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77"#
            + #"e8310c060f61caaff8a","size":2},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"#
            + "\"\(layerDigest)\",\"size\":\(artifact.layerSize),\"annotations\":"
            + #"{"org.opencontainers.image.title":"hello-1.2.tar.gz"}}]}"#
        let manifest = artifact.manifest(layerDigest: layerDigest, configDigest: configDigest)
        #expect(String(decoding: manifest, as: UTF8.self) == expected)
        let parsed = try Manifest(parsing: Data(manifest), mediaType: MediaType.manifest)
        #expect(parsed.blobs.map(\.digest) == [configDigest, layerDigest])
    }

    @Test func `refuses what a pack can't hold`() throws {
        try make("ln -s values.yaml link")
        expect(.notAFile(pack.appending("link"), isLink: true))
        try shell("rm 'any name/link'; mkfifo 'any name/charts/pipe'")
        expect(.notAFile(pack.appending("charts/pipe"), isLink: false))
        try shell("rm 'any name/charts/pipe'; truncate -s 9G 'any name/huge'")
        expect(.tooLarge(pack.appending("huge"), size: 9 << 30))
        try shell("rm 'any name/huge'; mkdir -p 'any name/'$(printf 'd/%.0s' $(seq 65))")
        expect(.tooMany(pack.appending(Array(repeating: "d", count: 65).joined(separator: "/"))))
    }

    private func expect(_ error: PackFolderError, _ location: SourceLocation = #_sourceLocation) {
        #expect(throws: error, sourceLocation: location) { try PackArtifact.plan(pack) }
    }

    @Test func `refuses a folder that is no pack`() throws {
        try pack.createDirectories()
        expect(.noMetadata(pack))
        try shell("echo '{\"name\": \"../x\", \"version\": \"1\", \"layer\": \"os\"}' > 'any name/pack.json'")
        expect(.badMetadata(pack.appending("pack.json"), .badName("../x")))
        try shell("rm 'any name/pack.json'; ln -s /etc/passwd 'any name/pack.json'")
        #expect(throws: FileError.self) { try PackArtifact.plan(pack) }
    }

    @Test(arguments: [
        ("echo more >> 'any name/values.yaml'", "values.yaml"), (": > 'any name/charts/large.tgz'", "charts/large.tgz"),
    ]) func `notices a file that changes meanwhile`(_ change: String, _ name: String) throws {
        try make()
        let artifact = try PackArtifact.plan(pack)
        try shell(change)
        #expect(throws: PackFolderError.changed(pack.appending(name))) { try artifact.writeLayer { _ in } }
    }

    @Test func `lets the sink's error through`() throws {
        struct Full: Error, Equatable {}
        try make()
        let artifact = try PackArtifact.plan(pack)
        var left = 10
        #expect(throws: Full()) {
            try artifact.writeLayer { _ in
                left -= 1
                if left == 0 { throw Full() }
            }
        }
    }

    @Test(.enabled(if: SharedPacks.folder != nil)) func `makes every real pack at hand`() throws {
        let packs = try #require(SharedPacks.folder)
        var digests: Set<[UInt8]> = []
        for name in try packs.entries() {
            let artifact = try PackArtifact.plan(packs.appending(name))
            let bytes = try layer(artifact)
            #expect(UInt64(bytes.count) == artifact.layerSize)
            digests.insert(Hasher.hash(bytes))
            try folder.appending("layer.tar.gz").replaceContents(with: bytes)
            try shell(
                "rm -rf out && mkdir out && tar -xzf layer.tar.gz -C out && diff -r \(packs.appending(name).string) "
                    + "out/\(artifact.innerName)")
            _ = try DeliveredReference(pack: artifact.metadata.name, version: artifact.metadata.version)
        }
        #expect(try digests.count == packs.entries().count)
    }

    @Test(
        arguments: [
            ("", 0), ("123456789", 0xcbf4_3926), ("The quick brown fox jumps over the lazy dog", 0x414f_a339),
        ] as [(String, UInt32)]) func `computes the standard checksum`(_ text: String, _ expected: UInt32)
    {
        let bytes = Array(text.utf8)
        for cut in 0...bytes.count {
            var checksum = CRC32()
            checksum.update(unsafe bytes.span.bytes.extracting(first: cut))
            checksum.update(unsafe bytes.span.bytes.extracting(droppingFirst: cut))
            #expect(checksum.value == expected)
        }
    }
}

/// Real packs, where the machine has them: below `DRAY_SHARED`, or beside the working copy.
enum SharedPacks {
    static let folder: FilePath? = {
        let shared = unsafe getenv("DRAY_SHARED").map { unsafe FilePath(String(cString: $0)) }
        let places = [shared, packageRoot.removingLastComponent().appending("shared")].compactMap(\.self)
        return places.map { $0.appending("packs") }.first { (try? $0.exists()) == true }
    }()
}
