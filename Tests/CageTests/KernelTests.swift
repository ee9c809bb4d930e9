// SPDX-License-Identifier: Apache-2.0

import Files
import FoundationEssentials
import Importing
import OCI
import Packing
import Support
import SystemPackage
import Testing

/// A packed sample and a site that trusts it; both tools as people run them.
private final class Machine: Sendable {
    let place = TemporaryFolder()
    private let sample: SampleRelease
    let bundle: String

    init() throws {
        sample = try SampleRelease()
        let folder = place.path.string
        let dray = SourceTree.tool("dray").string
        for words in [
            ["key", "generate", "--out", "\(folder)/root.pem"], ["key", "generate", "--out", "\(folder)/release.pem"],
            [
                "trust", "init", "--product", "palette-enterprise", "--root-key", "\(folder)/root.pem",
                "--release-key", "\(folder)/release.pub.pem", "--out", "\(folder)/trust",
            ],
            [
                "pack", sample.manifest.string, "--trust", "\(folder)/trust", "--key", "\(folder)/release.pem", "--out",
                "\(folder)/bundles", "--state", "\(folder)/publisher",
            ],
        ] {
            let result = try run([dray] + words)
            try #require(result.status == 0, "\(result.errorOutput)")
        }
        bundle = "\(folder)/bundles/palette-enterprise-1.0.0"
        let print = try run(["sha256sum", "\(bundle)/trust/1.root.json"]).output.prefix(64)
        let added = try site(["trust", "add", bundle, "--fingerprint", String(print)])
        try #require(added.status == 0, "\(added.errorOutput)")
    }

    /// Runs `dray-import` with this machine's state, on a kernel without the named calls.
    func site(without calls: String? = nil, _ words: [String]) throws -> CommandResult {
        let probe = calls.map { [SourceTree.tool("cage-probe").string, "without", $0, "--"] } ?? []
        return try run(
            probe + [SourceTree.tool("dray-import").string] + words + ["--state", place.appending("site").string])
    }

    func write(policy: String) throws {
        try Support.write(Array(policy.utf8), to: place.appending("site/policy.json"))
    }

    static let shared = Result { try Machine() }
}

private struct Sandbox: Decodable, Equatable {
    let seccomp: Bool
    let landlock: Int?
    let openat2: Bool
}

/// Kernels of the systems in use: RHEL 8's 4.18 and Ubuntu 20.04's 5.4 have seccomp and neither Landlock nor openat2.
@Suite struct KernelTests {
    private struct Document<Content: Decodable>: Decodable { let result: Content }
    private struct Receipt: Decodable { let sandbox: Sandbox }

    private func sandbox(_ machine: Machine, without calls: String?) throws -> Sandbox {
        let result = try machine.site(without: calls, ["sandbox", "--output", "json"])
        #expect(result.status == 0, "\(result.errorOutput)")
        return try JSONDecoder().decode(Document<Sandbox>.self, from: Data(result.stdout)).result
    }

    @Test func `the status is the kernel's`() throws {
        let machine = try Machine.shared.get()
        let all = try sandbox(machine, without: nil)
        #expect(all.seccomp && all.openat2 && (all.landlock != nil) == hasLandlock)
        let old = try sandbox(machine, without: "landlock,openat2,close_range")
        #expect(old == Sandbox(seccomp: true, landlock: nil, openat2: false))
    }

    @Test(.serialized, arguments: [nil, "landlock,openat2,close_range"])
    func `a release is loaded and a file written on old kernels too, and the receipt says what held`(
        _ calls: String?
    ) throws {
        let machine = try Machine.shared.get()
        let folder = TemporaryFolder()
        let receipt = folder.appending("receipt.json")
        let loaded = try machine.site(
            without: calls,
            ["load", machine.bundle, "--to", "oci:\(folder.path)/layout", "--receipt", receipt.string])
        #expect(loaded.status == 0, "\(loaded.errorOutput)")
        let noted = try JSONDecoder().decode(Receipt.self, from: Data(try contents(of: receipt))).sandbox
        #expect(noted.seccomp && noted.openat2 == (calls == nil))
        #expect((noted.landlock != nil) == (calls == nil && hasLandlock))
        let checked = try machine.site(["check", "--to", "oci:\(folder.path)/layout", "--deep"])
        #expect(checked.status == 0, "\(checked.errorOutput)\(checked.output)")
    }

    @Test(arguments: [["sandbox"], ["load"], ["plan"], ["extract"]])
    func `case 82: without seccomp what decodes is refused, and nothing is written`(_ words: [String]) throws {
        let machine = try Machine.shared.get()
        let folder = TemporaryFolder()
        let rest =
            switch words[0] {
            case "sandbox": [] as [String]
            case "extract": ["appliance.iso", machine.bundle, "--to", folder.appending("out").string]
            default: [machine.bundle, "--to", "oci:\(folder.path)/layout"]
            }
        let result = try machine.site(without: "seccomp", words + rest)
        #expect(result.status == 14, "\(result.output)\(result.errorOutput)")
        #expect(try folder.path.entries() == [])
    }

    @Test func `a site's policy can do without, which the receipt says`() throws {
        let machine = try Machine()
        try machine.write(policy: #"{"sandbox":"none"}"#)
        let status = try machine.site(without: "seccomp", ["sandbox"])
        #expect(status.status == 0)
        #expect(status.errorOutput.contains("has this user's rights"))
        let receipt = machine.place.appending("receipt.json")
        let load = ["load", machine.bundle, "--to", "oci:\(machine.place.path)/layout", "--receipt", receipt.string]
        let loaded = try machine.site(without: "seccomp", load)
        #expect(loaded.status == 0, "\(loaded.errorOutput)")
        let noted = try JSONDecoder().decode(Receipt.self, from: Data(try contents(of: receipt))).sandbox
        #expect(noted == Sandbox(seccomp: false, landlock: nil, openat2: true))
    }

    @Test func `verify reads no frame and needs no cage`() throws {
        let machine = try Machine.shared.get()
        #expect(try machine.site(without: "seccomp", ["verify", machine.bundle]).status == 0)
    }
}
