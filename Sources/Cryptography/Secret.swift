// SPDX-License-Identifier: Apache-2.0

internal import COpenSSL
internal import Glibc

/// A password or PIN: in pages of its own that are neither swapped out nor part of a core dump where the system allows it,
/// and overwritten when its owner goes. Its description says nothing of it.
@safe
package final class Secret: @unchecked Sendable {  // filled by who made it, only read afterwards
    /// The longest password, PIN or line that is taken, in bytes.
    package static let capacity = 1024

    private let memory: UnsafeMutableRawBufferPointer
    /// Bytes.
    package private(set) var count = 0

    /// An empty one, to be filled with `append`.
    package init() {
        let size = 4096
        let start = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let start = unsafe start, unsafe start != MAP_FAILED else { preconditionFailure("out of memory") }
        unsafe memory = UnsafeMutableRawBufferPointer(start: start, count: size)
        _ = unsafe mlock(start, size)  // where the limit allows it
        _ = unsafe madvise(start, size, MADV_DONTDUMP)
    }

    /// A copy of bytes that the caller wipes itself; at most `capacity` of them count.
    package convenience init(_ bytes: some Sequence<UInt8>) {
        self.init()
        for byte in bytes { append(byte) }
    }

    deinit {
        unsafe OPENSSL_cleanse(memory.baseAddress, memory.count)
        _ = unsafe munmap(memory.baseAddress, memory.count)
    }

    /// Adds a byte; `false`, and nothing is added, when there are `capacity` already.
    @discardableResult
    package func append(_ byte: UInt8) -> Bool {
        guard count < Secret.capacity else { return false }
        unsafe memory[count] = byte
        count += 1
        return true
    }

    /// Lends the bytes.
    package func withBytes<Value, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Value
    ) throws(Failure) -> Value {
        try body(unsafe UnsafeRawBufferPointer(memory).bytes.extracting(first: count))
    }
}

extension Secret: Equatable {
    /// Whether both are the same, in a time that doesn't tell where they differ.
    package static func == (left: Secret, right: Secret) -> Bool {
        guard left.count == right.count else { return false }
        return unsafe CRYPTO_memcmp(left.memory.baseAddress, right.memory.baseAddress, left.count) == 0
    }
}

extension Secret: CustomStringConvertible, CustomReflectable {
    /// Says only that this is a secret.
    package var description: String { "a secret" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
