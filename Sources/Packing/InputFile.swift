// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import SystemPackage

/// An input file, or the parts of one read as the file that they were cut from. Closed when it goes.
final class InputFile: Sendable {
    private final class Part: Sendable {
        let file: OpenFile
        let range: Range<UInt64>

        init(_ file: consuming OpenFile, _ range: Range<UInt64>) {
            self.file = file
            self.range = range
        }
    }

    private let parts: [Part]
    /// Bytes in all.
    let size: UInt64
    /// For messages: the file, or the whole that the parts make.
    let path: FilePath

    /// Opens `path`, or its `parts` in their order where there are any. Throws `FileError`.
    init(_ path: FilePath, parts: [FilePath] = []) throws(FileError) {
        self.path = path
        var opened: [Part] = []
        var end: UInt64 = 0
        for path in parts.isEmpty ? [path] : parts {
            let file = try OpenFile.reading(path)
            let size = try file.status().size
            opened.append(Part(file, end..<end + size))
            end += size
        }
        (self.parts, size) = (opened, end)
    }

    /// Takes over an open file. Throws `FileError`.
    init(_ file: consuming OpenFile) throws(FileError) {
        path = file.path
        size = try file.status().size
        parts = [Part(file, 0..<size)]
    }

    /// Size and time of each part, for noticing that one changed.
    var fingerprint: String {
        get throws(FileError) {
            var texts: [String] = []
            for part in parts {
                let status = try part.file.status()
                texts.append("\(status.size) \(status.modified)")
            }
            return texts.joined(separator: " ")
        }
    }

    /// As `OpenFile.read(into:from:at:length:)`.
    func read(into buffer: Buffer, from start: Int = 0, at offset: UInt64, length: Int) throws(FileError) {
        buffer.count = start
        for part in parts where part.range.overlaps(offset..<offset + UInt64(length)) {
            let at = offset + UInt64(buffer.count - start)
            let count = Int(min(part.range.upperBound - at, UInt64(length - (buffer.count - start))))
            let before = buffer.count
            try part.file.read(into: buffer, from: before, at: at - part.range.lowerBound, length: count)
            guard buffer.count == before + count else { return }  // the part has become shorter; the caller sees it
        }
    }

    /// As `OpenFile.bytes(at:length:)`.
    func bytes(at offset: UInt64, length: Int) throws(FileError) -> [UInt8] {
        var bytes: [UInt8] = []
        for part in parts where part.range.overlaps(offset..<offset + UInt64(length)) {
            let at = offset + UInt64(bytes.count)
            let count = Int(min(part.range.upperBound - at, UInt64(length - bytes.count)))
            bytes += try part.file.bytes(at: at - part.range.lowerBound, length: count)
        }
        guard bytes.count == length else { throw FileError("read past the end of", path, .ioError) }
        return bytes
    }
}
