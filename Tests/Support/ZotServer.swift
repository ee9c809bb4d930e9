// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import SystemPackage

/// A stand-in of Zot on loopback, which keeps its content on disk in Zot's own layout. What it answers is what Zot
/// 2.1.2 was seen to answer (`Tests/ZotContractTests`), or 2.1.20 by its source.
///
/// Stopped, with all its connections and threads, when its owner goes.
package final class ZotServer: Sendable {
    package let options: Options
    package let port: UInt16
    /// Where the repositories are.
    package let folder: FilePath
    private let ownFolder: TemporaryFolder?
    private let ledger = ZotLedger()
    private let running: Mutex<ZotListener?>

    /// Starts on a free port, or on `port`, with a folder of its own, or `folder`, which then outlives it.
    package init(_ options: Options = Options(), folder: FilePath? = nil, port: UInt16? = nil) throws {
        self.options = options
        ownFolder = folder == nil ? TemporaryFolder() : nil
        self.folder = folder ?? ownFolder?.path ?? "/nonexistent"
        let listener = try ZotListener(options, self.folder.string, port ?? 0, ledger)
        self.port = listener.port
        running = Mutex(listener)
    }

    deinit { stop() }

    /// `http://127.0.0.1:40123`
    package var url: String { "http://127.0.0.1:\(port)" }

    /// Cuts all connections and ends the threads, as a kill does: sessions stay on disk as they are.
    package func stop() {
        running.withLock { listener in
            listener?.stop()
            listener = nil
        }
    }

    /// Stops, and starts again on the same port and folder; `asked` goes on.
    package func restart() throws {
        stop()
        let listener = try ZotListener(options, folder.string, port, ledger)
        running.withLock { $0 = listener }
    }

    /// Collects garbage now: what is older than the options' delay, or than `age`.
    package func collect(olderThan age: Duration? = nil) {
        store.collect(olderThan: age ?? options.gcDelay ?? .zero)
    }

    // MARK: What was asked

    /// The requests so far, in the order they began.
    package var asked: [Asked] { ledger.asked }

    /// Their methods and targets.
    package var lines: [String] { asked.map(\.line) }

    /// How many requests of a kind there were, by one method or any.
    package func count(_ kind: Kind, _ method: String? = nil) -> Int {
        asked.count { $0.kind == kind && (method == nil || $0.method == method) }
    }

    /// Lets something go wrong with the next `times` requests that `when` picks. Of several faults the oldest comes first,
    /// one for each request.
    package func inject(_ fault: Fault, times: Int = 1, when: @escaping @Sendable (Asked) -> Bool) {
        ledger.inject(fault, times, when)
    }

    // MARK: What is stored

    private var store: ZotStore { running.withLock { $0?.store } ?? ZotStore(folder.string, options) }

    /// All repositories, sorted.
    package var repositories: [String] { store.repositories() }

    /// A repository's tags, sorted; none when there is no such repository.
    package func tags(of repository: String) -> [String] {
        (store.entries(repository) ?? []).compactMap(\.tag).sorted()
    }

    /// The digests in a repository's index, sorted, each once.
    package func manifests(of repository: String) -> [String] {
        Set((store.entries(repository) ?? []).map(\.digest)).sorted()
    }

    /// The bytes of a manifest, by tag or digest; `nil` when there is none.
    package func manifest(_ repository: String, _ reference: String) -> [UInt8]? {
        switch store.manifest(repository, reference) {
        case .success(let (_, bytes)): bytes
        case .failure: nil
        }
    }

    /// Whether a repository holds a blob or manifest, empty ones too.
    package func hasBlob(_ repository: String, _ digest: String) -> Bool {
        ZotStore.isDigest(digest) && ZotDisk.status(store.blobPath(repository, digest)) != nil
    }

    /// The file of a blob or manifest, for tests that damage it.
    package func file(_ repository: String, _ digest: String) -> FilePath {
        FilePath(store.blobPath(repository, digest))
    }

    /// Removes a blob, as damage or somebody else would.
    package func removeBlob(_ repository: String, _ digest: String) {
        let store = store
        store.state.withLock { store.remove(repository, digest, &$0) }
    }

    /// Upload sessions that are open, as `<repository>/<id>`.
    package var sessions: [String] { store.sessions() }
}

/// What was asked and what shall go wrong, over restarts.
final class ZotLedger: Sendable {
    private struct State {
        var asked: [ZotServer.Asked] = []
        var faults: [Injected] = []
    }

    private struct Injected {
        var fault: ZotServer.Fault
        var times: Int
        var when: @Sendable (ZotServer.Asked) -> Bool
    }

    private let state = Mutex(State())

    var asked: [ZotServer.Asked] { state.withLock(\.asked) }

    func inject(_ fault: ZotServer.Fault, _ times: Int, _ when: @escaping @Sendable (ZotServer.Asked) -> Bool) {
        state.withLock { $0.faults.append(Injected(fault: fault, times: times, when: when)) }
    }

    /// Notes a request; its place in the list, and its fault.
    func note(_ request: HTTPRequest, _ kind: ZotServer.Kind) -> (place: Int, fault: ZotServer.Fault?) {
        let asked = ZotServer.Asked(
            method: request.method, target: request.target, headers: request.headers, kind: kind)
        return state.withLock { state in
            state.asked.append(asked)
            let place = state.asked.count - 1
            guard let next = state.faults.firstIndex(where: { $0.times > 0 && $0.when(asked) }) else {
                return (place, nil)
            }
            state.faults[next].times -= 1
            return (place, state.faults[next].fault)
        }
    }

    func complete(_ place: Int, bodyCount: Int, status: Int) {
        state.withLock { state in
            state.asked[place].bodyCount = bodyCount
            state.asked[place].status = status
        }
    }
}
