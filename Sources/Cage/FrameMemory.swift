// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// Memory that a child shares with its parent: a stored frame's place, then a decoded one's. Pages are used as far as
/// frames go.
@safe
struct FrameMemory: ~Copyable {
    /// Bytes of the largest stored frame that an index may name.
    static let storedCapacity = 8 << 20
    /// Bytes of the largest decoded frame.
    static let rawCapacity = 4 << 20
    static let size = storedCapacity + rawCapacity

    private let start: UnsafeMutableRawPointer

    /// Maps memory that has `size` bytes; `nil` leaves the reason in `errno`.
    init?(mapping descriptor: Int32) {
        let mapped = unsafe mmap(nil, FrameMemory.size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0)
        guard let mapped = unsafe mapped, unsafe mapped != MAP_FAILED else { return nil }
        unsafe start = mapped
    }

    deinit { _ = unsafe munmap(start, FrameMemory.size) }

    /// Puts a stored frame, of at most `storedCapacity` bytes, into its place.
    func put(_ frame: RawSpan) {
        precondition(frame.byteCount <= FrameMemory.storedCapacity)
        unsafe frame.withUnsafeBytes { source in
            guard let from = source.baseAddress else { return }
            unsafe memcpy(start, from, source.count)
        }
    }

    /// Copies as many decoded bytes as `target` takes, at most `rawCapacity`, out of what the other side can still change.
    @unsafe func copyRaw(to target: UnsafeMutableRawBufferPointer) {
        precondition(target.count <= FrameMemory.rawCapacity)
        guard let to = target.baseAddress else { return }
        unsafe memcpy(to, start + FrameMemory.storedCapacity, target.count)
    }

    /// Lends both places, with these lengths.
    @unsafe func withPlaces<Value>(
        stored: Int, raw: Int, _ body: (RawSpan, UnsafeMutableRawBufferPointer) -> Value
    ) -> Value {
        precondition(stored <= FrameMemory.storedCapacity && raw <= FrameMemory.rawCapacity)
        return unsafe body(
            RawSpan(_unsafeBytes: UnsafeRawBufferPointer(start: start, count: stored)),
            UnsafeMutableRawBufferPointer(start: start + FrameMemory.storedCapacity, count: raw))
    }
}
