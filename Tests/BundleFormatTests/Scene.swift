// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing
import Trust

/// One bundle in a folder of its own, and a site that trusts its publisher.
struct Scene {
    let place = TemporaryFolder()
    let publisher: Publisher
    let metadata: TrustedMetadata
    let bundle: FilePath

    init(
        _ draft: Draft? = nil, edit: (inout [String: [UInt8]]) -> Void = { _ in },
        editSums: (inout [String: Digest]) -> Void = { _ in }
    ) throws {
        publisher = try Publisher.shared.get()
        bundle = place.appending("palette-enterprise-1.2.3")
        let draft = try draft ?? .tiny()
        metadata = try publisher.write(draft, to: bundle, edit: edit, editSums: editSums)
    }

    func path(_ name: String) -> FilePath { bundle.appending(name) }

    func withoutCopies() throws -> Scene {
        try remove("copies")
        return self
    }

    func remove(_ name: String) throws {
        #expect(try run(["rm", "-r", path(name).string]).status == 0)
    }

    /// A second medium with the same files.
    func copy(_ name: String) throws -> FilePath {
        let other = place.appending(name)
        try other.createDirectories()
        #expect(try run(["cp", "-r", bundle.string, other.string]).status == 0)
        return other.appending("palette-enterprise-1.2.3")
    }

    @discardableResult
    func verified(
        _ folders: [FilePath]? = nil, by trust: PinnedRoots? = nil, now: UTCTime = Publisher.now
    ) throws -> VerifiedBundle {
        try MediaSet(folders ?? [bundle]).bundle().verified(by: trust ?? publisher.pinned, now: now)
    }

    /// The exit code of the verification and what it says; `nil` when it accepts.
    func refusal(
        _ folders: [FilePath]? = nil, by trust: PinnedRoots? = nil, now: UTCTime = Publisher.now
    ) -> (any ClassifiedError)? {
        do {
            try verified(folders, by: trust, now: now)
            return nil
        } catch let error as any ClassifiedError {
            return error
        } catch {
            Issue.record("an error without an exit code: \(error)")
            return nil
        }
    }

    /// The exit code.
    func code(_ folders: [FilePath]? = nil, by trust: PinnedRoots? = nil, now: UTCTime = Publisher.now) -> Failure? {
        refusal(folders, by: trust, now: now)?.failure
    }
}
