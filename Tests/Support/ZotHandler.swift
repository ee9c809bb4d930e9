// SPDX-License-Identifier: Apache-2.0

/// Answers one request of one connection.
struct ZotHandler {
    let request: HTTPRequest
    let route: ZotRoute
    let connection: HTTPConnection
    let store: ZotStore
    let access: ZotAccess
    let fault: ZotServer.Fault?
    /// Whether the server itself is going: what is cut then stays, as after a kill.
    let isStopping: @Sendable () -> Bool

    var options: ZotServer.Options { store.options }
    var isNewEra: Bool { options.era == .v2_1_20 }

    /// The answer; `nil` hangs up.
    func answer() -> HTTPAnswer? {
        if route == .token { return access.token(request) }
        switch access.identify(request, route, isTag: isTagOf) {
        case .failure(let refusal): return refusal.answer
        case .success(let identity): return answer(identity)
        }
    }

    /// Whether a repository has this tag.
    private func isTagOf(_ repository: String, _ tag: String) -> Bool {
        store.entries(repository)?.contains { $0.tag == tag } ?? false
    }

    private func answer(_ identity: ZotAccess.Identity) -> HTTPAnswer? {
        let method = request.method
        switch (route, method) {
        case (.base, "GET"): return base()
        case (.catalog, "GET"): return catalog(identity)
        case (.extensions, "GET"): return HTTPAnswer(200, [HTTPAnswer.json], body: #"{"extensions":[]}"#)
        case (.management, "GET"): return management()
        case (.tags(let name), "GET"): return tags(name)
        case (.referrers(let name, let digest), "GET"): return referrers(name, digest)
        case (.manifest(let name, let reference), "GET"), (.manifest(let name, let reference), "HEAD"):
            return manifest(name, reference)
        case (.manifest(let name, let reference), "PUT"): return putManifest(name, reference)
        case (.manifest(let name, let reference), "DELETE"): return deleteManifest(name, reference)
        case (.blob(let name, let digest), "HEAD"): return headBlob(name, digest, identity)
        case (.blob(let name, let digest), "GET"): return blob(name, digest)
        case (.blob(let name, let digest), "DELETE"): return deleteBlob(name, digest)
        case (.uploads(let name), "POST"): return startUpload(name, identity)
        case (.session(let name, let id), _): return session(name, id)
        case (.none, _): return .notFound
        default: return .empty(405)
        }
    }

    private func session(_ name: String, _ id: String) -> HTTPAnswer? {
        guard id.utf8.allSatisfy({ $0 == 45 || (48...57).contains($0) || (97...102).contains($0) }) else {
            return .error(404, .blobUploadUnknown, ["session_id": id])
        }
        switch request.method {
        case "GET": return uploadStatus(name, id)
        case "PATCH": return patch(name, id)
        case "PUT": return finishUpload(name, id)
        case "DELETE": return cancelUpload(name, id)
        default: return .empty(405)
        }
    }

    private func base() -> HTTPAnswer {
        var answer = HTTPAnswer(200, [HTTPAnswer.json])
        if case .basic = options.auth { answer["WWW-Authenticate"] = "basic realm=zot" }
        return answer
    }

    private func management() -> HTTPAnswer {
        let facts = #""distSpecVersion":"1.1.0","releaseTag":"v\#(options.era.rawValue)","binaryType":"-search-ui""#
        return HTTPAnswer(200, [HTTPAnswer.json], body: "{\(facts)}")
    }

    // MARK: Lists

    private func catalog(_ identity: ZotAccess.Identity) -> HTTPAnswer {
        var names = store.repositories().filter { access.mayRead($0, identity) }
        if let last = request.query("last").first { names = names.filter { $0 > last } }
        guard let count = request.query("n").first else { return list("{\"repositories\":", names) }
        guard let count = Int(count), count >= 0 else { return .empty(400) }
        return list("{\"repositories\":", Array(names.prefix(count)), of: names.count, "/v2/_catalog", count)
    }

    private func tags(_ name: String) -> HTTPAnswer {
        guard let entries = store.entries(name) else { return .error(404, .nameUnknown, ["name": name]) }
        var tags = entries.compactMap(\.tag).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        if let last = request.query("last").first {
            guard let place = tags.firstIndex(of: last) else { return .empty(404) }
            tags.removeFirst(place + 1)
        }
        let start = #"{"name":"\#(name)","tags":"#
        guard let count = request.query("n").first else { return list(start, tags) }
        guard let count = Int(count), count >= 0 else { return .empty(400) }
        return list(start, Array(tags.prefix(count)), of: tags.count, "/v2/\(name)/tags/list", count)
    }

    private func list(
        _ start: String, _ names: [String], of all: Int = 0, _ path: String = "", _ count: Int = 0
    ) -> HTTPAnswer {
        var answer = HTTPAnswer(
            200, [HTTPAnswer.json], body: start + "[" + names.map(jsonText).joined(separator: ",") + "]}")
        if let last = names.last, names.count < all {
            answer["Link"] = "<\(path)?n=\(count)&last=\(last)>; rel=\"next\""
        }
        return answer
    }

    private func referrers(_ name: String, _ digest: String) -> HTTPAnswer {
        guard ZotStore.isDigest(digest) else { return .empty(400) }
        guard let all = store.referrers(name, digest) ?? (isNewEra ? [] : nil) else { return .empty(404) }
        let types = request.query("artifactType")
        let lines = all.compactMap { entry, document -> String? in
            let type = document.artifactType ?? document.config?.mediaType ?? ""
            guard types.isEmpty || types.contains(type) else { return nil }
            return referrer(entry, document, type)
        }
        let index = "application/vnd.oci.image.index.v1+json"
        var answer = HTTPAnswer(200, [("Content-Type", index)])
        let list = lines.joined(separator: ",")
        answer.body = Array(#"{"schemaVersion":2,"mediaType":"\#(index)","manifests":[\#(list)]}"#.utf8)
        if !types.isEmpty { answer["OCI-Filters-Applied"] = "artifactType" }
        return answer
    }

    private func referrer(_ entry: ZotStore.Entry, _ document: ZotDocument, _ type: String) -> String {
        var text = #"{"mediaType":\#(jsonText(entry.mediaType)),"digest":"\#(entry.digest)","size":\#(entry.size)"#
        if let annotations = document.annotations, !annotations.isEmpty {
            let pairs = annotations.sorted { $0.key < $1.key }.map { "\(jsonText($0.key)):\(jsonText($0.value))" }
            text += #","annotations":{\#(pairs.joined(separator: ","))}"#
        }
        return text + #","artifactType":\#(jsonText(type))}"#
    }
}
