// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
package import SystemPackage

/// Why parity can't be made or used.
package enum ParityError: Error, Equatable {
    /// Another process makes the same file.
    case alreadyRunning(FilePath)
    /// There is parity already, of another amount.
    case otherAmount(FilePath, existing: String)
    /// The bundle has no volumes with bytes.
    case nothingToProtect(String)
    /// More lanes than the code has.
    case tooManyLanes(Int)
    /// A parity file whose blocks have the digests of its header, and not those of the volumes: it was made out of others.
    case wrongFile(FilePath)
}

extension ParityError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .alreadyRunning: .failed
        case .otherAmount: .refused
        case .nothingToProtect, .tooManyLanes: .usage
        case .wrongFile: .damaged
        }
    }

    package var description: String {
        switch self {
        case .alreadyRunning(let path):
            "another dray is at work with \(path); wait for it to end, then run the same command again"
        case .otherAmount(let path, let existing):
            "\(path.printable) holds parity of another amount: \(existing); leave --parity out to complete that, or remove the folder first"
        case .nothingToProtect(let name): "\(name) has no volumes with bytes; there is nothing to protect"
        case .wrongFile(let path):
            "\(path.printable) is no parity of these volumes, whatever its header says; remove it, then run the same command again"
        case .tooManyLanes(let count): "that makes \(count) lanes; a group has at most 255, take less parity"
        }
    }
}
