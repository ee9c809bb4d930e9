// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import SystemPackage

/// A device's number, as `major:minor` in /sys and /proc.
package struct DeviceNumber: Hashable, Sendable, CustomStringConvertible {
    package let major: UInt32
    package let minor: UInt32

    package init(major: UInt32, minor: UInt32) { (self.major, self.minor) = (major, minor) }

    init(_ device: dev_t) {
        self.init(major: dray_device_major(UInt64(device)), minor: dray_device_minor(UInt64(device)))
    }

    /// Reads `8:1`; `nil` for anything else.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { UInt32($0) }
        guard parts.count == 2, let major = parts[0], let minor = parts[1] else { return nil }
        self.init(major: major, minor: minor)
    }

    package var description: String { "\(major):\(minor)" }

    /// Whether it names no device: the number of a file system that stands on none, or on several.
    package var isAnonymous: Bool { major == 0 }
}

/// What is mounted where, as this process sees it.
package struct MountTable: Sendable, Equatable {
    package struct Mount: Sendable, Equatable {
        /// The number that files on it have.
        package let device: DeviceNumber
        package let point: FilePath
        /// `ext4`, `fuseblk`, ...
        package let type: String
        /// A device's path, or whatever the file system gives.
        package let source: String
    }

    /// In the order of mounting.
    package let mounts: [Mount]

    /// The table of this moment.
    package static func current() throws(FileError) -> MountTable {
        MountTable(try FilePath("/proc/self/mountinfo").kernelText(limit: 16 << 20))
    }

    /// Reads a text as in proc(5), `/proc/pid/mountinfo`; lines that are none are left out.
    package init(_ text: String) {
        mounts = text.split(separator: "\n").compactMap { line in
            let halves = line.firstRange(of: " - ").map { (line[..<$0.lowerBound], line[$0.upperBound...]) }
            guard let (left, right) = halves else { return nil }
            let fields = left.split(separator: " ", omittingEmptySubsequences: false)
            let ends = right.split(separator: " ", omittingEmptySubsequences: false)
            guard fields.count >= 6, ends.count >= 2, let device = DeviceNumber(fields[2]) else { return nil }
            return Mount(
                device: device, point: FilePath(MountTable.unescaped(fields[4])), type: String(ends[0]),
                source: MountTable.unescaped(ends[1]))
        }
    }

    /// Spaces and the like stand as `\040`.
    static func unescaped(_ text: Substring) -> String {
        guard text.contains("\\") else { return String(text) }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// What udev noted of a block device; nothing where it doesn't run.
struct UdevFacts {
    private var facts: [Substring: Substring] = [:]

    init(_ device: DeviceNumber) {
        // absent in containers and on systems without udev, and then nothing is known
        guard let text = try? FilePath("/run/udev/data/b\(device)").kernelText(limit: 1 << 20) else { return }
        for line in text.split(separator: "\n") where line.hasPrefix("E:") {
            let parts = line.dropFirst(2).split(separator: "=", maxSplits: 1)
            if parts.count == 2 { facts[parts[0]] = parts[1] }
        }
    }

    subscript(_ name: String) -> String? { facts[name[...]].map { String($0) } }
}

extension FilePath {
    /// A file of /proc or /sys, whose size the kernel doesn't say. Throws `EFBIG` above `limit` bytes.
    func kernelText(limit: Int) throws(FileError) -> String {
        let file = try OpenFile.reading(self)
        let buffer = Buffer(capacity: 64 << 10)
        var bytes: [UInt8] = []
        while true {
            try file.read(into: buffer, at: UInt64(bytes.count), length: buffer.capacity)
            guard buffer.count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            guard bytes.count + buffer.count <= limit else { throw FileError("read", self, .fileTooLarge) }
            buffer.withBytes { piece in unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } }
        }
    }
}
