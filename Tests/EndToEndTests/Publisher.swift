// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage

/// The connected side in one folder: keys, and a trust folder (`trust-<edition>`) for each edition's product.
final class Publisher: Sendable {
    let place: TemporaryFolder

    init(in place: TemporaryFolder, editions: [String]) throws {
        self.place = place
        try dray("key", "generate", "--out", "root.pem")
        try dray("key", "generate", "--out", "release.pem")
        for edition in editions {
            try dray(
                "trust", "init", "--product", "\(edition)-enterprise", "--root-key", "root.pem", "--release-key",
                "release.pub.pem", "--out", "trust-\(edition)")
        }
    }

    /// Runs `dray` in the folder; it must succeed.
    @discardableResult
    func dray(_ arguments: String...) throws -> CommandResult {
        let result = try tool("dray", arguments)
        guard result.status == 0 else { throw SampleError.failed("dray \(arguments): \(result.errorOutput)") }
        return result
    }

    /// Runs a tool in the folder, whatever comes of it.
    func tool(_ name: String, _ arguments: [String]) throws -> CommandResult {
        try run(["env", "-C", place.path.string, SourceTree.tool(name).string] + arguments, timeout: 120)
    }

    /// Packs a release into `<folder>/<product>-<version>`; more options as given.
    @discardableResult
    func pack(_ manifest: FilePath, edition: String, out folder: String, _ more: [String] = []) throws -> CommandResult
    {
        let line = ["pack", manifest.string, "--trust", "trust-\(edition)", "--key", "release.pem", "--out", folder]
        let result = try tool("dray", line + ["--state", "publisher"] + more)
        guard result.status == 0 else { throw SampleError.failed("pack \(manifest): \(result.errorOutput)") }
        return result
    }
}
