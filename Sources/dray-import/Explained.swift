// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Importing
import RegistryClient
import Trust

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
                "\(error)" + (isAddress ? "; an address begins with https://, http://, oci: or zot-root:" : "")
                    + ". A name (NAME) is given to an address (URL) with",
                command: ["dray-import", "target", "add", "NAME", "URL"] + words)
        default: error
        }
    }
}

extension AddTarget {
    func explained(_ error: any Error) -> any Error {
        guard let failure = error as? TargetError else { return error }
        let source = connection.caCert.map(CertificateAdvice.Source.file) ?? (systemCa ? .system : nil)
        guard case .access(let step, let cause) = failure, let source else {
            return state.explained(failure, isAddress: false)
        }
        do {
            let advice = CertificateAdvice(
                endpoint: try Endpoint(parsing: address), source: source, state: state,
                proxy: try connection.proxy.map(ConnectionOptions.proxy))
            guard let explained = advice.explained(cause) else { return failure }
            return ExplainedError(failure, "\(step.rawValue): \(explained.reason)")
        } catch {
            return failure
        }
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
    func explained(_ error: any Error) -> any Error { target.explained(error, media) }
}

extension LoadCommand {
    func explained(_ error: any Error) -> any Error { target.explained(error, media) }
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
    /// The error of a command that takes a release from media: what to do about one that has expired.
    fileprivate func explained(_ error: any Error, _ media: MediaOptions) -> any Error {
        guard let error = error as? TrustError, error.meaning == .expired else { return explained(error, media.state) }
        return ExplainedError(
            error, "\(error). Where it is needed all the same, two people can accept it; put why for REASON:",
            command: ["dray-import", "plan"] + media.words + words
                + ["--accept-expired", "--reason", "REASON", "--out", "plan.json"])
    }

    /// The error of a command with a target.
    fileprivate func explained(_ error: any Error, _ state: StateOptions) -> any Error {
        switch error {
        case let error as TargetError: return state.explained(error, isAddress: true)
        case let error as RegistryError: return advice(state)?.explained(error) ?? error
        case let error as LoadFailure:
            guard let cause = error.cause as? RegistryError, var explained = advice(state)?.explained(cause) else {
                return error
            }
            guard let file = error.receiptFile else { return error }
            explained.receiptFile = file
            return explained
        default: return error
        }
    }

    /// What can be said about the registry's certificate; `nil` where `--to` is none, which has been said then.
    private func advice(_ state: StateOptions) -> CertificateAdvice? {
        do {
            let (address, access) = try access(state.site)
            let name = try one()
            let saved = name == address ? nil : try state.site.target(name)
            let source: CertificateAdvice.Source =
                if let file = connection.caCert { .file(file) } else if let saved, saved.access.caCertificate != nil {
                    .target(saved)
                } else { .system }
            return CertificateAdvice(
                endpoint: try Endpoint(parsing: address), source: source, state: state,
                proxy: try access.proxy.map(ConnectionOptions.proxy))
        } catch {
            return nil
        }
    }
}
