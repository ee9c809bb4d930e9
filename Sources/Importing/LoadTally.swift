// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// What a load has done so far, counted by its threads.
package final class LoadTally: Sendable {
    package struct Counts: Sendable, Equatable {
        /// Blobs and bytes that went to the target.
        package var pushed = Amount()
        /// Blobs that were there.
        package var skipped = Amount()
        /// Blobs that the registry took from another of its repositories.
        package var mounted = Amount()
        package var manifestsSent = 0
        package var manifestsPresent = 0
        package var tags: [TagRecord] = []
        package var readBack = ReadBackCounts()
        /// Staging tags that are still there.
        package var stagingLeft: [String] = []
        /// What should be known beside.
        package var findings: [String] = []
        /// What this load put into the target.
        package var added: Set<Place> = []
        /// Manifests that their target doesn't list under their subject by itself.
        var unlisted: [Referrer] = []

        package init() {}

        mutating func addPushed(_ place: Place, _ size: Int64) {
            pushed.add(size)
            added.insert(place)
        }

        mutating func addMounted(_ place: Place, _ size: Int64) {
            mounted.add(size)
            added.insert(place)
        }

        mutating func addManifest(_ place: Place) {
            manifestsSent += 1
            added.insert(place)
        }
    }

    package struct Amount: Sendable, Equatable {
        package var blobs = 0
        package var bytes: UInt64 = 0

        package init(blobs: Int = 0, bytes: UInt64 = 0) { (self.blobs, self.bytes) = (blobs, bytes) }

        mutating func add(_ size: Int64) {
            blobs += 1
            bytes += UInt64(size)
        }
    }

    /// A tag with what it was before and is now.
    package struct TagRecord: Sendable, Equatable {
        package var repository: String
        package var tag: String
        package var digest: String
        package var before: String?
        /// `new`, `equal` or `move`.
        package var action: String

        package init(repository: String, tag: String, digest: String, before: String?, action: String) {
            (self.repository, self.tag, self.digest) = (repository, tag, digest)
            (self.before, self.action) = (before, action)
        }
    }

    /// How much was asked for after the load and found to be what the release promises.
    package struct ReadBackCounts: Sendable, Equatable {
        package var manifests = 0
        package var tags = 0
        package var blobs = 0
        /// Things that were missing and sent once more.
        package var repaired = 0
        /// Whether everything was asked for and found.
        package var isComplete = false

        package init(
            manifests: Int = 0, tags: Int = 0, blobs: Int = 0, repaired: Int = 0, isComplete: Bool = false
        ) {
            (self.manifests, self.tags, self.blobs) = (manifests, tags, blobs)
            (self.repaired, self.isComplete) = (repaired, isComplete)
        }
    }

    private let state = Mutex(Counts())

    package init() {}

    package var counts: Counts { state.withLock { $0 } }

    func note(_ body: (inout sending Counts) -> Void) { state.withLock { body(&$0) } }
}
