// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Files
internal import Synchronization

/// Steps that threads carry out, each after those that it needs. Steps that become ready are taken before later ones, so
/// that one image is finished before the next begins.
struct WorkGraph: Sendable {
    private var waitsFor: [Int] = []
    private var neededBy: [[Int]] = []

    var count: Int { waitsFor.count }

    /// Adds a step after others that were added before; returns its number, which counts from 0.
    mutating func add(after earlier: [Int] = []) -> Int {
        let number = waitsFor.count
        for step in earlier {
            precondition(step < number, "a step can only wait for an earlier one")
            neededBy[step].append(number)
        }
        waitsFor.append(earlier.count)
        neededBy.append([])
        return number
    }

    /// Runs all steps on `width` threads; `body` gets the thread's number and the step's. The first error ends the run once
    /// the steps under way have ended, and is rethrown.
    func run(width: Int, _ body: @escaping @Sendable (_ lane: Int, _ step: Int) throws -> Void) throws {
        guard count > 0 else { return }
        let runner = Runner(waitsFor, width: max(1, min(width, count)))
        try onThreads(runner.width) { lane in
            while let step = runner.next() {
                do {
                    try body(lane, step)
                    runner.finished(neededBy[step])
                } catch {
                    runner.failed(error)
                }
            }
        }
        if let error = runner.failure { throw error }
    }

    private final class Runner: Sendable {
        private struct State {
            var waitsFor: [Int]
            /// Ready since an earlier step ended; the newest is taken first.
            var ready: [Int] = []
            /// Steps before this one were taken or became ready later.
            var cursor = 0
            var unfinished: Int
            var failure: (any Error)?
        }

        let width: Int
        private let state: Mutex<State>
        /// One signal for each step that can be taken, and for each thread at the end.
        private let available = DispatchSemaphore(value: 0)

        init(_ waitsFor: [Int], width: Int) {
            self.width = width
            state = Mutex(State(waitsFor: waitsFor, unfinished: waitsFor.count))
            for count in waitsFor where count == 0 { available.signal() }
        }

        var failure: (any Error)? { state.withLock { $0.failure } }

        /// The next step, or `nil` at the end.
        func next() -> Int? {
            available.wait()
            return state.withLock { state in
                guard state.failure == nil, state.unfinished > 0 else { return nil }
                if let step = state.ready.popLast() { return step }
                while state.waitsFor[state.cursor] != 0 { state.cursor += 1 }
                state.cursor += 1
                return state.cursor - 1
            }
        }

        func finished(_ dependents: [Int]) {
            let signals = state.withLock { state in
                var signals = 0
                for step in dependents {
                    state.waitsFor[step] -= 1
                    guard state.waitsFor[step] == 0 else { continue }
                    // Beyond the cursor it would be met again there: mark it as taken care of.
                    state.waitsFor[step] = -1
                    state.ready.append(step)
                    signals += 1
                }
                state.unfinished -= 1
                return state.unfinished == 0 ? width : signals
            }
            for _ in 0..<signals { available.signal() }
        }

        func failed(_ error: any Error) {
            state.withLock { $0.failure = $0.failure ?? error }
            for _ in 0..<width { available.signal() }
        }
    }
}

/// Runs `body` on `width` threads of its own, not at all for 0, and waits for all; rethrows the first lane's error. Unlike
/// `concurrently`, not bounded by the number of cores: these threads mostly wait for the network.
func onThreads(_ width: Int, _ body: @escaping @Sendable (_ lane: Int) throws -> Void) throws {
    let lanes = (0..<width).map { Lane("load-\($0)") }
    for (number, lane) in lanes.enumerated() { lane.add { try body(number) } }
    var failure: (any Error)?
    for lane in lanes {
        do { try lane.wait() } catch { failure = failure ?? error }
    }
    if let failure { throw failure }
}

/// Calls `body` for each element, each thread taking every `width`th one after `make` has given it what it works with.
func spread<Element: Sendable, Tool>(
    _ elements: [Element], width: Int, _ make: @escaping @Sendable () throws -> Tool,
    _ body: @escaping @Sendable (Tool, Element) throws -> Void
) throws {
    guard !elements.isEmpty else { return }
    let lanes = max(1, min(width, elements.count))
    try onThreads(lanes) { lane in
        let tool = try make()
        for index in stride(from: lane, to: elements.count, by: lanes) {
            try Interruption.check()
            try body(tool, elements[index])
        }
    }
}
