// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Compression
internal import Files
internal import OCI
internal import SystemPackage

/// Writes the archive volumes: tar members into frames, frames into volumes (docs/format.md, "Archive volume").
///
/// Where a member goes depends only on what came before it, never on timing: the same members give the same bytes. After
/// a crash the same members are given again; frames that the journal knows are counted, not written.
final class ArchiveWriter {
    /// A member smaller than this shares a frame; a frame that holds as much is closed.
    private static let sharedLength = 1 << 20
    /// Archive volumes in all; the index has room for as many again that are plain.
    private static let maximumVolumes = 32_000
    /// A part shorter than this is not worth a member of its own.
    private static let leastPart: UInt64 = 64 << 10

    let settings: Settings
    private let compressor: FrameCompressor
    private let pool: BufferPool
    let lanes: VolumeLanes
    /// Frames of an earlier run that are on the disk.
    private var replayed: [Frame]
    private(set) var frames: [Frame] = []
    private(set) var settledFrames = 0
    private(set) var volumes: [VolumeEntry] = []
    private var inFlight: [EncodeJob] = []
    private var inFlightBound: UInt64 = 0
    private var open: Buffer
    private var position: UInt64 = 0
    private var nextNumber = 2
    private(set) var file: VolumeFile?
    private var member: Member?
    /// Called when more of the current volume has been flushed.
    var onFlush: (() throws -> Void)?
    /// Called when journaled frames, from that number on, turn out to hold something else.
    var onForget: ((Int) throws -> Void)?
    /// Called when a volume is whole, with its ordinal.
    var onVolumeFinished: ((Int, FinishedVolume) throws -> Void)?

    init(_ settings: Settings, pool: BufferPool, lanes: VolumeLanes) {
        self.settings = settings
        self.pool = pool
        self.lanes = lanes
        replayed = []
        compressor = FrameCompressor(threads: settings.threads, level: settings.level)
        open = compressor.content()
    }

    /// Goes on after the first `chunkFrames` frames of `journaled`, which hold whole chunks; the others hold the beginning
    /// of a chunk that is given again.
    init(
        _ settings: Settings, pool: BufferPool, lanes: VolumeLanes, journaled: [Frame], chunkFrames: Int,
        finished: [Int: FinishedVolume]
    ) {
        self.settings = settings
        self.pool = pool
        self.lanes = lanes
        replayed = journaled
        compressor = FrameCompressor(threads: settings.threads, level: settings.level)
        open = compressor.content()
        frames = Array(journaled[0..<chunkFrames])
        finishedEarlier = finished
        guard let last = frames.last else { return }
        for ordinal in 0...Int(last.volume) {
            volumes.append(VolumeEntry(number: ordinal + 2, finished: finished[ordinal]))
        }
        nextNumber = volumes.count + 2
        position = last.offset + UInt64(last.storedLength)
        isInVolume = true
        settledFrames = frames.count
    }

    private var finishedEarlier: [Int: FinishedVolume] = [:]
    private var isInVolume = false

    deinit { compressor.discard(open) }

    // MARK: Members

    /// Begins a member; its bytes follow in `append`, exactly `size` of them.
    func begin(_ name: String, size: UInt64) throws {
        precondition(member == nil)
        let length = TarHeader.memberLength(size: size)
        var shared = length < ArchiveWriter.sharedLength
        if shared, try !fits(UInt64(open.count) + length) {
            // Decided again with the frame closed: a resumed run knows only closed frames and must decide the same.
            try closeFrame()
            if try !fits(length) { try finishVolume() }
            shared = try fits(length)
        }
        member = Member(
            name: name, size: size, unwritten: size, partLeft: 0, partSize: 0, partNumber: 0, parts: [],
            isShared: shared)
        if shared {
            try enterVolume()
            startPart(size: size, name: name)
        } else {
            try closeFrame()
            try startNextPart()
        }
    }

    func append(_ bytes: RawSpan) throws {
        var start = 0
        while start < bytes.byteCount {
            guard let current = member, current.unwritten > 0 else { preconditionFailure("more bytes than announced") }
            if current.partLeft == 0 {
                try endPart()
                try finishVolume()
                try startNextPart()
                continue
            }
            if open.count == maximumFrameLength { try closeFrame() }
            let count = min(bytes.byteCount - start, maximumFrameLength - open.count, Int(clamping: current.partLeft))
            open.append(bytes.extracting(start..<start + count))
            member?.partLeft -= UInt64(count)
            member?.unwritten -= UInt64(count)
            start += count
        }
    }

    /// Ends the member; where its bytes lie.
    func end() throws -> [Part] {
        guard let ended = member, ended.unwritten == 0 else { preconditionFailure("fewer bytes than announced") }
        try endPart()
        if !ended.isShared || open.count >= ArchiveWriter.sharedLength { try closeFrame() }
        member = nil
        return ended.parts
    }

    private func startNextPart() throws {
        guard var current = member else { return }
        var size = try partSize(for: current.unwritten)
        if size < min(current.unwritten, ArchiveWriter.leastPart) {
            try finishVolume()
            size = try partSize(for: current.unwritten)
            guard size >= min(current.unwritten, ArchiveWriter.leastPart) else {
                throw PackError.volumeSizeTooSmall(settings.volumeSize, needed: 1 << 20)
            }
        }
        try enterVolume()
        if size < current.unwritten || current.partNumber > 0 { current.partNumber += 1 }
        member = current
        let suffix = current.partNumber == 0 ? "" : ".part" + String(current.partNumber).leftPadded(to: 4)
        startPart(size: size, name: current.name + suffix)
    }

    private func startPart(size: UInt64, name: String) {
        open.append(TarHeader.file(name, size: size))
        member?.partSize = size
        member?.partLeft = size
        guard size > 0 else { return }
        member?.parts.append(Part(frame: UInt32(frames.count), offset: UInt32(open.count), length: size))
    }

