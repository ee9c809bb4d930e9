// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Importing

/// An error with what only the command knows: options that the next command needs.
struct ExplainedError: ReceiptedError {
    let failure: Failure
    let reason: String
    var missingBytes: UInt64?
    var receiptFile: String?

    /// What happened, then what to do; `command` runs as it is.
    init(_ error: some ClassifiedError, _ reason: String, command: [String]...) {
        failure = error.failure
        self.reason = ([reason] + command.map { "  " + $0.shellLine }).joined(separator: "\n")
        missingBytes = error.missingBytes
    }

    var description: String { reason + (receiptFile.map { "\nreceipt: \($0)" } ?? "") }
}

extension StateOptions {
    /// What to do about a name that is taken or unknown. `isAddress`: an address would have done too.
    func explained(_ error: TargetError, isAddress: Bool) -> any Error {
        switch error {
        case .exists(let name):
            ExplainedError(
                error, "\(error); this takes it away:", command: ["dray-import", "target", "remove", name] + words)
        case .unknown(_, let known) where isAddress || known.isEmpty:
            ExplainedError(
                error,
                "\(error)" + (isAddress ? "; an address begins with https://, http:// or oci:" : "")
                    + ". A name (NAME) is given to an address (URL) with",
                command: ["dray-import", "target", "add", "NAME", "URL"] + words)
        default: error
        }
    }
}

extension AddTarget {
    func explained(_ error: any Error) -> any Error {
        (error as? TargetError).map { state.explained($0, isAddress: false) } ?? error
    }
}

extension ShowTarget {
    func explained(_ error: any Error) -> any Error {
        (error as? TargetError).map { state.explained($0, isAddress: false) } ?? error
    }
}

extension RemoveTarget {
    func explained(_ error: any Error) -> any Error {
        (error as? TargetError).map { state.explained($0, isAddress: false) } ?? error
    }
}

extension SyncCommand {
    func explained(_ error: any Error) -> any Error {
        (error as? TargetError).map { state.explained($0, isAddress: true) } ?? error
    }
}

extension PlanCommand {
    func explained(_ error: any Error) -> any Error { target.explained(error, media.state) }
}

extension LoadCommand {
    func explained(_ error: any Error) -> any Error { target.explained(error, media.state) }
}

extension CheckCommand {
    func explained(_ error: any Error) -> any Error { target.explained(error, state) }
}

extension UndoCommand {
    func explained(_ error: any Error) -> any Error { target.explained(error, state) }
}

extension InventoryCommand {
    func explained(_ error: any Error) -> any Error { target.explained(error, state) }
}

extension TargetOptions {
    /// The error of a command with a target.
    fileprivate func explained(_ error: any Error, _ state: StateOptions) -> any Error {
        switch error {
        case let error as TargetError: state.explained(error, isAddress: true)
        default: error
        }
    }
}
