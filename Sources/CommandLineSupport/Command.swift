// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
package import Files
internal import FoundationEssentials
internal import Glibc

/// A command of Dray: parses, calls one workflow, and says what came of it.
package protocol Command: ParsableCommand {
    var output: OutputOptions { get }
    /// Does the work on the calling thread; what it throws decides the exit code (`ClassifiedError`).
    func perform(_ progress: Progress) throws -> Outcome
}

extension Command {
    /// Only for a parser that runs the command itself.
    package mutating func run() throws {
        let status = CommandRun(output, Self._commandName).carryOut(self)
        throw ExitCode(status)
    }
}

/// Parses the arguments of the process, runs the command and gives its exit code: the body of an executable's `main`.
package func runCommand(_ root: any ParsableCommand.Type, _ arguments: [String]? = nil) -> Int32 {
    Signals.install()
    let arguments = arguments ?? Array(ProcessArguments.all.dropFirst())
    do {
        var command = try root.parseAsRoot(arguments)
        if let command = command as? any Command {
            return CommandRun(command.output, type(of: command)._commandName).carryOut(command)
        }
        try command.run()
        return 0
    } catch {
        return reportParsing(error, root, arguments)
    }
}

/// Help and version are results; everything else is wrong use.
private func reportParsing(_ error: any Error, _ root: any ParsableCommand.Type, _ arguments: [String]) -> Int32 {
    let message = root.fullMessage(for: error)
    guard root.exitCode(for: error) != .success else {
        StandardOutput.print(message)
        return 0
    }
    guard !(error is ExitCode) else { return root.exitCode(for: error).rawValue }
    if let place = arguments.firstIndex(of: "--output"), arguments[place...].dropFirst().first == "json" {
        StandardOutput.print(ErrorDocument(command: nil, failure: .usage, message: root.message(for: error)).text)
    } else {
        StandardError.print(message)
    }
    return Failure.usage.rawValue
}

/// One command's run: its progress, its result, its error.
private struct CommandRun {
    let output: OutputOptions
    let name: String

    init(_ output: OutputOptions, _ name: String) { (self.output, self.name) = (output, name) }

    func carryOut(_ command: some Command) -> Int32 {
        let progress = Progress()
        let printer = output.quiet ? nil : ProgressPrinter(progress, isTerminal: Terminal.isStandardErrorTerminal)
        do {
            let outcome = try command.perform(progress)
            printer?.stop()
            report(outcome)
            return outcome.failure?.rawValue ?? 0
        } catch {
            printer?.stop()
            return report(error)
        }
    }

    private func report(_ outcome: Outcome) {
        if output.output == .json {
            return StandardOutput.print(ResultDocument(command: name, outcome: outcome).text)
        }
        for warning in outcome.warnings { StandardError.print("warning: \(warning)") }
        if !outcome.text.isEmpty { StandardOutput.print(outcome.text) }
        guard !output.quiet, !outcome.next.isEmpty else { return }
        StandardError.print("Next:\n" + outcome.next.map { "  \($0)" }.joined(separator: "\n"))
    }

    private func report(_ error: any Error) -> Int32 {
        let classified = error as? any ClassifiedError
        let failure = classified?.failure ?? .failed
        let document = ErrorDocument(
            command: name, failure: failure, message: "\(error)", missingBytes: classified?.missingBytes)
        if output.output == .json { StandardOutput.print(document.text) }
        StandardError.print("error: \(document.message)")
        return failure.rawValue
    }
}
