// SPDX-License-Identifier: Apache-2.0

/// The Rock Ridge fields that matter here (IEEE P1282; the fields' frame is IEEE P1281, "SUSP").
struct RockRidge {
    struct Fields {
        var name: String?
        /// Whether the record stands in for a folder that lies elsewhere (CL): no file.
        var isRelocated = false
    }

    /// Bytes of each system use field that belong to others.
    private let skipped: Int
    private let blockSize: UInt64

    /// Looks at the root folder's own record; `nil` when it has no SP field: then the image has no such fields.
    init?(root: ISORecord?, blockSize: UInt64) throws {
        guard let field = root?.systemUse, field.count >= 7, field[0...1].elementsEqual("SP".utf8),
            field[2] >= 7, field[4] == 0xbe, field[5] == 0xef
        else { return nil }
        skipped = Int(field[6])
        self.blockSize = blockSize
    }

    /// The fields of a record and of its continuation areas.
    func fields(of record: ISORecord, _ image: ISOBytes) throws -> Fields {
        var fields = Fields()
        var name: [UInt8] = []
        var area = Array(record.systemUse.dropFirst(skipped))
        for _ in 0...ISOLimits.continuations {
            guard let next = RockRidge.read(area, into: &fields, &name) else { break }
            area = try image.bytes(
                at: UInt64(next.block) * blockSize + UInt64(next.offset), length: UInt64(min(next.length, 2048)),
                what: "a Rock Ridge continuation")
        }
        // It ends up in messages on a terminal: control characters would act there.
        let printable = name.map { $0 < 32 || $0 == 127 ? 0x3f : $0 }
        if !name.isEmpty { fields.name = String(decoding: printable, as: UTF8.self) }
        return fields
    }

    private typealias Continuation = (block: UInt32, offset: UInt32, length: UInt32)

    /// Reads one area's fields; returns where they go on, if they do.
    private static func read(_ area: [UInt8], into fields: inout Fields, _ name: inout [UInt8]) -> Continuation? {
        var at = 0
        var next: Continuation?
        while at + 4 <= area.count {
            let length = Int(area[at + 2])
            guard length >= 4, at + length <= area.count else { break }
            switch String(decoding: area[at..<at + 2], as: UTF8.self) {
            case "NM" where length > 5 && area[at + 4] & 6 == 0: name += area[at + 5..<at + length]
            case "CL": fields.isRelocated = true
            case "CE" where length >= 28:
                next = (ISORecord.word(area, at + 4), ISORecord.word(area, at + 12), ISORecord.word(area, at + 20))
            case "ST": return next
            default: break
            }
            at += length
        }
        return next
    }
}
