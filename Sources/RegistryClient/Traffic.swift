// SPDX-License-Identifier: Apache-2.0

/// What was sent to a registry and its token service so far.
package struct Traffic: Sendable, Equatable {
    package var requests = 0
    /// Requests by method: `POST`, `PATCH`, ...
    package var methods: [String: Int] = [:]
    /// Bytes of request bodies that were handed to the connection, repetitions included.
    package var bodyBytes: Int64 = 0
    /// Waits before something was tried again.
    package var retries = 0

    package init() {}
}

extension Traffic {
    mutating func add(_ request: Request, bodyBytes streamed: Int64) {
        requests += 1
        methods[request.method, default: 0] += 1
        if case .bytes(let bytes) = request.content { bodyBytes += Int64(bytes.count) } else { bodyBytes += streamed }
    }
}
