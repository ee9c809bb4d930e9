// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// The releases of `Tests/python/synthetic_vendor.py`, the same bytes each time, in a folder of their own.
package final class SyntheticVendor: Sendable {
    /// The releases that it can make, oldest first.
    package static let releases = ["4.7.3", "4.7.15", "4.7.27"]

    package let folder = TemporaryFolder()

    /// Makes releases of these editions (`palette`, `vertex`), or, with a `wrong` group, releases with one thing wrong.
    package init(editions: [String], releases: [String] = releases, wrong: String? = nil) throws {
        let script = SourceTree.root.appending("Tests/python/synthetic_vendor.py").string
        var line = ["python3", script, top.string, "--editions", editions.joined(separator: ",")]
        line += ["--releases", releases.joined(separator: ",")]
        if let wrong { line += ["--wrong", wrong] }
        let result = try run(line, timeout: 120)
        guard result.status == 0 else { throw SampleError.failed(result.errorOutput) }
    }

    /// Where `<edition>/<release>/` and `wrong/<name>/` are.
    package var top: FilePath { folder.appending("vendor") }

    /// What one release of an edition consists of.
    package func release(_ edition: String, _ version: String) -> FilePath {
        top.appending(edition).appending(version)
    }
}
