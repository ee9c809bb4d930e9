// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing
import Trust

@testable import Importing

/// Which products a target takes, and what is said of products that nobody here trusts.
struct BindingTests {
    private var palette: MadePublisher
    private var vertex: MadePublisher

    init() throws {
        palette = try MadePublisher()
        vertex = try MadePublisher(product: "vertex-enterprise")
    }

    @Test
    mutating func `29: the first load binds a target, and another trusted product is refused until a person adds it`()
        throws
    {
        let scene = try TrustScene(palette, vertex)
        let (one, other) = (try palette.release("1.0.0"), try vertex.release("1.0.0"))
        let address = scene.layout.address
        try scene.load(one)
        #expect(try scene.state.binding(of: address).products == ["palette-enterprise"])
        let before = try scene.snapshot()
        #expect(refusal { try scene.plan(other) }?.code == .refused)
        let refused = try #require(refusal { try scene.load(other) })
        #expect(refused.code == .refused)
        #expect(refused.text.contains("takes palette-enterprise only") && refused.text.contains("target bind"))
        #expect(try scene.snapshot() == before)
        // elsewhere it goes, and here once a person has said so
        try scene.load(other, to: LayoutTarget(scene.folder.appending("second")))
        #expect(refusal { _ = try scene.state.bind(address, product: "vertex-enterprize") }?.code == .usage)
        _ = try scene.state.bind(address, product: "vertex-enterprise")
        try scene.load(other)
        #expect(try scene.state.binding(of: address).products == ["palette-enterprise", "vertex-enterprise"])
    }

    @Test mutating func `29: the binding outlives the machine, in the registry`() throws {
        let server = try ZotServer()
        let target = try server.target()
        let (one, other) = (try palette.release("1.0.0"), try vertex.release("1.0.0"))
        try TrustScene(palette).load(one, to: target)
        let second = try TrustScene(palette, vertex)
        #expect(refusal { try second.load(other, to: target) }?.code == .refused)
        _ = try second.state.bind(target.address, product: "vertex-enterprise")
        #expect(refusal { try second.load(other, to: target) } == nil)
        #expect(try SiteArtifact.read(from: target)?.products == ["palette-enterprise", "vertex-enterprise"])
        let third = try TrustScene(palette, vertex)
        try third.load(other, to: target)
        #expect(try third.state.binding(of: target.address).products.count == 2)
    }

    @Test mutating func `29: what a registry says does not widen what a site has bound`() throws {
        let server = try ZotServer()
        let target = try server.target()
        let (one, other) = (try palette.release("1.0.0"), try vertex.release("1.0.0"))
        let site = try TrustScene(palette, vertex)
        try site.load(one, to: target)
        // somebody else writes there that the target takes the other product too
        let stranger = try TrustScene(palette, vertex)
        _ = try stranger.state.bind(target.address, product: "vertex-enterprise")
        try stranger.load(other, to: target)
        #expect(try SiteArtifact.read(from: target)?.products == ["palette-enterprise", "vertex-enterprise"])
        #expect(refusal { try site.load(other, to: target) }?.code == .refused)
        #expect(refusal { try site.load(one, to: target) } == nil)
        #expect(try site.state.binding(of: target.address).products == ["palette-enterprise"])
    }

    @Test mutating func `29: for an unknown root both products are named, the medium's as unverified`() throws {
        let scene = try TrustScene(palette)
        let bundle = try vertex.release("1.0.0")
        let refused = try #require(refusal { try scene.verified(bundle) })
        #expect(refused.code == .notTrusted)
        for words in ["of vertex-enterprise, which nothing has verified", "trusted here: palette-enterprise"] {
            #expect(refused.text.contains(words), "\(refused.text)")
        }
    }

    @Test mutating func `a root that its own keys did not sign claims nothing`() throws {
        let scene = try TrustScene(palette)
        let bundle = try vertex.release("1.0.0")
        for name in ["trust/1.root.json", "copies/trust/1.root.json"] {
            let file = bundle.appending(name)
            let text = String(decoding: try file.contents(limit: 1 << 20), as: UTF8.self)
            try write(Array(text.replacing("vertex-enterprise", with: "better-enterprise").utf8), to: file)
        }
        let refused = try #require(refusal { try scene.verified(bundle) })
        #expect(refused.code == .notTrusted && !refused.text.contains("better-enterprise"))
    }

    @Test func `a binding that can't be read is named, and nothing is taken for it`() throws {
        let scene = try TrustScene(palette)
        let file = scene.state.file(in: "bindings", of: scene.layout.address)
        try file.removingLastComponent().createDirectories()
        for text in ["", "{", #"{"products":[""]}"#, #"{"products":"x"}"#] {
            try write(Array(text.utf8), to: file)
            let refused = try #require(refusal { _ = try scene.state.binding(of: scene.layout.address) })
            #expect(refused.text.contains(file.string))
        }
    }
}
