// SPDX-License-Identifier: Apache-2.0

/// SplitMix64: the same choices for the same seed, everywhere.
struct SeededChoice: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }

    mutating func below(_ limit: Int) -> Int { limit < 1 ? 0 : Int(next() % UInt64(limit)) }

    /// True once in so many times.
    mutating func once(in count: Int) -> Bool { below(count) == 0 }

    mutating func one<Element>(of elements: [Element]) -> Element { elements[below(elements.count)] }
}

/// Damage to bytes, as media and thieves do it who can't sign.
enum ByteDamage: CaseIterable {
    case flippedBit, otherByte, cutOff, lengthened, sliceRemoved, sliceRepeated, space, secondDocument

    func applied(to bytes: [UInt8], _ choice: inout SeededChoice) -> [UInt8] {
        guard !bytes.isEmpty else { return [0] }
        var bytes = bytes
        let place = choice.below(bytes.count)
        let end = min(bytes.count, place + 1 + choice.below(40))
        switch self {
        case .flippedBit: bytes[place] ^= 1 << UInt8(choice.below(8))
        case .otherByte: bytes[place] = UInt8(choice.below(256))
        case .cutOff: bytes.removeSubrange(place...)
        case .lengthened: bytes.append(choice.one(of: [0, 10, 32, 125, 255]))
        case .sliceRemoved: bytes.removeSubrange(place..<end)
        case .sliceRepeated: bytes.insert(contentsOf: bytes[place..<end], at: place)
        case .space: bytes.insert(choice.one(of: [9, 10, 13, 32]), at: place)
        case .secondDocument: bytes += bytes
        }
        return bytes
    }
}

/// A change to one value or member of a document, as those make it who can sign.
enum ContentChange: CaseIterable {
    case value, text, number, doubledMember, removedMember, addedMember, renamedMember, swappedTexts

    private static let numbers = [
        "0", "1", "2", "3", "-1", "-0", "01", "1.0", "1e0", "1E2", "true", "false", "null", "\"1\"", "[]", "{}",
        "9007199254740991", "9007199254740992", "9223372036854775807", "99999999999999999999", "NaN", "",
    ]
    private static let texts = [
        "", "x", "root", "targets", "snapshot", "1.0.0", "1.0", "1.x.0", "1..0", "2.0.0", "1.0.31.1", "\\u0061",
        "\\u00e9", "\u{e9}", "e\u{301}", "\\ud800", "\\n", "\\\\", "\\u0000", "\\/", "../up", "a/./b", "/a", "a//b",
        "2031-05-01T00:00:00Z", "1999-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2031-02-29T00:00:00Z",
        "2031-05-01T24:00:00Z", "2031-05-01T00:00:60Z", "2031-05-01T00:00:00.5Z", "2031-05-01T00:00:00+00:00",
        "0000-01-01T00:00:00Z",
        "ed25519", "ecdsa", "rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "rsassa-pss-sha256", "ml-dsa",
        "00", "zz", String(repeating: "0", count: 64), String(repeating: "A", count: 64),
        String(repeating: "0", count: 128),
    ]
    private static let members = [
        "\"zz-added\":1", "\"zz-added\":{\"a\":[true,null]}", "\"custom\":{}", "\"delegations\":{}",
        "\"delegations\":null",
        "\"version\":2", "\"threshold\":1", "\"hashes\":{}", "\"length\":0", "\"zz\\u00e9\":1",
        "\"zz\u{e9}\":\"\u{e9}\"",
        "\"keyids\":[]", "\"zz\":1.5", "\"zz\":1e400", "\"zz\":\"\\ud800\"", "\"sha3\":\"00\"",
    ]

    func applied(to body: [UInt8], _ choice: inout SeededChoice) -> [UInt8] {
        let tokens = Tokens(body)
        switch self {
        case .value:
            let new = choice.one(of: ContentChange.numbers)
            return replaced(body, choice.once(in: 2) ? tokens.texts : tokens.others, by: new, &choice)
        case .number: return replaced(body, tokens.others, by: choice.one(of: ContentChange.numbers), &choice)
        case .text: return replaced(body, tokens.texts, by: "\"\(choice.one(of: ContentChange.texts))\"", &choice)
        case .renamedMember:
            return replaced(body, tokens.names, by: "\"\(choice.one(of: ContentChange.texts))\"", &choice)
        case .swappedTexts:
            guard tokens.texts.count > 1 else { return body }
            let new = String(decoding: body[choice.one(of: tokens.texts)], as: UTF8.self)
            return replaced(body, tokens.texts, by: new, &choice)
        case .addedMember:
            guard !tokens.ends.isEmpty else { return body }
            let end = choice.one(of: tokens.ends)
            let comma = end > 0 && body[end - 1] == UInt8(ascii: "{") ? "" : ","
            return body[..<end] + Array("\(comma)\(choice.one(of: ContentChange.members))".utf8) + body[end...]
        case .doubledMember, .removedMember:
            guard !tokens.members.isEmpty else { return body }
            let member = choice.one(of: tokens.members)
            var body = body
            if self == .removedMember {
                body.removeSubrange(member)
            } else {
                body.insert(contentsOf: body[member], at: member.upperBound)
            }
            return body
        }
    }

    private func replaced(
        _ body: [UInt8], _ ranges: [Range<Int>], by new: String, _ choice: inout SeededChoice
    ) -> [UInt8] {
        guard !ranges.isEmpty else { return body }
        let range = choice.one(of: ranges)
        return body[..<range.lowerBound] + Array(new.utf8) + body[range.upperBound...]
    }
}

/// Where the values and names of a document without white space are.
private struct Tokens {
    var texts: [Range<Int>] = []
    var names: [Range<Int>] = []
    /// Numbers, `true`, `false` and `null`.
    var others: [Range<Int>] = []
    /// The closing braces.
    var ends: [Int] = []
    /// Members with a plain value, with the comma behind or, for the last one, before them.
    var members: [Range<Int>] = []

    init(_ body: [UInt8]) {
        var place = 0
        while place < body.count {
            let start = place
            switch body[place] {
            case UInt8(ascii: "\""):
                place += 1
                while place < body.count, body[place] != UInt8(ascii: "\"") {
                    place += body[place] == UInt8(ascii: "\\") ? 2 : 1
                }
                place = min(place + 1, body.count)
                let isName = place < body.count && body[place] == UInt8(ascii: ":")
                if isName { names.append(start..<place) } else { add(body, start..<place, isText: true) }
            case UInt8(ascii: "-"), 0x30...0x39, UInt8(ascii: "a")...UInt8(ascii: "z"):
                while place < body.count, body[place] != UInt8(ascii: ","), body[place] != UInt8(ascii: "}"),
                    body[place] != UInt8(ascii: "]")
                { place += 1 }
                add(body, start..<place, isText: false)
            case UInt8(ascii: "}"):
                ends.append(place)
                place += 1
            default: place += 1
            }
        }
    }

    private mutating func add(_ body: [UInt8], _ range: Range<Int>, isText: Bool) {
        if isText { texts.append(range) } else { others.append(range) }
        guard range.lowerBound > 0, body[range.lowerBound - 1] == UInt8(ascii: ":"), let name = names.last else {
            return
        }
        if range.upperBound < body.count, body[range.upperBound] == UInt8(ascii: ",") {
            members.append(name.lowerBound..<(range.upperBound + 1))
        } else if name.lowerBound > 0, body[name.lowerBound - 1] == UInt8(ascii: ",") {
            members.append((name.lowerBound - 1)..<range.upperBound)
        }
    }
}
