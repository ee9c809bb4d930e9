// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Files
import Packing
import Support
import SystemPackage
import Testing
import Trust

/// The recipe of README-VERIFY.txt, its lines as they are printed on the medium, in a shell that has none of our tools.
struct ColdRecipeTests {
    @Test func `a good medium passes: two roots, two of three keys each`() throws {
        let site = try ColdSite()
        let result = try site.recipe()
        #expect(result.output.hasPrefix("\(site.fingerprint)  trust/1.root.json\n"))
        #expect(result.count("Verified OK") == 3)  // two root keys of three, one release key of three
        #expect(result.output.contains("newest root: trust/2.root.json\n"))
        #expect(result.output.contains("volumes/appliance.iso: OK\n"))
        for word in ["STOP", "FAILED", "FOREIGN", "LOST", "not found"] {
            #expect(!result.all.contains(word), "\(word)")
        }
    }

    @Test func `another publisher's medium has another fingerprint`() throws {
        let (site, other) = (try ColdSite(), try ColdSite())
        #expect(try other.recipe().output.contains("trust/1.root.json\n"))
        #expect(try !other.recipe().output.contains(site.fingerprint))
    }

    @Test func `a changed first root has another fingerprint`() throws {
        let site = try ColdSite()
        try site.edit("trust/1.root.json") { $0.replacing("\"threshold\":2", with: "\"threshold\":1") }
        #expect(try !site.recipe().output.contains(site.fingerprint))
    }

    @Test(arguments: RootAttack.all) func `a second root is not taken`(attack: RootAttack) throws {
        let site = try ColdSite()
        try site.sign(by: site.thief)
        let file = try attack.forge(site)
        try write(Array(file.utf8), to: site.bundle.appending("trust/2.root.json"))
        let result = try site.recipe()
        #expect(result.output.contains("STOP: trust/2.root.json"))
        #expect(!result.afterRoots.contains("Verified OK"))
    }

    @Test func `an older root under a new number brings no revoked key back`() throws {
        let site = try ColdSite(keepingRootKeys: true)
        try site.sign(by: site.oldRelease[0])
        try write(Array(try site.text("trust/1.root.json").utf8), to: site.bundle.appending("trust/3.root.json"))
        let result = try site.recipe()
        #expect(result.output.contains("STOP: trust/3.root.json"))
        #expect(!result.afterRoots.contains("Verified OK"))
    }

    @Test func `changed, lost and foreign files are named`() throws {
        let site = try ColdSite()
        try sh(
            """
            cd \(site.bundle); rm volumes/appliance.iso index; printf X | dd of=volumes/tool bs=1 seek=9 conv=notrunc
            mkdir -p kit; touch kit/evil 'trust/1.root.json '; ln -s /bin/sh kit/link
            touch trust/1.root.jso trust/1xroot.json $'trust/1.root.json\\ntrust'
            """)
        let result = try site.recipe()
        #expect(result.output.contains("volumes/tool: FAILED"))
        #expect(!result.output.contains("appliance.iso: FAILED"))
        #expect(!result.output.contains("LOST: volumes") && result.output.contains("LOST: index\n"))
        for name in [
            "kit/evil", "kit/link", "trust/1.root.jso", "trust/1xroot.json", "trust/1.root.json ",
            "trust/1.root.json?trust",
        ] {
            #expect(result.output.contains("FOREIGN: \(name)\n"), "\(name)")
        }
        #expect(!result.output.contains("FOREIGN: trust/1.root.json\n"))
    }

    @Test func `changed sums are found`() throws {
        let site = try ColdSite()
        try site.edit("SHA256SUMS") { $0.replacing("  index\n", with: "  indey\n") }
        #expect(try !site.recipe().afterRoots.contains("Verified OK"))
    }
}

/// What someone with one stolen key, or none, may put in place of the second root.
struct RootAttack: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let forge: @Sendable (ColdSite) throws -> String

    static let all: [RootAttack] = [
        RootAttack(testDescription: "one byte changed") { site in
            try site.text("trust/2.root.json").replacing("palette-enterprise", with: "palette-enterprisf")
        },
        RootAttack(testDescription: "signed by one stolen key of three") { site in
            try site.envelope([site.rootKeys[0], site.thief], site.evilBody())
        },
        RootAttack(testDescription: "one stolen key's signature twice") { site in
            try site.envelope([site.rootKeys[0], site.rootKeys[0], site.thief], site.evilBody())
        },
        RootAttack(testDescription: "the genuine body behind a false one") { site in
            let (signatures, body) = try site.parts(ofFile: "trust/1.root.json")
            return "{\"signatures\":[\(signatures)],\"signed\":\(try site.evilBody()),\"x\":[],\"signed\":\(body)}"
        },
        RootAttack(testDescription: "the genuine body behind a false one, and a byte more") { site in
            let (signatures, body) = try site.parts(ofFile: "trust/1.root.json")
            return "{\"signatures\":[\(signatures)],\"signed\":\(try site.evilBody()),\"x\":[],\"signed\":\(body) }"
        },
        RootAttack(testDescription: "keys among the signatures of the first root again") { site in
            let (signatures, body) = try site.parts(ofFile: "trust/1.root.json")
            let roles = "\"targets\":{\"keyids\":[\"\(TrustKey(site.thief.publicKey).id)\""
            return "{\"signatures\":[\(signatures),\(try site.keyEntry()),\(roles)],\"signed\":\(body)}"
        },
    ]
}

extension CommandResult {
    fileprivate var all: String { output + errorOutput }
    /// What the steps after the roots print.
    fileprivate var afterRoots: String {
        output.split(separator: "newest root:", maxSplits: 1).last.map(String.init) ?? ""
    }
    fileprivate func count(_ text: String) -> Int {
        output.split(separator: text, omittingEmptySubsequences: false).count - 1
    }
}
