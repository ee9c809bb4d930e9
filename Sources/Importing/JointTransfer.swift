// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Dispatch
internal import Files
internal import OCI
internal import Synchronization

/// What several loads of one release do together: all that reads objects from the media, each object once.
///
/// Everything else they do one after another, each with its seat: the state of the site is written by one at a time.
package final class JointTransfer: Sendable {
    /// One load's place.
    package struct Seat: Sendable {
        let joint: JointTransfer
        let number: Int

        /// Waits for its turn: nothing else runs beside it.
        package func begin() { joint.turn.wait() }

        /// Gives up, or ends: nobody waits for it any more, and another has the turn.
        package func end() {
            joint.leave(number)
            joint.turn.signal()
        }
    }

    fileprivate struct Joined: Sendable {
        let load: Load
        let plan: LoadPlan
    }

    private struct State {
        var joined: [Int: Joined] = [:]
        /// Seats that may still join.
        var open: Set<Int>
        var isDone = false
        var failures: [Int: any Error] = [:]
    }

    private let turn = DispatchSemaphore(value: 1)
    private let state: Mutex<State>
    private let wakeUps: [DispatchSemaphore]

    package init(seats: Int) {
        state = Mutex(State(open: Set(0..<seats)))
        wakeUps = (0..<seats).map { _ in DispatchSemaphore(value: 0) }
    }

    package var seats: [Seat] { wakeUps.indices.map { Seat(joint: self, number: $0) } }

    private func leave(_ number: Int) {
        state.withLock { _ = $0.open.remove(number) }
        wakeAll()
    }

    private func wakeAll() { for wakeUp in wakeUps { wakeUp.signal() } }

    /// Sends what the plan needs, together with the other loads, and gives the turn back meanwhile. Throws what stops this load.
    func transfer(_ load: Load, _ plan: LoadPlan, _ seat: Seat) throws {
        state.withLock { state in
            state.joined[seat.number] = Joined(load: load, plan: plan)
            state.open.remove(seat.number)
        }
        wakeAll()
        turn.signal()
        defer { turn.wait() }
        while true {
            let next = state.withLock { state -> (all: [Int: Joined]?, isDone: Bool) in
                let isFirst = state.joined.keys.min() == seat.number
                return (state.open.isEmpty && isFirst && !state.isDone ? state.joined : nil, state.isDone)
            }
            if next.isDone { break }
            guard let all = next.all else {
                wakeUps[seat.number].wait()
                continue
            }
            let failures = JointRun(all).run()
            state.withLock { ($0.failures, $0.isDone) = (failures, true) }
            wakeAll()
        }
        if let failure = state.withLock({ $0.failures[seat.number] }) { throw failure }
    }
}

/// The transfers of several loads as one graph of steps.
private struct JointRun {
    /// A step of one load.
    struct Part {
        let member: Int
        let step: TransferSteps.Step
    }

    private let loads: [Joined]
    private let numbers: [Int]
    private var graph = WorkGraph()
    /// What each step of the graph does: one part, or the sending of one blob to several.
    private var parts: [[Part]] = []

    typealias Joined = JointTransfer.Joined

    init(_ all: [Int: Joined]) {
        numbers = all.keys.sorted()
        loads = numbers.compactMap { all[$0] }
        var places = Array(repeating: [Place: Int](), count: loads.count)
        var blobs: [Digest: Int] = [:]
        // Side by side, so that every target gets its images one after another.
        for place in 0..<(loads.map(\.plan.groups.count).max() ?? 0) {
            for (member, joined) in loads.enumerated() where place < joined.plan.groups.count {
                add(group: place, of: member, &places[member], &blobs)
            }
        }
    }

    private mutating func add(
        group number: Int, of member: Int, _ places: inout [Place: Int], _ blobs: inout [Digest: Int]
    ) {
        let (plan, content) = (loads[member].plan, loads[member].load.content)
        for blob in plan.groups[number].blobs {
            let part = Part(member: member, step: .blob(blob, group: number))
            let place = Place(blob.repository, blob.digest)
            if blob.mountFrom == nil, let known = blobs[blob.digest],
                !parts[known].contains(where: { $0.member == member })
            {
                parts[known].append(part)
                places[place] = known
                continue
            }
            let source = blob.mountFrom.flatMap { places[Place($0, blob.digest)] }
            places[place] = graph.add(after: [source].compactMap(\.self))
            parts.append([part])
            if blob.mountFrom == nil { blobs[blob.digest] = places[place] }
        }
        let isPartial = loads[member].load.partial != nil
        let all = isPartial ? plan.groups[number].allManifests.flatMap { content.blobs(of: $0.digest) } : []
        for manifest in plan.groups[number].manifests {
            let digest = manifest.descriptor.digest
            let subject = isPartial ? content.manifests[digest]?.subject : nil
            let needed = content.blobs(of: digest) + content.children(of: digest) + all + [subject].compactMap(\.self)
            let earlier = Set(needed.compactMap { places[Place(manifest.repository, $0.digest)] })
            places[Place(manifest.repository, digest)] = graph.add(after: earlier.sorted())
            parts.append([Part(member: member, step: .manifest(manifest, group: number))])
        }
    }

