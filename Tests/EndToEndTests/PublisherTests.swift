// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// The publisher's commands, as a release team runs them.
struct PublisherTests {
    /// A folder with a sample release and keys, in which `dray` runs.
    private struct Team {
        let sample: SampleRelease
        let place = TemporaryFolder()

        init(keys: String...) throws {
            sample = try SampleRelease()
            for key in keys { try dray("key", "generate", "--out", "\(key).pem") }
        }

        /// Runs the command; it must end with this exit code.
        @discardableResult
        func dray(_ arguments: String..., code: Int32 = 0) throws -> CommandResult {
            let result = try run(
                ["env", "-C", place.path.string, SourceTree.tool("dray").string] + arguments, timeout: 120)
            #expect(result.status == code, "dray \(arguments): \(result.errorOutput)")
            return result
        }

        func pack(_ arguments: String..., code: Int32 = 0) throws -> CommandResult {
            let result = try run(
                ["env", "-C", place.path.string, SourceTree.tool("dray").string, "pack", sample.manifest.string]
                    + ["--trust", "trust", "--out", "bundles", "--state", "state"] + arguments, timeout: 120)
            #expect(result.status == code, "\(result.errorOutput)")
            return result
        }

        func shell(_ line: String) throws -> String { try sh("cd \(place.path); \(line)").output }
        var bundle: FilePath { place.appending("bundles/palette-enterprise-1.0.0") }
    }

    @Test(.enabled(if: ReferenceClient.isExpected, "python-tuf is missing"))
    func `a release by two of three, from the first root on, no two keys on one machine`() throws {
        let team = try Team(keys: "r1", "r2", "r3", "k1", "k2", "k3")
        try team.dray(
            "trust", "init", "--product", "palette-enterprise", "--root-key", "r1.pub.pem", "--root-key", "r2.pub.pem",
            "--root-key", "r3.pub.pem", "--root-threshold", "2", "--release-key", "k1.pub.pem", "--release-key",
            "k2.pub.pem", "--release-key", "k3.pub.pem", "--release-threshold", "2", "--out", "trust", "--stage", "root"
        )
        try team.dray("sign", "add", "root", "--key", "r1.pem")
        let waits = try team.dray("sign", "assemble", "root", "--trust", "trust", code: 3)
        #expect(waits.output.contains("1 of 2") && waits.output.contains("P-384"))
        #expect(waits.errorOutput.contains("dray sign add root --key KEY"))
        try team.dray("sign", "add", "root", "--key", "r3.pem")
        let first = try team.dray("sign", "assemble", "root", "--trust", "trust")
        #expect(first.output.contains("fingerprint: ") && first.errorOutput.contains("to every site on paper"))
        #expect(first.errorOutput.contains("--key KEY1 --key KEY2"))

        try team.dray("pack", team.sample.manifest.string, "--trust", "trust", code: 64)
        #expect(try team.pack("--key", "k1.pem", code: 64).errorOutput.contains("--no-sign"))
        let unlisted = try team.pack("--key", "k1.pem", "--key", "r1.pem", "--key", "k1.pem", code: 64).errorOutput
        #expect(unlisted.contains("r1.pem (key ") && unlisted.contains("is no release key of root 1"))
        #expect(unlisted.contains("is given twice"))
        let packed = try team.pack("--no-sign", "--output", "json")
        #expect(packed.output.contains("\"signed\":false") && packed.output.contains("dray sign stage"))
        let partial = "bundles/.palette-enterprise-1.0.0.partial"
        try team.dray("sign", "stage", partial, "--trust", "trust", "--out", "stage")
        let shown = try team.dray("sign", "add", "stage")
        #expect(shown.output.contains("lists release 1.0.0") && shown.output.contains("SHA-384"))
        try team.dray("sign", "add", "stage", "--key", "r1.pem", code: 14)
        try team.dray("sign", "add", "stage", "--key", "k3.pem")
        try team.dray("sign", "assemble", "stage", "--trust", "trust", "--bundle", partial, code: 3)
        try team.dray("sign", "assemble", "stage", "--trust", "trust", "--bundle", partial, "--key", "k1.pem")
        try team.dray("verify", "bundles", "--root", "trust/1.root.json")
        let client = ReferenceClient(pinned: team.place.appending("trust/1.root.json"))
        #expect(try client.verdict(team.bundle, "release.json") == "ok 1 1 1 1")
        #expect(try team.shell("ls -A bundles") == "palette-enterprise-1.0.0\n")
        #expect(try team.pack("--no-sign").output.contains("nothing to do"))
        // a change of keys, staged; the bundle made before is signed again by the new keys
        try team.dray("key", "generate", "--out", "k4.pem")
        try team.dray(
            "trust", "rotate", "--trust", "trust", "--remove-release-key", "k1.pub.pem", "--add-release-key",
            "k4.pub.pem", "--root-key", "r1.pem", "--stage", "rotation")
        for key in ["r2.pem", "k4.pem", "k2.pem"] { try team.dray("sign", "add", "rotation", "--key", key) }
        let done = try team.dray("sign", "assemble", "rotation", "--trust", "trust")
        #expect(done.output.contains("root 2") && done.output.contains("targets 2"))
        #expect(done.errorOutput.contains("dray trust renew BUNDLE --trust trust --key KEY1 --key KEY2"))
        let outdated = try team.dray("trust", "status", "--trust", "trust", "--media", "bundles").errorOutput
        #expect(outdated.contains("dray trust renew bundles/palette-enterprise-1.0.0 --trust trust --key KEY1"))
        try team.dray("trust", "export", "--trust", "trust", "--key", "k4.pem", "--out", "media")
        #expect(try client.verdict(team.place.appending("media/palette-enterprise-trust-2-2")) == "ok 2 2 2 2")
        #expect(try client.verdict(team.bundle) == "UnsignedMetadataError")
        try team.dray("trust", "renew", team.bundle.string, "--trust", "trust", "--key", "k2.pem", "--key", "k4.pem")
        #expect(try client.verdict(team.bundle, "release.json") == "ok 2 3 3 3")
        let current = try team.dray("trust", "status", "--trust", "trust", "--media", "bundles").errorOutput
        #expect(current.contains("nothing needs doing"))
        let mistaken = try team.dray(
            "trust", "init", "--product", "p", "--root-key", "r1.pem", "--release-key", "k1.pem", "--out", "new",
            code: 64)
        #expect(mistaken.errorOutput.contains("k1.pem: it holds") && mistaken.errorOutput.contains(".pub.pem"))
        try team.dray("verify", "bundles", "--root", "trust/1.root.json")
    }

