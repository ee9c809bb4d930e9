// SPDX-License-Identifier: Apache-2.0

internal import OCI

/// The rules of docs/format.md, "Index", over a file whose tables are known to lie inside it. Sums are overflow-checked:
/// the numbers come from a signed file, yet a publisher's mistake must not become a read out of bounds here.
enum IndexChecks {
    static func volumes(_ bytes: [UInt8], _ layout: IndexLayout) throws(IndexError) -> [Volume] {
        var volumes: [Volume] = []
        var seen: Set<String> = []
        var nameStart = layout.names.lowerBound
        var blocks: UInt64 = 0
        for index in 0..<layout.volumes.count {
            let offset = layout.volumes.offset(of: index)
            let length = bytes.integer(at: offset, as: UInt64.self)
            let nameEnd = nameStart + Int(bytes.integer(at: offset + 40, as: UInt32.self))
            guard nameEnd <= layout.names.upperBound, let kind = Volume.Kind(rawValue: bytes[offset + 44]),
                bytes[offset + 45..<offset + 48].allSatisfy({ $0 == 0 }), length < 1 << 56
            else { throw .invalid("a volume's record", at: index) }
            let name = String(decoding: bytes[nameStart..<nameEnd], as: UTF8.self)
            // FAT and exFAT take names that differ in capitals alone for one.
            guard isVolumeName(name), seen.insert(name.lowercased()).inserted else {
                throw .invalid("a volume's name", at: index)
            }
            volumes.append(Volume(name: name, kind: kind, length: length, digest: bytes.digest(at: offset + 8)))
            blocks += UInt64(Volume.blockCount(of: length))
            nameStart = nameEnd
        }
        guard nameStart == layout.names.upperBound else { throw .malformed("names that no volume has") }
        guard blocks == UInt64(layout.blocks.count) else { throw .malformed("not one digest for each block") }
        return volumes
    }

    /// Whether `name` can stand below `volumes/`: printable ASCII that every medium's file system takes.
    static func isVolumeName(_ name: String) -> Bool {
        (1...200).contains(name.utf8.count) && name.utf8.allSatisfy { (32..<127).contains($0) }
            && !name.contains { #"\/:*?"<>|"#.contains($0) } && !name.hasPrefix(".") && !name.hasPrefix(" ")
            && !name.hasSuffix(".") && !name.hasSuffix(" ")
    }

    /// The frames of each volume, which must tile it.
    static func frames(
        _ bytes: [UInt8], _ layout: IndexLayout, _ volumes: [Volume]
    ) throws(IndexError) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        var index = 0
        for (number, volume) in volumes.enumerated() {
            let first = index
            var position: UInt64 = 0
            while index < layout.frames.count, case let offset = layout.frames.offset(of: index),
                case let frame = bytes.frame(at: offset), Int(frame.volume) == number
            {
                let encoding = bytes.integer(at: offset + 4, as: UInt32.self)
                guard frame.offset == position, encoding == UInt32(volume.kind.rawValue),
                    volume.kind == .plain
                        ? index == first && frame.storedLength == 0 && frame.rawLength == 0
                        : frame.storedLength > 0 && frame.rawLength > 0 && frame.rawLength <= maximumFrameLength
                            && frame.storedLength <= 2 * maximumFrameLength
                else { throw .invalid("a frame's place or length", at: index) }
                position += volume.kind == .plain ? volume.length : UInt64(frame.storedLength)
                index += 1
            }
            guard position == volume.length, volume.kind == .archive || index == first + 1 else {
                throw .invalid("the frames of a volume do not cover it", at: number)
            }
            ranges.append(first..<index)
        }
        guard index == layout.frames.count else { throw .invalid("a frame of no volume", at: index) }
        return ranges
    }

