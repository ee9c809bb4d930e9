// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import SystemPackage

/// An image that is being written to a device, past the page cache, its first MiB last: half of it boots nowhere.
final class DeviceImage {
    /// Bytes that are written last: boot sector, partition table, boot catalogue.
    static let headLength: UInt64 = 1 << 20
    private static let windowLength: UInt64 = 4 << 20

    private let device: DeviceFile
    /// Bytes of the image.
    private let size: UInt64
    private let window = Buffer(capacity: Int(windowLength))
    private var windowStart: UInt64?
    private var dirty = 0..<0
    /// The image's first bytes; zeros where they aren't known yet.
    let head = Buffer(capacity: Int(headLength))
    /// Bytes written since the last `sync`.
    private(set) var unsynced: UInt64 = 0
    /// Bytes of the image without its head that had to be written.
    private(set) var written: UInt64 = 0

    /// The range of the image that is its head.
    var headRange: Range<UInt64> { 0..<min(size, Self.headLength) }
    private var sector: UInt64 { UInt64(device.sector) }
    /// The image's end, and what fills the last sector.
    private var end: UInt64 { (size + sector - 1) / sector * sector }

    /// Throws `FileError`: `ENOSPC` with the missing bytes for a device that is too small, before a byte is written.
    init(_ device: consuming DeviceFile, size: UInt64) throws(FileError) {
        guard device.size >= size else {
            throw FileError("write to", device.path, .noSpace, missingBytes: size - device.size)
        }
        self.device = device
        self.size = size
        head.appendZeros(head.capacity)
    }

    /// Puts a piece of the image: of the head into memory, of all else onto the device where that has something else.
    func put(_ piece: RawSpan, at offset: UInt64) throws(FileError) {
        var (done, place) = (0, offset)
        while done < piece.byteCount {
            let count: Int
            if place < headRange.upperBound {
                count = min(piece.byteCount - done, Int(headRange.upperBound - place))
                head.write(piece.extracting(done..<done + count), at: Int(place))
            } else {
                count = try patch(piece.extracting(done...), at: place)
            }
            done += count
            place += UInt64(count)
        }
    }

    private func patch(_ piece: RawSpan, at offset: UInt64) throws(FileError) -> Int {
        let first = headRange.upperBound
        let begin = first + (offset - first) / Self.windowLength * Self.windowLength
        if windowStart != begin { try load(begin) }
        let inside = Int(offset - begin)
        let count = min(piece.byteCount, Int(Self.windowLength) - inside)
        let range = inside..<inside + count
        let wanted = piece.extracting(..<count)
        guard !window.hasSameBytes(range, as: wanted) else { return count }
        window.write(wanted, at: inside)
        let start = min(dirty.isEmpty ? inside : dirty.lowerBound, inside / device.sector * device.sector)
        let end = max(dirty.upperBound, (range.upperBound + device.sector - 1) / device.sector * device.sector)
        dirty = start..<end
        return count
    }

    private func load(_ start: UInt64) throws(FileError) {
        try flush()
        try device.read(into: window, at: start, length: Int(min(Self.windowLength, end - start)))
        windowStart = start
    }

    private func flush() throws(FileError) {
        guard let windowStart, !dirty.isEmpty else { return }
        try device.write(window, dirty, at: windowStart + UInt64(dirty.lowerBound))
        unsynced += UInt64(dirty.count)
        written += UInt64(dirty.count)
        dirty = 0..<0
    }

    /// Makes all but the head durable.
    func sync() throws(FileError) {
        try flush()
        try device.sync()
        unsynced = 0
    }

    /// Whether the device begins with zeros, as `eraseHead` leaves it.
    func isHeadErased() throws(FileError) -> Bool {
        let found = try deviceHead()
        return found.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { memory in unsafe memory.allSatisfy { $0 == 0 } }
        }
    }

    /// Whether the device begins as the image does, as far as `head` is known.
    func hasHead() throws(FileError) -> Bool {
        let range = 0..<Int(headRange.upperBound)
        let found = try deviceHead()
        return head.withBytes(range) { found.hasSameBytes(range, as: $0) }
    }

    private func deviceHead() throws(FileError) -> Buffer {
        let found = Buffer(capacity: Int(Self.headLength))
        try device.read(into: found, at: 0, length: Int(min(Self.headLength, end)))
        return found
    }

    /// Writes zeros over the first MiB, and over the last where the image doesn't reach: there a second partition table may lie, from
    /// which firmware restores the first.
    func erase() throws(FileError) {
        let zeros = Buffer(capacity: Int(Self.headLength))
        zeros.appendZeros(zeros.capacity)
        try device.write(zeros, 0..<Int(min(Self.headLength, device.size)), at: 0)
        let last = device.size - min(device.size, Self.headLength)
        let tail = max(end, last / sector * sector)
        if size < end { try device.write(zeros, 0..<device.sector, at: end - sector) }
        if tail < device.size { try device.write(zeros, 0..<Int(device.size - tail), at: tail) }
        try device.sync()
        windowStart = nil
        dirty = 0..<0
    }

    /// The SHA-256 of the image as the device has it, past the page cache; its first bytes those in memory unless `all`.
    func digest(all: Bool, _ progress: Progress) throws -> Digest {
        try device.dropCache()
        let hasher = Hasher()
        if !all { head.withBytes(0..<Int(headRange.upperBound)) { hasher.update($0) } }
        var offset = all ? 0 : headRange.upperBound
        windowStart = nil
        while offset < size {
            try Interruption.check()
            let length = min(Self.windowLength, end - offset)
            try device.read(into: window, at: offset, length: Int(length))
            let used = Int(min(length, size - offset))
            window.withBytes(0..<used) { hasher.update($0) }
            offset += UInt64(used)
            progress.add(used)
        }
        return Digest(hashed: hasher.finish())
    }

    /// Writes the head, and reads it back: from then on the device boots. `false` where it gives back something else.
    func writeHead() throws(FileError) -> Bool {
        try device.write(head, 0..<Int(min(Self.headLength, end)), at: 0)
        try device.sync()
        try device.dropCache()
        let isSame = try hasHead()
        device.readPartitionsAgain()
        return isSame
    }
}
