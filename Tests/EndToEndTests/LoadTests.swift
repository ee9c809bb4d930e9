// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

/// The command itself against Debian's docker-registry.
struct LoadTests {
    private func digests(_ registry: RegistryServer) throws -> String {
        try sh(
            """
            for r in us-docker.pkg.dev/palette-images/web:1.2.3 library/db:16 quay.io/multi/both:v2 sonobuoy/sonobuoy:latest \
              spectro-packs/archive/hello-universe:1.3.1 bundle-definition:palette-enterprise-appliance-1.0.0; do
              skopeo inspect --tls-verify=false --raw docker://127.0.0.1:\(registry.port)/base/$r | sha256sum; done
            """
        ).output
    }

    @Test func `what skopeo pulls back has the digests that went in`() throws {
        let (site, registry) = (try Site(), try RegistryServer())
        try site.trust()
        let loaded = try site.site("load", "bundles", "--to", "\(registry.url)/base", "--receipt", "r.json")
        #expect(loaded.status == 0, "\(loaded.errorOutput)")
        let mirror = site.sample.inputs.appending("mirror").string
        for name in ["us-docker.pkg.dev/palette-images/web:1.2.3", "quay.io/multi/both:v2"] {
            let there = try sh(
                "skopeo inspect --tls-verify=false --raw docker://127.0.0.1:\(registry.port)/base/\(name)"
            ).stdout
            #expect(try sh("skopeo inspect --raw oci:\(mirror):\(name)").stdout == there)
        }
        try sh(
            """
            skopeo --insecure-policy copy -q --all --src-tls-verify=false \
              docker://127.0.0.1:\(registry.port)/base/quay.io/multi/both:v2 dir:\(site.place.path)/pulled
            cd \(site.place.path)/pulled; for f in $(ls | grep -E '^[0-9a-f]{64}$'); do echo "$f  $f"; done | sha256sum --quiet -c
            """)
        let again = try site.site("load", "bundles", "--to", "\(registry.url)/base")
        #expect(again.status == 0)
        #expect(again.output.contains("nothing was sent"))
        try sh("jq -e '.tags | length == 8' \(site.place.path)/r.json")
    }

    @Test func `killed at ten moments, the same command goes on to the same tags`() throws {
        let site = try Site()
        try site.trust()
        let whole = try RegistryServer()
        #expect(try site.site("load", "bundles", "--to", "\(whole.url)/base").status == 0)
        let cut = try RegistryServer()
        var kills = 0
        for number in 0..<10 {
            let child = try ChildProcess(
                [
                    SourceTree.tool("dray-import").string, "load", site.bundle.string, "--to", "\(cut.url)/base",
                    "--state",
                    site.place.appending("site").string,
                ], output: site.place.appending("out"), errorOutput: site.place.appending("err"))
            if child.wait(seconds: 0.02 + 0.04 * Double(number) + Double.random(in: 0...0.04)) == nil { kills += 1 }
            child.kill()
        }
        #expect(kills >= 1)
        let last = try site.site("load", "bundles", "--to", "\(cut.url)/base")
        #expect(last.status == 0, "\(last.errorOutput)")
        #expect(try digests(cut) == digests(whole))
    }

    @Test func `a registry that is down is a failure that the same command mends`() throws {
        let (site, registry) = (try Site(), try RegistryServer())
        try site.trust()
        registry.kill()
        let down = try site.site("load", "bundles", "--to", "\(registry.url)/base")
        #expect(down.status == 1)
        #expect(down.errorOutput.contains("127.0.0.1"))
        try registry.restart()
        #expect(try site.site("load", "bundles", "--to", "\(registry.url)/base").status == 0)
    }

    @Test func `plan changes nothing and says what a load would send`() throws {
        let (site, registry) = (try Site(), try RegistryServer())
        try site.trust()
        let plan = try site.site("plan", "bundles", "--to", "\(registry.url)/base", "--output", "json")
        #expect(plan.status == 0, "\(plan.errorOutput)")
        try sh("curl -s \(registry.url)/v2/_catalog | jq -e '.repositories == []'")
    }

    @Test func `credentials over http to another machine are refused before anything is sent`() throws {
        let site = try Site()
        try site.trust()
        try write(Array("secret\n".utf8), to: site.place.appending("pw"))
        let result = try site.site(
            "load", "bundles", "--to", "http://192.0.2.1:5000/base", "--username", "admin", "--password-file", "pw")
        #expect(result.status == 14 || result.status == 64)
        #expect(result.errorOutput.contains("--plain-http"))
        #expect(!(result.output + result.errorOutput).contains("secret"))
    }
}
