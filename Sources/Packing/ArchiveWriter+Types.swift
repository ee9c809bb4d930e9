// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import SystemPackage

extension ArchiveWriter {
    struct Settings {
        var folder: FilePath
        /// File names are `<prefix>.NNN.tar.zst`.
        var prefix: String
        /// Bytes that no volume may exceed; 0 for no limit.
        var volumeSize: UInt64
        var level: Int
        var threads: Int
    }

    /// An archive volume, in the order of writing.
    struct VolumeEntry {
        let number: Int
        var finished: FinishedVolume?
    }

    /// The member that is being written.
    struct Member {
        let name: String
        let size: UInt64
        var unwritten: UInt64
        var partLeft: UInt64
        var partSize: UInt64
        /// 0 while the member is whole.
        var partNumber: Int
        var parts: [Part]
        let isShared: Bool
    }
}

extension String {
    /// Zeros in front, up to `width` characters.
    func leftPadded(to width: Int) -> String { String(repeating: "0", count: max(0, width - count)) + self }
}
