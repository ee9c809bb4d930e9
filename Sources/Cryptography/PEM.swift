// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL

/// One block of a PEM text (RFC 7468).
struct PEM {
    /// The longest text that is looked at; an RSA-8192 private key has 6.4 KiB.
    static let byteLimit = 16_384

    let label: String
    /// Whether the block has headers, as password-protected keys of the traditional form do.
    let hasHeaders: Bool
    /// The DER bytes; the owner of a private key wipes them.
    var bytes: [UInt8]

    /// Finds the only block in a text; text around it is passed over, and so are blocks labelled `ignoring`.
    init(parsing text: [UInt8], ignoring ignored: String? = nil) throws(KeyError) {
        guard !text.isEmpty, text.count <= PEM.byteLimit else { throw .noPEM }
        let blocks = unsafe text.withUnsafeBytes { memory in unsafe PEM.blocks(in: memory) }
        let wanted = blocks.filter { $0.label != ignored }
        guard wanted.count < 2 else { throw .severalKeys }
        guard let found = wanted.first else { throw .noPEM }
        self = found
    }

    /// The blocks of a text. The BIO reads from `memory` without a copy of its own: it
    /// may not outlive this call.
    @unsafe
    private static func blocks(in memory: UnsafeRawBufferPointer) -> [PEM] {
        guard let bio = unsafe BIO_new_mem_buf(memory.baseAddress, Int32(memory.count)) else { return [] }
        defer {
            unsafe BIO_free(bio)
            ERR_clear_error()
        }
        var blocks: [PEM] = []
        while let block = unsafe PEM.next(in: bio) { blocks.append(block) }
        return blocks
    }

    private init(label: String, hasHeaders: Bool, bytes: [UInt8]) {
        (self.label, self.hasHeaders, self.bytes) = (label, hasHeaders, bytes)
    }

    /// `nil` at the end and at a block that is no PEM; what follows such a block doesn't count.
    @unsafe
    private static func next(in bio: OpaquePointer) -> PEM? {
        var name: UnsafeMutablePointer<CChar>?
        var header: UnsafeMutablePointer<CChar>?
        var data: UnsafeMutablePointer<UInt8>?
        var count = 0
        guard unsafe PEM_read_bio(bio, &name, &header, &data, &count) == 1,
            let name = unsafe name, let header = unsafe header, let data = unsafe data
        else { return nil }
        defer {
            unsafe CRYPTO_free(name, #file, #line)
            unsafe CRYPTO_free(header, #file, #line)
            unsafe CRYPTO_clear_free(data, count, #file, #line)
        }
        return unsafe PEM(
            label: String(String(cString: name).prefix(64)), hasHeaders: header.pointee != 0,
            bytes: [UInt8](UnsafeBufferPointer(start: data, count: count)))
    }

    /// The text of a block: lines of 64 characters, each ended by a newline (RFC 7468 section 2).
    static func text(label: String, bytes: [UInt8]) -> String {
        var base64 = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
        let count = Int(unsafe EVP_EncodeBlock(&base64, bytes, Int32(bytes.count)))
        var text = "-----BEGIN \(label)-----\n"
        for start in stride(from: 0, to: count, by: 64) {
            text += String(decoding: base64[start..<min(start + 64, count)], as: UTF8.self) + "\n"
        }
        return text + "-----END \(label)-----\n"
    }
}

extension [UInt8] {
    /// Overwrites secret bytes before their memory is given back.
    package mutating func wipe() {
        unsafe withUnsafeMutableBytes { buffer in unsafe OPENSSL_cleanse(buffer.baseAddress, buffer.count) }
    }
}
