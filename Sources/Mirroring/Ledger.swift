// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import Synchronization

/// What went wrong and what was noticed while the rest went on; filled by all threads.
final class Ledger: Sendable {
    private let state = Mutex(State())

    private struct State {
        var failures: [MirrorFailure] = []
        var warnings: [String] = []
        var failedBlobs: [Digest: MirrorFailure] = [:]
    }

    /// Does one thing of many: an error is noted under its name, and thrown on only where nothing else can succeed.
    func attempt<Value>(_ what: String, wantedBy: [String] = [], _ body: () throws -> Value) throws -> Value? {
        do {
            return try body()
        } catch {
            guard !isFatal(error) else { throw error }
            add(MirrorFailure(what: what, wantedBy: wantedBy, reason: "\(error)", failure: failure(of: error)))
            return nil
        }
    }

    /// As `attempt`, of a blob that several things may need.
    func attempt(blob: Digest, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            guard !isFatal(error) else { throw error }
            let failed = MirrorFailure(what: "\(blob)", wantedBy: [], reason: "\(error)", failure: failure(of: error))
            state.withLock { $0.failedBlobs[blob] = failed }
        }
    }

    func add(_ failure: MirrorFailure) { state.withLock { $0.failures.append(failure) } }
    func warn(_ text: String) { state.withLock { $0.warnings.append(text) } }

    /// Sorted by name.
    var failures: [MirrorFailure] {
        state.withLock { $0.failures }.sorted { ($0.what, $0.reason) < ($1.what, $1.reason) }
    }

    var warnings: [String] { state.withLock { $0.warnings } }
    var failedBlobs: [Digest: MirrorFailure] { state.withLock { $0.failedBlobs } }
}
