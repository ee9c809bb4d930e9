// SPDX-License-Identifier: Apache-2.0

import Support

/// What a load sent of the release's blobs, counted at the proxy.
struct SentBlobs {
    /// Bytes of all bodies of uploads.
    private(set) var total = 0
    /// Bytes of each session that the registry made a blob of, and the blob's digest.
    private(set) var stored: [(digest: String, bytes: Int)] = []
    /// Bytes of each session that came to nothing; those that got no byte are left out.
    private(set) var lost: [Int] = []
    /// Bytes that a single `POST` carried in vain: the registry only opened a session.
    private(set) var learning = 0

    init(_ exchanges: [FaultProxy.Exchange]) {
        var bytes: [String: Int] = [:]
        var digests: [String: String] = [:]
        // The site's own evidence differs each time, and comes after all of this.
        for exchange in exchanges where exchange.isUpload && !exchange.target.contains("/dray/site/") {
            total += exchange.bodyBytes
            if exchange.method == "POST", exchange.status != 201 { learning += exchange.bodyBytes }
            guard let session = exchange.session else { continue }
            bytes[session, default: 0] += exchange.bodyBytes
            guard exchange.method == "PUT", [201, 204].contains(exchange.status) else { continue }
            digests[session] = exchange.target.split(separator: "digest=").last.map(String.init)
        }
        for (session, count) in bytes {
            if let digest = digests[session] {
                stored.append((digest, count))
            } else if count > 0 {
                lost.append(count)
            }
        }
    }

    /// The sizes of blobs, of a load that nothing disturbed.
    var sizes: [String: Int] { Dictionary(stored.map { ($0.digest, $0.bytes) }) { max($0, $1) } }
}

/// Random numbers that a seed repeats (SplitMix64, Steele et al. 2014).
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
