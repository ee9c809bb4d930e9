// SPDX-License-Identifier: Apache-2.0

@testable import RegistryClient

/// An upload together with a tiny registry of which anything may be expected: every answer that it could give to the next
/// request leads to another world.
struct UploadWorld: Hashable {
    var progress: UploadProgress
    var habits = RegistryHabits()
    /// Bytes that the session really has; `nil` where there is none.
    var session: Int64?
    /// The end of the last request whose answer, or an answer about it, came.
    var acknowledged: Int64 = 0
    /// The end of the last chunk that was sent.
    var sent: Int64 = 0
    /// Whether the client was told of a session and not yet that it has gone.
    var isOpen = false
    var isStored = false
    /// What the last answer said about the blob.
    var said = Said.nothing

    enum Said: Hashable { case nothing, mounted, stored, present }

    init(_ progress: UploadProgress, habits: RegistryHabits = RegistryHabits()) {
        (self.progress, self.habits) = (progress, habits)
        guard progress.hasSession else { return }
        (session, acknowledged, isOpen) = (progress.offset, progress.offset, true)
    }

    /// Another world, in which `change` happened at the registry and `event` came back.
    private func after(_ event: UploadProgress.Event, _ change: (inout UploadWorld) -> Void = { _ in }) -> UploadWorld {
        var world = self
        world.said = .nothing
        change(&world)
        world.progress.take(event, &world.habits)
        return world
    }

    /// The caller wants to stop before the next action.
    var interrupted: UploadWorld { after(.cancelled) { $0.said = said } }

    private func opened(_ event: UploadProgress.Event = .accepted()) -> UploadWorld {
        after(event) { ($0.session, $0.acknowledged, $0.sent, $0.isOpen) = (0, 0, 0, true) }
    }

    private func gone(_ event: UploadProgress.Event) -> UploadWorld {
        after(event) { ($0.session, $0.isOpen) = (nil, false) }
    }

    private var refusals: [UploadWorld] {
        let kinds: [UploadProgress.Refusal] = [.tooLarge, .unsupported, .broken, .otherBytes, .other]
        return kinds.map { after(.refused($0)) } + [gone(.refused(.gone))]
    }

    /// What can happen to any request.
    private var mishaps: [UploadWorld] {
        [after(.lost), after(.busy), after(.cancelled), after(.failed(.usable)), after(.failed(.useless))]
    }

    /// The worlds after `action`.
    func outcomes(of action: UploadProgress.Action) -> [UploadWorld] {
        switch action {
        case .ask: asked
        case .mount:
            mishaps + [after(.stored) { ($0.isStored, $0.said) = (true, .mounted) }, opened(), after(.refused(.other))]
        case .open: mishaps + [opened(), opened(.accepted(smallestChunk: 2)), after(.refused(.gone))]
        case .single: mishaps + refusals + stored + [opened()]
        case .patch(let range): mishaps + refusals + patched(range)
        case .put: mishaps + refusals + stored + [after(.lost) { $0.session = nil }, gone(.failed(.gone))]
        case .status: mishaps + [after(.refused(.broken))] + stands
        case .cancel: [gone(.ended)]
        case .finish, .fail: []
        }
    }

    private var asked: [UploadWorld] {
        guard isStored else { return mishaps + [after(.absent)] }
        return mishaps + [
            after(.present) { ($0.session, $0.isOpen, $0.said) = (nil, false, .present) }
        ]
    }

    /// The blob is stored, and the client hears of it or not.
    private var stored: [UploadWorld] {
        [
            after(.stored) { ($0.session, $0.isOpen, $0.isStored, $0.said) = (nil, false, true, .stored) },
            after(.lost) { ($0.session, $0.isStored) = (nil, true) },
        ]
    }

    private func patched(_ range: Range<Int64>) -> [UploadWorld] {
        let whole = after(.accepted()) { ($0.session, $0.acknowledged) = (range.upperBound, range.upperBound) }
        let cut: [Int64?] = [nil, range.lowerBound, range.upperBound - 1, range.upperBound]
        return [whole] + cut.map { left in after(.lost) { ($0.session, $0.sent) = (left, range.upperBound) } }
    }

    /// The truth, an answer that can't be read, and one that can't be.
    private var stands: [UploadWorld] {
        guard let session else { return [gone(.refused(.gone))] }
        return [
            after(.stands(at: session)) { $0.acknowledged = session }, after(.stands(at: nil)),
            after(.stands(at: progress.size + 7)),
        ]
    }

    /// What is wrong with doing `action` here, if anything.
    func objection(to action: UploadProgress.Action) -> String? {
        switch action {
        case .patch(let range):
            if !isOpen { return "a chunk without a session" }
            if range.lowerBound != acknowledged { return "a chunk that is not where the registry says" }
            return range.isEmpty || range.upperBound > progress.size ? "a chunk outside the blob" : nil
        case .put(let range):
            if !isOpen { return "a closing request without a session" }
            if range.lowerBound != acknowledged { return "a closing request that leaves a gap" }
            return range.upperBound == progress.size ? nil : "a closing request for a part"
        case .open, .mount, .single: return isOpen ? "a session is forgotten" : nil
        case .status, .cancel: return isOpen ? nil : "a question about a session that is known to be gone"
        case .finish(let outcome):
            if isOpen { return "a session is left behind" }
            return switch outcome {
            case .mounted: said == .mounted ? nil : "mounted without an answer that says so"
            case .uploaded: said == .stored || said == .present ? nil : "uploaded without an answer that says so"
            case .present: said == .present ? nil : "present without an answer that says so"
            }
        case .fail:
            let isKept = progress.keepsSessions && acknowledged > 0
            return isOpen && !isKept ? "a session is left behind" : nil
        case .ask: return nil
        }
    }
}

/// Walks every world that can follow from one.
struct UploadWalk {
    private(set) var objections: Set<String> = []
    private(set) var endings: Set<UploadProgress.Action> = []
    private(set) var actions: Set<UploadProgress.Action> = []
    var count: Int { lengths.count }
    /// The most actions until the end; `nil` while a world is being walked.
    private var lengths: [UploadWorld: Int?] = [:]

    /// The most actions from here to an end.
    mutating func walk(_ world: UploadWorld) -> Int {
        if let known = lengths[world] {
            if known == nil { objections.insert("no end: \(world.progress)") }
            return known ?? 0
        }
        lengths[world] = .some(nil)
        var asked = world
        let action = asked.progress.next(asked.habits)
        actions.insert(action)
        if let objection = world.objection(to: action) { objections.insert("\(objection): \(action) \(world)") }
        var outcomes = asked.outcomes(of: action)
        if outcomes.isEmpty { endings.insert(action) }
        if world.interrupted != world { outcomes.append(world.interrupted) }
        var length = 0
        for outcome in outcomes { length = max(length, 1 + walk(outcome)) }
        lengths[world] = length
        return length
    }
}
