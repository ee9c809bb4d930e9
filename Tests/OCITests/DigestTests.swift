// SPDX-License-Identifier: Apache-2.0

import OCI
import Testing

struct DigestTests {
    static let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    @Test func `a digest keeps its bytes and text`() throws {
        let digest = try Digest(parsing: "sha256:\(DigestTests.hex)")
        #expect(digest.hex == DigestTests.hex)
        #expect(digest.description == "sha256:\(DigestTests.hex)")
        #expect(digest.bytes.first == 0xE3 && digest.bytes.last == 0x55 && digest.bytes.count == 32)
        #expect(Digest(bytes: digest.bytes) == digest)
    }

    @Test(arguments: [
        "", "sha256:", hex, "sha256:" + hex.uppercased(), "sha256:" + hex.dropLast(), "sha256:\(hex)0",
        "sha512:" + hex + hex, "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:../../etc/passwd",
        "sha256:" + hex.dropLast() + "g", " sha256:\(hex)", "sha256:\(hex)\n",
    ]) func `anything else is no digest`(text: String) {
        #expect(throws: DigestError.malformed(String(text.prefix(100)))) { try Digest(parsing: text) }
    }

    @Test func `digests sort bytewise`() throws {
        let texts = ["00", "01", "7f", "80", "ff"].map { $0 + DigestTests.hex.dropFirst(2) }
        let digests = texts.shuffled().compactMap { Digest(hex: $0) }.sorted()
        #expect(digests.map(\.hex) == texts)
    }
}
