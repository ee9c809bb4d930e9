// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// The FIPS module that `scripts/fips-provider` builds; no certificate covers it.
package enum FIPSModuleFile {
    /// Throws, so that a test fails and isn't skipped, where nobody has built it: a suite without it proves nothing.
    package static func path() throws -> FilePath {
        let path = SourceTree.root.appending(".build/fips/fips.so")
        guard try run(["test", "-s", path.string]).status == 0 else {
            throw ProgramFailed(description: "no \(path): run scripts/fips-provider")
        }
        return path
    }
}
