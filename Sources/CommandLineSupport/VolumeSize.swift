// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
internal import Files

/// The value of `--volume-size`; 0 bytes for no limit.
package struct VolumeSize: ExpressibleByArgument, Sendable, CustomStringConvertible {
    package let bytes: UInt64
    private let text: String

    package init?(argument: String) {
        guard let size = try? ByteSize(parsingVolume: argument) else { return nil }
        (bytes, text) = (size.bytes, argument)
    }

    package var description: String { text }
    package var defaultValueDescription: String { text }

    /// The default.
    package static let fat32 = VolumeSize(bytes: (4 << 30) - 1, text: "fat32")

    private init(bytes: UInt64, text: String) { (self.bytes, self.text) = (bytes, text) }

    /// What the help says about the values.
    package static let help: ArgumentHelp =
        "No volume is larger: bytes, 25GB, 700MiB, fat32 (4 GiB - 1), dvd, bd25, bd50, bd100 or none; at least 1MiB."
}
