// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
package import OCI
package import SystemPackage

/// Images of read-only discs, ready to burn: `xorriso` writes each straight from the bundle, then it is read back.
package struct DiscImages: Sendable {
    /// One disc.
    package struct Disc: Sendable {
        package let number: Int
        package let image: FilePath
        package let items: [CopyItem]
    }

    /// What came of one.
    package struct Result: Sendable {
        package let image: FilePath
        package let size: UInt64
        package let sha256: Digest
        /// Whether an earlier run had made it; it was read again.
        package let wasThere: Bool
    }

    /// Bytes that a disc's file system takes beside the files: descriptors, two trees of folders, xorriso's padding.
    private static let reserve: UInt64 = 2 << 20

    package let discs: [Disc]
    private let source: CopySource
    private let folder: FilePath
    private let capacity: UInt64
    private let program: Xorriso

    /// Plans images of at most `capacity` bytes in `folder`. Throws `CopyError.noRoom` where a volume is larger than a disc, or
    /// the folder's file system has no room for what isn't there yet; `FileError`.
    package init(_ source: CopySource, in folder: FilePath, capacity: UInt64) throws {
        (self.source, self.folder, self.capacity) = (source, folder, capacity)
        program = try Xorriso()
        let common = source.common.reduce(DiscImages.reserve) { $0 + ($1.length + 4095) / 2048 * 2048 + 512 }
        let bin = SpreadPlan.Bin(
            room: capacity > common ? capacity - common : 0, unit: 2048, largestFile: .max)
        let items = source.items.map { SpreadPlan.Item(length: $0.length, isParity: $0.volume == nil) }
        guard let count = SpreadPlan.mediaNeeded(items, each: bin) else {
            let largest = source.items.map(\.length).max() ?? 0
            throw CopyError.noRoom(
                NoRoom(
                    missing: bin.cost(largest) - min(bin.room, bin.cost(largest) - 1),
                    fitting: items.count { bin.cost($0.length) <= bin.room },
                    fittingBytes: items.filter { bin.cost($0.length) <= bin.room }.reduce(0) { $0 + $1.length },
                    all: items.count, mediaNeeded: nil, mediumSize: capacity))
        }
        let plan = SpreadPlan(items, Array(repeating: bin, count: count), balanced: false)
        discs = (0..<count).map { disc in
            Disc(
                number: disc + 1, image: folder.appending("\(source.name)-\(disc + 1)of\(count).iso"),
                items: source.items.indices.filter { plan.bins[$0] == disc }.map { source.items[$0] })
        }
    }

    /// Makes what isn't there. Throws `CopyError`, `FileError`, `Interrupted`; what was finished stays.
    package func run(_ progress: Progress) throws -> [Result] {
        try folder.createDirectories()
        let lock = try OpenFile.folder(folder)
        defer { withExtendedLifetime(lock) {} }
        guard try lock.lock() else { throw CopyError.busy(folder) }
        try checkRoom()
        let bytes = source.items.reduce(UInt64(0)) { $0 + $1.length }
        progress.begin(total: 2 * bytes)  // written, and read back
        return try discs.map { try make($0, progress) }
    }

    private func checkRoom() throws {
        let common = source.common.reduce(DiscImages.reserve) { $0 + $1.length }
        let need = try discs.filter { try !$0.image.exists() }.reduce(UInt64(0)) { sum, disc in
            sum + common + disc.items.reduce(0) { $0 + $1.length }
        }
        let free = try folder.fileSystem().free
        guard need <= free else {
            throw CopyError.noRoom(
                NoRoom(
                    missing: need - free, fitting: 0, fittingBytes: 0, all: discs.count, mediaNeeded: 1,
                    mediumSize: need))
        }
        try Medium.probe(folder)
    }

    private func make(_ disc: Disc, _ progress: Progress) throws -> Result {
        let label = Label(source, of: discs.count)
        let bytes = disc.items.reduce(0) { $0 + Int(clamping: $1.length) }
        progress.label = disc.image.lastComponent?.string ?? ""
        if let done = try finished(disc) {
            progress.add(2 * bytes)
            return done
        }
        let work = folder.appending(".\(source.name)-\(disc.number).work")
        try work.createDirectories()
        defer { _ = work.removeIfEmpty() }
        let files = try label.files(disc.number, disc.items, in: work)
        let (list, log) = (work.appending("list"), work.appending("log"))
        try list.replaceContents(with: Array(graftList(disc, files).utf8))
        let name = "DRAY_\(disc.number)_OF_\(discs.count)"
        let size = try program.size(of: list, label: name, log: log)
        guard size <= capacity else { throw CopyError.imageTooLarge(disc.image, size: size, capacity: capacity) }
        let staged = folder.appending(".\(disc.image.lastComponent?.string ?? "image").partial")
        try staged.removeFile()
        try staged.replaceContents(with: [])
        var shown: UInt64 = 0
        try program.write(list, label: name, to: staged, log: log) {
            let now = min(try staged.statusIfPresent()?.size ?? 0, UInt64(bytes))
            if now > shown { progress.add(Int(now - shown)) }
            shown = max(shown, now)
        }
        progress.add(bytes - Int(min(shown, UInt64(bytes))))
        let digest = try ImageCheck(source, disc, staged).run(progress)
        let length = try staged.statusIfPresent()?.size ?? 0
        guard length <= capacity else { throw CopyError.imageTooLarge(disc.image, size: length, capacity: capacity) }
        try publish(disc, staged, digest)
        for path in [list] + files.map(\.path) { try path.removeFile() }
        return Result(image: disc.image, size: length, sha256: digest, wasThere: false)
    }

    /// The digest first, then the image: an image that is there has one.
    private func publish(_ disc: Disc, _ staged: FilePath, _ digest: Digest) throws {
        let line = "\(digest.hex)  \(disc.image.lastComponent?.string ?? "")\n"
        try sums(disc).replaceContents(with: Array(line.utf8))
        _ = try Label(source, of: discs.count).files(disc.number, disc.items, in: folder)
        try staged.rename(to: disc.image)
        try folder.syncDirectory()
    }

    private func sums(_ disc: Disc) -> FilePath { FilePath(disc.image.string + ".sha256") }

    /// An image that is there, with its digest, and is still what that says.
    private func finished(_ disc: Disc) throws -> Result? {
        guard try disc.image.exists() else { return nil }
        let line = try sums(disc).exists() ? String(decoding: try sums(disc).contents(limit: 4096), as: UTF8.self) : ""
        guard let digest = Digest(hex: line.prefix(64)) else {
            throw CopyError.otherFile(disc.image, "an image without its .sha256")
        }
        let check = ImageCheck(source, disc, disc.image)
        guard try check.digest() == digest, try check.isOfThisSet() else {
            throw CopyError.otherFile(disc.image, "another image, or damaged")
        }
        return Result(
            image: disc.image, size: try disc.image.statusIfPresent()?.size ?? 0, sha256: digest, wasThere: true)
    }

    private func graftList(_ disc: Disc, _ labels: [(name: String, path: FilePath)]) -> String {
        var lines = labels.map { Xorriso.line($0.name, $0.path) }
        for file in source.common {
            if let place = file.places.first {
                lines.append(Xorriso.line("\(source.name)/\(file.name)", place.folder.path(of: place.name)))
            }
        }
        for item in disc.items {
            if let path = source.path(of: item) { lines.append(Xorriso.line("\(source.name)/\(item.name)", path)) }
        }
        return lines.joined()
    }
}
