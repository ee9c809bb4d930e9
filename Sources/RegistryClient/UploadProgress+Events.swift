// SPDX-License-Identifier: Apache-2.0

// What each event means.
extension UploadProgress {
    /// Takes what came of the last action, and what it says about the registry.
    mutating func take(_ event: Event, _ habits: inout RegistryHabits) {
        switch (stage, event) {
        case (.over, _): return
        case (.cancel(.again), .cancelled): stage = .cancel(then: .fail)
        case (.cancel, .cancelled): return
        case (.cancel(let ending), _): endSession(then: ending)
        case (_, .cancelled), (_, .failed(.usable)): stop(keeping: true)
        case (_, .failed(.useless)): stop()
        case (_, .failed(.gone)), (_, .ended): endSession(then: .fail)
        case (_, .lost):
            noteLostBody(habits)
            askAgain()
        case (_, .busy): askAgain()
        case (_, .refused(let refusal)): refuse(refusal, &habits)
        case (_, .stored): store(&habits)
        case (_, .accepted(let smallestChunk)): accept(smallestChunk, &habits)
        case (.ask, .present): stage = .over(.finish(.present))
        case (_, .present): endSession(then: .finish(.uploaded))
        case (_, .absent): notThere(habits)
        case (_, .stands(let count)): stand(at: count, &habits)
        }
    }

    private mutating func endSession(then ending: Ending) {
        (hasSession, offset) = (false, 0)
        stage = ending == .again ? .begin : .over(ending)
    }

    private mutating func stop(keeping: Bool = false) {
        let isKept = keeping && keepsSessions && offset > 0
        stage = hasSession && !isKept ? .cancel(then: .fail) : .over(.fail)
    }

    /// Counts a failure; `false` when that was one too many. A session that has bytes is left for another process.
    private mutating func mayTryAgain() -> Bool {
        failures += 1
        guard failures >= rules.attempts || refusals >= rules.refusals else { return true }
        stop(keeping: true)
        return false
    }

    /// The same after a refusal, which time alone seldom changes.
    private mutating func mayTryAgainRefused() -> Bool {
        refusals += 1
        return mayTryAgain()
    }

    private mutating func progress(to newOffset: Int64) {
        offset = newOffset
        stage = .send
        guard offset > furthest else { return }
        furthest = offset
        (failures, refusals, lostBodies, refusedChunks) = (0, 0, 0, 0)
    }

    private mutating func forget(if isGone: Bool) {
        if isGone { (hasSession, offset) = (false, 0) }
    }

    /// Begins the blob again.
    private mutating func restart() { stage = hasSession ? .cancel(then: .again) : .begin }

    private mutating func store(_ habits: inout RegistryHabits) {
        switch stage {
        case .mount: stage = .over(.finish(.mounted))
        case .single:
            habits.takesSinglePost = true
            stage = .over(.finish(.uploaded))
        default:
            if case .put(let range) = stage, size > 0 {
                if range.isEmpty { habits.takesChunks = true } else if chunksMadeOther { habits.refuseChunks() }
            }
            endSession(then: .finish(.uploaded))
        }
    }

    private mutating func accept(_ smallestChunk: Int64?, _ habits: inout RegistryHabits) {
        if let smallestChunk { habits.smallestChunk = smallestChunk > 0 ? smallestChunk : nil }
        if case .patch(let range) = stage { return progress(to: range.upperBound) }
        hasMounted = hasMounted || stage == .mount
        if stage == .single {
            habits.takesSinglePost = habits.takesSinglePost ?? false
            avoidsSinglePost = true
        }
        (hasSession, offset, stage) = (true, 0, .send)
    }

    private mutating func notThere(_ habits: RegistryHabits) {
        guard case .verify(let range) = stage else {
            hasAsked = true
            stage = .begin
            return
        }
        if range == nil {
            avoidsSinglePost = habits.takesSinglePost != true
            stage = .begin
        } else if range == size..<size, size > 0, hasSession {
            stage = .send  // close it again
        } else {
            restart()
        }
    }
}

