// SPDX-License-Identifier: Apache-2.0

import Files
import Palette
import Support
import SystemPackage
import Testing

@testable import PaletteSources

/// Bundles that were cut into `<file>_partNN`, and archives that run themselves.
@Suite struct PartTests {
    private let place = TemporaryFolder()

    private func write(_ name: String, _ size: Int) throws {
        try place.appending(name).replaceContents(with: [UInt8](repeating: 7, count: size))
    }

    private func manifest(_ item: String) throws -> ReleaseManifest {
        let text = "format: 1\nrelease: { product: p, version: 1, edition: palette }\ncontents:\n  - \(item)\n"
        return try ReleaseManifest(ManifestDocument(parsing: Array(text.utf8), file: "m.yaml"), in: place.path)
    }

    @Test(arguments: ["b-1.2.zst", "b-1.2.zst_part00", "b-1.2.zst_part01", "b-1.2.zst_part*", "*.zst*"])
    func `a set is one item however its parts are named`(_ pattern: String) throws {
        for (number, size) in [10, 10, 3].enumerated() { try write("b-1.2.zst_part0\(number)", size) }
        try write("b-1.2.sig.bin", 5)
        let items = try manifest("bundle: '\(pattern)'").items
        #expect(items.map(\.name) == ["b-1.2.zst"] && items.map(\.path) == [place.appending("b-1.2.zst")])
        #expect(items[0].parts == (0..<3).map { place.appending("b-1.2.zst_part0\($0)") })
        #expect(items[0].signature == .file(place.appending("b-1.2.sig.bin")))
    }

    @Test func `whole files and sets stand side by side, in order`() throws {
        for name in ["c.zst", "b.zst_part00", "a.zst"] { try write(name, 4) }
        #expect(try manifest("bundle: '*.zst*'").items.map(\.name) == ["a.zst", "b.zst", "c.zst"])
    }

    /// File sizes by name, and what is said.
    private static let faults: [([(String, Int)], @Sendable (FilePath) -> PartSetError)] = [
        (
            [("b.zst_part00", 9), ("b.zst_part02", 9)],
            {
                .missing($0.appending("b.zst_part01"), of: $0.appending("b.zst"))
            }
        ),
        ([("b.zst_part01", 9)], { .missing($0.appending("b.zst_part00"), of: $0.appending("b.zst")) }),
        (
            [("b.zst_part00", 9), ("b.zst_part01", 8), ("b.zst_part02", 9)],
            {
                .unequal($0.appending("b.zst_part01"), size: 8, first: 9)
            }
        ),
        (
            [("b.zst_part00", 4), ("b.zst_part01", 9)],
            {
                .unequal($0.appending("b.zst_part01"), size: 9, first: 4)
            }
        ),
        (
            [("b.zst_part00", 4), ("b.zst_part01", 0)],
            {
                .unequal($0.appending("b.zst_part01"), size: 0, first: 4)
            }
        ),
        ([("b.zst_part00", 4), ("b.zst_part000", 4)], { .twice($0.appending("b.zst_part000")) }),
    ]

    @Test(arguments: faults.indices) func `a part that is missing or at another's place is named`(_ row: Int) throws {
        let (files, problem) = PartTests.faults[row]
        for (name, size) in files { try write(name, size) }
        let error = #expect(throws: ManifestError.self) { try manifest("bundle: b.zst") }
        #expect(error?.problem == .parts(problem(place.path)))
    }

    @Test func `names of parts`() {
        #expect(PartName("a.tar.zst_part07")?.whole == "a.tar.zst")
        #expect(PartName("a_part07")?.number == 7 && PartName("a_part07")?.name(of: 12) == "a_part12")
        for name in ["a_part1", "_part00", "a_part00.zst", "a_partxx", "a_part00000"] { #expect(PartName(name) == nil) }
    }

    @Test(arguments: ["x.bin", "x.zst"]) func `a makeself archive is no bundle, whatever its name`(_ name: String)
        throws
    {
        let text = "#!/bin/sh\n# This script was generated using Makeself 2.4.5\n"
        try place.appending(name).replaceContents(with: Array(text.utf8))
        let error = #expect(throws: ManifestError.self) { try manifest("bundle: \(name)") }
        #expect(error?.problem == .selfExtracting(place.appending(name)))
        #expect(try manifest("{ file: \(name), signature: none }").items.count == 1)
    }
}

@Suite struct MakeselfTests {
    private static let header = """
        #!/bin/sh
        # This script was generated using Makeself 2.4.5

        CRCsum="2632520344"
        MD5="5ce18f8d299e2cb0b1e1828314f839c1"
        SHA="0000000000000000000000000000000000000000000000000000000000000000"
        SIGNATURE=""
        label="Airgap Setup"
        script="./bin/functions.sh"
        filesizes="129"
        skip="14"
        MS_dd()
        {
        }

        """

    @Test func `its fields are read out of the script's text`() throws {
        let makeself = try #require(Makeself(Array((MakeselfTests.header + "BINARY\n\n").utf8)))
        #expect(makeself.tool == "2.4.5" && makeself.label == "Airgap Setup")
        #expect(makeself.script == "./bin/functions.sh" && makeself.checksums == ["CRC", "MD5"])
        #expect(makeself.offset == UInt64(MakeselfTests.header.utf8.count) && makeself.length == 129)
    }

    @Test func `the older form counts its own lines`() throws {
        let text =
            "#!/bin/sh\n# This script was generated using Makeself 2.1.5\nlabel='x'\noffset=`head -n 5 \"$0\" | wc -c`\n\nTAR"
        #expect(Makeself(Array(text.utf8))?.offset == UInt64(text.utf8.count - 3))
    }

    @Test(arguments: ["", "#!/bin/sh\necho hi\n", "Makeself", "\u{7f}ELF Makeself"])
    func `other files are none`(_ text: String) { #expect(Makeself(Array(text.utf8)) == nil) }

    @Test func `a script that never ends has no archive`() throws {
        let endless = "#!/bin/sh\n# Makeself\nskip=\"900000\"\n" + String(repeating: "a\n", count: 800_000)
        #expect(try #require(Makeself(Array(endless.utf8))).offset == nil)
    }
}
