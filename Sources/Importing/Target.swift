// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import FoundationEssentials
package import OCI
package import RegistryClient

/// Where `load` puts a release: a registry, or a folder that is an OCI image layout. Two implementations, one plan.
package protocol LoadTarget: Sendable {
    /// The address without any credentials.
    var address: String { get }
    /// Whether certificates of the target are taken unseen.
    var skipsTLSVerify: Bool { get }
    /// The user name that the target is logged in to with; `nil` where there is none. Never a password or token.
    var account: String? { get }
    /// SHA-256 of the certificate that the target shows now, 64 hex digits; `nil` where it shows none. Throws `RegistryError`.
    func certificateDigest() throws -> String?
    /// Whether the target takes the artifact that keeps a site's receipts (`SiteArtifact`).
    var keepsEvidence: Bool { get }
    /// Where it has what a release names.
    var mapping: RegistryMapping { get }
    /// The beginning of its repositories' names that its address has; "" for none.
    var basePath: String { get }
    /// Asks, once and without any credentials, whether a pull is allowed to anybody; `nil` where that doesn't matter.
    func anonymousPull(of place: Place) -> AnonymousPull?
    /// Whether it may be left for long with a part of a release in it.
    var takesParts: Bool { get }
    /// Whether something answers there, so that what is loaded can be used at once.
    var isRunning: Bool { get }
    /// What was learned about it and what went there, for the next load and for the receipt.
    var traffic: TargetTraffic { get }
    /// Keeps what was learned about the target for later runs.
    func remember(in state: SiteState) throws
    /// Makes the target ready to be written, and keeps others from writing while the result lives.
    func open() throws -> FileLock?
    /// How many bytes the target holds in all, as a person has said; `nil` where nobody has.
    var capacity: UInt64? { get }
    /// How many bytes the target can take; `nil` where it doesn't say, as registries don't.
    func freeSpace() throws -> UInt64?
    /// What of the plan is still to be sent, in bytes, as far as that can be told at no cost.
    func bytesLacking(_ plan: LoadPlan) throws -> UInt64
    /// All repositories below the base path, but that of the site's own evidence; `nil` where the target doesn't list them.
    func repositories() throws -> [String]?
    /// Removes those of these manifests and blobs to which nothing in the target leads any more; returns their bytes. `nil` for a
    /// target that does so by itself, at its own time. `open` was called.
    func sweep(_ digests: Set<Digest>) throws -> UInt64?
    /// A connection for one thread.
    func session() throws -> any TargetSession
    /// Sets tags whose manifests are there or come with them, on up to `width` threads; all or some of them when it throws.
    func setTags(_ tags: [TagAssignment], width: Int) throws
}

extension LoadTarget {
    package var traffic: TargetTraffic { TargetTraffic() }
    package func remember(in state: SiteState) {}
    package var account: String? { nil }
    package func certificateDigest() -> String? { nil }
    package var keepsEvidence: Bool { false }
    package var isRunning: Bool { true }
    package var takesParts: Bool { true }
    package var mapping: RegistryMapping { .none }
    package var basePath: String { "" }
    package func anonymousPull(of place: Place) -> AnonymousPull? { nil }
    package func freeSpace() -> UInt64? { nil }
    package var capacity: UInt64? { nil }
    package func repositories() throws -> [String]? { nil }
    package func sweep(_ digests: Set<Digest>) throws -> UInt64? { nil }
    package func bytesLacking(_ plan: LoadPlan) -> UInt64 { plan.bytesToSend }

    /// `LoadError.noSpace` where the target, or the user for it, says that it has too little room for the plan.
    func lack(for plan: LoadPlan, saidToBeFree: UInt64? = nil) throws -> LoadError? {
        guard let free = try saidToBeFree ?? freeSpace() else { return nil }
        let needed = try bytesLacking(plan)
        return needed <= free ? nil : .noSpace(address, needed: needed, free: free)
    }
}

/// What one run has asked of a target.
package struct TargetTraffic: Sendable, Equatable {
    package var requests = 0
    /// Bytes of bodies sent, repetitions included.
    package var bytesSent: UInt64 = 0
    /// Of one connection, as this and earlier runs measured it; `nil` where none did.
    package var bytesPerSecond: Double?

    package init() {}
}

