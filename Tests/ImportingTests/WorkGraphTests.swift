// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Testing

@testable import Importing

/// What threads did, in order.
final class OrderedSteps: Sendable {
    private let steps = Mutex<[Int]>([])
    func append(_ step: Int) { steps.withLock { $0.append(step) } }
    var all: [Int] { steps.withLock { $0 } }
}

struct WorkGraphTests {
    private struct Stop: Error {}

    @Test func `one thread finishes what has become ready before it begins anew`() throws {
        var graph = WorkGraph()
        let (a, b) = (graph.add(), graph.add())
        let first = graph.add(after: [a, b])
        let last = graph.add()
        let order = OrderedSteps()
        try graph.run(width: 1) { _, step in order.append(step) }
        #expect(order.all == [a, b, first, last])
    }

    @Test(arguments: [1, 2, 4, 16]) func `every step runs once, after what it needs`(_ width: Int) throws {
        var graph = WorkGraph()
        var needs: [[Int]] = []
        for step in 0..<500 {
            let earlier = step < 3 ? [] : [step / 2, step / 3].filter { $0 < step && step % 5 != 0 }
            needs.append(Array(Set(earlier)))
            _ = graph.add(after: needs[step])
        }
        let order = OrderedSteps()
        try graph.run(width: width) { _, step in order.append(step) }
        // Appended at its start: what it needs had ended before.
        var seen: Set<Int> = []
        for step in order.all {
            #expect(Set(needs[step]).isSubset(of: seen))
            seen.insert(step)
        }
        #expect(order.all.count == 500)
        #expect(seen.count == 500)
    }

    @Test(arguments: [0, 1, 3]) func `as many threads run as were asked for, also none`(_ width: Int) throws {
        let order = OrderedSteps()
        try onThreads(width) { order.append($0) }
        #expect(order.all.sorted() == Array(0..<width))
    }

    @Test(arguments: [1, 4]) func `the first error ends the run`(_ width: Int) {
        var graph = WorkGraph()
        let first = graph.add()
        for _ in 0..<100 { _ = graph.add(after: [first]) }
        let order = OrderedSteps()
        #expect(throws: Stop.self) {
            try graph.run(width: width) { _, step in
                order.append(step)
                throw Stop()
            }
        }
        #expect(order.all == [first])
    }

    @Test func `nothing to do is done`() throws {
        try WorkGraph().run(width: 4) { _, _ in Issue.record("there is no step") }
    }
}
