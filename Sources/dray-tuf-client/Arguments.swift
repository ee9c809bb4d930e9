// SPDX-License-Identifier: Apache-2.0

import SystemPackage

/// What was asked for, in the protocol of the TUF conformance suite: options first, the command last.
struct Arguments {
    enum Command: Equatable {
        case initialize(root: FilePath)
        case refresh
        case download
    }

    private(set) var command: Command?
    private var options: [String: [String]] = [:]

    private static let names: Set<String> = [
        "--metadata-dir", "--metadata-url", "--target-name", "--target-base-url", "--target-dir",
    ]
    private static let commands = ["init", "refresh", "download"]

    /// Reads the arguments after the program's name. Throws `ClientError.usage`.
    init(_ words: [String]) throws(ClientError) {
        var rest = words[...]
        while let word = rest.popFirst() {
            if Arguments.names.contains(word) {
                guard let value = rest.popFirst() else { throw .usage("\(word) needs a value") }
                options[word, default: []].append(value)
                guard word == "--target-name" else { continue }
                while let name = rest.first, !name.hasPrefix("--"),
                    !(rest.count == 1 && Arguments.commands.contains(name))
                {
                    options[word, default: []].append(name)
                    rest = rest.dropFirst()
                }
            } else {
                command = try Arguments.command(word, &rest)
            }
        }
    }

    private static func command(_ word: String, _ rest: inout ArraySlice<String>) throws(ClientError) -> Command {
        defer { rest = [] }
        switch (word, rest.count) {
        case ("init", 1): return .initialize(root: FilePath(rest.first ?? ""))
        case ("refresh", 0): return .refresh
        case ("download", 0): return .download
        default: throw .usage("\"\(word)\" is no command, or stands at the wrong place")
        }
    }

    /// The only value of an option.
    func value(_ name: String) throws(ClientError) -> String {
        guard let values = options[name], values.count == 1 else { throw .usage("\(name) must be given once") }
        return values[0]
    }

    /// The target names, in order, at least one.
    func targetNames() throws(ClientError) -> [String] {
        guard let names = options["--target-name"] else { throw .usage("--target-name must be given") }
        return names
    }
}
