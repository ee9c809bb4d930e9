// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import SystemPackage

/// The openssl command in a folder of its own: the other implementation.
struct OpenSSLCommand {
    let folder = TemporaryFolder()

    /// Runs a shell script in the folder; returns whether it succeeded.
    @discardableResult
    func run(_ script: String) -> Bool {
        unsafe system("cd \(folder.path.string) && umask 077 && { \(script)\n} >log 2>&1") == 0
    }

    func read(_ name: String) throws -> [UInt8] {
        let file = try FileDescriptor.open(folder.appending(name), .readOnly)
        return try file.closeAfter {
            try unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
                count = unsafe try file.read(into: UnsafeMutableRawBufferPointer(buffer))
            }
        }
    }

    func write(_ bytes: [UInt8], _ name: String) throws {
        let options: FileDescriptor.OpenOptions = [.create, .truncate]
        let file = try FileDescriptor.open(
            folder.appending(name), .writeOnly, options: options, permissions: .ownerReadWrite)
        _ = try file.closeAfter { try file.writeAll(bytes) }
    }
}
