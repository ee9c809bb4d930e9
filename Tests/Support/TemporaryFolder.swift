// SPDX-License-Identifier: Apache-2.0

import Glibc
package import SystemPackage

/// A fresh folder that goes when its owner goes.
package final class TemporaryFolder: Sendable {
    package let path: FilePath

    package init() {
        let name = UInt64.random(in: 0...UInt64.max)
        path = FilePath("/tmp/dray-test-\(String(name, radix: 16))")
        precondition(unsafe mkdir(path.string, 0o755) == 0, "can't make a folder below /tmp")
    }

    deinit { _ = unsafe system("rm -rf \(path.string)") }

    /// A path below the folder.
    package func appending(_ name: String) -> FilePath { path.appending(name) }
}
