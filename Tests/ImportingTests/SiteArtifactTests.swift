// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import FoundationEssentials
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing
import Trust

@testable import Importing

/// What a registry keeps of the site.
struct SiteArtifactTests {
    private let site: Site

    init() throws {
        site = try Site()
        _ = try site.makeKey()
    }

    private func question(_ change: (inout History.Question) -> Void = { _ in }) -> History.Question {
        var question = History.Question()
        change(&question)
        return question
    }

    /// Loads twice and asks with a lost state.
    private func checkEvidence(_ target: RegistryTarget) throws {
        #expect(try SiteArtifact.read(from: target) == nil)
        let receipt = try site.load(target)
        _ = try site.load(target, later: 60)
        let artifact = try #require(try SiteArtifact.read(from: target))
        #expect(artifact.products == ["palette-enterprise"])
        let kept = try #require(artifact.accepted.first)
        #expect(artifact.accepted.count == 1 && kept.fingerprint == site.packed.fingerprint)
        #expect(kept.roots == [try site.packed.root1.contents(limit: 1 << 20)])
        #expect(kept.metadata.targets == (try site.state.accepted(kept.fingerprint)?.targets))
        // What the registry has proves itself: nothing of the state is needed but the public key.
        let keys = try site.state.receiptKeys()
        let source = try History.Source(in: target, progress: Progress())
        #expect(source.faults.isEmpty)
        let files = try site.receipts.map {
            Digest(of: try site.state.receiptsFolder.appending($0).contents(limit: 1 << 24))
        }
        #expect(Set(source.files.map(\.digest)) == Set(files) && files.count == 2)
        let tag = try #require(receipt.counts.tags.first)
        let report = History(question { $0.tag = "\(tag.repository):\(tag.tag)" }, source, keys: keys, [:]).report()
        #expect(report.failure == nil && report.warnings.isEmpty)
        #expect(report.text.contains("made, is \(tag.digest)"))
        #expect(report.text.contains("was \(tag.digest) already"))
        let later = try History.Source(in: target, since: "2030-01-01", progress: Progress())
        #expect(later.files.isEmpty)
    }

    @Test func `docker-registry keeps receipts, accepted metadata and the binding, and gives them back`() throws {
        let server = try RegistryServer()
        try checkEvidence(registryTarget(server.url + "/spectro-content"))
    }

    @Test(arguments: ZotServer.Era.allCases)
    func `Zot keeps them too, and its collection takes none of it`(_ era: ZotServer.Era) throws {
        var options = ZotServer.Options()
        options.era = era
        let server = try ZotServer(options)
        try checkEvidence(server.target())
        server.collect(olderThan: .zero)
        #expect(try History.Source(in: server.target(), progress: Progress()).files.count == 2)
        #expect(try SiteArtifact.read(from: server.target())?.accepted.count == 1)
    }

    @Test func `the inventory, an undo and a check pass over it`() throws {
        let server = try RegistryServer()
        let target = try registryTarget(server.url + "/spectro-content")
        let receipt = try site.load(target)
        let file = site.folder.appending("inventory.jsonl")
        _ = try Inventory(of: target, tool: "test").write(to: file, now: PackedSample.now, progress: Progress())
        let text = String(decoding: try file.contents(limit: 1 << 24), as: UTF8.self)
        #expect(!text.contains(SiteArtifact.repository) && text.contains("totals"))
        let undo = try Undo(receipt, at: target, jobs: 2, progress: Progress())
        #expect(!undo.steps.contains { "\($0)".contains(SiteArtifact.repository) })
        let check = Check(receipt, at: target, jobs: 2)
        #expect(try check.run(Progress()).report(check, receipt: "receipt.json", given: "").failure == nil)
    }

