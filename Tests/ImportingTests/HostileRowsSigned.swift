// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Trust

// Cases 1 to 18: signatures, keys, roots and versions.
extension HostileRow {
    static let all: [HostileRow] =
        flips + signatures + keys + thresholds + roots + rotations + versions + links + syntax + files + derSignatures
        + keyKinds + times + others

    private static func flipped(_ bytes: [UInt8], at place: Int) -> [UInt8] {
        var bytes = bytes
        bytes[bytes.count * place / 8 - (place == 8 ? 1 : 0)] ^= 1
        return bytes
    }

    static let flips: [HostileRow] = [0, 2, 4, 6, 8].flatMap { place in
        [
            HostileRow("1: a bit of the pinned root at \(place)/8", 10, "1.root.json") {
                $0.others["1.root.json"] = flipped($0.others["1.root.json"] ?? [], at: place)
            },
            HostileRow("1: a bit of root 2 at \(place)/8", 10, "2.root.json") {
                try $0.addRoot(later: true)
                $0.others["2.root.json"] = flipped($0.others["2.root.json"] ?? [], at: place)
            },
            HostileRow("1: a bit of the timestamp at \(place)/8", 10, "timestamp.json") {
                $0.files[.timestamp] = { flipped($0, at: place) }
            },
            HostileRow("1: a bit of the snapshot at \(place)/8", 10, "6.snapshot.json") {
                $0.files[.snapshot] = { flipped($0, at: place) }
            },
            HostileRow("1: a bit of the targets at \(place)/8", 10, "6.targets.json") {
                $0.files[.targets] = { flipped($0, at: place) }
            },
        ]
    }

    static let signatures: [HostileRow] =
        [Role.timestamp, .snapshot, .targets].flatMap { role in
            [
                HostileRow("2: no signature in \(role.rawValue)", 10, "\(role.rawValue).json is signed by 0 of the") {
                    $0.signers[role] = []
                },
                HostileRow("3: a signature twice in \(role.rawValue)", 10, "two signatures of the key") {
                    $0.signers[role] = [$0.keys.release[0], $0.keys.release[0]]
                },
                HostileRow("4: one key's signatures under two ids in \(role.rawValue)", 10, "signed by 1 of the 2") {
                    $0.signers[role] = [$0.keys.release[0], $0.keys.release[0]]
                    $0.ids[role] = [
                        TrustKey($0.keys.release[0].publicKey).id.hex, TrustKey($0.keys.release[1].publicKey).id.hex,
                    ]
                },
                HostileRow("8: \(role.rawValue) signed by root keys", 10, "signed by 0 of the 2") {
                    $0.signers[role] = [$0.keys.root, $0.keys.laterRoot]
                },
                HostileRow("8: \(role.rawValue) signed by a stranger beside one key", 10, "signed by 1 of the 2") {
                    $0.signers[role] = [$0.keys.release[0], $0.keys.thief]
                },
            ]
        } + [
            HostileRow("2: no signature in root 2", 10, "2.root.json is signed by 0 of the") { try $0.addRoot(by: []) },
            HostileRow("8: root 2 signed by release keys", 10, "signed by 0 of the 1 root keys") {
                try $0.addRoot(by: $0.keys.release)
            },
        ]

