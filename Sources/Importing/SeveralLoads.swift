// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
internal import Synchronization
internal import SystemPackage
internal import Trust

/// One release into several targets: each with its own plan, receipt and outcome, and each object read from the media once.
/// What stops one doesn't stop the others.
package struct SeveralLoads: Sendable {
    /// One target, with what the commands after this one need.
    package struct Part: Sendable {
        package let target: any LoadTarget
        package let given: GivenArguments

        package init(_ target: any LoadTarget, given: GivenArguments) { (self.target, self.given) = (target, given) }
    }

    /// How one part ended.
    package struct Ending: Sendable {
        package let address: String
        package let result: Result<LoadRun.Result, any Error>
    }

    /// What all have in common.
    package let run: LoadRun

    package init(_ run: LoadRun) { self.run = run }

    /// Loads into all; the endings are in the order of the parts. Throws what concerns all of them: the state's lock.
    package func run(_ bundle: UnverifiedBundle, _ parts: [Part], progress: Progress) throws -> [Ending] {
        let lock = try run.state.lock()
        defer { withExtendedLifetime(lock) {} }
        let joint = JointTransfer(seats: parts.count)
        let (seats, results) = (joint.seats, Results(parts.count))
        try onThreads(parts.count) { number in
            var run = run
            run.seat = seats[number]
            seats[number].begin()
            defer { seats[number].end() }
            let part = parts[number]
            results.set(number, Result { try run.run(bundle, to: part.target, given: part.given, progress: progress) })
        }
        return zip(parts, results.all).map { part, result in
            Ending(address: part.target.address, result: result ?? .failure(Interrupted()))
        }
    }

    private final class Results: Sendable {
        private let list: Mutex<[Result<LoadRun.Result, any Error>?]>

        init(_ count: Int) { list = Mutex(Array(repeating: nil, count: count)) }

        var all: [Result<LoadRun.Result, any Error>?] { list.withLock { $0 } }
        func set(_ number: Int, _ result: Result<LoadRun.Result, any Error>) { list.withLock { $0[number] = result } }
    }
}

/// Reports about several targets as one: each is named, and the gravest failure is that of all.
package struct SeveralReports {
    /// What became of one.
    package struct Part {
        let address: String
        let report: Report?
        let error: (any Error)?

        package init(_ address: String, _ result: Result<Report, any Error>) {
            self.address = address
            switch result {
            case .success(let report): (self.report, error) = (report, nil)
            case .failure(let error): (report, self.error) = (nil, error)
            }
        }

        var failure: Failure? { report?.failure ?? error.map { ($0 as? any ClassifiedError)?.failure ?? .failed } }
    }

    private let parts: [Part]

    package init(_ parts: [Part]) { self.parts = parts }

    package var report: Report {
        let text = parts.map { part in
            let code = part.failure.map { " (exit code \($0.rawValue))" } ?? ""
            return "== \(part.address)\(code)\n" + (part.report?.text ?? part.error.map { "not done: \($0)" } ?? "")
        }
        let warnings = parts.flatMap { part in (part.report?.warnings ?? []).map { "\(part.address): \($0)" } }
        let errors = parts.compactMap { part in part.error.map { "\(part.address): \($0)" } }
        let next = parts.flatMap { part in
            (part.report?.next).map { $0.isEmpty ? [] : ["# \(part.address):"] + $0 } ?? []
        }
        return Report(
            text: text.joined(separator: "\n"), json: ["targets": .array(parts.map(\.json))],
            warnings: warnings + errors,
            next: next, failure: parts.compactMap(\.failure).min())
    }
}

extension SeveralReports.Part {
    fileprivate var json: JSONValue {
        let receipt = (error as? LoadFailure).flatMap { try? $0.receipt.get().string }
        return [
            "target": .string(address), "exitCode": .int(Int64(failure?.rawValue ?? 0)),
            "result": report?.json ?? .null, "error": error.map { .string("\($0)") } ?? .null,
            "receipt": receipt.map(JSONValue.string) ?? .null,
        ]
    }
}