    @Test func `one key each: status, delist, export and fork, in words and in JSON`() throws {
        let team = try Team(keys: "root", "release")
        try team.dray(
            "trust", "init", "--product", "palette-enterprise", "--root-key", "root.pem", "--release-key",
            "release.pub.pem", "--out", "trust")
        let fresh = try team.dray("trust", "status", "--trust", "trust")
        #expect(fresh.output.contains("nothing yet") && fresh.errorOutput.contains("dray pack"))
        try team.dray("trust", "export", "--trust", "trust", "--key", "release.pem", "--out", "media", code: 64)
        _ = try team.pack("--key", "release.pem")
        _ = try team.shell("cp -r trust copy")
        try team.dray("trust", "delist", "9.9.9", "--trust", "trust", "--key", "release.pem", code: 64)
        try team.dray("trust", "delist", "1.0.0", "--trust", "trust", "--key", "root.pem", code: 64)
        let delisted = try team.dray(
            "trust", "delist", "1.0.0", "--trust", "trust", "--key", "release.pem", "--output", "json")
        #expect(delisted.output.contains("\"supported\":[]") && delisted.output.contains("trust export"))
        let status = try team.dray("trust", "status", "--trust", "trust", "--media", "bundles")
        let grouped = try team.shell("sha256sum trust/1.root.json | cut -c1-64 | sed 's/..../& /g; s/ $//'")
        for text in [
            "fingerprint: \(grouped)", "root: 1 of 1 keys must sign", "targets, snapshot, timestamp: 1 of 1", "P-384",
            "targets 2, snapshot 2, timestamp 2", "supported:   no release",
            "no fork in:  bundles/palette-enterprise-1.0.0",
        ] { #expect(status.output.contains(text), "\(text) in \(status.output)") }
        #expect(status.errorOutput.contains("nothing needs doing"))
        let json = try team.dray("trust", "status", "--trust", "trust", "--output", "json").output
        #expect(json.contains("\"rootVersion\":1") && json.contains("\"needs\":[]"))
        try team.dray("trust", "export", "--trust", "trust", "--key", "release.pem", "--out", "media")
        try team.dray("trust", "renew", "--trust", "copy", "--key", "release.pem", "--expires", "2099-12-31")
        let fork = try team.dray("trust", "status", "--trust", "copy", "--media", "media", code: 14)
        #expect(fork.errorOutput.contains("2.targets.json"))
        try team.dray("trust", "renew", "--trust", "trust", "--key", "release.pem", "--expires", "1999-12-31", code: 64)
        try team.dray("trust", "rotate", "--trust", "trust", "--root-key", "root.pem", "--expires", "2099-12-31")
        let rotated = try team.dray("trust", "status", "--trust", "trust").output
        #expect(rotated.contains("version 2, expires 2099-12-31T23:59:59Z"))
    }

    @Test func `a site that has loaded newer media refuses a withdrawn release with 12`() throws {
        let site = try Site(seed: 1)
        try site.trust()
        try site.sample.edit("version: 1.0.1", "version: 1.0.2")
        try site.dray("trust", "delist", "1.0.1", "--trust", "trust", "--key", "release.pem")
        try site.dray(
            "pack", site.sample.manifest.string, "--trust", "trust", "--key", "release.pem", "--out", "newer",
            "--state",
            "publisher")
        #expect(try site.site("verify", "bundles").status == 0)
        #expect(try site.site("load", "newer", "--to", "oci:layout").status == 0)
        #expect(try site.site("verify", "bundles").status == 12)
    }
}
