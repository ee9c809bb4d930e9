// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// A small release of every kind of input, made by `Tests/python/sample_release.py`, in a folder of its own.
package final class SampleRelease: Sendable {
    package let folder = TemporaryFolder()
    /// The inputs; the manifest is `release.yaml` in it.
    package let inputs: FilePath

    /// `seed` changes all random content, and the release's version to `1.0.<seed>`. With `former` only what a next release
    /// changes: it shares the rest with the release of that seed.
    package init(seed: Int = 0, after former: Int? = nil) throws {
        inputs = folder.appending("inputs")
        let script = SourceTree.root.appending("Tests/python/sample_release.py")
        let seeds = [seed] + (former.map { [$0] } ?? [])
        let result = try run(["python3", script.string, inputs.string] + seeds.map(String.init), timeout: 60)
        guard result.status == 0 else { throw SampleError.failed(result.errorOutput) }
    }

    package var manifest: FilePath { inputs.appending("release.yaml") }

    /// Replaces text in the manifest; it must be there.
    package func edit(_ old: String, _ new: String) throws {
        let text = String(decoding: try contents(of: manifest), as: UTF8.self)
        guard let range = text.firstRange(of: old) else { throw SampleError.failed("no \(old) in the manifest") }
        try write(Array(text.replacingCharacters(in: range, with: new).utf8), to: manifest)
    }
}

/// Why a sample could not be made.
package enum SampleError: Error {
    case failed(String)
}

extension String {
    fileprivate func replacingCharacters(in range: Range<String.Index>, with new: String) -> String {
        String(self[..<range.lowerBound]) + new + String(self[range.upperBound...])
    }
}

/// The checkout that the tests belong to.
package enum SourceTree {
    /// Its top folder.
    package static let root = FilePath(#filePath).removingLastComponent().removingLastComponent()
        .removingLastComponent()

    /// A tool built beside the running tests, for example `dray`.
    package static func tool(_ name: String) -> FilePath {
        FilePath(CommandLine.arguments[0]).removingLastComponent().appending(name)
    }
}