    /// Runs all; what stops a load stops its steps alone. Returns that, by seat.
    func run() -> [Int: any Error] {
        let failures = Mutex<[Int: any Error]>([:])
        do {
            try carryOut(failures)
        } catch {
            // It stops everybody: interruption, or no memory for a lane.
            failures.withLock { failures in
                for member in loads.indices where failures[member] == nil { failures[member] = error }
            }
        }
        let found = failures.withLock { $0 }
        return Dictionary(uniqueKeysWithValues: found.map { (numbers[$0], $1) })
    }

    private func carryOut(_ failures: borrowing Mutex<[Int: any Error]>) throws {
        let holdings = loads.map { Holding($0.plan, $0.load) }
        let failed = FailureList()
        defer { failures.withLock { $0.merge(failed.all) { first, _ in first } } }
        for (member, joined) in loads.enumerated() {
            do { try holdings[member]?.begin(joined.plan) } catch { failed.add(member, error) }
        }
        guard let first = loads.first else { return }
        let width = min(first.load.jobs, graph.count)
        let lanes = (0..<width).map { _ in JointLane(loads) }
        try graph.run(width: width) { [parts, loads] lane, number in
            try Interruption.check()
            // None are left where each load of this step has failed.
            let going = parts[number].filter { !failed.has($0.member) }
            let reading = going.count > 1 ? try lanes[lane].reading(of: going) : nil
            try onThreads(going.count) { place in
                let (member, step) = (going[place].member, going[place].step)
                let share = reading.map { ReadingShare(reading: $0, member: place) }
                defer { share?.leave() }
                do {
                    let sender = try lanes[lane].sender(of: member)
                    try loads[member].load.carryOut(step, of: loads[member].plan, holdings[member], sender, share)
                } catch {
                    failed.add(member, error)
                }
            }
        }
        for (member, joined) in loads.enumerated() where !failed.has(member) {
            do {
                try joined.load.partial?.finish(joined.load, joined.plan, holdings[member])
            } catch {
                failed.add(member, error)
            }
        }
    }
}

/// What stopped which load; the first of each counts.
private final class FailureList: Sendable {
    private let list = Mutex<[Int: any Error]>([:])

    var all: [Int: any Error] { list.withLock { $0 } }
    func has(_ member: Int) -> Bool { list.withLock { $0[member] != nil } }
    func add(_ member: Int, _ error: any Error) { list.withLock { $0[member] = $0[member] ?? error } }
}

/// What one thread of the graph works with: a sender for each load, and a reader for what they share.
private final class JointLane: @unchecked Sendable {
    // Each sender is used by one thread at a time: a step has one part for each load. The lane itself runs one step at a time.
    private let loads: [JointTransfer.Joined]
    private let senders: [Slot]
    private lazy var reader = loads[0].load.bundle.reader()  // of what the media have

    private final class Slot { var sender: Sender? }

    init(_ loads: [JointTransfer.Joined]) {
        self.loads = loads
        senders = loads.map { _ in Slot() }
    }

    func sender(of member: Int) throws -> Sender {
        if let sender = senders[member].sender { return sender }
        let sender = try Sender(loads[member].load, leavesProof: loads[member].plan.traits.computesDigests)
        senders[member].sender = sender
        return sender
    }

    /// One reading for all; `nil` where each must read by itself, as of a delta's blob that its own target has.
    func reading(of parts: [JointRun.Part]) throws -> SharedReading? {
        guard case .blob(let blob, _)? = parts.first?.step,
            try loads[0].load.bundle.externalNumbers(for: [blob.digest]).isEmpty
        else { return nil }
        return SharedReading(members: parts.count) { [reader] in try reader.stream(blob.digest) }
    }
}
