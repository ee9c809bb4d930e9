// SPDX-License-Identifier: Apache-2.0

package import Files

extension Failure {
    /// What the exit code means, in a few words.
    package var meaning: String {
        switch self {
        case .failed: "failed; the same command again goes on"
        case .incomplete: "volumes are missing, more media are wanted"
        case .notTrusted: "not trusted"
        case .expired: "expired"
        case .replaced: "replaced or delisted since"
        case .damaged: "damaged"
        case .refused: "refused: other product, tag would change, unknown feature"
        case .registryRefused: "the registry refused: login, permission or certificate"
        case .noSpace: "no space, here or in the registry"
        case .usage: "wrong use"
        case .interrupted: "interrupted; the same command again goes on"
        }
    }

    /// The name that JSON output gives it.
    package var name: String { "\(self)" }
}

/// The end of a command's help: the exit codes that it can come to, 0, 1, 64 and 130 always among them. `meaning` has what
/// a code means for this command, where that is more than `Failure.meaning` says.
package func exitCodeHelp(_ codes: [Failure], meaning: [Failure: String] = [:]) -> String {
    let all = Set(codes).union([.failed, .usage, .interrupted]).sorted { $0.rawValue < $1.rawValue }
    let lines = all.map { failure in
        String(repeating: " ", count: 5 - String(failure.rawValue).count)
            + "\(failure.rawValue)  \(meaning[failure] ?? failure.meaning)"
    }
    return (["EXIT CODES:", "    0  done"] + lines).joined(separator: "\n")
}
