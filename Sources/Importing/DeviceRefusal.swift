// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
package import SystemPackage

/// A block device that an image is to be written to, and what stands against it.
package struct ChosenDevice: Sendable {
    /// As it was given.
    package let path: FilePath
    package let device: BlockDevice
    private let devices: BlockDevices
    private let number: DeviceNumber

    /// Throws `FileError` where there is nothing, and `DeviceRefusal` where it is no block device.
    package init(_ path: FilePath, in devices: BlockDevices) throws {
        guard let status = try path.statusIfPresent(), status.isBlockDevice else {
            throw DeviceRefusal(path: path, rows: [], reasons: ["there is no block device of that name"])
        }
        try self.init(path, status.device, in: devices)
    }

    package init(_ path: FilePath, _ number: DeviceNumber, in devices: BlockDevices) throws {
        (self.path, self.devices, self.number) = (path, devices, number)
        device = try devices.device(number)
    }

    /// Whether a path in /dev is meant as a device, so that nothing makes a file there in memory.
    package static func isMeant(_ path: FilePath) throws -> Bool {
        let whole = try path.absolute()
        if try whole.statusIfPresent()?.isBlockDevice == true { return true }
        return try whole.starts(with: "/dev") && !whole.starts(with: "/dev/shm") && !whole.exists()
    }

    /// What people compare before they let it be erased.
    package var rows: [(String, String)] {
        var rows = [("device", path.string + (path.lastComponent?.string == device.name ? "" : " (\(device.name))"))]
        rows.append(("model", device.model?.printable ?? (device.backingFile == nil ? "not known" : "loop device")))
        if let file = device.backingFile { rows.append(("file", file.printable)) }
        rows.append(("serial", device.serial?.printable ?? "not known"))
        rows.append(("size", "\(device.size.asSize) (\(device.size) bytes)"))
        let partitions = device.partitions.map { "\($0.name) (\($0.size.asSize))" }
        rows.append(("partitions", partitions.isEmpty ? "none" : partitions.joined(separator: ", ")))
        let mounts = device.mountPoints.map(\.printable)
        rows.append(("mounted", mounts.isEmpty ? "nothing" : mounts.joined(separator: ", ")))
        return rows
    }

    /// Tells this device from others of its name, as far as it says who it is.
    var identity: String { "\(device.model ?? "") \(device.serial ?? "") \(device.backingFile ?? "") \(device.size)" }

    /// Refuses, with all reasons at once. `confirmed`: the value of `--yes-erase`. `protected`: what must not be on it, with what it is.
    ///
    /// Throws `DeviceRefusal` (14), and `FileError` where it can't be looked at.
    package func check(confirmed: String?, force: Bool, protected: [(what: String, path: FilePath)]) throws {
        var reasons = try protectedReasons(protected)
        if let disk = device.wholeDisk {
            reasons.append("it is a partition of \(disk), and a host boots from whole devices: give /dev/\(disk)")
        }
        if device.isWriteProtected { reasons.append("it is write-protected: look for its switch") }
        reasons += device.uses.map { "it is in use: \($0)" }
        if !force {
            if !device.mountPoints.isEmpty {
                let points = device.mountPoints.map { $0.string.shellWord }.joined(separator: " ")
                reasons.append("it is mounted: umount \(points), or --force, which does that")
            }
            if !device.isRemovable {
                reasons.append(
                    "it says that it isn't removable, as built-in disks do (some sticks and card readers too): --force where it is the right one"
                )
            }
        }
        if try !isNamed(by: confirmed) {
            reasons.append(
                confirmed == nil
                    ? "everything on it is lost: repeat its name, --yes-erase \(path.string.shellWord)"
                    : "--yes-erase names \(confirmed?.printable ?? ""), which isn't \(path): repeat its name")
        }
        guard reasons.isEmpty else { throw DeviceRefusal(path: path, rows: rows, reasons: reasons) }
    }

    private func protectedReasons(_ protected: [(what: String, path: FilePath)]) throws -> [String] {
        let disk = device.wholeDisk ?? device.name
        var reasons: [String] = []
        for (what, path) in protected where try devices.disks(under: path).contains(disk) {
            reasons.append("it holds \(what), \(path.printable), and is never written, whatever else is given")
        }
        return reasons
    }

    private func isNamed(by text: String?) throws -> Bool {
        guard let text else { return false }
        if text == path.string || text == device.name { return true }
        return try FilePath(text).statusIfPresent().map { $0.isBlockDevice && $0.device == number } ?? false
    }
}

/// Why a device isn't written to.
package struct DeviceRefusal: ClassifiedError, Equatable {
    package let path: FilePath
    /// What it is, for people.
    private let facts: String
    package let reasons: [String]
    package var failure: Failure { .refused }

    init(path: FilePath, rows: [(String, String)], reasons: [String]) {
        (self.path, self.reasons) = (path, reasons)
        facts = rows.aligned
    }

    package var description: String {
        let lines = facts.split(separator: "\n").map { "  \($0)" } + reasons.map { "- \($0)" }
        return (["nothing was written to \(path.printable):"] + lines).joined(separator: "\n")
    }
}