/// A tag with the manifest that it gets.
package struct TagAssignment: Sendable {
    package let repository: String
    package let tag: String
    package let manifest: Manifest
    package let descriptor: Descriptor
    /// Whether the tag must be dropped first.
    package var retypes = false
}

/// A target as one thread sees it.
package protocol TargetSession: AnyObject {
    /// Whether each blob so far was stored with an answer that names its digest; `nil` where there was none yet.
    var namesDigests: Bool? { get }
    /// Asks whether the target answers and lets us in.
    func ping() throws
    /// How the target behaves, and what the login may not do in these repositories with the tags that exist there.
    func traits(_ question: TraitsQuestion) throws -> TargetTraits
    /// The digest of the manifest under a tag or digest; `nil` when there is none.
    func manifestDigest(_ place: Place) throws -> Digest?
    /// The manifest's bytes, which nothing has checked.
    func manifest(_ place: Place) throws -> FoundManifest
    /// Whether the repository has the blob, as far as the target tells without sending it back.
    func has(_ blob: LoadPlan.BlobStep) throws -> Bool
    /// Whether the repository gives the blob's bytes back as they were.
    func givesBack(_ blob: LoadPlan.BlobStep) throws -> Bool
    /// The bytes of a blob of this size, which have its digest; `nil` where it isn't there or isn't that. Memory for all of it is
    /// taken: the caller has bounded the size.
    func contents(of digest: Digest, size: Int64, in repository: String) throws -> [UInt8]?
    /// Reads bytes of a blob from `offset` on, which must lie inside it; nothing has checked them.
    @unsafe func read(
        _ digest: Digest, in repository: String, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws -> BlobPiece
    /// Gives a whole blob of `size` bytes, piece by piece; `false` where it isn't there. Nothing has checked them.
    func copy(_ digest: Digest, size: Int64, in repository: String, into take: (RawSpan) throws -> Void) throws -> Bool
    /// Stores a blob that isn't there; `body` gives its bytes from an offset on, anew each time it is called.
    func send(_ blob: LoadPlan.BlobStep, body: (_ offset: Int64) throws -> any BlobBody) throws -> UploadOutcome
    /// Stores a manifest under a tag or its digest. Returns whether the target keeps the list of its subject's referrers.
    func put(_ manifest: Manifest, _ descriptor: Descriptor, at place: Place) throws -> Bool
    /// Removes a tag, or a manifest by its digest; one that isn't there is fine.
    func remove(_ place: Place) throws
    /// All tags of a repository; `nil` where it isn't there.
    func tags(of repository: String) throws -> [String]?
    /// The manifests that are about this one, as the target lists them; asks on until the wanted ones are found or nothing
    /// is left to ask.
    func referrers(of subject: Digest, in repository: String, wanted: Set<Digest>) throws -> Set<Digest>
    /// Lists a manifest among its subject's referrers where the target doesn't do so by itself. One caller for each subject.
    func list(_ referrer: Manifest, _ descriptor: Descriptor, about subject: Digest, in repository: String) throws
}

extension TargetSession {
    package var namesDigests: Bool? { nil }
    package func contents(of digest: Digest, size: Int64, in repository: String) -> [UInt8]? { nil }
    @unsafe package func read(
        _ digest: Digest, in repository: String, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) -> BlobPiece { .missing }
    package func copy(
        _ digest: Digest, size: Int64, in repository: String, into take: (RawSpan) throws -> Void
    ) -> Bool { false }

    /// The size of a blob, told by reading a byte of it, which changes nothing: on Zot the usual question links the blob and creates
    /// the repository. `nil` where it isn't there.
    func blobSize(_ digest: Digest, in repository: String) throws -> UInt64? {
        var byte: UInt8 = 0
        let answer = try unsafe withUnsafeMutableBytes(of: &byte) { memory in
            try unsafe read(digest, in: repository, at: 0, into: memory)
        }
        return switch answer {
        case .missing: nil
        case .part(_, let size), .wholeOnly(let size): size
        }
    }
}

/// What a plan wants to know of a target beside its content.
package struct TraitsQuestion: Sendable {
    /// Repositories that get something.
    package var written: [String] = []
    /// Tags that would point elsewhere.
    package var moving: [Place] = []
    /// Repositories in which a tag must be dropped first.
    package var retyped: [String] = []
    /// Whether the release has manifests of Docker's own types.
    package var hasDockerManifests = false

    package init() {}
}
