// SPDX-License-Identifier: Apache-2.0

package import Cryptography
internal import Files
internal import SystemPackage

extension PrivateKey {
    /// The key that the value of a `--key` option names: a PEM file, at most 1 MiB.
    ///
    /// Throws `FileError`, and `KeyError` for what is no private key.
    package init(argument: String) throws {
        var pem = try FilePath(argument).contents(limit: 1 << 20)
        defer { pem.wipe() }
        try self.init(pem: pem)
    }
}
