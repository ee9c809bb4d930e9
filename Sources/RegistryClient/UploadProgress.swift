// SPDX-License-Identifier: Apache-2.0

/// How one blob gets into a registry with as few requests as possible, decided one step at a time, without I/O.
///
/// The caller carries `next` out, gives what came of it to `take`, and so on until `finish` or `fail`. Nothing is tried
/// more often than `UploadRules.attempts`, or refused more often than `UploadRules.refusals`, without progress, which is
/// an offset that was never reached before.
struct UploadProgress: Hashable {
    enum Action: Hashable {
        /// `HEAD` of the blob: 200 with its size, or not.
        case ask
        case mount(from: String)
        /// `POST` for a session.
        case open
        /// `POST ?digest=` with the whole body.
        case single
        case patch(Range<Int64>)
        /// `PUT ?digest=` with the whole body, or with none after the last chunk.
        case put(Range<Int64>)
        /// `GET` of the session.
        case status
        /// `DELETE` of the session, whatever its answer.
        case cancel
        case finish(UploadOutcome)
        /// Throw the error of the event that led here.
        case fail
    }

    enum Event: Equatable {
        /// 201 and its kind: the blob is stored, or mounted.
        case stored
        /// 202: a session is open, or has taken the chunk.
        case accepted(smallestChunk: Int64? = nil)
        /// The blob is there with its size.
        case present
        case absent
        /// What the session has, in bytes, as far as its answer can be read.
        case stands(at: Int64?)
        /// An answer that is about this request.
        case refused(Refusal)
        /// No answer came.
        case lost
        /// An answer that may pass: 429, 503.
        case busy
        /// The caller wants to stop, before the next action or in the middle of this one.
        case cancelled
        /// What no repetition changes, and what the session is worth now.
        case failed(SessionValue)
        /// The session was cancelled.
        case ended
    }

    enum SessionValue: Equatable {
        /// Another process can go on there.
        case usable
        case useless
        case gone
    }

    enum Refusal: Equatable {
        /// 413
        case tooLarge
        /// 405, 501
        case unsupported
        /// 404
        case gone
        /// 400, 416: the session isn't where we think it is.
        case broken
        /// `DIGEST_INVALID`
        case otherBytes
        case other
    }

    /// How it ends, or goes on, after a session has been cancelled.
    enum Ending: Hashable {
        case again
        case finish(UploadOutcome)
        case fail
    }

    enum Stage: Hashable {
        /// No session is open: to be decided how to begin.
        case begin
        /// A session is open at `offset`: to be decided how much to send.
        case send
        case ask, mount, open, single
        case patch(Range<Int64>)
        case put(Range<Int64>)
        /// Asks for a session that was kept by an earlier process.
        case recall
        /// Asks for the session after the answer to this chunk was lost.
        case status(after: Range<Int64>)
        /// Asks for the blob after the answer to a `PUT` of this range was lost; `nil` for a single `POST`.
        case verify(after: Range<Int64>?)
        case cancel(then: Ending)
        case over(Ending)
    }

    let size: Int64
    let mountFrom: String?
    let rules: UploadRules
    var stage = Stage.begin
    /// Whether a session that has bytes can be left for another process.
    let keepsSessions: Bool
    /// Whether the registry has a session of ours.
    var hasSession = false
    /// Bytes that the session has acknowledged.
    var offset: Int64 = 0
    /// Failures in a row without progress, and how many of them were the registry's own answer about a session.
    var failures = 0
    var refusals = 0

    /// The highest offset of all sessions.
    var furthest: Int64 = 0
    /// The most bytes of one request, for this blob.
    var limit = Int64.max
    /// Requests with a body whose answer was lost, and chunks that were refused, since there was progress.
    var lostBodies = 0
    var refusedChunks = 0
    /// Whether asking for the blob may save sending it.
    var mayBeThere: Bool
    /// What is not to be tried again for this blob.
    var hasAsked = false
    var hasMounted = false
    var avoidsSinglePost = false
    var avoidsChunks = false
    /// Whether chunks that were all taken made another blob.
    var chunksMadeOther = false

    /// `kept`: the offset of a session that an earlier process left open.
    init(
        size: Int64, mountFrom: String?, presence: BlobUpload.Presence, rules: UploadRules, keepsSessions: Bool,
        kept: Int64? = nil
    ) {
        (self.size, self.mountFrom, self.rules, self.keepsSessions) = (size, mountFrom, rules, keepsSessions)
        mayBeThere = presence == .unknown
        guard let kept else { return }
        (hasSession, offset, furthest, stage) = (true, kept, kept, .recall)
    }

    /// Whether it is decided how it ends.
    var isEnding: Bool {
        switch stage {
        case .over, .cancel(.fail), .cancel(.finish): true
        default: false
        }
    }

