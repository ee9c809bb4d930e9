// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cage
import Cryptography
import Files
import Importing
import OCI
import Packing
import RegistryClient
import Support
import SystemPackage
import Testing
import Trust

/// A packed sample release, made once for all tests, which only read it.
final class PackedSample: Sendable {
    static let now = UTCTime(secondsSince1970: 1_795_000_000)
    static let shared = Result { try PackedSample() }

    private let sample: SampleRelease?
    private let place = TemporaryFolder()
    /// The inputs' folder.
    let inputs: FilePath
    let bundle: FilePath
    let fingerprint: Digest

    private convenience init() throws {
        let sample = try SampleRelease()
        try self.init(sample.inputs, sample)
    }

    /// Packs what `release.yaml` in the folder says, which then may go.
    init(_ inputs: FilePath, _ sample: SampleRelease? = nil, product: String = "palette-enterprise") throws {
        (self.sample, self.inputs) = (sample, inputs)
        let (root, release) = (try PrivateKey.generate(.p384), try PrivateKey.generate(.p384))
        try TrustFolder.create(
            place.appending("trust"), product: product, rootKeys: [root],
            releaseKeys: [release.publicKey], issued: PackedSample.now, expires: PackedSample.now.adding(days: 3650))
        let pem = try release.withPEM { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
        try place.appending("release.pem").replaceContents(with: pem, mode: 0o600)
        let options = PackOptions(
            manifest: inputs.appending("release.yaml"), trust: place.appending("trust"),
            keys: { [release] },
            out: place.appending("out"), volumeSize: 4 << 20, state: place.appending("state"))
        bundle = try pack(options, progress: Progress(), now: PackedSample.now).folder
        fingerprint = Digest(of: try bundle.appending("trust/1.root.json").contents(limit: 1 << 20))
    }

    var root1: FilePath { bundle.appending("trust/1.root.json") }
}

/// A site that trusts the sample's root.
struct Site {
    let packed: PackedSample
    let folder = TemporaryFolder()
    var state: SiteState { SiteState(folder.appending("state")) }

    init(trusting: Bool = true) throws {
        packed = try PackedSample.shared.get()
        if trusting { _ = try state.add(root: packed.root1.contents(limit: 1 << 20)) }
    }

    /// A site that trusts a release of its own.
    init(_ packed: PackedSample) throws {
        self.packed = packed
        _ = try state.add(root: packed.root1.contents(limit: 1 << 20))
    }

    func unverified(_ folders: [FilePath]? = nil) throws -> UnverifiedBundle {
        try MediaSet(folders ?? [packed.bundle]).bundle()
    }

    func verified(_ folders: [FilePath]? = nil) throws -> VerifiedBundle {
        try unverified(folders).verified(by: state.pinnedRoots(), now: PackedSample.now)
    }

    func load(
        _ target: any LoadTarget, media: [FilePath]? = nil, replaceTags: [TagPattern] = [], receipt: FilePath? = nil,
        jobs: Int = 4, isDeep: Bool = false, decoders: FrameDecoders = .inProcess, person: String? = nil,
        later seconds: Int64 = 0, signer: SiteSigner?? = .none
    ) throws -> Receipt {
        var run = LoadRun(state: state, tool: "test")
        let now = UTCTime(secondsSince1970: PackedSample.now.secondsSince1970 + seconds)
        run.now = { now }
        (run.person, run.signer) = (person, try signer ?? self.signer())
        (run.jobs, run.isDeep) = (jobs, isDeep)
        (run.replaceTags, run.receipt) = (replaceTags, receipt)
        var bundle = try unverified(media)
        bundle.decoders = decoders
        return try run.run(
            bundle, to: target, given: GivenArguments(media: ["MEDIA"], target: ["--to", "TARGET"]),
            progress: Progress()
        ).receipt
    }

    /// A load of which the media may come one at a time.
    func turn(_ target: any LoadTarget, media: [FilePath]) throws -> LoadRun.Result {
        var run = LoadRun(state: state, tool: "test")
        run.now = { PackedSample.now }
        return try run.run(
            unverified(media), to: target, given: GivenArguments(media: ["MEDIA"], target: ["--to", "TARGET"]),
            progress: Progress())
    }

    /// The plan of the same.
    func planOfTurn(_ target: any LoadTarget, media: [FilePath]) throws -> Report {
        var run = PlanRun(state: state, tool: "test")
        run.now = { PackedSample.now }
        return try run.run(
            unverified(media), to: target, given: GivenArguments(media: ["MEDIA"], target: ["--to", "TARGET"]),
            progress: Progress())
    }

    /// Gives the site a key.
    func makeKey() throws -> SiteKey { try state.makeSiteKey(name: "Site 7") }

    /// What signs its receipts; `nil` where it has no key.
    func signer() throws -> SiteSigner? {
        guard let key = try state.siteKey() else { return nil }
        return try key.signer(PrivateKey(pem: FilePath(key.argument).contents(limit: 1 << 20)))
    }

    /// Somebody else's.
    func signer(named name: String, _ key: PrivateKey) throws -> SiteSigner {
        let other = SiteKey(name: name, key: TrustKey(key.publicKey), place: .token("pkcs11:"))
        return try other.signer(key)
    }

    /// The check of all receipts by the site's key.
    func verification() throws -> ReceiptVerification {
        try ReceiptVerification(nil, in: state, keys: state.receiptKeys(), state.receiptKeyNames())
    }

    /// The error that a load ends with.
    func failure(
        of target: any LoadTarget, media: [FilePath]? = nil, replaceTags: [TagPattern] = [], jobs: Int = 4,
        isDeep: Bool = false
    ) throws -> LoadFailure {
        try #require(throws: LoadFailure.self) {
            try load(target, media: media, replaceTags: replaceTags, jobs: jobs, isDeep: isDeep)
        }
    }

    /// A copy of the bundle without some of its files, on a medium of its own.
    func medium(_ name: String, without removed: [String]) throws -> FilePath {
        let place = folder.appending(name)
        try place.createDirectories()
        let copy = place.appending(packed.bundle.lastComponent?.string ?? "bundle")
        let made = try run(["cp", "-r", packed.bundle.string, copy.string])
        guard made.status == 0 else { throw SampleError.failed(made.errorOutput) }
        for file in removed { try copy.appending(file).removeFile() }
        return copy
    }

    var receipts: [String] {
        get throws { try state.receiptsFolder.exists() ? state.receiptsFolder.entries() : [] }
    }
}

/// A registry as a target; asked once and not again when it fails, unless `attempts` says more.
func registryTarget(
    _ url: String, login: Credentials? = nil, certificate: FilePath? = nil, skipTLSVerify: Bool = false,
    attempts: Int = 1
) throws -> RegistryTarget {
    var options = RegistryOptions()
    options.retry.attempts = attempts
    (options.credentials, options.caCertificate) = (login, certificate?.string)
    options.skipTLSVerify = skipTLSVerify
    return RegistryTarget(try Registry(try Endpoint(parsing: url), options))
}

/// The digest of a manifest as `skopeo` gets it.
func skopeoDigest(_ reference: String) throws -> String {
    let result = try run(["skopeo", "inspect", "--raw", "--tls-verify=false", reference])
    guard result.status == 0 else { throw SampleError.failed(result.errorOutput) }
    return Digest(of: result.stdout).description
}
