// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Importing
import OCI
import RegistryClient
import Synchronization

/// A real target with something happening to it at a chosen moment.
final class MeddlingTarget: LoadTarget {
    private let target: any LoadTarget
    private let sent = Mutex(0)
    private let lied = Mutex(false)
    /// Called before each blob that is sent, with how many were sent before.
    let beforeBlob: @Sendable (Int) -> Void
    /// The first question for a blob of this digest is answered with yes.
    let claimed: Digest?

    init(_ target: any LoadTarget, claimed: Digest? = nil, beforeBlob: @escaping @Sendable (Int) -> Void = { _ in }) {
        (self.target, self.claimed, self.beforeBlob) = (target, claimed, beforeBlob)
    }

    var address: String { target.address }
    var skipsTLSVerify: Bool { target.skipsTLSVerify }
    var traffic: TargetTraffic { target.traffic }
    func remember(in state: SiteState) throws { try target.remember(in: state) }
    func open() throws -> FileLock? { try target.open() }
    func session() throws -> any TargetSession { Session(self, try target.session()) }
    func setTags(_ tags: [TagAssignment], width: Int) throws { try target.setTags(tags, width: width) }

    fileprivate func claims(_ digest: Digest) -> Bool {
        guard digest == claimed else { return false }
        return lied.withLock { lied in
            defer { lied = true }
            return !lied
        }
    }

    fileprivate func noteBlob() {
        let count = sent.withLock { sent in
            sent += 1
            return sent - 1
        }
        beforeBlob(count)
    }

    private final class Session: TargetSession {
        private let owner: MeddlingTarget
        private let session: any TargetSession

        init(_ owner: MeddlingTarget, _ session: any TargetSession) { (self.owner, self.session) = (owner, session) }

        func ping() throws { try session.ping() }
        func traits(_ question: TraitsQuestion) throws -> TargetTraits { try session.traits(question) }
        func manifestDigest(_ place: Place) throws -> Digest? { try session.manifestDigest(place) }
        func manifest(_ place: Place) throws -> FoundManifest { try session.manifest(place) }
        func has(_ blob: LoadPlan.BlobStep) throws -> Bool { try session.has(blob) }
        func givesBack(_ blob: LoadPlan.BlobStep) throws -> Bool { try session.givesBack(blob) }

        @unsafe func read(
            _ digest: Digest, in repository: String, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
        ) throws -> BlobPiece { try unsafe session.read(digest, in: repository, at: offset, into: target) }

        func copy(
            _ digest: Digest, size: Int64, in repository: String, into take: (RawSpan) throws -> Void
        ) throws -> Bool { try session.copy(digest, size: size, in: repository, into: take) }

        func send(
            _ blob: LoadPlan.BlobStep, body: (_ offset: Int64) throws -> any BlobBody
        ) throws -> UploadOutcome {
            owner.noteBlob()
            return try owner.claims(blob.digest) ? .present : session.send(blob, body: body)
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
