// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// What a program left behind.
package struct CommandResult: Sendable {
    /// The exit status; 128 and the signal's number for one that was killed, as a shell says it.
    package let status: Int32
    package let stdout: [UInt8]
    package let stderr: [UInt8]

    package var output: String { String(decoding: stdout, as: UTF8.self) }
    package var errorOutput: String { String(decoding: stderr, as: UTF8.self) }
}

/// Why a program gave no result.
package enum CommandError: Error, Equatable {
    case notStarted(String, errno: Int32)
    case tookTooLong(String)
}

/// Runs a program, found in PATH, and waits for its end; kills it after `timeout` seconds and throws. What it prints
/// goes through files, so that it may be of any length. `environment` adds to ours.
package func run(
    _ program: [String], input: FilePath = "/dev/null", environment: [String: String] = [:], timeout: Int = 60
) throws -> CommandResult {
    let folder = TemporaryFolder()
    let (out, err) = (folder.appending("out"), folder.appending("err"))
    let process = try ChildProcess(
        program, input: input, output: out, errorOutput: err, environment: environment)
    guard let status = process.wait(seconds: Double(timeout)) else {
        process.kill()
        throw CommandError.tookTooLong(program[0])
    }
    return CommandResult(status: status, stdout: try contents(of: out), stderr: try contents(of: err))
}

/// The bytes of a file.
package func contents(of path: FilePath) throws -> [UInt8] {
    let file = try FileDescriptor.open(path, .readOnly)
    return try file.closeAfter {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = try unsafe chunk.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
        }
    }
}

/// Makes or replaces a file.
package func write(_ bytes: some Sequence<UInt8>, to path: FilePath) throws {
    let file = try FileDescriptor.open(
        path, .writeOnly, options: [.create, .truncate], permissions: FilePermissions(rawValue: 0o644))
    _ = try file.closeAfter { try file.writeAll(bytes) }
}
