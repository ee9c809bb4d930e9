// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// What parent and child tell each other: sixteen bytes, whatever it is.
struct CageMessage: Equatable {
    /// The child's first: it is in the cage; the ABI of Landlock.
    static func ready(landlock: UInt32) -> CageMessage { CageMessage(0x6472_6179, landlock) }
    /// The child's first and last: a step of the cage failed, with its `errno`.
    static func notApplied(step: UInt32, errno: UInt32) -> CageMessage { CageMessage(2, step, errno) }
    /// The parent's: the stored frame's length and the length that it must decode to, bytes.
    static func decode(stored: UInt32, raw: UInt32) -> CageMessage { CageMessage(3, stored, raw) }
    /// The child's: the bytes are there.
    static let done = CageMessage(4)
    static let wrongLength = CageMessage(5)
    static let notOneFrame = CageMessage(6)
    /// The child's: libzstd's code for what is wrong.
    static func damaged(code: UInt32) -> CageMessage { CageMessage(7, code) }

    let kind: UInt32
    let first: UInt32
    let second: UInt32
    private let unused: UInt32

    static let length = 16

    init(_ kind: UInt32 = 0, _ first: UInt32 = 0, _ second: UInt32 = 0) {
        (self.kind, self.first, self.second, unused) = (kind, first, second, 0)
    }

    /// Sends the whole of it; `false` when the other end is gone.
    func write(to descriptor: Int32) -> Bool {
        unsafe withUnsafeBytes(of: self) { bytes in
            var done = 0
            while done < bytes.count {
                let count = unsafe Glibc.write(
                    descriptor, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
    }

    /// Reads more of a message, whose first `done` bytes are there; how many now, `nil` at the end or an error.
    mutating func read(from descriptor: Int32, after done: Int) -> Int? {
        unsafe withUnsafeMutableBytes(of: &self) { bytes in
            while true {
                let count = unsafe Glibc.read(
                    descriptor, bytes.baseAddress.map { unsafe $0 + done }, bytes.count - done)
                if count < 0 && errno == EINTR { continue }
                return count > 0 ? done + count : nil
            }
        }
    }
}
