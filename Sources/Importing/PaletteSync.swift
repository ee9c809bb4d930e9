// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import FoundationEssentials
package import RegistryClient
internal import Trust

/// Has Palette read its pack registry again, so that packs that were loaded show up (palette-sdk-go,
/// `/v1/registries/oci/...`). The console's button "Sync" does the same.
package struct PaletteSync {
    private let service: Console
    private let isCancelled: @Sendable () -> Bool
    /// How long the synchronisation may take.
    package var timeout = Duration.seconds(1800)
    /// Between two questions about its state.
    package var interval = Duration.seconds(5)
    /// How time passes.
    package var sleep: @Sendable (Duration) -> Void

    /// `options` say how to connect to the console; `token` is an API key. Throws `SyncError.connection`.
    package init(_ console: Endpoint, token: String, _ options: RegistryOptions) throws(SyncError) {
        service = try Console(console, token: token, options)
        (isCancelled, sleep) = (options.isCancelled, options.retry.sleep)
    }

    /// Which registry is meant.
    package enum Choice: Sendable {
        case uid(String)
        /// The one that stands at this registry's address.
        case address(Endpoint)
    }

    /// Starts the synchronisation and waits for its end. Throws `SyncError`, and `RegistryError.cancelled`.
    package func run(_ choice: Choice, _ progress: Progress) throws -> Report {
        let registry = try find(choice)
        progress.label = "synchronising \(registry.name)"
        let before = try status(registry.uid)
        try check(service.post("/v1/registries/oci/\(registry.uid)/basic/sync", json: Data("{}".utf8)), "start")
        var waited = Duration.zero
        var wasPending = false
        while true {
            let now = try status(registry.uid)
            progress.label = "synchronising \(registry.name): \(now.word.isEmpty ? "waiting" : now.word)"
            wasPending = wasPending || now.isPending
            // What was true before the start may still be answered: only another run, or where Palette names none, one
            // that was seen, has an end of its own.
            if !now.isPending, now.run == before.run ? wasPending && now.namesNoRun : true {
                guard now.isDone else { throw SyncError.failed(now.word, message: now.message) }
                return report(registry, now)
            }
            guard waited < timeout else { throw SyncError.tookTooLong(registry.name, status: now.word) }
            try pause()
            waited += interval
        }
    }

    private func pause() throws(RegistryError) {
        var left = interval
        while left > .zero {
            guard !isCancelled() else { throw .cancelled }
            sleep(min(left, .milliseconds(100)))
            left -= .milliseconds(100)
        }
    }

    private func report(_ registry: PaletteRegistry, _ status: SyncStatus) -> Report {
        Report(
            text: "\(registry.name) is synchronised; Palette knows its packs now",
            json: [
                "registry": .string(registry.name), "uid": .string(registry.uid), "status": .string(status.word),
                "lastSyncedTime": .string(status.synced),
            ])
    }

    // MARK: Palette's API

    private func find(_ choice: Choice) throws -> PaletteRegistry {
        if case .uid(let uid) = choice { return PaletteRegistry(uid: uid, name: uid, endpoint: "", base: "") }
        let answer = try check(service.get("/v1/registries/oci/summary"), "list the registries")
        let registries = try decode(RegistryList.self, answer).registries
        guard case .address(let endpoint) = choice else { return try one(of: [], registries) }
        return try one(of: registries.filter { $0.stands(at: endpoint) }, registries)
    }

    private func one(of found: [PaletteRegistry], _ all: [PaletteRegistry]) throws(SyncError) -> PaletteRegistry {
        guard let registry = found.first, found.count == 1 else {
            throw .notFound(all.map { "\($0.name) (\($0.uid), \($0.endpoint))" }, isAmbiguous: !found.isEmpty)
        }
        return registry
    }

    private func status(_ uid: String) throws -> SyncStatus {
        try decode(
            SyncStatus.self, check(service.get("/v1/registries/oci/\(uid)/basic/sync/status"), "ask for the state"))
    }

    @discardableResult
    private func check(_ answer: WebService.Answer, _ what: String) throws(SyncError) -> Data {
        switch answer.status {
        case 200..<300: return answer.body
        case 401: throw .tokenRefused(what)
        case 403: throw .denied(what)
        default: throw .refused(what, status: answer.status)
        }
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ bytes: Data) throws(SyncError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: bytes)
        } catch {
            throw .unreadable
        }
    }
}

/// Palette's API, whose failures are the console's and no registry's.
private struct Console {
    private let service: WebService

    init(_ address: Endpoint, token: String, _ options: RegistryOptions) throws(SyncError) {
        do throws(RegistryError) {
            service = try WebService(address, options, secret: ("ApiKey", token), limit: 8 << 20)
        } catch {
            throw .connection(error)
        }
    }

    func get(_ path: String) throws(SyncError) -> WebService.Answer {
        do throws(RegistryError) { return try service.get(path) } catch { throw .connection(error) }
    }

    func post(_ path: String, json: Data) throws(SyncError) -> WebService.Answer {
        do throws(RegistryError) { return try service.post(path, json: json) } catch { throw .connection(error) }
    }
}

/// A registry as Palette lists it.
private struct PaletteRegistry {
    let uid: String
    let name: String
    let endpoint: String
    let base: String

