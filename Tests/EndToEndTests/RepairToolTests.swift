// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// Parity and repair as their users meet them: the tools, on a bundle of several volumes.
struct RepairToolTests {
    /// A packed release in small volumes; four of them are archive volumes of 3 MiB.
    private func made(_ amount: String?, volumeSize: String = "3MiB") throws -> Site {
        let site = try Site(volumeSize: volumeSize)
        if let amount { try site.dray("parity", "add", "bundles/\(site.name)", "--parity", amount) }
        return site
    }

    /// Digests of all files of the bundle, those of unfinished work included.
    private func sums(_ site: Site) throws -> String {
        try sh("cd \(site.bundle) && find . -type f -print0 | sort -z | xargs -0 sha256sum").output
    }

    private func volumes(_ site: Site) throws -> [String] {
        try sh("ls -S \(site.bundle)/volumes").output.split(separator: "\n").map(String.init)
    }

    @Test func `pack makes parity as its last step, and adds what lacks`() throws {
        let site = try made(nil)
        let pack = [
            "pack", site.sample.manifest.string, "--trust", "trust", "--key", "release.pem", "--out", "bundles",
            "--state",
            "publisher", "--volume-size", "3MiB", "--parity", "20%",
        ]
        let first = try site.tool("dray", pack)
        #expect(first.status == 0 && first.output.contains("parity:"), "\(first.errorOutput)")
        let before = try sums(site)
        let again = try site.tool("dray", pack)
        #expect(again.status == 0 && again.output.contains("complete already"))
        try sh("rm $(ls \(site.bundle)/parity/* | head -n 1)")
        #expect(try site.tool("dray", pack).status == 0)
        #expect(try sums(site) == before)
        #expect(try site.tool("dray", ["verify", site.bundle.string, "--root", "trust/1.root.json"]).status == 0)
    }

    @Test func `everything that can be damaged is written back, and nothing else`() throws {
        let site = try made("30%")
        let before = try sums(site)
        let largest = try volumes(site)[0]
        try sh(
            """
            cd \(site.bundle)
            printf damaged | dd of=volumes/\(largest) bs=1 seek=1500000 conv=notrunc status=none
            printf damaged | dd of=index bs=1 seek=300 conv=notrunc status=none
            printf damaged | dd of=copies/trust/timestamp.json bs=1 seek=30 conv=notrunc status=none
            rm copies/SHA256SUMS trust/1.targets.json
            p=$(ls parity/* | head -n 1); printf damaged | dd of=$p bs=1 seek=5000 conv=notrunc status=none
            truncate -s -100 volumes/\(try volumes(site)[1])
            """)
        let dry = try site.tool("dray", ["repair", site.bundle.string, "--dry-run"])
        #expect(dry.status == 0 && dry.output.contains("would replace"), "\(dry.output)\(dry.errorOutput)")
        #expect(try sums(site) != before)
        let result = try site.tool("dray", ["repair", site.bundle.string])
        #expect(result.status == 0, "\(result.output)\(result.errorOutput)")
        #expect(result.errorOutput.contains("integrity only, origin not checked"))
        for name in [largest, "index", "copies/trust/timestamp.json", "copies/SHA256SUMS", "trust/1.targets.json"] {
            #expect(result.output.contains(name), "\(name): \(result.output)")
        }
        #expect(try sums(site) == before)
        let again = try site.tool("dray", ["repair", site.bundle.string, "--root", "trust/1.root.json"])
        #expect(again.status == 0 && again.output.contains("nothing is damaged or missing"))
        #expect(!again.errorOutput.contains("origin not checked"))
    }

    @Test func `the site's repair wants a trusted root`() throws {
        let site = try made("30%")
        let before = try sums(site)
        #expect(try site.site("repair", site.bundle.string).status == 10)
        try site.trust()
        try sh("printf x | dd of=\(site.bundle)/volumes/\(volumes(site)[0]) bs=1 seek=9 conv=notrunc status=none")
        let result = try site.site("repair", site.bundle.string, "--output", "json")
        #expect(result.status == 0 && result.output.contains("\"originChecked\":true"), "\(result.output)")
        #expect(try sums(site) == before)
    }

