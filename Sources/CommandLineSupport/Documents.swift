// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import FoundationEssentials

/// What `--output json` prints of a command that ran to its end.
struct ResultDocument: Encodable {
    let command: String
    let outcome: String
    let exitCode: Int32
    let next: [String]
    let result: any Encodable
    let warnings: [String]

    init(command: String, outcome: Outcome) {
        self.command = command
        self.outcome = outcome.failure?.name ?? "done"
        exitCode = outcome.failure?.rawValue ?? 0
        (next, result, warnings) = (outcome.next, outcome.data, outcome.warnings)
    }

    private enum Key: CodingKey { case command, outcome, exitCode, next, result, warnings }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(command, forKey: .command)
        try container.encode(outcome, forKey: .outcome)
        try container.encode(exitCode, forKey: .exitCode)
        try container.encode(next, forKey: .next)
        try container.encode(result, forKey: .result)
        try container.encode(warnings, forKey: .warnings)
    }

    var text: String { jsonText(self) }
}

/// What `--output json` prints of a command that failed: the members of a result, empty, and the error.
struct ErrorDocument: Encodable {
    struct Body: Encodable {
        let exitCode: Int32
        let code: String
        let message: String
        let missingBytes: UInt64?
        let receipt: String?
    }

    let command: String?
    let error: Body
    let exitCode: Int32
    let outcome: String

    private enum Key: CodingKey { case command, error, exitCode, next, outcome, result, warnings }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        try container.encode(command, forKey: .command)
        try container.encode(error, forKey: .error)
        try container.encode(exitCode, forKey: .exitCode)
        try container.encode(outcome, forKey: .outcome)
        try container.encodeNil(forKey: .result)
        try container.encode([String](), forKey: .next)
        try container.encode([String](), forKey: .warnings)
    }

    init(
        command: String?, failure: Failure, message: String, missingBytes: UInt64? = nil, receipt: String? = nil
    ) {
        (self.command, exitCode, outcome) = (command, failure.rawValue, failure.name)
        error = Body(
            exitCode: failure.rawValue, code: failure.name, message: message, missingBytes: missingBytes,
            receipt: receipt)
    }

    var text: String { jsonText(self) }
}

private func jsonText(_ value: some Encodable) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
        // Only a result that can't be JSON at all ends here: say so, in JSON.
        return #"{"error":{"code":"failed","exitCode":1,"message":"the result can't be written as JSON"}}"#
    }
}
