// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Cage
package import Files
internal import OCI
internal import Synchronization
internal import SystemPackage
internal import Trust

/// Writing a delivered image to a whole block device, which boots from it then (docs/media.md, "The ISO image").
package struct DeviceExtraction: Sendable {
    package let wanted: Extraction.Wanted
    package let chosen: ChosenDevice
    private let bundle: VerifiedBundle
    private let sources: SiteSources?
    private let state: SiteState

    /// `name` as for `Extraction`; `sources`: where a delta's left-out bytes are found. What stands against the device is for
    /// `ChosenDevice.check` to say, before.
    ///
    /// Throws `LoadError.noSuchFile`, `.elsewhere`, and `FileError` (16) where the device is too small.
    package init(
        _ name: String, from bundle: VerifiedBundle, to chosen: ChosenDevice, state: SiteState,
        sources: SiteSources? = nil
    ) throws {
        wanted = try Extraction.find(name, named: nil, in: bundle)
        (self.chosen, self.bundle, self.sources, self.state) = (chosen, bundle, sources, state)
        if let lack = try sources?.needs(of: [wanted.digest: wanted.name]).lack { throw lack }
        guard chosen.device.size >= wanted.size else {
            throw FileError("write to", chosen.path, .noSpace, missingBytes: wanted.size - chosen.device.size)
        }
    }

    /// Unmounts what is mounted from the device, and writes what differs of the image, or of as much as the media at hand have; the
    /// first MiB comes last, once all else was read back and the whole compared with its signed digest.
    ///
    /// Throws `ExtractError.deviceDiffers`, `LoadError.missingVolumes` where nothing that it needs is at hand and nothing was begun,
    /// `FileError`, `CageError`, and what reading the media can throw.
    package func run(_ progress: Progress) throws -> Extraction.Result {
        progress.label = wanted.name
        progress.begin(total: wanted.size)
        _ = try bundle.decoders.status()
        var writes = PlannedWrites()
        writes.add(state.path, bytes: DeviceImage.headLength * 2)
        try writes.check()
        let memory = DeviceMemory(state.path.appending("extract"), chosen, wanted)
        var journal = try memory.journal()
        try checkMedia(journal)
        for point in chosen.device.mountPoints.reversed() { try point.unmount() }
        let image = try DeviceImage(try open(), size: wanted.size)
        let reader = bundle.reader(externals: sources?.source())
        let head = try readHead(reader, into: image, memory, &journal)
        if head.gap(in: image.headRange) == nil, try image.hasHead(),
            try image.digest(all: true, progress) == wanted.digest
        {
            return .present
        }
        if try !image.isHeadErased() {
            journal.ranges.cut(at: image.headRange.upperBound)
            try image.erase()
        }
        if let lack = try write(reader, to: image, &journal, head, memory, progress) { return .partial(lack) }
        progress.label = "reading back"
        progress.done.store(0, ordering: .relaxed)
        let isSame = try image.digest(all: false, progress) == wanted.digest && image.writeHead()
        try journal.remove()
        try memory.removeHead()
        guard isSame else { throw ExtractError.deviceDiffers(chosen.path) }
        return .written
    }

    private func open() throws -> DeviceFile {
        do throws(FileError) {
            return try DeviceFile(chosen.path)
        } catch {
            guard error.errno == .resourceBusy else { throw error }
            let reason = "something keeps it for itself: a file system, a volume group, an array, or another program"
            throw DeviceRefusal(path: chosen.path, rows: chosen.rows, reasons: [reason])
        }
    }

    private func checkMedia(_ journal: ExtractJournal) throws {
        let missing = try bundle.missingVolumes(for: [wanted.digest])
        guard try missing.count == bundle.volumeNumbers(for: [wanted.digest]).count, !missing.isEmpty,
            journal.ranges.ranges.isEmpty
        else { return }
        throw LoadError.missingVolumes(missing.map(\.name))
    }

    /// Takes the image's first MiB into memory: what an earlier run kept of it, and what the media at hand have. Which bytes of it are
    /// there.
    private func readHead(
        _ reader: ObjectReader, into image: DeviceImage, _ memory: DeviceMemory, _ journal: inout ExtractJournal
    ) throws -> ByteRanges {
        if let kept = try memory.head(Int(image.headRange.upperBound)) {
            try image.put(unsafe kept.span.bytes, at: 0)
        } else {
            journal.ranges = journal.ranges.without(image.headRange)
        }
        var known = journal.ranges
        known.cut(at: image.headRange.upperBound)
        return try retryingOtherPlaces {
            var (found, skipped) = (known, known)
            skipped.insert(image.headRange.upperBound..<max(wanted.size, image.headRange.upperBound))
            let pieces = try reader.pieces(wanted.digest, except: skipped)
            while let part = try pieces.withNext({ offset, piece in
                try image.put(piece, at: offset)
                return offset..<offset + UInt64(piece.byteCount)
            }) {
                found.insert(part)
            }
            return found
        }
    }

    private func write(
        _ reader: ObjectReader, to image: DeviceImage, _ journal: inout ExtractJournal, _ head: ByteRanges,
        _ memory: DeviceMemory, _ progress: Progress
    ) throws -> ExtractLack? {
        let missing = try retryingOtherPlaces {
            var done = journal.ranges
            for range in head.ranges { done.insert(range) }
            progress.done.store(done.count, ordering: .relaxed)
            let pieces = try reader.pieces(wanted.digest, except: done)
            while let written = try pieces.withNext({ offset, piece in
                try image.put(piece, at: offset)
                return offset..<offset + UInt64(piece.byteCount)
            }) {
                done.insert(written)
                progress.add(Int(written.upperBound - written.lowerBound))
                if image.unsynced >= ExtractJournal.interval {
                    try memory.keep(image.head)
                    try journal.save(done) { try image.sync() }
                }
                try Interruption.check()
            }
            if !pieces.missing.isEmpty { try memory.keep(image.head) }
            try journal.save(done) { try image.sync() }
            return pieces.missing
        }
        return missing.isEmpty ? nil : ExtractLack(missing, of: wanted.size, bundle)
    }
}

