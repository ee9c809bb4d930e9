// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cage
import Files
import Importing
import OCI
import Support
import SystemPackage
import Testing

/// Loads whose frames are decoded by children of `dray-import`, or by worse ones.
struct CagedLoadTests {
    private let site: Site
    private let server: RegistryServer
    private static let packed = Result { try release() }

    init() throws { (site, server) = (try Site(CagedLoadTests.packed.get()), try RegistryServer()) }

    /// Images with layers that shrink, so that their frames are compressed, and one that doesn't.
    private static func release() throws -> PackedSample {
        var made = MadeLayout()
        for number in 0..<4 {
            let line = "layer \(number) of an image that a child decodes, "
            let layers = [9000, 40_000].map { made.blob(Array(String(repeating: line, count: $0 + number).utf8)) }
            _ = made.image("caged/image\(number):v1", layers + [try made.noise(300_000)], config: "{\"n\":\(number)}")
        }
        return try made.packed()
    }

    private func caged(_ program: CageProgram = CageProgram(SourceTree.tool("dray-import"))) -> FrameDecoders {
        .caged(Cage(program))
    }

    @Test func `a caged load gives the registry the same digests as one without a cage`() throws {
        let decoders = caged()
        let inside = try site.load(try registryTarget(server.url + "/inside"), isDeep: true, decoders: decoders)
        let outside = try site.load(try registryTarget(server.url + "/outside"))
        #expect(inside.counts.tags.map(\.digest) == outside.counts.tags.map(\.digest))
        #expect(inside.counts.pushed.bytes > 6 << 20 && inside.counts.readBack.isComplete)
        #expect(inside.sandbox?.seccomp == true && outside.sandbox?.seccomp == false)
        for reference in try site.verified().release.references {
            for base in ["inside", "outside"] {
                let name = "docker://127.0.0.1:\(server.port)/\(base)/\(reference.name)"
                #expect(try skopeoDigest(name) == reference.descriptor.digest.description)
            }
        }
        #expect(try Receipt(parsing: inside.encoded) == inside)
    }

    @Test(arguments: [
        ("lies", "are not its bytes"), ("is-forbidden", "a system call that the cage forbids"),
        ("crashes", "it crashed"), ("talks-nonsense", "nonsense"),
    ]) func `what a hostile child does stops the load as damage, and no tag is set`(
        _ behaviour: String, _ words: String
    ) throws {
        let probe = CageProgram(SourceTree.tool("cage-probe"), arguments: ["child", behaviour])
        let failure = try #require(throws: (any Error).self) {
            try site.load(try registryTarget(server.url + "/base"), decoders: caged(probe))
        }
        #expect((failure as? any ClassifiedError)?.failure == .damaged, "\(failure)")
        #expect("\(failure)".contains(words))
        let tags = try run(["curl", "-s", "\(server.url)/v2/base/caged/image0/tags/list"]).output
        #expect(!tags.contains("v1"))
    }

    @Test func `a child that is killed is no damage: the same command goes on`() throws {
        let probe = CageProgram(SourceTree.tool("cage-probe"), arguments: ["child", "is-killed"])
        let target = try registryTarget(server.url + "/base")
        let failure = try #require(throws: (any Error).self) { try site.load(target, decoders: caged(probe)) }
        #expect((failure as? any ClassifiedError)?.failure == .failed)
        #expect("\(failure)".contains("run the same command again"))
        #expect(try site.load(target, decoders: caged()).counts.readBack.isComplete)
    }
}
