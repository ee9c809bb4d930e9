// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
internal import Cryptography
package import Files
internal import FoundationEssentials
internal import Glibc

/// A command of Dray: parses, calls one workflow, and says what came of it.
package protocol Command: ParsableCommand {
    var output: OutputOptions { get }
    /// Does the work on the calling thread; what it throws decides the exit code (`ClassifiedError`).
    func perform(_ progress: Progress) throws -> Outcome
    /// Whether libcrypto is started for it as `--fips` and the site's policy say; `false` only for what sets that up.
    static var followsCryptoPolicy: Bool { get }
    /// The error that `perform` threw, or one that says more with what the command was given. Throws nothing itself.
    func explained(_ error: any Error) -> any Error
}

extension Command {
    package static var followsCryptoPolicy: Bool { true }
    package func explained(_ error: any Error) -> any Error { error }
}

/// What starts libcrypto before a command does anything: whether `--fips` was given, and the value of `--state`.
package typealias CryptoStart = (_ fips: Bool, _ state: String?) throws -> Void

/// Parses the arguments of the process, runs the command and gives its exit code: the body of an executable's `main`.
package func runCommand(
    _ root: any ParsableCommand.Type, _ arguments: [String]? = nil, startingCrypto start: @escaping CryptoStart
) -> Int32 {
    Signals.install()
    keepMemoryOutOfCoreDumps()
    LibCrypto.ignoreEnvironment()
    let arguments = arguments ?? Array(ProcessArguments.all.dropFirst())
    do {
        var command = try root.parseAsRoot(arguments)
        if let command = command as? any Command {
            let name = commandPath(to: type(of: command), below: root)?.joined(separator: " ")
            return CommandRun(command.output, name ?? type(of: command)._commandName).carryOut(command) {
                guard type(of: command).followsCryptoPolicy else { return }
                try start(command.output.fips, value(of: "--state", in: arguments))
            }
        }
        try command.run()
        return 0
    } catch {
        return reportParsing(error, root, arguments)
    }
}

/// A crash must not write keys and passwords to a disk. One byte is less than any dump has, and also what the kernel takes
/// for "no dump" where it hands dumps to a program, which 0 is not.
private func keepMemoryOutOfCoreDumps() {
    var limit = rlimit(rlim_cur: 1, rlim_max: 1)
    if unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) != 0 {
        StandardError.print("warning: core dumps can't be switched off; a crash may write secrets to the disk")
    }
}

/// The last value of an option that takes one, in arguments that have been parsed without an error.
private func value(of option: String, in arguments: [String]) -> String? {
    var found: String?
    let options = arguments.prefix { $0 != "--" }
    for (index, word) in options.enumerated() {
        if word == option { found = options.dropFirst(index + 1).first ?? found }
        if word.hasPrefix(option + "=") { found = String(word.dropFirst(option.count + 1)) }
    }
    return found
}

/// The words that name a command after the tool's name, for example `trust add`.
private func commandPath(to wanted: any ParsableCommand.Type, below root: any ParsableCommand.Type) -> [String]? {
    for child in root.configuration.subcommands {
        if ObjectIdentifier(child) == ObjectIdentifier(wanted) { return [child._commandName] }
        if let rest = commandPath(to: wanted, below: child) { return [child._commandName] + rest }
    }
    return nil
}

/// What is wrong with the first word that should name a command and doesn't: the parser speaks of options then. `nil` where
/// every word does.
private func unknownCommand(_ arguments: [String], below root: any ParsableCommand.Type) -> String? {
    var (command, path) = (root, root._commandName)
    for word in arguments {
        let children = command.configuration.subcommands
        guard !children.isEmpty, !word.hasPrefix("-"), word != "help" else { return nil }
        guard let child = children.first(where: { $0._commandName == word }) else {
            let names = children.map { $0._commandName }.joined(separator: ", ")
            let shown = String(word.prefix(100).filter { !$0.isNewline && $0 != "\u{1B}" })
            return "unknown command \"\(shown)\"; \(path) has \(names)"
        }
        (command, path) = (child, "\(path) \(word)")
    }
    return nil
}

/// Help and version are results; everything else is wrong use.
private func reportParsing(_ error: any Error, _ root: any ParsableCommand.Type, _ arguments: [String]) -> Int32 {
    let unknown = root.exitCode(for: error) == .success ? nil : unknownCommand(arguments, below: root)
    let message = unknown.map { "Error: \($0)" } ?? root.fullMessage(for: error)
    guard root.exitCode(for: error) != .success else {
        return StandardOutput.print(message) ? 0 : Failure.failed.rawValue
    }
    guard !(error is ExitCode) else { return root.exitCode(for: error).rawValue }
    let place = arguments.firstIndex(of: "--output")
    if arguments.contains("--output=json") || place.map({ arguments[$0...].dropFirst().first == "json" }) == true {
        StandardOutput.print(
            ErrorDocument(command: nil, failure: .usage, message: unknown ?? root.message(for: error)).text)
    }
    StandardError.print(message)
    return Failure.usage.rawValue
}

/// One command's run: its progress, its result, its error.
private struct CommandRun {
    let output: OutputOptions
    let name: String

    init(_ output: OutputOptions, _ name: String) { (self.output, self.name) = (output, name) }

    func carryOut(_ command: some Command, after prepare: () throws -> Void) -> Int32 {
        do { try prepare() } catch { return report(error) }
        let progress = Progress()
        let printer = output.quiet ? nil : ProgressPrinter(progress, isTerminal: Terminal.isStandardErrorTerminal)
        do {
            let outcome = try command.perform(progress)
            printer?.stop()
            let isSaid = report(outcome)
            return (outcome.failure ?? (isSaid ? nil : .failed))?.rawValue ?? 0
        } catch {
            printer?.stop()
            return report(command.explained(error))
        }
    }

    /// The next commands; who gave `--fips` goes on with it.
    private func next(_ lines: [String]) -> [String] {
        guard output.fips else { return lines }
        return lines.map { $0.hasPrefix("dray") && !$0.contains(" --fips") ? $0 + " --fips" : $0 }
    }

    /// `false` when the result could not be written.
    private func report(_ outcome: Outcome) -> Bool {
        var outcome = outcome
        outcome.next = next(outcome.next)
        if output.output == .json {
            return StandardOutput.print(ResultDocument(command: name, outcome: outcome).text)
        }
        for warning in outcome.warnings { StandardError.print("warning: \(warning)") }
        let isSaid = outcome.text.isEmpty || StandardOutput.print(outcome.text)
        guard !output.quiet, !outcome.next.isEmpty else { return isSaid }
        StandardError.print("Next:\n" + outcome.next.map { "  \($0)" }.joined(separator: "\n"))
        return isSaid
    }

    private func report(_ error: any Error) -> Int32 {
        let classified = error as? any ClassifiedError
        let failure = classified?.failure ?? .failed
        if output.output == .json {
            let receipted = (error as? any ReceiptedError).flatMap { $0.receiptFile == nil ? nil : $0 }
            let document = ErrorDocument(
                command: name, failure: failure, message: receipted?.reason ?? "\(error)",
                missingBytes: classified?.missingBytes, receipt: receipted?.receiptFile)
            StandardOutput.print(document.text)
        }
        StandardError.print("error: \(error)")
        return failure.rawValue
    }
}
