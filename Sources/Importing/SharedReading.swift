// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Dispatch
internal import Files
internal import RegistryClient
internal import Synchronization

/// One object, read once for several uploads that go on side by side (docs/targets.md, "Several targets").
///
/// Whoever needs the next piece reads it, for all. Pieces are kept until everybody has them, a few at most, so the uploads go at
/// the pace of the slowest; who holds the others up for too long goes on alone and reads the object again.
final class SharedReading: Sendable {
    /// Bytes of a piece, and how many are kept.
    static let pieceSize = 512 << 10
    static let window = 8

    fileprivate enum Member {
        /// Hasn't asked for the bytes yet.
        case awaited
        case reading(UInt64)
        /// Needs none, has ended, or goes on alone.
        case gone
    }

    fileprivate struct State {
        var members: [Member]
        /// In order, without gaps; the first begins at `start`.
        var pieces: [[UInt8]] = []
        var start: UInt64 = 0
        var isReading = false
        var isWhole = false
        var failure: (any Error)?

        var end: UInt64 { pieces.reduce(start) { $0 + UInt64($1.count) } }
    }

    /// What a member finds when it looks.
    private enum Look {
        case copied(Int)
        case mustRead
        case mustWait
        case alone
    }

    private let state: Mutex<State>
    private let wakeUps: [DispatchSemaphore]
    private let patience: Double
    private let source: Source

    // Read by one thread at a time: the one that has set `isReading`.
    private final class Source: @unchecked Sendable {
        let open: () throws -> ObjectStream
        var stream: ObjectStream?

        init(_ open: @escaping () throws -> ObjectStream) { self.open = open }

        func next() throws -> [UInt8] {
            let stream = try stream ?? open()
            self.stream = stream
            return try unsafe [UInt8](unsafeUninitializedCapacity: SharedReading.pieceSize) { memory, count in
                while count < SharedReading.pieceSize {
                    try Interruption.check()
                    let rest = unsafe UnsafeMutableRawBufferPointer(
                        rebasing: UnsafeMutableRawBufferPointer(memory)[count...])
                    let read = try unsafe stream.read(into: rest)
                    guard read > 0 else { break }
                    count += read
                }
            }
        }
    }

    /// `patience`: seconds for which one waits for another.
    init(members: Int, patience: Double = 10, _ open: @escaping () throws -> ObjectStream) {
        state = Mutex(State(members: Array(repeating: .awaited, count: members)))
        wakeUps = (0..<members).map { _ in DispatchSemaphore(value: 0) }
        self.patience = patience
        source = Source(open)
    }

    /// Begins at the first byte; `false` for one that has begun before: that is another attempt, which reads for itself.
    func join(_ member: Int) -> Bool {
        let isFirst = state.withLock { state in
            guard case .awaited = state.members[member] else { return false }
            state.members[member] = .reading(0)
            return true
        }
        if !isFirst { leave(member) }
        wakeAll()
        return isFirst
    }

    /// Holds nobody up any more.
    func leave(_ member: Int) {
        state.withLock { state in
            state.members[member] = .gone
            state.forget()
        }
        wakeAll()
    }

    /// Copies the next bytes; 0 after the last, `nil` when the member must go on alone. Throws what reading the object throws.
    @unsafe func read(_ member: Int, into target: UnsafeMutableRawBufferPointer) throws -> Int? {
        while true {
            try Interruption.check()
            switch try unsafe look(member, target) {
            case .copied(let count):
                wakeAll()
                return count
            case .alone: return nil
            case .mustRead: readNext()
            case .mustWait: wait(member)
            }
        }
    }

    private func look(_ member: Int, _ target: UnsafeMutableRawBufferPointer) throws -> Look {
        // The memory is the caller's and is used before this returns.
        nonisolated(unsafe) let target = unsafe target
        return try state.withLock { state in
            guard case .reading(let position) = state.members[member] else { return .alone }
            if let failure = state.failure { throw failure }
            var start = state.start
            for piece in state.pieces {
                let end = start + UInt64(piece.count)
                guard position < end else {
                    start = end
                    continue
                }
                let from = Int(position - start)
                let count = unsafe min(target.count, piece.count - from)
                unsafe target.copyBytes(from: piece[from..<from + count])
                state.members[member] = .reading(position + UInt64(count))
                state.forget()
                return .copied(count)
            }
            if state.isWhole { return .copied(0) }
            let isAwaited = state.members.contains { if case .awaited = $0 { true } else { false } }
            guard !isAwaited, !state.isReading, state.pieces.count < SharedReading.window else { return .mustWait }
            state.isReading = true
            return .mustRead
        }
    }

    private func readNext() {
        let piece = Result { try source.next() }
        state.withLock { state in
            state.isReading = false
            switch piece {
            case .success(let bytes) where bytes.isEmpty: state.isWhole = true
            case .success(let bytes): state.pieces.append(bytes)
            case .failure(let error): state.failure = error
            }
            state.forget()
        }
        wakeAll()
    }

    /// Waits for a change; after too long without one, those who hold the others up must go on alone.
    private func wait(_ member: Int) {
        guard wakeUps[member].wait(timeout: .now() + patience) == .timedOut else { return }
        state.withLock { state in
            guard case .reading(let own) = state.members[member], !state.isReading else { return }
            for other in state.members.indices where other != member {
                switch state.members[other] {
                case .awaited: state.members[other] = .gone
                case .reading(let position) where position < own: state.members[other] = .gone
                case .reading, .gone: break
                }
            }
            state.forget()
        }
        wakeAll()
    }

    private func wakeAll() { for wakeUp in wakeUps { wakeUp.signal() } }
}

extension SharedReading.State {
    /// Drops what everybody has.
    fileprivate mutating func forget() {
        var least: UInt64?
        for member in members {
            switch member {
            case .awaited: return
            case .reading(let position): least = min(least ?? position, position)
            case .gone: break
            }
        }
        while let first = pieces.first, least.map({ start + UInt64(first.count) <= $0 }) ?? true {
            start += UInt64(first.count)
            pieces.removeFirst()
        }
    }
}

/// A load's place in a reading that several share.
struct ReadingShare: Sendable {
    let reading: SharedReading
    let member: Int

    func join() -> Bool { reading.join(member) }
    func leave() { reading.leave(member) }
}