    @Test func `an image layout gets none`() throws {
        let layout = LayoutTarget(site.folder.appending("layout"))
        _ = try site.load(layout)
        #expect(try SiteArtifact.read(from: layout) == nil)
        #expect(try layout.session().tags(of: SiteArtifact.repository) ?? [] == [])
        #expect(throws: SiteArtifactError.notKept(layout.address)) {
            try History.Source(in: layout, progress: Progress())
        }
    }

    @Test(
        arguments: [
            (#"{"accepted":[{"roots":[],"timestamp":"","snapshot":"","targets":""}]}"#, #"{"products":[]}"#),
            (#"{"accepted":1}"#, #"{"products":[]}"#), (#"{"accepted":[]}"#, #"{"products":[1]}"#), ("", ""),
            (#"{"accepted":[],"accepted":[]}"#, #"{"products":[]}"#),
        ])
    func `what somebody else put there is refused in words, and the next load writes it anew`(
        _ accepted: String, _ binding: String
    ) throws {
        let server = try RegistryServer()
        let target = try registryTarget(server.url + "/base")
        try put([(.accepted, Array(accepted.utf8)), (.binding, Array(binding.utf8))], target)
        let error = #expect(throws: SiteArtifactError.self) { try SiteArtifact.read(from: target) }
        #expect(error?.failure == .damaged)
        _ = try site.load(target)
        #expect(try SiteArtifact.read(from: target)?.products == ["palette-enterprise"])
    }

    @Test func `a layer that says it is huge isn't fetched, and a tag of another kind is no artifact`() throws {
        let server = try RegistryServer()
        let target = try registryTarget(server.url + "/base")
        try put([(.accepted, Array("{}".utf8))], target, sizes: 1 << 30)
        #expect(throws: SiteArtifactError.self) { try SiteArtifact.read(from: target) }
        try put([], target)
        let artifact = try #require(try SiteArtifact.read(from: target))
        #expect(artifact.accepted.isEmpty && artifact.products.isEmpty)
    }

    /// Puts layers under the tag `state`, as whoever may write there can.
    private func put(_ parts: [(SiteArtifact.Part, [UInt8])], _ target: RegistryTarget, sizes: Int? = nil) throws {
        let session = target.session()
        let empty = Array("{}".utf8)
        for bytes in [empty] + parts.map(\.1) {
            let blob = LoadPlan.BlobStep(
                repository: SiteArtifact.repository, digest: Digest(of: bytes), size: Int64(bytes.count), mountFrom: nil
            )
            _ = try session.send(blob) { offset in BytesBody(bytes.dropFirst(Int(offset))) }
        }
        let layers = parts.map {
            #"{"mediaType":"\#($0.0.rawValue)","digest":"\#(Digest(of: $0.1))","size":\#(sizes ?? $0.1.count)}"#
        }
        let text =
            #"{"schemaVersion":2,"mediaType":"\#(MediaType.manifest)","config":{"mediaType":"application/vnd.oci.empty.v1+json","#
            + #""digest":"\#(Digest(of: empty))","size":2},"layers":[\#(layers.joined(separator: ","))]}"#
        let manifest = try Manifest(parsing: Data(text.utf8), mediaType: MediaType.manifest)
        let descriptor = Descriptor(
            mediaType: MediaType.manifest, digest: Digest(of: Array(text.utf8)), size: Int64(text.utf8.count))
        _ = try session.put(manifest, descriptor, at: Place(SiteArtifact.repository, "state"))
    }

    @Test func `a load whose evidence the registry refuses is done, and says so`() throws {
        let server = try RegistryServer()
        let target = try registryTarget(server.url + "/spectro-content")
        let refusing = RefusingTarget(target)
        let receipt = try site.load(refusing)
        #expect(receipt.outcome == "done")
        #expect(refusing.warnings(of: receipt, site).count == 1)
        #expect(try SiteArtifact.read(from: target) == nil)
    }
}

/// A registry that takes nothing into the site's repository.
private struct RefusingTarget: LoadTarget {
    let target: RegistryTarget

    init(_ target: RegistryTarget) { self.target = target }

    var address: String { target.address }
    var skipsTLSVerify: Bool { false }
    var keepsEvidence: Bool { true }
    func open() -> FileLock? { nil }
    func session() throws -> any TargetSession { Session(session: target.session()) }
    func setTags(_ tags: [TagAssignment], width: Int) throws { try target.setTags(tags, width: width) }

    /// What keeping the receipt comes to.
    func warnings(of receipt: Receipt, _ site: Site) -> [String] {
        let file = (try? site.receipts.last).map { site.state.receiptsFolder.appending($0) }
        return LoadRun(state: site.state, tool: "test").keepEvidence(file ?? "", receipt, self)
    }

    private final class Session: TargetSession {
        let session: any TargetSession

        init(session: any TargetSession) { self.session = session }

        func ping() throws { try session.ping() }
        func traits(_ question: TraitsQuestion) throws -> TargetTraits { try session.traits(question) }
        func manifestDigest(_ place: Place) throws -> Digest? { try session.manifestDigest(place) }
        func manifest(_ place: Place) throws -> FoundManifest { try session.manifest(place) }
        func has(_ blob: LoadPlan.BlobStep) throws -> Bool { try session.has(blob) }
        func givesBack(_ blob: LoadPlan.BlobStep) throws -> Bool { try session.givesBack(blob) }
        func send(_ blob: LoadPlan.BlobStep, body: (_ offset: Int64) throws -> any BlobBody) throws -> UploadOutcome {
            guard blob.repository != SiteArtifact.repository else {
                throw LoadError.notAllowed([.init(blob.repository, "create")], "the registry")
            }
            return try session.send(blob, body: body)
        }
        func put(_ manifest: Manifest, _ descriptor: Descriptor, at place: Place) throws -> Bool {
            try session.put(manifest, descriptor, at: place)
        }
        func remove(_ place: Place) throws { try session.remove(place) }
        func tags(of repository: String) throws -> [String]? { try session.tags(of: repository) }
        func referrers(of subject: Digest, in repository: String, wanted: Set<Digest>) throws -> Set<Digest> {
            try session.referrers(of: subject, in: repository, wanted: wanted)
        }
        func list(_ referrer: Manifest, _ descriptor: Descriptor, about subject: Digest, in repository: String) throws {
            try session.list(referrer, descriptor, about: subject, in: repository)
        }
    }
}
