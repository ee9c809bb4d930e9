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
    /// Makes the target ready to be written, and keeps others from writing while the result lives.
    func open() throws -> FileLock?
    /// How many bytes the target can take; `nil` where it doesn't say, as registries don't.
    func freeSpace() throws -> UInt64?
    /// What of the plan is still to be sent, in bytes, as far as that can be told at no cost.
    func bytesLacking(_ plan: LoadPlan) throws -> UInt64
    /// A connection for one thread.
    func session() throws -> any TargetSession
    /// Sets tags whose manifests are there, on up to `width` threads; all or some of them when it throws.
    func setTags(_ tags: [TagAssignment], width: Int) throws
}

extension LoadTarget {
    package func freeSpace() -> UInt64? { nil }
    package func bytesLacking(_ plan: LoadPlan) -> UInt64 { plan.bytesToSend }

    /// `LoadError.noSpace` where the target says that it has too little room for the plan.
    func lack(for plan: LoadPlan) throws -> LoadError? {
        guard let free = try freeSpace() else { return nil }
        let needed = try bytesLacking(plan)
        return needed <= free ? nil : .noSpace(address, needed: needed, free: free)
    }
}

/// A tag with the manifest that it gets.
package struct TagAssignment: Sendable {
    package let repository: String
    /// `nil` for a manifest that only its digest names.
    package let tag: String?
    package let manifest: Manifest
    package let descriptor: Descriptor
}

/// A target as one thread sees it.
package protocol TargetSession: AnyObject {
    /// Asks whether the target answers and lets us in.
    func ping() throws
    /// The digest of the manifest under a tag or digest; `nil` when there is none.
    func manifestDigest(_ place: Place) throws -> Digest?
    /// The manifest's bytes; `nil` when there is none.
    func manifest(_ place: Place) throws -> [UInt8]?
    /// Whether the repository has the blob, as far as the target tells without sending it back.
    func has(_ blob: LoadPlan.BlobStep) throws -> Bool
    /// Stores a blob; `body` gives its bytes from an offset on, anew each time it is called.
    func send(_ blob: LoadPlan.BlobStep, body: (_ offset: Int64) throws -> any BlobBody) throws -> UploadOutcome
    /// Stores a manifest under its digest.
    func put(_ manifest: Manifest, _ descriptor: Descriptor, in repository: String) throws
}
