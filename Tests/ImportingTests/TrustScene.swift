// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import Importing
import OCI
import Support
import SystemPackage
import Testing
import Trust

/// A site with a state of its own, and the clock that a test gives it.
struct TrustScene {
    let folder = TemporaryFolder()
    let state: SiteState
    var now = MadePublisher.now

    /// A site that trusts these publishers.
    init(_ publishers: MadePublisher...) throws {
        state = SiteState(folder.appending("state"))
        for publisher in publishers { _ = try state.add(root: publisher.pinned) }
    }

    var layout: LayoutTarget { LayoutTarget(folder.appending("layout")) }

    private func unverified(_ media: FilePath) throws -> UnverifiedBundle { try MediaSet([media]).bundle() }

    @discardableResult
    func verified(_ media: FilePath, expiry: ExpiryRule = .refuse) throws -> VerifiedBundle {
        try unverified(media).verified(by: state.pinnedRoots(), now: now, expiry: expiry)
    }

    @discardableResult
    func load(
        _ media: FilePath, to target: (any LoadTarget)? = nil, _ change: (inout LoadRun) throws -> Void = { _ in }
    ) throws -> Receipt {
        var run = LoadRun(state: state, tool: "test")
        run.now = { [now] in now }
        run.person = "First Person"
        try change(&run)
        return try run.run(
            try unverified(media), to: target ?? layout,
            given: GivenArguments(media: ["MEDIA"], target: ["--to", "T"]),
            progress: Progress()
        ).receipt
    }

    @discardableResult
    func plan(
        _ media: FilePath, to target: (any LoadTarget)? = nil, out: String? = nil,
        _ change: (inout PlanRun) throws -> Void = { _ in }
    ) throws -> Report {
        var run = PlanRun(state: state, tool: "test")
        run.now = { [now] in now }
        run.out = out.map { folder.appending($0) }
        try change(&run)
        return try run.run(
            try unverified(media), to: target ?? layout,
            given: GivenArguments(media: ["MEDIA"], target: ["--to", "T"]),
            progress: Progress())
    }

    @discardableResult
    func update(_ media: FilePath) throws -> Report {
        try state.updateTrust(MediaSet([media]), nil, now: now, words: [])
    }

    /// Signs a plan as this key's owner does.
    func approve(_ plan: String, by key: PrivateKey) throws {
        let file = folder.appending(plan)
        let approval = try Approval(of: file.contents(limit: 1 << 20), by: key, at: now)
        try Approval.file(of: file).replaceContents(with: approval.encoded)
    }

    /// A person whose approval counts from now on.
    func approver(_ name: String) throws -> PrivateKey {
        let key = try PrivateKey.generate(.p256)
        _ = try state.add(Approver(name: name, key: TrustKey(key.publicKey)))
        return key
    }

    /// Every file of the state with its bytes, but the lock and receipts.
    func snapshot() throws -> [String: Digest] {
        var files: [String: Digest] = [:]
        for folder in ["roots", "accepted", "bindings"] {
            let place = state.path.appending(folder)
            guard try place.exists() else { continue }
            let listed = try run(["find", place.string, "-type", "f"]).output.split(separator: "\n")
            for file in listed { files[String(file)] = Digest(of: try FilePath(String(file)).contents(limit: 1 << 26)) }
        }
        return files
    }

    /// Saves the state's folder under a name, or brings it back.
    func copyState(to name: String) throws {
        #expect(try run(["cp", "-a", state.path.string, folder.appending(name).string]).status == 0)
    }

    func restoreState(from name: String) throws {
        #expect(try run(["rm", "-rf", state.path.string]).status == 0)
        #expect(try run(["cp", "-a", folder.appending(name).string, state.path.string]).status == 0)
    }

    func forget(_ name: String) throws {
        #expect(try run(["rm", "-rf", state.path.appending(name).string]).status == 0)
    }

    /// The version of targets that is accepted.
    func accepted(_ publisher: MadePublisher) throws -> Int64? {
        let root = try #require(try TrustedRoot(chain: state.roots()[Digest(of: publisher.pinned)] ?? []))
        return try state.accepted(Digest(of: publisher.pinned))?.metadata(under: root)?.targets.content.header.version
    }
}

/// The exit code that a step ends with and what it says; `nil` where it ends well.
func refusal(_ body: () throws -> Void) -> (code: Failure, text: String)? {
    do {
        try body()
        return nil
    } catch let error as any ClassifiedError {
        return (error.failure, error.description)
    } catch {
        Issue.record("an error without an exit code: \(error)")
        return nil
    }
}
