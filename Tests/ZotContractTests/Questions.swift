// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Glibc
import OCI

/// The questions that a registry's record answers, asked in their order. Writes to `probe/…` of the registry.
final class Questions {
    /// The answers so far.
    private(set) var rows: [Row] = []
    let client: RawClient
    let (a, b, c) = ("probe/a", "probe/b", "probe/c")

    static let binary = ["Content-Type": "application/octet-stream"]

    private init(_ client: RawClient) { self.client = client }

    /// Asks everything.
    static func ask(_ client: RawClient) -> [Row] {
        let questions = Questions(client)
        questions.askEmptyRegistry()
        questions.askSession()
        questions.askDigests()
        questions.askStreams()
        questions.askCuts()
        questions.askSinglePosts()
        questions.askBlobs()
        questions.askManifests()
        questions.askNames()
        questions.askLists()
        questions.askDeletion()
        return questions.rows
    }

    // MARK: Asking

    /// Asks and keeps the answer. `session` is where an upload goes on, with `query` added.
    @discardableResult
    func ask(
        _ id: String, _ method: String, _ target: String, _ headers: [String: String] = [:],
        _ body: RawClient.Body = .none, showsBody: Bool = false
    ) -> RawClient.Answer {
        let answer = client.ask(method, target, headers, body)
        rows.append(Row(id: id, answer, showsBody: showsBody))
        return answer
    }

    static func random(_ count: Int) -> [UInt8] { (0..<count).map { _ in .random(in: 0...255) } }

    static func digest(_ bytes: [UInt8], _ algorithm: HashAlgorithm = .sha256) -> String {
        "\(algorithm):\(Hasher.hash(bytes, algorithm).lowercaseHex)"
    }

    static func digest(_ text: String) -> String { digest(Array(text.utf8)) }

    /// Path and query of an answer's location, with a digest added to the query.
    static func place(_ answer: RawClient.Answer, digest: String? = nil) -> String {
        var place = answer.headers["location"] ?? "/no-location"
        if place.hasPrefix("http") { place = "/" + place.split(separator: "/", maxSplits: 2)[2] }
        guard let digest else { return place }
        return place + (place.contains("?") ? "&" : "?") + "digest=" + digest.replacing(":", with: "%3A")
    }

    static func part(_ first: Int, _ bytes: [UInt8]) -> [String: String] {
        binary.merging(["Content-Range": "\(first)-\(first + bytes.count - 1)"]) { $1 }
    }

    /// A new session.
    func start(_ repository: String = "probe/a") -> RawClient.Answer {
        client.ask("POST", "/v2/\(repository)/blobs/uploads/")
    }

    /// Uploads a blob; its digest.
    func push(_ bytes: [UInt8]) -> String {
        let digest = Questions.digest(bytes)
        _ = client.ask("PUT", Questions.place(start(), digest: digest), Questions.binary, .whole(bytes))
        return digest
    }

    private func askEmptyRegistry() {
        ask("base", "GET", "/v2/")
        ask("head-blob-none", "HEAD", "/v2/\(a)x/blobs/\(Questions.digest("no"))")
        ask("head-man-none", "HEAD", "/v2/\(a)x/manifests/v1")
        ask("tags-none", "GET", "/v2/\(a)x/tags/list")
    }

    // MARK: Uploads

    private func askSession() {
        let (first, second, third) = (Questions.random(1000), Questions.random(700), Questions.random(300))
        whole = first + second + third
        var session = ask("post", "POST", "/v2/\(a)/blobs/uploads/")
        ask("status-0", "GET", Questions.place(session))
        session = ask("patch-1", "PATCH", Questions.place(session), Questions.part(0, first), .whole(first))
        let begun = session
        ask("patch-gap", "PATCH", Questions.place(begun), Questions.part(1100, second), .whole(second))
        ask("patch-again", "PATCH", Questions.place(begun), Questions.part(0, first), .whole(first))
        let range = ["Content-Range": "1000-1699"].merging(Questions.binary) { $1 }
        ask("patch-len", "PATCH", Questions.place(begun), range, .whole(third))
        if ask("status-after-bad", "GET", Questions.place(begun)).status == 204 {
            session = ask("patch-2", "PATCH", Questions.place(begun), Questions.part(1000, second), .whole(second))
        } else {
            session = start()
        }
        ask("status-2", "GET", Questions.place(session))
        let end = Questions.place(session, digest: Questions.digest(whole))
        ask("put-last-norange", "PUT", end, Questions.binary, .whole(third))
        guard ask("status-after-norange", "GET", Questions.place(session)).status == 204 else { return }
        ask("put-last", "PUT", end, Questions.part(1700, third), .whole(third))
    }

