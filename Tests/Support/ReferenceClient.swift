// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import SystemPackage

/// python-tuf, the TUF reference client, on a bundle: Tests/python/check_tuf.py.
package struct ReferenceClient: Sendable {
    private static let interpreter =
        variable("DRAY_TEST_PYTHON").map { FilePath($0) }
        ?? SourceTree.root.appending(".build/python/bin/python3")
    private let state = TemporaryFolder()
    private let pinned: FilePath

    /// A client that has been given this root, and nothing else yet.
    package init(pinned: FilePath) { self.pinned = pinned }

    /// In CI a missing interpreter is a failure, elsewhere the tests are left out.
    package static var isExpected: Bool {
        let isInstalled = unsafe access(interpreter.string, X_OK) == 0
        return isInstalled || variable("CI") != nil
    }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    /// What it says of a bundle's folder and these targets in it: `ok <root> <timestamp> <snapshot> <targets>`, or the name of
    /// what it throws. It remembers what it accepts.
    package func verdict(_ bundle: FilePath, _ targets: String...) throws -> String {
        let script = SourceTree.root.appending("Tests/python/check_tuf.py").string
        let line =
            try run(
                [Self.interpreter.string, script, state.path.string, bundle.string, pinned.string] + targets
            ).output.split(separator: "\n").first ?? ""
        return line.hasPrefix("ok") ? String(line) : String(line.prefix { $0 != " " })
    }
}