    static let keys: [HostileRow] = [
        HostileRow("4: one key under two ids in root 2", 10, "under the id of its key") { medium in
            let object = rootKeyObject(medium.keys)
            try medium.addRoot {
                try $0.replacing(#""keys":{"#, with: #""keys":{"\#(String(repeating: "0", count: 64))":\#(object),"#)
            }
        },
        HostileRow("5: a key under another id in root 2", 10, "under the id of its key") { medium in
            let id = TrustKey(medium.keys.root.publicKey).id.hex
            let other = String(id.prefix(63)) + (id.hasSuffix("0") ? "1" : "0")
            try medium.addRoot { try $0.replacing(id, with: other).replacing(id, with: other) }
        },
    ]

    private static func rootKeyObject(_ keys: HostileKeys) -> String {
        let text = String(decoding: Forged.body(keys.pinned), as: UTF8.self)
        let start = text.firstRange(of: "\"\(TrustKey(keys.root.publicKey).id.hex)\":{")
        let rest = text[(start?.upperBound ?? text.startIndex)...]
        let end = rest.firstRange(of: "nistp256\"}")
        return "{" + rest[..<(end?.upperBound ?? rest.endIndex)]
    }

    static let thresholds: [HostileRow] = [
        ("6", "0", "threshold"), ("6", "-1", "threshold"), ("6", "true", "threshold"), ("6", "\"1\"", "threshold"),
        ("6", "9223372036854775808", "2.root.json"), ("6", "1.0", "2.root.json"), ("7", "4", "threshold"),
    ].map { number, threshold, words in
        HostileRow("\(number): threshold \(threshold)", 10, words) { medium in
            try medium.addRoot { try $0.replacing(#""threshold":2"#, with: #""threshold":\#(threshold)"#) }
        }
    }

    static let roots: [HostileRow] = [
        HostileRow("9: the snapshot's content as targets", 10, "targets.json is signed but can't be used") {
            $0.say(.targets, #""_type":"targets""#, #""_type":"snapshot""#)
        },
        HostileRow("9: a timestamp as snapshot", 10, "snapshot.json is signed but can't be used") {
            $0.say(.snapshot, #""_type":"snapshot""#, #""_type":"timestamp""#)
        },
        HostileRow("10: root 3 without root 2", 10, "timestamp.json is signed by 0 of the 2") {
            try $0.addRoot(3, later: true)
            $0.releaseSigners = $0.keys.laterRelease
        },
        HostileRow("11: root 2 signed by the old keys alone", 10, "2.root.json is signed by 0 of the 1 root keys") {
            try $0.addRoot(later: true, by: [$0.keys.root])
        },
        HostileRow("11: root 2 signed by the new keys alone", 10, "2.root.json is signed by 0 of the 1 root keys") {
            try $0.addRoot(later: true, by: [$0.keys.laterRoot])
        },
        HostileRow("12: 2.root.json holds version 3", 10, "holds version 3 where 2 must follow") {
            try $0.addRoot(3, named: "2.root.json")
        },
        HostileRow("13: 300 rotations", 10, "more than 256 roots") { medium in
            for version in 2...301 { try medium.addRoot(Int64(version)) }
        },
    ]

    static let rotations: [HostileRow] = [
        HostileRow(
            "14: a bad root 2, a good root 3; the genuine ones are taken after", 10, "2.root.json is signed by 0",
            after: { try $0.rotate() }
        ) {
            try $0.addRoot(2, by: [$0.keys.thief])
            try $0.addRoot(3)
        },
        HostileRow("14: a good root 2, a bad root 3", 10, "3.root.json is signed by 0", after: { try $0.rotate() }) {
            try $0.addRoot()
            try $0.addRoot(3, by: [$0.keys.thief])
        },
        HostileRow(
            "16: a count that a thief has raised to the end, until the keys are replaced", 12,
            "not in the list of releases",
            before: {
                $0.versions = .init(JSONValue.largestInteger)
                $0.isListed = false
            }, after: { try $0.rotate() }
        ) { _ in },
        HostileRow("16: version 2^63 - 1", 10, "timestamp.json") {
            $0.say(.timestamp, #""version":6}"#, #""version":9223372036854775807}"#)
        },
    ]

    static let versions: [HostileRow] = [
        HostileRow("15: timestamp rolled back", 12, "timestamp.json has version 3") {
            $0.versions = .init(timestamp: 3, snapshot: 6, targets: 6)
        },
        HostileRow("15: snapshot rolled back", 12, "3.snapshot.json has version 3") {
            $0.versions = .init(timestamp: 6, snapshot: 3, targets: 6)
        },
        HostileRow("15: targets rolled back", 12, "3.targets.json has version 3") {
            $0.versions = .init(timestamp: 6, snapshot: 6, targets: 3)
        },
        HostileRow("15: the accepted version with other content", 12, "other content than the version 5") {
            $0.versions = .init(5)
            $0.isListed = false
        },
    ]

    static let links: [HostileRow] = [
        HostileRow("17: targets removed from the snapshot", 10, "snapshot.json is signed but can't be used") {
            $0.bodies[.snapshot] = { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                return Array(text.replacing(/"meta":\{.*?\}\}?,"spec/, with: #""meta":{},"spec"#).utf8)
            }
        },
        HostileRow("18: the snapshot's length wrong, its digest right", 13, "bytes instead of the signed") {
            $0.bodies[.timestamp] = { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                return Array(text.replacing(/"length":[0-9]+/, with: #""length":7"#).utf8)
            }
        },
        HostileRow("18: the targets' digest wrong, its length right", 13, "doesn't have its signed digest") {
            $0.bodies[.snapshot] = { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                let zeros = String(repeating: "0", count: 64)
                return Array(text.replacing(/"sha256":"[0-9a-f]+"/, with: "\"sha256\":\"\(zeros)\"").utf8)
            }
        },
    ]
}
