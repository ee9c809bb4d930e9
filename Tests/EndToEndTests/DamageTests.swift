// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// One changed byte, or a file that is missing or another's, in every kind of file: the right code, the file's name, and
/// nothing loaded.
struct DamageTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        /// Shell commands in the bundle's folder.
        let damage: String
        let code: Int32
        /// What the message must name.
        let named: String
        var testDescription: String { name }
    }

    private static func flip(_ file: String, at offset: String = "40") -> String {
        """
        f=$(echo \(file)); o=$((\(offset))); b=$(xxd -s $o -l 1 -p $f); \
        printf "\\x$(printf %02x $((0x$b ^ 1)))" | dd of=$f bs=1 seek=$o conv=notrunc status=none
        """
    }

    static let cases: [Case] = [
        Case(
            name: "root and its copy", damage: flip("trust/1.root.json") + "; cp trust/1.root.json copies/trust/",
            code: 10, named: "1.root.json"),
        Case(
            name: "timestamp and its copy",
            damage: flip("trust/timestamp.json") + "; cp trust/timestamp.json copies/trust/", code: 10,
            named: "timestamp.json"),
        Case(
            name: "snapshot and its copy",
            damage: flip("trust/1.snapshot.json") + "; cp trust/1.snapshot.json copies/trust/", code: 13,
            named: "1.snapshot.json"),
        Case(
            name: "targets and its copy",
            damage: flip("trust/1.targets.json") + "; cp trust/1.targets.json copies/trust/", code: 13,
            named: "1.targets.json"),
        Case(
            name: "release and its copy", damage: flip("release.json") + "; cp release.json copies/", code: 13,
            named: "release.json"),
        Case(
            name: "index and its copy", damage: flip("index", at: "500") + "; cp index copies/", code: 13,
            named: "index"),
        Case(
            name: "sums and their copy", damage: flip("SHA256SUMS") + "; cp SHA256SUMS copies/", code: 10,
            named: "SHA256SUMS"),
        Case(
            name: "sums' signature and its copy",
            damage: flip("SHA256SUMS.sig", at: "20") + "; cp SHA256SUMS.sig copies/", code: 10, named: "SHA256SUMS"),
        Case(
            name: "no signature at all", damage: "rm SHA256SUMS.sig copies/SHA256SUMS.sig", code: 10,
            named: "SHA256SUMS.sig"),
        Case(name: "no trust folder", damage: "rm -r trust copies/trust", code: 10, named: "trust"),
        Case(name: "recipe", damage: flip("README-VERIFY.txt"), code: 13, named: "README-VERIFY.txt"),
        Case(name: "rescue.py", damage: flip("rescue.py"), code: 13, named: "rescue.py"),
        Case(name: "a copy alone", damage: flip("copies/index", at: "500"), code: 13, named: "copies/index"),
        Case(name: "index, its copy is good", damage: flip("index", at: "500"), code: 13, named: "index"),
        Case(name: "first block", damage: flip("volumes/appliance.iso", at: "7"), code: 13, named: "appliance.iso"),
        Case(
            name: "middle block", damage: flip("volumes/appliance.iso", at: "3000000"), code: 13, named: "appliance.iso"
        ),
        Case(
            name: "last block", damage: flip("volumes/appliance.iso", at: "$(stat -c %s volumes/appliance.iso) - 1"),
            code: 13, named: "appliance.iso"),
        Case(
            name: "archive volume", damage: flip("volumes/*.002.tar.zst", at: "1500000"), code: 13, named: "002.tar.zst"
        ),
        Case(
            name: "truncated by one byte", damage: "truncate -s -1 volumes/*.002.tar.zst", code: 13,
            named: "002.tar.zst"),
        Case(name: "emptied", damage: ": > volumes/tool", code: 13, named: "tool"),
        Case(name: "one byte more", damage: "echo >> volumes/tool", code: 13, named: "tool"),
        Case(
            name: "two volumes swapped",
            damage: "mv volumes/tool x; mv volumes/appliance.iso volumes/tool; mv x volumes/appliance.iso", code: 13,
            named: "appliance.iso"),
        Case(name: "missing volume", damage: "rm volumes/appliance.iso", code: 3, named: "appliance.iso"),
        Case(name: "foreign name in trust", damage: "touch trust/x", code: 14, named: "trust/x"),
        Case(name: "foreign name in kit", damage: "mkdir -p kit; touch kit/x", code: 14, named: "kit/x"),
        Case(
            name: "missing and damaged: damage decides", damage: "rm volumes/tool; " + flip("volumes/appliance.iso"),
            code: 13, named: "tool"),
    ]

    /// One packed release that a site trusts; each case damages a copy.
    private static let shared = Result {
        let site = try Site()
        try site.trust()
        return site
    }

    @Test(arguments: cases) func `is refused with its code and named`(test: Case) throws {
        let (site, copy) = (try Self.shared.get(), TemporaryFolder())
        let bundle = copy.appending(site.name)
        try sh("cp -r \(site.bundle) \(bundle); cd \(bundle); \(test.damage)")
        let result = try site.site("verify", copy.path.string)
        #expect(result.status == test.code, "\(result.output)\(result.errorOutput)")
        #expect((result.output + result.errorOutput).contains(test.named), "\(result.output)\(result.errorOutput)")
    }

    @Test func `a foreign file elsewhere is told and does no harm`() throws {
        let site = try Site()
        try site.trust()
        try sh("cd \(site.bundle); echo scanned > virus-report.txt; touch volumes/Thumbs.db")
        let result = try site.site("verify", "bundles")
        #expect(result.status == 0)
        #expect((result.output + result.errorOutput).contains("virus-report.txt"))
    }

    @Test func `a volume of another release under the same name is refused`() throws {
        let (site, other) = (try Site(seed: 1), try Site(seed: 2))
        try site.trust()
        try sh("cp \(other.bundle)/volumes/appliance.iso \(site.bundle)/volumes/appliance.iso")
        let result = try site.site("verify", "bundles")
        #expect(result.status == 13)
        #expect((result.output + result.errorOutput).contains("appliance.iso"))
    }

    @Test func `damage that a load meets stops it before the tag, and a good copy lets it go on`() throws {
        let site = try Site()
        try site.trust()
        try sh(
            "cp -r \(site.bundle) \(site.place.path)/good; cd \(site.bundle); \(Self.flip("volumes/*.002.tar.zst", at: "400000"))"
        )
        let failed = try site.site("load", "bundles", "--to", "oci:layout")
        #expect(failed.status == 13, "\(failed.output)\(failed.errorOutput)")
        #expect(failed.errorOutput.contains("002.tar.zst"))
        let tags = try run(["grep", "-c", "ref.name", "\(site.place.path)/layout/index.json"]).output
        #expect(tags == "0\n" || tags == "")
        try sh("cp \(site.place.path)/good/volumes/*.002.tar.zst \(site.bundle)/volumes/")
        #expect(try site.site("load", "bundles", "--to", "oci:layout").status == 0)
    }

    @Test func `a wrong index on the medium is healed from copies by load`() throws {
        let site = try Site()
        try site.trust()
        try sh("cd \(site.bundle); \(Self.flip("index", at: "500"))")
        let loaded = try site.site("load", "bundles", "--to", "oci:layout")
        #expect(loaded.status == 0, "\(loaded.errorOutput)")
        #expect((loaded.output + loaded.errorOutput).contains("copies"))
    }
}
