// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import SystemPackage

/// A whole disk, or a partition of one, as the kernel describes it.
package struct BlockDevice: Sendable, Equatable {
    /// The kernel's name, `sdb`.
    package let name: String
    /// Bytes.
    package let size: UInt64
    package let model: String?
    package let serial: String?
    /// The kernel says that its medium can be taken out. Loop devices, most USB disks and card readers on a board can't.
    package let isRemovable: Bool
    package let isWriteProtected: Bool
    /// The disk that this is a partition of.
    package let wholeDisk: String?
    /// Of a loop device: the file behind it.
    package let backingFile: String?
    package let partitions: [Partition]
    /// Where it, one of its partitions, or what is built on them is mounted.
    package let mountPoints: [FilePath]
    /// What keeps it in use beside mounts: "swap on sdb2", "dm-0 on sdb1".
    package let uses: [String]

    package struct Partition: Sendable, Equatable {
        package let name: String
        /// Bytes.
        package let size: UInt64
    }
}

/// The block devices of this machine: /sys, the mount table and /proc/swaps of one moment.
package struct BlockDevices: Sendable {
    private let sys: FilePath
    private let mounts: MountTable
    /// The kernel's names of the devices that are swap.
    private let swaps: Set<String>

    package init() throws(FileError) {
        self.init(
            sys: "/sys", mounts: try .current(),
            swaps: (try? FilePath("/proc/swaps").kernelText(limit: 1 << 20)) ?? "")  // no swap in the kernel, no file
    }

    /// `swaps`: a text as in /proc/swaps.
    package init(sys: FilePath, mounts: MountTable, swaps: String) {
        (self.sys, self.mounts) = (sys, mounts)
        self.swaps = Set(
            swaps.split(separator: "\n").dropFirst().compactMap { line in
                line.split(separator: " ").first.flatMap { FilePath(String($0)).lastComponent?.string }
            })
    }

    /// The device with this number. Throws `FileError` where the kernel knows none.
    package func device(_ number: DeviceNumber) throws(FileError) -> BlockDevice {
        guard let name = name(of: number) else {
            throw FileError("find the block device", sys.appending("dev/block/\(number)"), .noSuchFileOrDirectory)
        }
        return try device(named: name)
    }

    /// The device of this name in /sys/class/block.
    package func device(named name: String) throws(FileError) -> BlockDevice {
        let folder = folder(name)
        let partitions = try partitions(of: name)
        let family = [name] + partitions.map(\.name)
        let above = family.flatMap { holders(of: $0) }
        guard let sectors = number("size", of: name) else {
            throw FileError("read", folder.appending("size"), .invalidArgument)
        }
        let uses = family.flatMap { part in
            (swaps.contains(part) ? ["swap on \(part)"] : []) + direct(part, "holders").map { "\($0) on \(part)" }
        }
        return BlockDevice(
            name: name, size: sectors << 9, model: model(of: name), serial: serial(of: name),
            isRemovable: number("removable", of: name) == 1, isWriteProtected: number("ro", of: name) == 1,
            wholeDisk: wholeDisk(of: name), backingFile: text("loop/backing_file", of: name),
            partitions: partitions, mountPoints: mountPoints(of: Set(family + above)), uses: uses)
    }

    /// The whole disks that the file system of a path stands on, through partitions, device mapper, RAID and loop devices; empty
    /// where it stands on none that can be seen (memory, network, a container's overlay).
    package func disks(under path: FilePath) throws(FileError) -> Set<String> {
        var there = path
        while try !there.exists(), !there.removingLastComponent().isEmpty, there != there.removingLastComponent() {
            there = there.removingLastComponent()
        }
        guard let status = try (there.exists() ? there : FilePath(".")).statusIfPresent() else { return [] }
        return try disks(under: status.isBlockDevice ? status.device : status.fileSystem, depth: 0)
    }

    private func disks(under number: DeviceNumber, depth: Int) throws(FileError) -> Set<String> {
        guard depth < 16 else { return [] }
        let sources = mounts.mounts.filter { $0.device == number }.compactMap { deviceName($0.source) }
        var found: Set<String> = []
        for name in Set([name(of: number)].compactMap(\.self) + sources) {
            found.formUnion(try disks(below: name, depth: depth + 1))
        }
        return found
    }

    private func disks(below name: String, depth: Int) throws(FileError) -> Set<String> {
        guard depth < 16 else { return [] }
        let disk = wholeDisk(of: name) ?? name
        var found: Set<String> = [disk]
        for slave in Set(direct(name, "slaves") + direct(disk, "slaves")) {
            found.formUnion(try disks(below: slave, depth: depth + 1))
        }
        if let file = text("loop/backing_file", of: disk), let status = try FilePath(file).statusIfPresent() {
            found.formUnion(
                try disks(under: status.isBlockDevice ? status.device : status.fileSystem, depth: depth + 1))
        }
        return found
    }

    // MARK: /sys

    private func folder(_ name: String) -> FilePath { sys.appending("class/block").appending(name) }

    private func name(of number: DeviceNumber) -> String? {
        guard !number.isAnonymous else { return nil }
        return (try? sys.appending("dev/block/\(number)").resolved())?.lastComponent?.string
    }

    /// The kernel's name of what a path names, where that is a block device.
    private func deviceName(_ path: String) -> String? {
        guard path.hasPrefix("/dev/") else { return nil }
        guard let status = try? FilePath(path).statusIfPresent(), status.isBlockDevice else { return nil }
        return name(of: status.device)
    }

    private func text(_ attribute: String, of name: String) -> String? {
        // an attribute that a device hasn't got is no file
        guard let text = try? folder(name).appending(attribute).kernelText(limit: 64 << 10) else { return nil }
        let printable = text.filter { !$0.isNewline && $0.unicodeScalars.allSatisfy { $0.value >= 0x20 } }
        let words = printable.split(separator: " ").joined(separator: " ")
        return words.isEmpty ? nil : words
    }

    private func number(_ attribute: String, of name: String) -> UInt64? {
        text(attribute, of: name).flatMap { UInt64($0) }
    }

    private func model(of name: String) -> String? {
        let parts = [text("device/vendor", of: name), text("device/model", of: name) ?? text("device/name", of: name)]
        let known = parts.compactMap(\.self).filter { !$0.hasPrefix("0x") }
        return known.isEmpty ? nil : known.joined(separator: " ")
    }

    private func serial(of name: String) -> String? {
        if let serial = text("device/serial", of: name) ?? text("serial", of: name) { return serial }
        guard let number = text("dev", of: name).flatMap({ DeviceNumber($0) }) else { return nil }
        let facts = UdevFacts(number)
        return facts["ID_SERIAL_SHORT"] ?? facts["ID_SERIAL"]
    }

    private func wholeDisk(of name: String) -> String? {
        guard text("partition", of: name) != nil else { return nil }
        return (try? folder(name).resolved())?.removingLastComponent().lastComponent?.string
    }

    private func partitions(of name: String) throws(FileError) -> [BlockDevice.Partition] {
        try folder(name).entries().filter { $0.hasPrefix(name) && text("partition", of: "\(name)/\($0)") != nil }
            .map { part in
                BlockDevice.Partition(name: part, size: (number("size", of: "\(name)/\(part)") ?? 0) << 9)
            }
    }

    /// What is directly on a device, or directly under it.
    private func direct(_ name: String, _ relation: String) -> [String] {
        (try? folder(name).appending(relation).entries()) ?? []
    }

    /// All that is built on a device, whatever the number of steps.
    private func holders(of name: String) -> [String] {
        var found: [String] = []
        var queue = direct(name, "holders")
        while let next = queue.popLast() {
            guard !found.contains(next) else { continue }
            found.append(next)
            queue += direct(next, "holders")
        }
        return found
    }

    private func mountPoints(of names: Set<String>) -> [FilePath] {
        let numbers = Set(names.compactMap { text("dev", of: $0).flatMap { DeviceNumber($0) } })
        return mounts.mounts.filter { mount in
            numbers.contains(mount.device)
                || mount.source.hasPrefix("/dev/")
                    && names.contains(deviceName(mount.source) ?? FilePath(mount.source).lastComponent?.string ?? "")
        }.map(\.point)
    }
}