    /// The blob that the first session uploads.
    private var whole: [UInt8] = []

    private func askDigests() {
        let sent = client.ask("PATCH", Questions.place(start()), Questions.part(0, whole), .whole(whole))
        ask("put-bad-digest", "PUT", Questions.place(sent, digest: Questions.digest("other")))
        ask("status-after-bad-digest", "GET", Questions.place(sent))
        ask("put-good-after-bad", "PUT", Questions.place(sent, digest: Questions.digest(whole)))
        ask("put-no-digest", "PUT", Questions.place(start()), Questions.binary, .whole(whole))
        let malformed = Questions.place(start(), digest: "sha256:zz")
        ask("put-malformed-digest", "PUT", malformed, Questions.binary, .whole(whole))
    }

    private let stream = Questions.random(5000)

    private func askStreams() {
        let pieces: [[UInt8]] = [Array(stream[..<3000]), Array(stream[3000...])]
        var session = ask("patch-stream", "PATCH", Questions.place(start()), Questions.binary, .chunks(pieces))
        session = ask("patch-stream-2", "PATCH", Questions.place(session), Questions.binary, .chunks([stream]))
        ask("put-stream", "PUT", Questions.place(session, digest: Questions.digest(stream + stream)))
        let place = Questions.place(start(), digest: Questions.digest(stream))
        ask("put-te-chunked", "PUT", place, Questions.binary, .chunks([stream]))
    }

    private func askCuts() {
        askCut("drop-1", start(), nil, "PATCH", first: 0)
        let first = Questions.random(1000)
        let session = client.ask("PATCH", Questions.place(start()), Questions.part(0, first), .whole(first))
        askCut("drop-2", session, nil, "PATCH", first: 1000)
        askCut("drop-put", start(), Questions.digest(stream), "PUT", first: nil)
        let unknown = "/v2/\(a)/blobs/uploads/11111111-2222-4333-8444-555555555555"
        ask("patch-unknown", "PATCH", unknown, Questions.part(0, first), .whole(first))
        let range = ["Content-Range": "bytes 0-999/2000"].merging(Questions.binary) { $1 }
        ask("patch-badrange", "PATCH", Questions.place(start()), range, .whole(first))
        let cancelled = start()
        ask("cancel", "DELETE", Questions.place(cancelled))
        ask("cancel-2", "GET", Questions.place(cancelled))
    }

    /// What is left of a session whose client goes after 2,000 of 5,000 bytes: asked until the registry has noticed.
    private func askCut(_ id: String, _ session: RawClient.Answer, _ digest: String?, _ method: String, first: Int?) {
        var headers = Questions.binary.merging(["Content-Length": "5000"]) { $1 }
        if let first { headers["Content-Range"] = "\(first)-\(first + 4999)" }
        let place = Questions.place(session, digest: digest)
        _ = client.ask(method, place, headers, .cut(Array(stream[..<2000])))
        let limit = ContinuousClock.now + .seconds(2)
        while client.ask("GET", Questions.place(session)).status == 204, ContinuousClock.now < limit { usleep(20_000) }
        ask(id, "GET", Questions.place(session))
    }

