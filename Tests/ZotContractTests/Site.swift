// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import OCI
import Support
import Synchronization
import Testing

/// A stand-in and somebody who talks to it.
struct Site {
    let server: ZotServer
    let client: RawClient
    /// Sent with every request.
    private let headers: [String: String]

    init(_ options: ZotServer.Options = .init(), _ headers: [String: String] = [:]) throws {
        server = try ZotServer(options)
        client = try #require(RawClient(url: server.url))
        self.headers = headers
    }

    func ask(_ method: String, _ target: String, _ added: [String: String] = [:]) -> RawClient.Answer {
        client.ask(method, target, headers.merging(added) { $1 })
    }

    /// Uploads a blob; its digest.
    func push(_ repository: String, _ text: String) -> String {
        let bytes = Array(text.utf8)
        let all = headers.merging(Questions.binary) { $1 }
        let digest = Questions.digest(bytes)
        let answer = client.ask("POST", "/v2/\(repository)/blobs/uploads/?digest=\(digest)", all, .whole(bytes))
        #expect(answer.status == 201)
        return digest
    }

    /// An image of one layer, whose blobs are uploaded.
    func image(_ repository: String, _ layer: String) -> String {
        let (config, layer) = (push(repository, "{}"), (digest: push(repository, layer), size: layer.utf8.count))
        return #"{"schemaVersion":2,"config":{"mediaType":"\#(MediaType.imageConfig)","digest":"\#(config)","size":2},"#
            + #""layers":[{"mediaType":"\#(MediaType.layer)","digest":"\#(layer.digest)","size":\#(layer.size)}]}"#
    }

    /// The status of a manifest's `PUT`.
    func put(_ repository: String, _ reference: String, _ text: String, _ type: String) -> Int {
        let all = headers.merging(["Content-Type": type]) { $1 }
        return client.ask("PUT", "/v2/\(repository)/manifests/\(reference)", all, .whole(Array(text.utf8))).status
    }

    /// The same of an empty index with these annotations.
    func putIndex(_ repository: String, _ reference: String, _ annotations: String) -> Int {
        let text = #"{"schemaVersion":2,"manifests":[],"annotations":\#(annotations)}"#
        return put(repository, reference, text, MediaType.index)
    }
}

/// The stand-in as a process, ready to be asked.
struct StandInProcess {
    let process: ChildProcess

    init(_ arguments: [String], _ port: UInt16, _ folder: TemporaryFolder) throws {
        process = try ChildProcess(
            arguments, output: folder.appending("output"), errorOutput: folder.appending("errors"))
        let limit = ContinuousClock.now + .seconds(10)
        while !Loopback.accepts(port), ContinuousClock.now < limit { usleep(5000) }
        try #require(Loopback.accepts(port), "zot-stand-in doesn't listen on \(port)")
    }
}

/// What each of `count` threads brings, in their order.
func parallel<Value: Sendable>(_ count: Int, _ work: @escaping @Sendable (Int) -> Value) -> [Value] {
    let results = Mutex<[Int: Value]>([:])
    let group = DispatchGroup()
    for number in 0..<count {
        DispatchQueue(label: "client \(number)").async(group: group) {
            let value = work(number)
            results.withLock { $0[number] = value }
        }
    }
    group.wait()
    return results.withLock { results in (0..<count).compactMap { results[$0] } }
}
