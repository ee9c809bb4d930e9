// SPDX-License-Identifier: Apache-2.0

import OCI
import RegistryClient
import Support
import Testing

/// What lets a load leave a blob's digest to the registry (docs/decisions/0005-blob-digest-by-receiver.md): other bytes are
/// refused, and the answer names what was stored.
struct DigestProofTests {
    private func expectProof(_ url: String, chunk: Int64?) throws {
        var options = RegistryOptions.waiting()
        if let chunk { options.upload = .chunks(of: chunk) }
        let connection = try connect(url, options)
        let (blob, other) = (try Content(count: 3 << 20 | 7), try Content(count: 3 << 20 | 7, seed: 2))
        #expect(try connection.kind().computesDigests)
        let error = #expect(throws: RegistryError.self) {
            try connection.upload("dray/a", blob.digest, size: blob.size) { other.body }
        }
        #expect(error?.saysOtherBytes == true)
        #expect(connection.registry.habits.namesDigests == nil)
        #expect(try connection.blobSize("dray/a", blob.digest) == nil)
        #expect(try connection.upload("dray/a", blob.digest, size: blob.size) { blob.body } == .uploaded)
        #expect(connection.registry.habits.namesDigests == true)
    }

    @Test(arguments: [nil, 1 << 20]) func `Debian's registry refuses other bytes and names what it stored`(
        _ chunk: Int64?
    ) throws {
        let server = try RegistryServer()
        defer { withExtendedLifetime(server) {} }
        try expectProof(server.url, chunk: chunk)
    }

    @Test(arguments: ZotServer.Era.allCases, [nil, 1 << 20]) func `Zot refuses other bytes and names what it stored`(
        _ era: ZotServer.Era, _ chunk: Int64?
    ) throws {
        var options = ZotServer.Options()
        options.era = era
        let server = try ZotServer(options)
        defer { withExtendedLifetime(server) {} }
        try expectProof(server.url, chunk: chunk)
    }
}
