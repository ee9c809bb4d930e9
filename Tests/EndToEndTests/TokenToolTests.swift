// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// The tools with keys in a token and under passwords.
@Suite struct TokenToolTests {
    let shell = Shell()

    private func dray(_ arguments: [String], _ token: SoftToken? = nil) throws -> CommandResult {
        let command = ["setsid", "env", "-C", shell.folder.path.string, SourceTree.tool("dray").string]
        return try run(command + arguments, environment: token?.environment ?? [:])
    }

    @Test func `a token signs root and release, and python-tuf accepts both`() throws {
        let (token, sample) = (try SoftToken(), try SampleRelease())
        for (label, kind, id) in [("root", "P-384", "01"), ("release", "P-256", "02"), ("second", "rsa3072", "03")] {
            _ = try token.make(kind, label: label, id: id)
            let shown = try dray(["key", "show", token.uri(label), "--public-out", "\(label).pub.pem"], token)
            try shown.mustSucceed()
            let theirs = try contents(of: token.folder.appending("\(label).pub.pem"))
            #expect(try shell.read("\(label).pub.pem") == theirs)
        }
        let initialise = ["trust", "init", "--product", "palette-enterprise", "--root-key", token.uri("root")]
        let keys = ["--release-key", "release.pub.pem", "--release-key", "second.pub.pem", "--out", "trust"]
        try dray(initialise + keys, token).mustSucceed()
        let pack = ["pack", sample.manifest.string, "--trust", "trust", "--out", "bundles", "--state", "state"]
        try dray(pack + ["--key", token.uri("release"), "--key", token.uri("second")], token).mustSucceed()
        let bundle = "bundles/palette-enterprise-1.0.0"
        try dray(["verify", bundle, "--root", "trust/1.root.json"]).mustSucceed()
        try write(Array(TokenToolTests.check.utf8), to: shell.folder.appending("check.py"))
        let python = SourceTree.root.appending(".build/python/bin/python").string
        let checked = try run([
            python, shell.folder.appending("check.py").string, "\(shell.folder.path)/\(bundle)/trust",
        ])
        #expect(checked.status == 0, "\(checked.errorOutput)")
        #expect(checked.output == "root 1\ntargets 2\n")
    }

    /// Counts the signatures that securesystemslib accepts, by the keys that the root names.
    private static let check = """
        import glob, sys
        from tuf.api.metadata import Metadata
        root = Metadata.from_file(sys.argv[1] + "/1.root.json")
        for role in "root", "targets":
            name, = glob.glob(sys.argv[1] + "/*." + role + ".json")
            data = Metadata.from_file(name)
            keys = [root.signed.keys[id] for id in root.signed.roles[role].keyids]
            good = 0
            for key in keys:
                key.verify_signature(data.signatures[key.keyid], data.signed_bytes)
                good += 1
            print(role, good)
        """

    @Test func `a wrong PIN, a missing token and nobody to ask end with 64 and tell no PIN`() throws {
        let token = try SoftToken()
        _ = try token.make("P-256", label: "key", id: "01")
        try shell.write(Array("987654\n".utf8), "wrong")
        let bare = "pkcs11:token=dray;object=key"
        let module = ["--pkcs11-module", SoftToken.module.string]
        for (arguments, says) in [
            ([bare, "--pin-file", "wrong"] + module, "refused the PIN; few tries are left"),
            ([bare] + module, "give --pin-file FILE"),
            (["pkcs11:token=absent;object=key", "--pin-file", "wrong"] + module, "no token fits"),
            ([bare + "?pin-value=987654"] + module, "pin-value would show the PIN"),
            ([bare, "--pin-file", "absent"] + module, "No such file"),
        ] {
            let result = try dray(["key", "show"] + arguments, token)
            #expect(result.status == (says == "No such file" ? 1 : 64), "\(result.errorOutput)")
            #expect(result.errorOutput.contains(says), "\(result.errorOutput)")
            if !arguments[0].contains("pin-value") { #expect(!result.errorOutput.contains("987654")) }
            #expect(result.output.isEmpty)
        }
    }

    @Test func `a password protects a new key, and opens it`() throws {
        try shell.write(Array("correct horse\n".utf8), "password")
        try dray(["key", "generate", "--out", "root.pem", "--password-file", "password"]).mustSucceed()
        #expect(try shell.read("root.pem").starts(with: "-----BEGIN ENCRYPTED PRIVATE KEY-----".utf8))
        #expect(shell.run("openssl pkey -in root.pem -passin file:password -pubout | cmp - root.pub.pem"))
        #expect(shell.run("[ $(stat -c %a root.pem) = 600 ]"))
        let initialise = ["trust", "init", "--product", "p", "--root-key", "root.pem", "--release-key", "root.pub.pem"]
        let locked = try dray(initialise + ["--out", "trust"])
        #expect(locked.status == 64 && locked.errorOutput.contains("--password-file FILE"))
        try dray(initialise + ["--password-file", "password", "--out", "trust"]).mustSucceed()
    }

    /// A terminal of its own, by python: what is typed must not come back, and Ctrl-C must leave the echo on.
    @Test func `asks at the terminal without showing what is typed`() throws {
        try shell.write(Array("correct horse\n".utf8), "password")
        try dray(["key", "generate", "--out", "key.pem", "--password-file", "password"]).mustSucceed()
        try shell.write(Array(TokenToolTests.terminal.utf8), "terminal.py")
        let tool = SourceTree.tool("dray").string
        let script = shell.folder.appending("terminal.py").string
        for (typed, status) in [("correct horse\\n", "0"), ("wrong\\n", "64"), ("\\x03", "130")] {
            let result = try run([
                "python3", script, typed, tool, "key", "show", shell.folder.appending("key.pem").string,
            ])
            #expect(result.status == 0, "\(result.errorOutput)")
            #expect(result.output.contains("Password of"))
            #expect(!result.output.contains("horse") && !result.output.contains("wrong"))
            #expect(result.output.hasSuffix("core dumps of 1 byte, status \(status), echo on\n"), "\(result.output)")
        }
    }

    private static let terminal = #"""
        import os, pty, select, sys, termios, time
        typed = sys.argv[1].encode().decode("unicode_escape").encode()
        main, other = pty.openpty()
        child = os.fork()
        if child == 0:
            os.close(main)
            os.login_tty(other)
            os.execv(sys.argv[2], sys.argv[2:])
        out, end, sent, status = b"", time.time() + 20, False, None
        while status is None and time.time() < end:
            if select.select([main], [], [], 0.05)[0]:
                out += os.read(main, 4096)
            if not sent and b": " in out:
                core = [line.split()[4] for line in open("/proc/%d/limits" % child) if line.startswith("Max core")]
                os.write(main, typed)
                sent = True
            pid, code = os.waitpid(child, os.WNOHANG)
            if pid:
                status = os.waitstatus_to_exitcode(code)
        while select.select([main], [], [], 0)[0]:
            out += os.read(main, 4096)
        if status is None:
            os.kill(child, 9)
        echo = termios.tcgetattr(other)[3] & termios.ECHO
        print(out.decode(errors="replace"))
        print("core dumps of %s byte, status %s, echo %s" % (core[0], status, "on" if echo else "off"))
        """#
}
