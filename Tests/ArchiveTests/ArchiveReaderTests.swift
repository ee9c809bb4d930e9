// SPDX-License-Identifier: Apache-2.0

import Files
import Support
import SystemPackage
import Testing

@testable import Archive

@Suite struct ArchiveReaderTests {
    @Test(arguments: ["ustar", "pax", "gnu", "v7"], [false, true])
    func `reads what GNU tar writes`(_ format: String, _ compressed: Bool) throws {
        let made = try Made(
            "mkdir -p d/sub; printf hello > d/hello; : > d/empty; head -c 3000000 /dev/urandom > d/large; "
                + "ln -s hello d/link; ln d/hello d/same; tar --format=\(format) --sort=name -cf t.tar d; "
                + (compressed ? "zstd -q -3 t.tar -o archive" : "mv t.tar archive"))
        let archive = try made.read("archive")
        #expect(
            archive.kinds == [
                "d/": .directory, "d/empty": .file, "d/hello": .file, "d/large": .file, "d/link": .symlink,
                "d/same": .other, "d/sub/": .directory,
            ])
        #expect(archive.contents["d/hello"] == Array("hello".utf8))
        #expect(archive.contents["d/empty"] == [])
        #expect(try archive.contents["d/large"] == made.bytes("d/large"))
        #expect(try archive.raw == made.bytes("archive"))
    }

    @Test(arguments: ["pax", "gnu"]) func `reads long names and names that are not ASCII`(_ format: String) throws {
        let long = Array(repeating: String(repeating: "n", count: 200), count: 5).joined(separator: "/")
        let made = try Made(
            "mkdir -p \(long); printf 1 > \(long)/file; printf 2 > 'd\u{fc}nn \u{2713}'; "
                + "LC_ALL=C.UTF-8 tar --format=\(format) -cf archive n* d*")
        let archive = try made.read("archive")
        #expect(archive.contents["\(long)/file"] == Array("1".utf8))
        #expect(archive.contents["d\u{fc}nn \u{2713}"] == Array("2".utf8))
    }

    @Test(arguments: ["gnu", "pax"]) func `gives sizes above 8 GiB`(_ format: String) throws {
        let made = try Made(
            "python3 -c \"import tarfile,sys; t=tarfile.TarInfo('big'); t.size=9<<30; "
                + "sys.stdout.buffer.write(t.tobuf(tarfile.\(format.uppercased())_FORMAT)+b'x'*512)\" > archive")
        let pieces = try Pieces(made.bytes("archive"))
        let reader = try ArchiveReader(pieces.next)
        #expect(try reader.next() == ArchiveEntry(name: "big", size: 9 << 30, kind: .file))
    }

    @Test(arguments: [
        "(cat t; head -c 500000 /dev/urandom) > archive",  // libarchive stops at the tar's end
        "(zstd -qc t; head -c 300000 /dev/urandom | zstd -qc) > archive",
        "(zstd -qc t; printf '\\120\\052\\115\\030\\003\\000\\000\\000abc') > archive",  // a skippable frame
    ]) func `hands every raw byte through, also those after the end`(_ command: String) throws {
        let made = try Made("echo hi > f; tar -cf t f; \(command)")
        let archive = try made.read("archive")
        #expect(archive.contents["f"] == Array("hi\n".utf8))
        #expect(try archive.raw == made.bytes("archive"))
    }

    @Test func `refuses other bytes after a zstd frame, as zstd does, but hands them through`() throws {
        let made = try Made(
            "head -c 1000000 /dev/urandom > f; tar -cf t f; (zstd -qc t; head -c 300000 /dev/zero | tr '\\0' x) > archive"
        )
        let pieces = try Pieces(made.bytes("archive"))
        let reader = try ArchiveReader(pieces.next)
        #expect(throws: ArchiveError.self) {  // the words depend on how far libarchive had read
            while try reader.next() != nil {}
        }
        try reader.finish()
        #expect(try pieces.given == made.bytes("archive"))
    }

    @Test func `finishes without having read an entry`() throws {
        let made = try Made("head -c 2000000 /dev/urandom > f; tar -cf archive f")
        let pieces = try Pieces(made.bytes("archive"))
        let reader = try ArchiveReader(pieces.next)
        _ = try reader.next()
        try reader.finish()
        #expect(try pieces.given == made.bytes("archive"))
        #expect(try reader.read(into: Buffer(capacity: 4096)) == 0)
    }

    @Test func `skips what was not read of an entry`() throws {
        let made = try Made("head -c 2000000 /dev/zero > a; printf b > b; tar -cf archive a b")
        let reader = try ArchiveReader(Pieces(made.bytes("archive")).next)
        _ = try reader.next()
        let buffer = Buffer(capacity: 4096)
        #expect(try reader.read(into: buffer) == 4096)
        #expect(try reader.next()?.name == "b")
        #expect(try reader.read(into: buffer) == 1)
        #expect(try reader.next() == nil)
    }

    @Test(arguments: [
        "--format=gnu", "--format=pax --sparse-version=0.0", "--format=pax --sparse-version=0.1",
        "--format=pax --sparse-version=1.0",
    ])
    func `refuses sparse files`(_ options: String) throws {
        let made = try Made(
            "truncate -s 4M holes; printf end >> holes; tar \(options) -S -cf archive holes")
        #expect(throws: ArchiveError.sparse("holes")) { try made.read("archive") }
    }

    @Test(arguments: [
        "zip -q archive.zip f; mv archive.zip archive", "gzip -c f.tar > archive", "xz -c f.tar > archive",
        "printf 'Rar!\\032\\007\\001\\000%0600d' 0 > archive", "echo f | cpio -o -H newc > archive 2>/dev/null",
        "ar rc archive f", "printf '' > archive", "head -c 5000 /dev/urandom > archive",
    ]) func `refuses every other format`(_ command: String) throws {
        let made = try Made(
            "echo data > f; tar -cf f.tar f; command -v zip cpio >/dev/null || true; \(command) "
                + "|| python3 -c \"import zipfile; zipfile.ZipFile('archive','w').write('f')\"")
        #expect(throws: ArchiveError.unreadable("Unrecognized archive format")) { try made.read("archive") }
    }

    @Test func `refuses an archive that is cut short`() throws {
        let made = try Made(
            "head -c 300000 /dev/urandom > f; tar -cf t f; zstd -q t; head -c 200000 t > a; head -c 200000 t.zst > b")
        #expect(throws: ArchiveError.unreadable("Truncated tar archive")) { try made.read("a") }
        #expect(throws: ArchiveError.unreadable("Truncated zstd input")) { try made.read("b") }
    }

    @Test func `refuses damaged zstd data`() throws {
        let made = try Made("seq 200000 > f; tar -cf t f; zstd -q --check t")
        var bytes = try made.bytes("t.zst")
        bytes[bytes.count / 2] ^= 0x10
        let error = #expect(throws: ArchiveError.self) { try made.read(bytes) }
        guard case .unreadable(let why) = error else { Issue.record("unexpected \(String(describing: error))"); return }
        #expect(why.hasPrefix("Zstd decompression failed"))
    }

    @Test func `holds to a zstd window of 128 MiB`() throws {
        let made = try Made(
            "echo hi > f; tar -cf - f | zstd -q --long=27 > fits; tar -cf - f | zstd -q --long=28 > larger")
        #expect(try made.read("fits").contents["f"] == Array("hi\n".utf8))
        #expect(
            throws: ArchiveError.unreadable("Zstd decompression failed: Frame requires too much memory for decoding")
        ) {
            try made.read("larger")
        }
    }

    @Test func `refuses a name that is too long`() throws {
        let made = try Made(
            "python3 -c \"import tarfile,io; t=tarfile.open('archive','w',format=tarfile.PAX_FORMAT); "
                + "t.addfile(tarfile.TarInfo('n'*4097)); t.close()\"")
        #expect(throws: ArchiveError.badName(String(repeating: "n", count: 100))) { try made.read("archive") }
    }

    @Test(arguments: [0, 1, 2, 20]) func `lets the source's own error through`(after pieces: Int) throws {
        struct Unplugged: Error, Equatable {}
        let made = try Made("head -c 3000000 /dev/urandom > f; tar -cf archive f")
        let source = try Pieces(made.bytes("archive"))
        var left = pieces
        #expect(throws: Unplugged()) {
            _ = try Contents(
                ArchiveReader {
                    if left == 0 { throw Unplugged() }
                    left -= 1
                    return try source.next()
                })
        }
    }
}
