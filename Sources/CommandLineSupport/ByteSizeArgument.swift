// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
package import Files

/// A number of bytes on the command line.
extension ByteSize: ExpressibleByArgument {
    /// `nil` where `ByteSize(parsing:)` throws.
    package init?(argument: String) {
        do { try self.init(parsing: argument) } catch { return nil }
    }
}