    @Test func `beyond the limit names volume, blocks and what needs them, and ends with 13`() throws {
        let site = try made(nil)
        try site.trust()
        let largest = try volumes(site)[0]
        try sh("printf x | dd of=\(site.bundle)/volumes/\(largest) bs=1 seek=1500000 conv=notrunc status=none")
        let result = try site.site("repair", site.bundle.string)
        #expect(result.status == 13)
        #expect(result.output.contains("lost: block 1 of volumes/\(largest)"), "\(result.output)")
        #expect(result.output.contains("needs what is lost: "), "\(result.output)")
    }

    @Test func `a load from media that lack a volume, and have bad blocks elsewhere, is equal to a whole one`() throws {
        let site = try made("75%")
        try site.trust()
        let bundle = site.bundle.string
        #expect(try site.site("load", bundle, "--to", "oci:whole").status == 0)
        let all = try volumes(site).sorted().filter { $0.hasSuffix(".tar.zst") && $0.contains("1.0.0.00") }
        // one volume is gone, another has a bad block
        try sh(
            """
            cd \(bundle)/volumes; rm \(all[1])
            printf x | dd of=\(all[2]) bs=1 seek=70 conv=notrunc status=none
            """)
        let before = try sums(site)
        #expect(try site.site("plan", bundle, "--to", "oci:healed").status == 3)
        #expect(try site.site("plan", bundle, "--repair", "--to", "oci:healed").status == 0)
        let result = try site.site("load", bundle, "--repair", "--to", "oci:healed")
        #expect(result.status == 0, "\(result.errorOutput)")
        try sh("diff -r -x .dray.lock \(site.place.path)/whole \(site.place.path)/healed")
        #expect(try sums(site) == before, "media are read only")
        // and then they are made whole
        #expect(try site.site("repair", bundle).status == 0)
        #expect(try site.site("verify", bundle).status == 0)
    }

    @Test func `extract heals an image`() throws {
        let site = try made("30%", volumeSize: "fat32")
        try site.trust()
        try sh(
            """
            cd \(site.bundle)/volumes; sha256sum appliance.iso >\(site.place.path)/sum
            for at in 0 1 2; do printf x | dd of=appliance.iso bs=1 seek=$((at * 1048576 + 99)) conv=notrunc status=none; done
            """)
        #expect(try site.site("extract", "appliance.iso", site.bundle.string, "--to", "out/").status == 13)
        let result = try site.site("extract", "appliance.iso", site.bundle.string, "--repair", "--to", "out/")
        #expect(result.status == 0, "\(result.errorOutput)")
        try sh("cd \(site.place.path)/out && sha256sum -c ../sum")
    }

    @Test func `killed at any time, adding and repairing go on`() throws {
        let site = try made("75%")
        let before = try sums(site)
        let (bundle, tool) = (site.bundle.string, SourceTree.tool("dray").string)
        let all = try volumes(site)
        for step in 0..<8 {
            let delay = "0.0\(step * 12 / 10)\(step * 12 % 10)"
            try sh("rm -rf \(bundle)/parity/.[a-z]* \(bundle)/parity/*")
            _ = try run(["timeout", "-s", "KILL", delay, tool, "parity", "add", bundle, "--parity", "75%"])
            try site.dray("parity", "add", bundle, "--parity", "75%")
            #expect(try sums(site) == before, "adding, killed after \(delay) s")
            try sh(
                "cd \(bundle)/volumes; rm \(all[1]); dd if=/dev/zero of=\(all[0]) bs=999 seek=1 count=1 conv=notrunc status=none"
            )
            _ = try run(["timeout", "-s", "KILL", delay, tool, "repair", bundle])
            try site.dray("repair", bundle)
            #expect(try sums(site) == before, "repairing, killed after \(delay) s")
        }
    }
}
