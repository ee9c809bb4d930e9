// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage

/// The three people's machines in one folder: a packed sample release, and a site that may trust it.
final class Site: Sendable {
    let sample: SampleRelease
    let place = TemporaryFolder()

    init(seed: Int = 0, volumeSize: String = "fat32", edit: (SampleRelease) throws -> Void = { _ in }) throws {
        sample = try SampleRelease(seed: seed)
        try edit(sample)
        try dray("key", "generate", "--out", "root.pem")
        try dray("key", "generate", "--out", "release.pem")
        try dray(
            "trust", "init", "--product", "palette-enterprise", "--root-key", "root.pem", "--release-key",
            "release.pub.pem", "--out", "trust")
        try dray(
            "pack", sample.manifest.string, "--trust", "trust", "--key", "release.pem", "--out", "bundles", "--state",
            "publisher", "--volume-size", volumeSize)
    }

    var bundle: FilePath { place.appending("bundles").appending(name) }
    var name: String { (try? place.appending("bundles").entriesHere())?.first ?? "" }

    /// Runs `dray` in the folder; it must succeed.
    @discardableResult
    func dray(_ arguments: String...) throws -> CommandResult {
        let result = try tool("dray", arguments)
        guard result.status == 0 else { throw SampleError.failed("dray \(arguments): \(result.errorOutput)") }
        return result
    }

    /// Runs `dray-import` with the site's state.
    @discardableResult
    func site(_ arguments: String...) throws -> CommandResult {
        try tool("dray-import", arguments + ["--state", "site"])
    }

    /// Runs a tool in the folder, whatever comes of it.
    func tool(_ name: String, _ arguments: [String]) throws -> CommandResult {
        try run(["env", "-C", place.path.string, SourceTree.tool(name).string] + arguments, timeout: 60)
    }

    /// Makes the site trust the publisher.
    func trust() throws {
        let line = try sh("sha256sum \(place.path)/trust/1.root.json").output
        let result = try site("trust", "add", "trust/1.root.json", "--fingerprint", String(line.prefix(64)))
        guard result.status == 0 else { throw SampleError.failed(result.errorOutput) }
    }
}

/// Runs a shell line; it must succeed.
@discardableResult
func sh(_ line: String) throws -> CommandResult {
    let result = try run(["bash", "-euo", "pipefail", "-c", line], timeout: 60)
    guard result.status == 0 else { throw SampleError.failed("\(line): \(result.errorOutput)\(result.output)") }
    return result
}

extension FilePath {
    fileprivate func entriesHere() throws -> [String] {
        try run(["ls", string]).output.split(separator: "\n").map(String.init)
    }
}