    private func askSinglePosts() {
        let bytes = posted
        let place = { (digest: String) in "/v2/probe/a/blobs/uploads/?digest=\(digest.replacing(":", with: "%3A"))" }
        ask("single-post", "POST", place(Questions.digest(bytes)), Questions.binary, .whole(bytes))
        ask("single-post-head", "HEAD", "/v2/\(a)/blobs/\(Questions.digest(bytes))")
        ask("single-post-bad", "POST", place(Questions.digest("z")), Questions.binary, .whole(bytes))
        ask("single-post-ct", "POST", place(Questions.digest(bytes)), [:], .whole(bytes))
        ask("empty-blob", "PUT", Questions.place(start(), digest: Questions.digest("")), Questions.binary, .whole([]))
        ask("empty-blob-head", "HEAD", "/v2/\(a)/blobs/\(Questions.digest(""))")
        let long = Questions.place(start(), digest: Questions.digest(bytes, .sha512))
        ask("sha512-blob", "PUT", long, Questions.binary, .whole(bytes))
    }

    private let posted = Questions.random(4000)

    // MARK: Blobs

    /// The layer of the manifests.
    private(set) var layer = ""

    private func askBlobs() {
        layer = push(Questions.random(2048))
        ask("head-blob", "HEAD", "/v2/\(a)/blobs/\(layer)")
        ask("get-range", "GET", "/v2/\(a)/blobs/\(layer)", ["Range": "bytes=10-19"])
        ask("head-other-repo", "HEAD", "/v2/\(b)/blobs/\(layer)")
        let mount = { [c] (digest: String, from: String) in
            "/v2/\(c)/blobs/uploads/?mount=\(digest.replacing(":", with: "%3A"))" + from
        }
        ask("mount", "POST", mount(push(Questions.random(2048)), "&from=probe%2Fa"))
        ask("mount-nofrom", "POST", mount(push(Questions.random(2048)), ""))
        ask("mount-wrongfrom", "POST", mount(push(Questions.random(2048)), "&from=probe%2Fzzz"))
        ask("mount-none", "POST", mount(Questions.digest("nope"), "&from=probe%2Fa"))
        ask("from-only", "POST", "/v2/\(c)/blobs/uploads/?from=probe%2Fa")
    }

    // MARK: Names and lists

    private func askNames() {
        let deep = "probe/" + (0..<12).map { "d\($0)" }.joined(separator: "/")
        ask("deep", "POST", "/v2/\(deep)/blobs/uploads/")
        ask("upper", "POST", "/v2/probe/Upper/blobs/uploads/")
        ask("long-name", "POST", "/v2/probe/\(String(repeating: "n", count: 294))/blobs/uploads/")
        ask("noslash", "POST", "/v2/\(a)/blobs/uploads")
    }

    private func askLists() {
        ask("tags", "GET", "/v2/\(a)/tags/list", showsBody: true)
        ask("tags-n", "GET", "/v2/\(a)/tags/list?n=2", showsBody: true)
        ask("tags-last", "GET", "/v2/\(a)/tags/list?n=2&last=none-such")
        ask("tags-0", "GET", "/v2/\(a)/tags/list?n=0", showsBody: true)
        ask("catalog", "GET", "/v2/_catalog?n=2", showsBody: true)
    }

    private func askDeletion() {
        let image = Questions.digest(image)
        ask("del-blob-used", "DELETE", "/v2/\(a)/blobs/\(layer)")
        ask("del-tag", "DELETE", "/v2/\(a)/manifests/V1.0_RC-1")
        ask("del-tag-digest", "HEAD", "/v2/\(a)/manifests/\(image)", Questions.accept)
        ask("del-child", "DELETE", "/v2/\(a)/manifests/\(image)")
        ask("del-none", "DELETE", "/v2/\(a)/manifests/\(Questions.digest("none"))")
        ask("del-norepo", "DELETE", "/v2/probe/none/manifests/v1")
        ask("del-blob", "DELETE", "/v2/\(a)/blobs/\(Questions.digest(posted))")
    }

    /// The image that most questions about manifests are about.
    var image: [UInt8] = []

    static let accept = ["Accept": MediaType.manifests.joined(separator: ", ")]
}