    /// Whether it is the registry at `ours`: the same host and port, and a base path that is ours or said nowhere.
    func stands(at ours: Endpoint) -> Bool {
        let text = endpoint.contains("://") ? endpoint : "\(ours.scheme.rawValue)://\(endpoint)"
        do throws(EndpointError) {
            let theirs = try Endpoint(parsing: text.hasSuffix("/v2") ? String(text.dropLast(3)) : text)
            guard theirs.host == ours.host, theirs.port == ours.port else { return false }
            let path = [theirs.base, base].filter { !$0.isEmpty }.joined(separator: "/")
            return path.isEmpty || path == ours.base
        } catch {
            return false
        }
    }
}

private struct RegistryList: Decodable {
    struct Item: Decodable {
        struct Metadata: Decodable {
            var uid: String?
            var name: String?
        }
        struct Spec: Decodable {
            var endpoint: String?
            var basePath: String?
            var baseContentPath: String?
        }
        var metadata: Metadata?
        var spec: Spec?
    }

    var items: [Item]?

    /// Those with an identifier that can stand in a path.
    var registries: [PaletteRegistry] {
        (items ?? []).compactMap { item in
            guard let uid = item.metadata?.uid, PaletteSync.isUID(uid) else { return nil }
            let path = [item.spec?.basePath, item.spec?.baseContentPath].compactMap(\.self).first { !$0.isEmpty } ?? ""
            return PaletteRegistry(
                uid: uid, name: String((item.metadata?.name ?? uid).prefix(100)).printable,
                endpoint: String((item.spec?.endpoint ?? "").prefix(300)).printable,
                base: path.split(separator: "/").joined(separator: "/"))
        }
    }
}

extension PaletteSync {
    /// Whether a text can be a registry's identifier in Palette.
    package static func isUID(_ text: String) -> Bool { text.wholeMatch(of: /[A-Za-z0-9_-]{1,100}/) != nil }
}

private struct SyncStatus: Decodable {
    let word: String
    let message: String
    /// When it was started and when it ended well the last time, as Palette writes it.
    let run: [String]
    var synced: String { run[1] }
    var namesNoRun: Bool { run.allSatisfy(\.isEmpty) }

    var isPending: Bool { ["InProgress", "Pending", "Unknown", ""].contains(word) }
    var isDone: Bool { ["Success", "Completed"].contains(word) }

    private enum Key: CodingKey { case status, message, lastRunTime, lastSyncedTime }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: Key.self)
        let text = { (key: Key) throws in
            String((try container.decodeIfPresent(String.self, forKey: key) ?? "").prefix(300)).printable
        }
        word = try text(.status)
        message = try text(.message)
        run = [try text(.lastRunTime), try text(.lastSyncedTime)]
    }
}

/// Why Palette's catalogue was not brought up to date.
package enum SyncError: Error, Equatable {
    case tokenRefused(String)
    case denied(String)
    case refused(String, status: Int)
    case unreadable
    case notFound([String], isAmbiguous: Bool)
    case failed(String, message: String)
    case tookTooLong(String, status: String)
    /// The console can't be asked.
    case connection(RegistryError)
}

extension SyncError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .tokenRefused, .denied: .registryRefused
        case .notFound: .usage
        case .refused, .unreadable, .failed, .tookTooLong: .failed
        case .connection(let error): error.failure
        }
    }

    package var description: String {
        switch self {
        case .connection(let error): error.ofConsole
        case .tokenRefused(let what): "Palette refused the API key (\(what)); make another one in its console"
        case .denied(let what): "the API key may not \(what) in Palette; use one of a system administrator"
        case .refused(let what, let status):
            "Palette answered \(status) (\(what)); check --palette, which is the console's address, and --registry-uid"
        case .unreadable: "what answers is not Palette's API; check --palette, which is the console's address"
        case .notFound(let known, let isAmbiguous):
            "Palette has \(isAmbiguous ? "several registries" : "no registry") at that address; give --registry-uid. It lists "
                + (known.isEmpty ? "none" : known.prefix(20).joined(separator: ", "))
        case .failed(let status, let message):
            "the synchronisation ended with \(status)\(message.isEmpty ? "" : ": \(message)"); look at the registry in the "
                + "console, then run the same command again"
        case .tookTooLong(let name, let status):
            "Palette shows no end of this synchronisation of \(name) (\(status.isEmpty ? "no state yet" : status)); it may go on. "
                + "Look at the registry in the console; the same command again starts it anew and waits, longer with --timeout"
        }
    }
}

extension RegistryError {
    /// The sentence where the console was asked and no registry.
    fileprivate var ofConsole: String {
        switch self {
        case .credentialsInClear(let address):
            "\(address) is not encrypted, and the API key must not cross a network in clear text; give the console's https: "
                + "address with --palette"
        case .unreachable(let line, let reason):
            "\(line): no answer (\(reason)); check --palette and that the console runs, then run the same command again"
        case .unavailable(let line, let status, _):
            "\(line): the console answered \(status) each time; run the same command again later"
        case .certificate(let host, let reason):
            "no trusted connection to \(host): \(reason); give the authority of the console's certificate with --ca-cert FILE"
        case .speaksNoTLS(let host): "\(host): that port speaks no TLS; check --palette, which is the console's address"
        case .redirected(let line, let status):
            "\(line): the console answered \(status), a redirect, and none is followed; give the console's own address with "
                + "--palette"
        case .answerTooLarge(let line, let limit):
            "\(line): the answer has more than \(limit) bytes; check --palette, which is the console's address"
        default: description.replacing("the registry", with: "the console")
        }
    }
}