// Lost answers, and sessions asked for.
extension UploadProgress {
    private mutating func noteLostBody(_ habits: RegistryHabits) {
        switch stage {
        case .patch(let range):
            lostBodies += 1
            limit = min(limit, max((range.upperBound - range.lowerBound) / 2, rules.floor(habits)))
            // A way to the registry that never let a chunk through may let the whole through.
            if lostBodies >= 2 && furthest == 0 && habits.takesChunks != true { avoidsChunks = true }
        case .put(let range) where !range.isEmpty:
            lostBodies += 1
            if lostBodies >= 2 { limit = min(limit, max(size / 2, rules.floor(habits))) }
        default: break
        }
    }

    private mutating func askAgain() {
        guard mayTryAgain() else { return }
        switch stage {
        case .single: stage = .verify(after: nil)
        case .put(let range): stage = .verify(after: range)
        case .patch(let range): stage = .status(after: range)
        default: break  // the same again
        }
    }

    /// Goes on only exactly where our own count is, or would be had the answer come.
    private mutating func stand(at count: Int64?, _ habits: inout RegistryHabits) {
        if count == offset {
            stage = .send
        } else if case .status(let range) = stage, !range.isEmpty, count == range.upperBound {
            progress(to: range.upperBound)
        } else {
            if case .status(let range) = stage, let count, count > range.upperBound {
                avoidsChunks = true  // more than was ever sent
                habits.doubtChunks()
            }
            mayBeThere = mayBeThere || stage == .recall
            restart()
        }
    }
}

// Refusals.
extension UploadProgress {
    private mutating func refuse(_ refusal: Refusal, _ habits: inout RegistryHabits) {
        switch stage {
        case .mount:
            hasMounted = true
            stage = .begin
        case .single:
            habits.takesSinglePost = habits.takesSinglePost ?? false
            avoidsSinglePost = true
            stage = .begin
        case .recall, .status:
            mayBeThere = mayBeThere || stage == .recall
            forget(if: refusal == .gone)
            restart()
        case .patch(let range): refuseChunk(range, refusal, &habits)
        case .put(let range) where range.isEmpty && size > 0: refuseClosing(refusal, &habits)
        case .put(let range): refuseWhole(range, refusal, &habits)
        default: stop()
        }
    }

    private mutating func refuseChunk(_ range: Range<Int64>, _ refusal: Refusal, _ habits: inout RegistryHabits) {
        let isFirst = range.lowerBound == 0 && habits.takesChunks != true
        switch refusal {
        case .tooLarge:
            guard shrink(below: range, &habits) else { return stop() }
            stage = offset > 0 ? .status(after: offset..<offset) : .cancel(then: .again)
        case .unsupported:
            habits.refuseChunks(even: true)
            avoidsChunks = true
            restart()
        case .other: stop()
        case .gone, .broken, .otherBytes:
            forget(if: refusal == .gone)
            refusedChunks += 1
            if isFirst { habits.doubtChunks() }
            if isFirst || refusedChunks >= 2 { avoidsChunks = true }
            if mayTryAgainRefused() { restart() }
        }
    }

    /// All chunks were taken and make no blob: one that keeps only the last chunk, or a session that went.
    private mutating func refuseClosing(_ refusal: Refusal, _ habits: inout RegistryHabits) {
        forget(if: refusal == .gone)
        guard [.gone, .broken, .otherBytes].contains(refusal) else { return stop() }
        refusedChunks += 1
        if refusal == .otherBytes { (chunksMadeOther, avoidsChunks) = (true, true) }
        if refusedChunks >= 2 { avoidsChunks = true }
        guard mayTryAgainRefused() else { return }
        guard refusal != .gone else { return stage = .verify(after: size..<size) }  // libcurl may have sent it twice
        restart()
    }

    private mutating func refuseWhole(_ range: Range<Int64>, _ refusal: Refusal, _ habits: inout RegistryHabits) {
        switch refusal {
        case .tooLarge:
            guard !avoidsChunks, habits.mayTakeChunks, shrink(below: range, &habits) else {
                return stop()
            }
            restart()
        case .gone, .broken:
            forget(if: refusal == .gone)
            if mayTryAgainRefused() { restart() }
        case .unsupported, .otherBytes, .other: stop()
        }
    }

    /// Halves the largest request; `false` where it can't be smaller.
    private mutating func shrink(below range: Range<Int64>, _ habits: inout RegistryHabits) -> Bool {
        let count = range.upperBound - range.lowerBound
        let floor = rules.floor(habits)
        guard count > floor else { return false }
        limit = min(limit, max(count / 2, floor))
        habits.largestRequest = min(habits.largestRequest ?? .max, limit)
        return true
    }
}