extension DeviceExtraction {
    /// What was written, and what it is for.
    package func report(_ result: Extraction.Result) -> Report {
        var rows = chosen.rows.filter { !["partitions", "mounted"].contains($0.0) }
        rows += [("image", "\(wanted.name), \(wanted.size.asSize)"), ("sha256", wanted.digest.hex)]
        var json: [String: JSONValue] = [
            "device": .string(chosen.path.string), "name": .string(chosen.device.name),
            "model": chosen.device.model.map(JSONValue.string) ?? .null,
            "serial": chosen.device.serial.map(JSONValue.string) ?? .null,
            "deviceBytes": .int(Int64(chosen.device.size)), "file": .string(wanted.name),
            "sha256": .string(wanted.digest.hex), "bytes": .int(Int64(wanted.size)),
            "new": .bool(result == .written),
        ]
        if case .partial(let lack) = result {
            rows.append(("written", "\(lack.done.asSize) of \(lack.size.asSize); nothing boots from it yet"))
            json["wanted"] = lack.json
            return Report(text: rows.aligned, json: .object(json), next: [lack.step], failure: .incomplete)
        }
        rows.append(("read back", "the same" + (result == .present ? "; it was there already" : "")))
        let steps = PlatformSteps(image: FilePath(wanted.name), device: chosen.path)
        if wanted.kind == "iso" { json["platforms"] = steps.json }
        let check = "head -c \(wanted.size) \(chosen.path.string.shellWord) | sha256sum  # \(wanted.digest.hex)"
        return Report(
            text: rows.aligned, json: .object(json), next: [check] + (wanted.kind == "iso" ? steps.lines : []))
    }
}

/// What the state folder keeps of a device while media come one at a time.
private struct DeviceMemory {
    private let folder: FilePath
    private let wanted: Extraction.Wanted
    private let name: String

    init(_ folder: FilePath, _ chosen: ChosenDevice, _ wanted: Extraction.Wanted) {
        (self.folder, self.wanted) = (folder, wanted)
        let identity = Digest(of: Array("\(wanted.digest) \(chosen.identity)".utf8)).hex
        name = String(identity.prefix(32))
    }

    private var headPath: FilePath { folder.appending(name + ".head") }

    func journal() throws -> ExtractJournal {
        try folder.createDirectories()
        return try ExtractJournal(folder.appending(name + ".ranges"), wanted)
    }

    func head(_ length: Int) throws -> [UInt8]? {
        guard try headPath.exists() else { return nil }
        let bytes = try headPath.contents(limit: Int(DeviceImage.headLength))
        return bytes.count == length ? bytes : nil
    }

    /// Keeps the image's first bytes, whose medium may be gone when they are written; before the journal says that they are there.
    func keep(_ head: Buffer) throws {
        let length = Int(min(wanted.size, DeviceImage.headLength))
        let bytes = head.withBytes(0..<length) { bytes in unsafe bytes.withUnsafeBytes { unsafe Array($0) } }
        guard try self.head(length) != bytes else { return }
        try headPath.replaceContents(with: bytes)
    }

    func removeHead() throws {
        guard try headPath.exists() else { return }
        try headPath.removeFile()
        try folder.syncDirectory()
    }
}
