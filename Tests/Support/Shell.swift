// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// Shell commands in a folder of their own: how tests ask openssl and others for a second opinion.
package struct Shell: Sendable {
    package let folder = TemporaryFolder()

    package init() {}

    /// Runs a script in the folder; returns whether it succeeded. What it prints is in the file `log` then.
    @discardableResult
    package func run(_ script: String) -> Bool {
        unsafe system("cd \(folder.path.string) && umask 077 && { \(script)\n} >log 2>&1") == 0
    }

    /// The bytes of a file in the folder, at most 1 MiB of them.
    package func read(_ name: String) throws -> [UInt8] {
        let file = try FileDescriptor.open(folder.appending(name), .readOnly)
        return try file.closeAfter {
            try unsafe [UInt8](unsafeUninitializedCapacity: 1 << 20) { buffer, count in
                count = unsafe try file.read(into: UnsafeMutableRawBufferPointer(buffer))
            }
        }
    }

    /// Makes a file in the folder, or in one below that exists.
    package func write(_ bytes: [UInt8], _ name: String) throws {
        let options: FileDescriptor.OpenOptions = [.create, .truncate]
        let file = try FileDescriptor.open(
            folder.appending(name), .writeOnly, options: options, permissions: .ownerReadWrite)
        _ = try file.closeAfter { try file.writeAll(bytes) }
    }
}
