// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// The tools where FIPS is asked for or demanded.
@Suite struct FIPSToolTests {
    let shell = Shell()
    var state: String { shell.folder.appending("state").string }
    let module: FilePath

    init() throws {
        module = try FIPSModuleFile.path()
    }

    private func importer(_ arguments: String...) throws -> CommandResult {
        try run([SourceTree.tool("dray-import").string] + arguments + ["--state", state])
    }

    private func install() throws {
        try run(["cp", module.string, shell.folder.appending("fips.so").string]).mustSucceed()
        try importer("crypto", "install", "--fips-module", shell.folder.appending("fips.so").string).mustSucceed()
    }

    @Test func `writes the sum that openssl fipsinstall writes`() throws {
        try install()
        #expect(shell.run("openssl fipsinstall -module ./fips.so -provider_name fips -out theirs.cnf"))
        #expect(shell.run("grep -h module-mac theirs.cnf state/crypto/fips.cnf | sort -u | wc -l > count"))
        #expect(try shell.read("count") == Array("1\n".utf8))
    }

    @Test func `says what computes`() throws {
        #expect(try importer("crypto", "status").output.contains("not in force"))
        try install()
        try shell.write(Array(#"{"fips": true, "fipsCertificate": "4985"}"#.utf8), "state/policy.json")
        let text = try importer("crypto", "status")
        try text.mustSucceed()
        for part in [
            "in force for everything, by the site's policy", "OpenSSL FIPS Provider 3.",
            "4985, as the site's policy says",
            "This program is not itself validated",
        ] { #expect(text.output.contains(part), "\(part) is not in\n\(text.output)") }
        let sum = try run(["sha256sum", module.string]).output.prefix(64)
        #expect(text.output.contains(sum))
        let json = try importer("crypto", "status", "--output", "json").output
        #expect(json.contains(#""fips":true"#) && json.contains("\"moduleSHA256\":\"\(sum)\""))
        #expect(json.contains(#""certificate":"4985""#) && json.contains("Ed25519"))
    }

    /// Case 81. The media that is named doesn't exist: who looked for it would end with 64.
    @Test(arguments: [

        ("rm state/crypto/fips.cnf", "fips.cnf is not there", "--fips"),
        ("rm fips.so", "can't be read", "--fips"),
        ("printf x | dd of=fips.so bs=1 seek=5000 conv=notrunc", "its bytes have changed", "--fips"),
        ("printf '\\n' >> state/crypto/fips.cnf", "was changed", "--fips"),
        (#"echo '{"fips": true}' > state/policy.json; rm fips.so"#, "can't be read", ""),
        (
            #"echo '{"fips": true, "fipsModule": "/opt/vendor/fips.so"}' > state/policy.json"#,
            "the site's policy names /opt/vendor/fips.so", ""
        ),
        (#"echo '{"fips": "yes"}' > state/policy.json"#, "policy.json is no policy", ""),
    ]) func `refuses before reading media`(_ change: String, _ says: String, _ flag: String) throws {
        try install()
        try #require(shell.run(change))
        try #require(shell.run("find state -type f | sort | xargs sha256sum > before"))
        let result = try run(
            [SourceTree.tool("dray-import").string, "verify", "/nonexistent", "--state", state]
                + (flag.isEmpty ? [] : [flag]))
        #expect(result.status == 14)
        #expect(result.errorOutput.contains(says), "\(result.errorOutput)")
        #expect(result.output.isEmpty)
        #expect(shell.run("find state -type f | sort | xargs sha256sum | diff before -"))
    }

    @Test func `installs nothing that is no module`() throws {
        try run(["cp", "/usr/lib/x86_64-linux-gnu/libz.so.1", shell.folder.appending("fips.so").string]).mustSucceed()
        let result = try importer("crypto", "install", "--fips-module", shell.folder.appending("fips.so").string)
        #expect(result.status == 14)
        #expect(shell.run("[ -z \"$(ls state/crypto)\" ]"))
    }

    @Test func `packs, verifies and loads with the module alone, over TLS`() throws {
        let site = try Site()
        try run(["cp", "-r", module.string, site.place.appending("fips.so").string]).mustSucceed()
        try site.site("crypto", "install", "--fips-module", "fips.so").mustSucceed()
        try sh("echo '{\"fips\": true}' > \(site.place.path)/site/policy.json")
        try site.dray(
            "pack", site.sample.manifest.string, "--trust", "trust", "--key", "release.pem", "--out", "again",
            "--state", "site", "--fips")
        try site.trust()
        let bundle = "again/\(site.name)"
        let verified = try site.tool("dray-import", ["verify", bundle, "--state", "site", "--fips"])
        try verified.mustSucceed()
        #expect(
            verified.errorOutput.contains("dray-import plan \(bundle) --state site")
                && verified.errorOutput.contains(" --fips\n"))
        var options = RegistryServer.Options()
        options.tls = true
        let registry = try RegistryServer(options)
        let authority = try #require(registry.certificates).authority.string
        try site.site("load", bundle, "--to", "\(registry.url)/base", "--ca-cert", authority).mustSucceed()
        try site.site("check", "--to", "\(registry.url)/base", "--ca-cert", authority).mustSucceed()
    }

    @Test func `takes the module from media whose signatures hold`() throws {
        let site = try Site()
        try run(["mkdir", site.place.appending("kit").string]).mustSucceed()
        try write(Array("#!/bin/sh\n".utf8), to: site.place.appending("kit/dray-import"))
        try site.dray(
            "pack", site.sample.manifest.string, "--trust", "trust", "--key", "release.pem", "--out", "again",
            "--state", "publisher", "--kit", "kit", "--fips-module", module.string)
        let bundle = "again/\(site.name)"
        #expect(try site.site("crypto", "install", "--from", bundle).status == 10)
        try site.trust()
        try site.site("crypto", "install", "--from", bundle).mustSucceed()
        #expect(try site.site("crypto", "status", "--fips").output.contains("site/crypto/fips.so"))
        try sh("cmp \(module) \(site.place.path)/site/crypto/fips.so; rm -r \(site.place.path)/site/crypto")
        let without = try site.site("crypto", "install", "--from", "bundles")
        #expect(without.status == 14 && without.errorOutput.contains("carries no FIPS module"))
        try sh("printf x | dd of=\(site.place.path)/\(bundle)/kit/fips/fips.so bs=1 seek=5000 conv=notrunc")
        #expect(try site.site("crypto", "install", "--from", bundle).status == 13)
        #expect(try run(["ls", site.place.appending("site/crypto").string]).status != 0)
    }

    /// The mirror of `FIPSTableTests` for the tools: what the environment names is never read.
    @Test func `reads no configuration of the environment`() throws {
        try shell.write(Array("openssl_conf = a\n[a]\nalg_section = b\n[b]\ndefault_properties = fips=yes\n".utf8), "c")
        let file = shell.folder.appending("c").string
        for tool in ["dray", "dray-import"] {
            let arguments = tool == "dray" ? ["key", "generate", "--out", "\(state)-key.pem"] : ["crypto", "status"]
            let result = try run([SourceTree.tool(tool).string] + arguments, environment: ["OPENSSL_CONF": file])
            #expect(result.status == 0, "\(result.errorOutput)")
        }
        #expect(!shell.run("OPENSSL_CONF=c openssl dgst -sha256 c"), "the configuration works for who reads it")
    }
}
