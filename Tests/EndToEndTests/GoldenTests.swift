// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// The committed bundle of format 1: what every later version must read.
struct GoldenTests {
    static let bundle = SourceTree.root.appending("bundles/golden/format-1").string
    static let fingerprint = "af531e744b3e580180e9bb7964d3c62f2d509e80a41c8e3043282641923abcf6"

    @Test func `it is trusted, verified, loaded and extracted bit for bit`() throws {
        let place = TemporaryFolder()
        let tool = SourceTree.tool("dray-import").string
        func site(_ arguments: String...) throws -> CommandResult {
            try run([tool] + arguments + ["--state", place.appending("site").string])
        }
        #expect(try site("trust", "add", Self.bundle, "--fingerprint", Self.fingerprint).status == 0)
        #expect(try site("verify", Self.bundle).status == 0)
        let layout = place.appending("layout")
        #expect(try site("load", Self.bundle, "--to", "oci:\(layout)").status == 0)
        for name in ["golden.iso", "tool"] {
            #expect(try site("extract", name, Self.bundle, "--to", place.appending(name).string).status == 0)
        }
        try sh(
            """
            cd \(place.path); cp -n layout/blobs/sha256/* .; n=0
            sha256sum --quiet -c \(Self.bundle).sums
            """)
        let list = try sh("skopeo inspect --raw oci:\(layout):us-docker.pkg.dev/palette-images/golden:1").stdout
        #expect(!list.isEmpty)
        try sh("test -f \(layout)/blobs/sha256/813a4e797face63abdc602b69dec074e8092f43cb7f80c5814537a33a75df94e")
    }

    @Test func `its own rescue.py and today's rebuild the same files`() throws {
        let place = TemporaryFolder()
        for script in ["\(Self.bundle)/rescue.py", SourceTree.root.appending("scripts/rescue.py").string] {
            for name in ["golden.iso", "tool", "tool.sig.bin", "golden.iso.sig.bin"] {
                try sh("python3 \(script) extract \(name) \(place.path)/\(name) \(Self.bundle)")
            }
            try sh("cd \(place.path) && grep -E '  (golden|tool)' \(Self.bundle).sums | sha256sum --quiet -c && rm *")
        }
    }
}
