// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage

/// One parity file in the making, under its staged name. The digests of what is durable stand in the place that the header
/// will have: what an interrupted run has left is taken as far as it has those digests.
final class ParityOutput: Sendable {
    let group: ParityGroup
    let lane: Int
    private let layout: ParityLayout
    private let binding: ParityBinding
    private let destination: FilePath
    private let staged: FilePath
    private let file: OpenFile
    private let direct: DirectFile
    private let headerLength: Int

    /// Opens or makes the staged file of a lane. Throws `ParityError.alreadyRunning` while another process has it.
    init(
        _ destination: FilePath, _ layout: ParityLayout, _ binding: ParityBinding, group: ParityGroup, lane: Int
    ) throws {
        (self.layout, self.binding, self.group, self.lane) = (layout, binding, group, lane)
        self.destination = destination
        staged = ParityOutput.staged(destination)
        headerLength = ParityHeader.length(of: group)
        let opening = ParityHeader.opening(layout, binding, group: group, lane: lane)
        let file = try OpenFile.writing(staged)
        guard try file.lock() else { throw ParityError.alreadyRunning(staged) }
        let size = try file.status().size
        if try size < UInt64(headerLength) || file.bytes(at: 0, length: opening.count) != opening {
            try file.truncate(to: 0)
            try file.truncate(to: UInt64(headerLength))
            try file.write(opening, at: 0)
        }
        try staged.removingLastComponent().syncDirectory()
        self.file = file
        direct = DirectFile(staged)
    }

    static func staged(_ destination: FilePath) -> FilePath {
        destination.removingLastComponent().appending(".\(destination.lastComponent?.string ?? "parity").partial")
    }

    /// What an earlier run has finished: the digests of the stripes whose block is there, `nil` for the rest.
    func finishedDigests(_ progress: Progress) throws -> [Digest?] {
        let table = try file.bytes(
            at: UInt64(ParityHeader.digestOffset(0, in: group)), length: group.stripes * Digest.byteCount)
        let buffer = Buffer(capacity: blockSize)
        return try (0..<group.stripes).map { stripe -> Digest? in
            let start = stripe * Digest.byteCount
            guard let digest = Digest(bytes: table[start..<start + Digest.byteCount]), digest != ParityOutput.zero
            else {
                return nil
            }
            try Interruption.check()
            try file.read(into: buffer, at: offset(of: stripe), length: blockSize)
            let found = buffer.withBytes { Digest(of: $0) }
            return buffer.count == blockSize && found == digest ? digest : nil
        }
    }

    private static let zero = Digest(hashed: [UInt8](repeating: 0, count: Digest.byteCount))

    private func offset(of stripe: Int) -> UInt64 { UInt64(headerLength) + UInt64(stripe) * UInt64(blockSize) }

    /// Writes the blocks of successive stripes, the first bytes of `buffer`.
    func write(_ buffer: Buffer, stripes: Range<Int>) throws(FileError) {
        let length = stripes.count * blockSize
        let failure: FileError? = buffer.withBytes(0..<length) { bytes in
            do throws(FileError) {
                do throws(FileError) {
                    if try direct.write(bytes, at: offset(of: stripes.lowerBound)) { return nil }
                } catch {
                    // A file system may open with O_DIRECT and refuse the write; the buffered way then decides.
                    guard error.errno == .invalidArgument else { throw error }
                }
                try file.write(bytes, at: offset(of: stripes.lowerBound))
                file.startWriteback(from: offset(of: stripes.lowerBound), length: UInt64(length))
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    func sync() throws(FileError) { try file.syncData() }

    /// Records the digest of a block that is durable.
    func record(_ digest: Digest, of stripe: Int) throws(FileError) {
        try file.write(digest.bytes, at: UInt64(ParityHeader.digestOffset(stripe, in: group)))
    }

    /// Writes both headers and gives the file its name; the caller syncs the folder.
    func commit(_ digests: [Digest]) throws {
        let header = ParityHeader.encoded(layout, binding, group: group, lane: lane, digests: digests)
        try file.write(header, at: 0)
        try file.write(header, at: offset(of: group.stripes))
        try file.truncate(to: ParityHeader.fileLength(of: group))
        try file.syncData()
        try staged.rename(to: destination)
    }
}
