// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

struct SiteTrustTests {
    @Test func `without trust nothing is read, and the message says how to begin`() throws {
        let site = try Site()
        for command in [["verify", "bundles"], ["load", "bundles", "--to", "oci:layout"]] {
            let result = try site.tool("dray-import", command + ["--state", "site"])
            #expect(result.status == 10)
            #expect(result.errorOutput.contains("trust add"))
        }
        #expect(try run(["test", "-e", "\(site.place.path)/layout/index.json"]).status != 0)
    }

    @Test func `the fingerprint is required without a terminal, and must be that of the file`() throws {
        let site = try Site()
        #expect(try site.site("trust", "add", "trust/1.root.json").status == 64)
        let wrong = String(repeating: "0", count: 64)
        #expect(try site.site("trust", "add", "trust/1.root.json", "--fingerprint", wrong).status == 10)
        #expect(try site.site("verify", "bundles").status == 10)
        let line = try sh(
            "sha256sum \(site.place.path)/trust/1.root.json | cut -c1-64 | tr a-f A-F | sed 's/..../&:/g'"
        ).output
        let text = String(line.filter { $0 != "\n" }.dropLast())
        #expect(try site.site("trust", "add", "bundles/\(site.name)", "--fingerprint", text).status == 0)
        #expect(try site.site("verify", "bundles").status == 0)
    }

    @Test func `another publisher's bundle of the same product is not trusted`() throws {
        let (site, other) = (try Site(seed: 1), try Site(seed: 2))
        try site.trust()
        #expect(try site.site("verify", other.bundle.string).status == 10)
    }

    @Test func `several bundles on a medium: the choice is asked for`() throws {
        let site = try Site(seed: 1)
        try site.trust()
        try site.sample.edit("version: 1.0.1", "version: 1.0.2")
        try site.dray(
            "pack", site.sample.manifest.string, "--trust", "trust", "--key", "release.pem", "--out", "bundles",
            "--state", "publisher")
        let result = try site.site("verify", "bundles")
        #expect(result.status == 64)
        #expect(result.errorOutput.contains("palette-enterprise-1.0.1") && result.errorOutput.contains("--release"))
        for version in ["1", "2"] {
            #expect(try site.site("verify", "bundles", "--release", "palette-enterprise-1.0.\(version)").status == 0)
        }
    }

    @Test func `a release that is not listed any more is refused with 12 once newer media were loaded`() throws {
        let site = try Site(seed: 1)
        try site.trust()
        // the publisher loses its folder and starts counting anew: its next metadata no longer lists release 1
        try sh("cd \(site.place.path)/trust; mkdir ../lost; mv timestamp.json *.snapshot.json *.targets.json ../lost")
        try site.sample.edit("version: 1.0.1", "version: 1.0.2")
        for out in ["gone", "newer"] {
            try site.dray(
                "pack", site.sample.manifest.string, "--trust", "trust", "--key", "release.pem", "--out", out,
                "--state", "publisher")
        }
        #expect(try site.site("load", "newer", "--to", "oci:layout").status == 0)
        #expect(try site.site("verify", "bundles").status == 12)
        #expect(try site.site("verify", "newer").status == 0)
    }
}
