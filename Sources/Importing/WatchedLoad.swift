// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Cage
package import Files
internal import OCI
internal import Trust

extension LoadRun {
    /// Loads what has come of a bundle in a drop folder, its frames decoded by `decoders`. One that a receipt says this target has is
    /// not loaded again. Throws `Interrupted` alone: what stops one bundle doesn't stop the others.
    package func handle(
        _ bundle: LooseBundle, to target: any LoadTarget, decoders: FrameDecoders, given: GivenArguments,
        progress: Progress
    ) throws -> Watch.Handled {
        do {
            let isThere = try state.releases(at: target.address).loaded.contains {
                $0.newest.release == bundle.release.hex
            }
            guard !isThere else {
                return Watch.Handled(
                    failure: nil, text: "loaded already, as its receipt says", json: ["alreadyLoaded": .bool(true)])
            }
            var unverified = bundle.arrived
            unverified.decoders = decoders
            var run = self
            run.keepsSpool = false
            let result = try run.run(unverified, to: target, given: given, progress: progress)
            let report = result.receipt.report(file: result.receiptFile)
            guard let wanted = result.wanted else {
                return Watch.Handled(failure: nil, text: "loaded; receipt: \(result.receiptFile)", json: report.json)
            }
            return Watch.Handled(failure: wanted.failure, text: wanted.message, json: wanted.added(to: report).json)
        } catch {
            return try Watch.Handled(stopping: error)
        }
    }
}

extension Watch.Handled {
    /// What stopped a bundle. Throws `Interrupted` on.
    package init(stopping error: any Error) throws {
        let failure = (error as? any ClassifiedError)?.failure ?? .failed
        guard failure != .interrupted else { throw error }
        self.init(
            failure: failure, text: "not done (exit code \(failure.rawValue)): \(error)",
            json: ["error": .string("\(error)"), "exitCode": .int(Int64(failure.rawValue))])
    }
}