    private func endPart() throws {
        guard let current = member else { return }
        let padding = TarHeader.padding(after: current.partSize)
        if open.count + padding > maximumFrameLength { try closeFrame() }
        open.appendZeros(padding)
        if !current.isShared { try closeFrame() }
    }

    // MARK: Room

    private var room: VolumeRoom { VolumeRoom(limit: settings.volumeSize) }

    /// Whether an open frame of `raw` bytes and the trailer fit. What is in flight is waited for only where it matters.
    private func fits(_ raw: UInt64) throws -> Bool {
        if room.fits(frame: raw, at: position + inFlightBound) { return true }
        try settleAll()
        return room.fits(frame: raw, at: position)
    }

    /// How much of `wanted` bytes the current volume takes as one member that begins a frame.
    private func partSize(for wanted: UInt64) throws -> UInt64 {
        if room.fits(member: wanted, at: position + inFlightBound) { return wanted }
        try settleAll()
        return room.fits(member: wanted, at: position) ? wanted : room.largestMember(at: position)
    }

    // MARK: Frames

    private func closeFrame() throws {
        guard open.count > 0 else { return }
        let number = frames.count
        let raw = open.count
        if number < replayed.count {
            let frame = replayed[number]
            if try isOnDisk(frame) {
                frames.append(frame)
                position = frame.offset + UInt64(frame.storedLength)
                settledFrames = frames.count
                open.count = 0
                return
            }
            try forgetFrames(from: number)
        }
        frames.append(
            Frame(
                volume: UInt32(volumes.count - 1), encoding: .zstd, offset: 0, storedLength: 0, rawLength: UInt32(raw)))
        if inFlight.count == compressor.width { try settleOne() }
        inFlight.append(compressor.start(open, number: number))
        inFlightBound += UInt64(RawFrame.size(of: raw))
        open = compressor.content()
    }

    /// Whether the open content is what an interrupted run stored as that frame: it was stored before its chunk's digest
    /// was known, so it is compared, not believed.
    private func isOnDisk(_ frame: Frame) throws -> Bool {
        guard frame.rawLength == UInt32(open.count), Int(frame.volume) == volumes.count - 1 else { return false }
        var expected: [UInt8] = []
        func take(_ bytes: RawSpan) { unsafe bytes.withUnsafeBytes { unsafe expected.append(contentsOf: $0) } }
        try open.withBytes { content in
            if try !FrameEncoder(level: settings.level).compress(content, take) { RawFrame.write(content, take) }
        }
        guard expected.count == Int(frame.storedLength) else { return false }
        return try OpenFile.reading(currentPath).bytes(at: frame.offset, length: expected.count) == expected
    }

    /// Goes on as if the interrupted run had stored nothing from that frame on.
    private func forgetFrames(from number: Int) throws {
        replayed.removeLast(replayed.count - number)
        finishedEarlier = finishedEarlier.filter { $0.key < volumes.count - 1 }
        volumes[volumes.count - 1].finished = nil
        try onForget?(number)
    }

    private func settleOne() throws {
        let job = inFlight.removeFirst()
        let bound = UInt64(RawFrame.size(of: job.content.count))
        let file = try openFile()
        let flushed = file.flushed
        let stored = try compressor.finish(job) { try file.append($0) }
        inFlightBound -= bound
        frames[settledFrames].offset = position
        frames[settledFrames].storedLength = UInt32(stored)
        position += UInt64(stored)
        settledFrames += 1
        if file.flushed > flushed { try onFlush?() }
    }

    private func settleAll() throws {
        while !inFlight.isEmpty { try settleOne() }
    }

    // MARK: Volumes

    private func enterVolume() throws {
        guard !isInVolume else { return }
        guard volumes.count < ArchiveWriter.maximumVolumes else {
            throw PackError.volumeSizeTooSmall(settings.volumeSize, needed: settings.volumeSize * 2)
        }
        volumes.append(VolumeEntry(number: nextNumber, finished: finishedEarlier[volumes.count]))
        nextNumber += 1
        position = 0
        isInVolume = true
    }

    private var currentPath: FilePath {
        settings.folder.appending(ArchiveWriter.name(settings.prefix, volumes[volumes.count - 1].number))
    }

    private func openFile() throws -> VolumeFile {
        if let file { return file }
        let opened = try VolumeFile(at: currentPath, resumingAt: position, pool: pool, lanes: lanes)
        file = opened
        return opened
    }

    static func name(_ prefix: String, _ number: Int) -> String {
        "\(prefix).\(String(number).leftPadded(to: 3)).tar.zst"
    }

    /// Ends the current volume, if there is one; the next member begins another.
    func finishVolume() throws {
        try closeFrame()
        guard isInVolume else { return }
        open.appendZeros(TarHeader.trailerLength)
        try closeFrame()
        try settleAll()
        let ordinal = volumes.count - 1
        if volumes[ordinal].finished == nil {
            let finished = try openFile().finish()
            volumes[ordinal].finished = finished
            try onVolumeFinished?(ordinal, finished)
        }
        file = nil
        isInVolume = false
        position = 0
    }

    /// Makes the next volume the one with number 1.
    func beginFirstVolume() throws {
        try finishVolume()
        let following = nextNumber
        nextNumber = 1
        try enterVolume()
        nextNumber = following
    }

    /// Frames whose bytes have all been handed to the disk lane.
    var flushedFrames: Int {
        var count = settledFrames
        guard let file else { return count }
        while count > 0, Int(frames[count - 1].volume) == volumes.count - 1,
            frames[count - 1].offset + UInt64(frames[count - 1].storedLength) > file.flushed
        { count -= 1 }
        return count
    }
}