    /// The next step, by what the registry is known to take now.
    mutating func next(_ habits: RegistryHabits) -> Action {
        if stage == .begin { stage = beginning(habits) }
        if stage == .send { stage = sending(habits) }
        return switch stage {
        case .begin, .send: preconditionFailure("these have just been decided")
        case .ask, .verify: .ask
        case .mount: mountFrom.map(Action.mount) ?? .open
        case .open: .open
        case .single: .single
        case .patch(let range): .patch(range)
        case .put(let range): .put(range)
        case .recall, .status: .status
        case .cancel: .cancel
        case .over(.finish(let outcome)): .finish(outcome)
        case .over: .fail
        }
    }

    /// A mount asks by itself, and a small blob is sent as soon as asked for. Zot before 2.1.19 denies an empty blob that
    /// it has, and takes none in a single `POST`.
    private func beginning(_ habits: RegistryHabits) -> Stage {
        if mountFrom != nil && !hasMounted { return .mount }
        let knownToTake = habits.takesSinglePost == true && !avoidsSinglePost
        let isTiny = size <= rules.unaskedLimit && knownToTake
        if size > 0 && mayBeThere && !hasAsked && !isTiny { return .ask }
        let isUnknown = habits.takesSinglePost == nil && !avoidsSinglePost
        let singleLimit = knownToTake ? rules.singleLimit : isUnknown ? rules.unaskedLimit : 0
        return size > 0 && size <= min(singleLimit, rules.most(habits)) ? .single : .open
    }

    private func sending(_ habits: RegistryHabits) -> Stage {
        guard offset < size else { return .put(size..<size) }
        let bounds = rules.sizes(habits, limit: limit)
        let mayChunk = habits.mayTakeChunks && !avoidsChunks
        if offset == 0 && (!mayChunk || size <= bounds.whole) { return .put(0..<size) }
        return .patch(offset..<offset + min(size - offset, bounds.chunk))
    }
}

/// The bounds that an upload keeps to; tests scale them down.
package struct UploadRules: Sendable, Hashable {
    /// A request with a body should end within this many seconds at the measured speed: newer Zot cuts it after 60.
    package var requestSeconds = 15.0
    /// Bytes of the smallest and the largest chunk, and of those while no speed is known.
    package var smallestChunk: Int64 = 1 << 20
    package var firstChunk: Int64 = 32 << 20
    package var largestChunk: Int64 = 1 << 30
    /// The largest blob, in bytes, that goes with a single `POST`.
    package var singleLimit: Int64 = 1 << 20
    /// The most bytes of one request, where the user sets a limit. A registry that takes no chunks gets whole blobs all
    /// the same, and one that names a larger smallest chunk gets that.
    package var largestRequest: Int64?
    /// The largest blob, in bytes, that costs no more to send than to ask for.
    package var unaskedLimit: Int64 = 64 << 10
    /// Bytes a second that one connection may send, where the user sets a limit.
    var mostPerSecond: Int64?
    /// How often something is tried at most without progress; the caller ends it earlier by the time that it takes.
    var attempts = 5
    /// How often the registry may refuse what belongs to a session without progress.
    var refusals = 5

    /// Bytes of the smallest chunk where the rate is limited.
    private static let smallestLimited: Int64 = 64 << 10

    package init() {}

    /// The smallest chunk, in bytes, that a registry of these habits takes.
    func floor(_ habits: RegistryHabits) -> Int64 {
        let inTime = mostPerSecond.map { Int64(Double($0) * requestSeconds) } ?? .max
        let smallest = min(smallestChunk, max(inTime, UploadRules.smallestLimited))
        return max(min(smallest, largestRequest ?? .max), habits.smallestChunk ?? 0)
    }

    /// The most bytes of one request to a registry of these habits.
    func most(_ habits: RegistryHabits) -> Int64 {
        min(habits.largestRequest ?? .max, largestRequest.map { max($0, habits.smallestChunk ?? 0) } ?? .max)
    }

    /// The largest blob to send whole, and the size of a chunk, both in bytes.
    func sizes(_ habits: RegistryHabits, limit: Int64) -> (whole: Int64, chunk: Int64) {
        let most = min(limit, most(habits))
        let floor = floor(habits)
        let speed = [habits.bytesPerSecond, mostPerSecond.map(Double.init)].compactMap(\.self).min()
        let measured = speed.map { Int64(min(max($0 * requestSeconds, 0), 1e15)) }
        let inTime = min(measured ?? .max, habits.bytesPerSecond == nil ? firstChunk : .max)
        let chunk = min(max(inTime, floor), max(largestChunk, floor), most)
        return (min(max(inTime, floor), most), max(chunk, min(floor, most), 1))
    }
}
