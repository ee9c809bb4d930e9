// SPDX-License-Identifier: Apache-2.0

/// What kind of end a command comes to: its exit code, the same for every command (README, "Exit codes").
package enum Failure: Int32, Sendable, CaseIterable, Comparable {
    /// I/O or network: the same command again goes on.
    case failed = 1
    /// Volumes are missing; more media are wanted.
    case incomplete = 3
    /// No trust in it: unknown root, wrong or missing signature.
    case notTrusted = 10
    /// The metadata's time is over.
    case expired = 11
    /// A newer release of the publisher has replaced or delisted it.
    case replaced = 12
    /// Bytes are not what their digest says.
    case damaged = 13
    /// Allowed by nobody: other product, moved tag, unknown feature.
    case refused = 14
    /// The registry's login, permission or certificate.
    case registryRefused = 15
    /// No space left, here or in the registry.
    case noSpace = 16
    /// The command line or the manifest is wrong.
    case usage = 64
    /// The user stopped it.
    case interrupted = 130

    /// Of several faults the lower one decides (docs/format.md, "Verification order").
    package static func < (left: Failure, right: Failure) -> Bool { left.rank < right.rank }

    private var rank: Int {
        let order: [Failure] = [
            .interrupted, .usage, .notTrusted, .replaced, .expired, .refused, .damaged, .incomplete,
        ]
        return order.firstIndex(of: self) ?? order.count + Int(rawValue)
    }
}

/// An error that knows which exit code it means.
package protocol ClassifiedError: Error, CustomStringConvertible {
    var failure: Failure { get }
    /// The number of bytes that are missing, where the failure is a lack of space and it is known.
    var missingBytes: UInt64? { get }
}

extension ClassifiedError {
    package var missingBytes: UInt64? { nil }
}

extension FileError: ClassifiedError {
    package var failure: Failure { isOutOfSpace ? .noSpace : .failed }
}

extension Interrupted: ClassifiedError {
    package var failure: Failure { .interrupted }
}