    static func chunks(
        _ bytes: [UInt8], _ layout: IndexLayout, _ volumes: [Volume], _ ranges: [Range<Int>]
    ) throws(IndexError) {
        let rawEnds = decodedEnds(bytes, layout, volumes, ranges)
        var nextPart: UInt64 = 0
        var nextExternal = 0
        for index in 0..<layout.chunks.count {
            let chunk = bytes.chunk(at: layout.chunks.offset(of: index))
            guard UInt64(chunk.firstPart) == nextPart, nextPart + UInt64(chunk.partCount) <= layout.parts.count
            else { throw .invalid("a chunk's parts", at: index) }
            nextPart += UInt64(chunk.partCount)
            var length: UInt64 = 0
            for number in Int(chunk.firstPart)..<Int(nextPart) {
                let part = bytes.part(at: layout.parts.offset(of: number))
                guard let ends = part.frame < layout.frames.count ? rawEnds[Int(part.frame)] : nil,
                    part.length > 0, UInt64(part.offset) < ends.own,
                    part.length <= ends.toVolumeEnd - UInt64(part.offset)
                else { throw .invalid("a part outside its volume", at: number) }
                let (sum, overflow) = length.addingReportingOverflow(part.length)
                guard !overflow else { throw .invalid("a chunk's length", at: index) }
                length = sum
            }
            if try externals(bytes, layout, of: index, chunk, from: &nextExternal) { length = chunk.length }
            guard length == chunk.length else { throw .invalid("a chunk's length", at: index) }
        }
        guard nextPart == layout.parts.count else { throw .malformed("parts of no chunk") }
        guard nextExternal == layout.externals.count else { throw .invalid("an external's chunk", at: nextExternal) }
    }

    /// Whether chunk `number` has externals, which begin at `next` and are passed over; they must be in place of parts.
    private static func externals(
        _ bytes: [UInt8], _ layout: IndexLayout, of number: Int, _ chunk: Chunk, from next: inout Int
    ) throws(IndexError) -> Bool {
        let first = next
        while next < layout.externals.count,
            case let external = bytes.external(at: layout.externals.offset(of: next)), Int(external.chunk) == number
        {
            guard chunk.partCount == 0, chunk.length > 0, external.offset < 1 << 56, chunk.length < 1 << 56 else {
                throw .invalid("an external's chunk or offset", at: next)
            }
            next += 1
        }
        return next > first
    }

    /// For each frame: its own decoded length, and the decoded bytes from its start to its volume's end.
    private static func decodedEnds(
        _ bytes: [UInt8], _ layout: IndexLayout, _ volumes: [Volume], _ ranges: [Range<Int>]
    ) -> [(own: UInt64, toVolumeEnd: UInt64)] {
        var ends = [(own: UInt64, toVolumeEnd: UInt64)](repeating: (0, 0), count: layout.frames.count)
        for (number, range) in ranges.enumerated() {
            var rest: UInt64 = 0
            for index in range.reversed() {
                let frame = bytes.frame(at: layout.frames.offset(of: index))
                let own = frame.encoding == .raw ? volumes[number].length : UInt64(frame.rawLength)
                rest += own
                ends[index] = (own, rest)
            }
        }
        return ends
    }

    static func objects(_ bytes: [UInt8], _ layout: IndexLayout) throws(IndexError) {
        var nextSegment: UInt64 = 0
        var previous: Digest?
        for index in 0..<layout.objects.count {
            let object = bytes.object(at: layout.objects.offset(of: index))
            guard previous.map({ $0 < object.digest }) ?? true else { throw .invalid("the objects' order", at: index) }
            previous = object.digest
            guard UInt64(object.firstSegment) == nextSegment,
                nextSegment + UInt64(object.segmentCount) <= layout.segments.count
            else { throw .invalid("an object's segments", at: index) }
            nextSegment += UInt64(object.segmentCount)
            var size: UInt64 = 0
            for number in Int(object.firstSegment)..<Int(nextSegment) {
                let segment = bytes.segment(at: layout.segments.offset(of: number))
                guard segment.chunk < layout.chunks.count,
                    case let length = bytes.integer(
                        at: layout.chunks.offset(of: Int(segment.chunk)) + 32, as: UInt64.self),
                    segment.length > 0, segment.offset <= length, segment.length <= length - segment.offset
                else { throw .invalid("a segment outside its chunk", at: number) }
                let (sum, overflow) = size.addingReportingOverflow(segment.length)
                guard !overflow else { throw .invalid("an object's size", at: index) }
                size = sum
            }
            guard size == object.size else { throw .invalid("an object's size", at: index) }
        }
        guard nextSegment == layout.segments.count else { throw .malformed("segments of no object") }
    }
}
