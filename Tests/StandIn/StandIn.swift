// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Glibc
import Support
import SystemPackage

/// The stand-in of Zot as a process of its own: for tests that kill it, and for measurements.
@main
struct StandIn: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "zot-stand-in", abstract: "Answers as Zot does, on 127.0.0.1, until it is killed.")

    @Option(help: "Where the content is kept, in Zot's layout.") var folder: String
    @Option(help: "The port; 0 takes a free one.") var port: UInt16 = 0
    @Option(help: "The version that is imitated.") var era = ZotServer.Era.v2_1_2
    @Flag(help: "Keeps each repository's blobs apart.") var noDedupe = false
    @Flag(name: .customLong("docker2s2"), help: "Takes Docker manifests.") var docker2s2 = false
    @Option(help: "The user that is let in.") var user: String?
    @Option(help: "A file with the user's password.") var passwordFile: String?
    @Option(help: "How long checking the password takes, in milliseconds.") var authMs = 0
    @Option(help: "Seconds after which content that nothing refers to goes.") var gcDelay: Double?
    @Option(help: "Seconds that a request may take.") var deadline: Double?

    func validate() throws {
        guard (user == nil) == (passwordFile == nil) else {
            throw ValidationError("--user and --password-file go together")
        }
        guard authMs >= 0, gcDelay ?? 0 >= 0, deadline ?? 1 > 0 else {
            throw ValidationError("times can't be negative")
        }
    }

    func run() throws {
        let server = try ZotServer(try options(), folder: FilePath(folder), port: port)
        try FileDescriptor.standardOutput.writeAll("\(server.url)\n".utf8)
        while true { pause() }
    }

    private func options() throws -> ZotServer.Options {
        var options = ZotServer.Options()
        options.era = era
        options.dedupe = !noDedupe
        options.docker2s2 = docker2s2
        options.gcDelay = gcDelay.map { .seconds($0) }
        options.requestDeadline = deadline.map { .seconds($0) }
        if let user, let passwordFile {
            let text = String(decoding: try contents(of: FilePath(passwordFile)), as: UTF8.self)
            let password = String(text.prefix { !$0.isNewline })
            options.auth = .basic(user: user, password: password, bcryptCostMilliseconds: authMs)
        }
        return options
    }
}

extension ZotServer.Era: ExpressibleByArgument {}
