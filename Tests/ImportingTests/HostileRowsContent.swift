// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import Support
import SystemPackage
import Trust

// Cases 19 to 32: bytes, files, key kinds, times and other releases.
extension HostileRow {
    /// A change to what each of two roles signs.
    private static func said(_ name: String, _ old: String, _ new: String) -> [HostileRow] {
        [Role.timestamp, .targets].map { role in
            HostileRow("\(name), in \(role.rawValue)", 10, "\(role.rawValue).json") { $0.say(role, old, new) }
        }
    }

    private static func written(_ name: String, _ change: @escaping HostileMedium.Change) -> [HostileRow] {
        [Role.timestamp, .targets].map { role in
            HostileRow("\(name), in \(role.rawValue)", 10, "\(role.rawValue).json") { $0.files[role] = change }
        }
    }

    static let syntax: [HostileRow] =
        said("19: version twice, the first is right", #""version":6"#, #""version":6,"version":5"#)
        + said("19: version twice, the last is right", #""version":6"#, #""version":5,"version":6"#)
        + said("20: a space", #""version":6"#, #""version": 6"#)
        + said("20: a line end", #""version":6"#, "\"version\":6\r\n")
        + written("20: a byte order mark", { [0xef, 0xbb, 0xbf] + $0 })
        + written("20: a line feed after all", { $0 + [10] })
        + written("20: a second document", { $0 + Array("{}".utf8) })
        + said("21: an escape", #""_type":"t"#, #""_type":"\u0074"#)
        + said("21: a lone surrogate", #""version":6"#, #""version":6,"x\ud800":1"#)
        + said("21: an escaped NUL", #""version":6"#, #""version":6,"x\u0000":1"#)
        + said("21: a NUL", #""version":6"#, "\"version\":6,\"x\u{0}\":1")
        + [
            HostileRow("21: a slash in overlong UTF-8 in a name", 10, "targets.json") {
                $0.bodies[.targets] = { bytes in
                    let range = bytes.firstRange(of: Array("release.json".utf8)) ?? 0..<0
                    return bytes[..<range.lowerBound] + [0xc0, 0xaf] + bytes[range.upperBound...]
                }
            }
        ]
        + ["6.0", "6e0", "-0", "06", "-6", "18446744073709551616", "9007199254740992"].flatMap {
            said("22: version \($0)", #""version":6"#, #""version":\#($0)"#)
        }
        + [
            HostileRow("23: 100,000 levels, signed", 10, "targets.json") {
                let (open, close) = (String(repeating: "[", count: 100_000), String(repeating: "]", count: 100_000))
                $0.say(.targets, #""version":6"#, "\"version\":6,\"zz\":\(open)\(close)")
            },
            HostileRow("23: 100,000 levels in root 2", 10, "2.root.json") { medium in
                let (open, close) = (String(repeating: "[", count: 100_000), String(repeating: "]", count: 100_000))
                try medium.addRoot { try $0.replacing(#""version":2"#, with: "\"version\":2,\"zz\":\(open)\(close)") }
            },
        ]

    /// Replaces a file of `trust/` in both places.
    private static func placed(_ name: String, _ file: String, _ command: String, _ words: String) -> HostileRow {
        HostileRow("24: \(name) for \(file)", 10, words) {
            $0.script = "cd '$dir'; for f in trust/\(file) copies/trust/\(file); do rm $f; \(command); done"
        }
    }

    private static let canMakeDevices =
        (try? run(["sh", "-c", "f=$(mktemp -u); mknod $f c 1 5 && head -c 1 $f > $f.x; s=$?; rm -f $f $f.x; exit $s"]))?
        .status == 0

    static let files: [HostileRow] =
        ["1.root.json", "timestamp.json", "6.snapshot.json", "6.targets.json"].flatMap { file in
            [
                placed("5 GB of nothing", file, "truncate -s 5G $f", file),
                placed("a pipe", file, "mkfifo $f", file),
                placed("a link to /dev/zero", file, "ln -s /dev/zero $f", file),
                placed("a folder", file, "mkdir $f", file),
                HostileRow("32: no \(file)", 10, "\(file) is missing") {
                    $0.script = "cd '$dir'; rm trust/\(file) copies/trust/\(file)"
                },
            ] + (canMakeDevices ? [placed("a device", file, "mknod $f c 1 5", file)] : [])
        } + [
            HostileRow("32: no trust folder", 10, "is missing, so nothing vouches") {
                $0.script = "cd '$dir'; rm -r trust copies/trust"
            },
            HostileRow("32: no signature of the sums", 10, "SHA256SUMS.sig is missing") {
                $0.script = "cd '$dir'; rm SHA256SUMS.sig copies/SHA256SUMS.sig"
            },
        ]

    /// The order of P-384 (SP 800-186 section 3.2.1.4).
    private static let order: [UInt8] =
        [UInt8](repeating: 0xff, count: 24) + [
            0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2,
            0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
        ]

    private static let derChanges: [(name: String, change: @Sendable (Substring) -> String)] = [
        ("a trailing byte", { (hex: Substring) -> String in hex + "00" }),
        ("negative r", { (_: Substring) -> String in "30060201ff020101" }),
        ("r = 0", { (_: Substring) -> String in "3006020100020101" }),
        ("s = 0", { (_: Substring) -> String in "3006020101020100" }),
        ("s = n", { (_: Substring) -> String in "303602010102310" + "0" + Forged.hex(order) }),
        ("a long form of its length", { (hex: Substring) -> String in "3081" + hex.dropFirst(2) }),
    ]

    static let derSignatures: [HostileRow] = derChanges.map { name, change in
        HostileRow("25: \(name)", 10, "timestamp.json is signed by 1 of the 2") {
            $0.files[.timestamp] = { bytes in
                let text = String(decoding: bytes, as: UTF8.self)
                let start = text.firstRange(of: #""sig":""#)?.upperBound ?? text.startIndex
                let end = text[start...].firstIndex(of: "\"") ?? start
                return Array((String(text[..<start]) + change(text[start..<end]) + String(text[end...])).utf8)
            }
        }
    }

    static let keyKinds: [HostileRow] = [
        (
            "explicit parameters", "EC -pkeyopt ec_paramgen_curve:P-384 -pkeyopt ec_param_enc:explicit",
            "curve as numbers"
        ),
        ("P-224", "EC -pkeyopt ec_paramgen_curve:P-224", "curve"),
        ("secp256k1", "EC -pkeyopt ec_paramgen_curve:secp256k1", "curve"),
        ("RSA-1024", "RSA -pkeyopt rsa_keygen_bits:1024", "1024"),
        (
            "a huge exponent", "RSA -pkeyopt rsa_keygen_bits:3072 -pkeyopt rsa_keygen_pubexp:18446744073709551629",
            "exponent"
        ),
        ("Ed25519", "ED25519", "Ed25519"),
    ].map { name, algorithm, words in
        HostileRow("26: \(name) in root 2", 10, words) { medium in
            let shell = Shell()
            guard shell.run("openssl genpkey -algorithm \(algorithm) | openssl pkey -pubout -out public.pem") else {
                throw HostileMedium.NotMade(why: String(decoding: try shell.read("log"), as: UTF8.self))
            }
            let pem = String(decoding: try shell.read("public.pem"), as: UTF8.self).replacing("\n", with: #"\n"#)
            let id = String(repeating: "0", count: 64)
            let object = #""\#(id)":{"keytype":"ecdsa","keyval":{"public":"\#(pem)"},"scheme":"ecdsa-sha2-nistp384"}"#
            try medium.addRoot { try $0.replacing(#""keys":{"#, with: #""keys":{\#(object),"#) }
        }
    }

    private static let soon = UTCTime.toolDate.adding(days: 1)

    static let times: [HostileRow] = [
        HostileRow("27: expired", 11, "expired at") { ($0.issued, $0.expires) = (.toolDate, soon) },
        HostileRow("27: the targets alone expired", 11, "6.targets.json expired at") {
            $0.say(.targets, "\(UTCTime.latest)", "\(soon)")
        },
        HostileRow("28: a clock of 1970 is passed over", 0, "1970-01-01", clock: UTCTime(secondsSince1970: 0)) { _ in },
        HostileRow("28: a clock of 1970 and old media", 11, "expired at", clock: UTCTime(secondsSince1970: 0)) {
            ($0.issued, $0.expires) = (UTCTime(secondsSince1970: 1_700_000_000), UTCTime.toolDate)
        },
        HostileRow("28: a clock of 2099", 11, "expired at", clock: UTCTime("2099-01-01T00:00:00Z")) {
            $0.expires = MadePublisher.expires
        },
    ]

    static let others: [HostileRow] = [
        HostileRow("29: the other edition under its own keys", 10, "no root that is trusted here") {
            $0 = try HostileMedium(HostileKeys(product: "vertex-enterprise"))
        },
        HostileRow("29: the other edition in signed targets", 14, "vertex") {
            $0.say(.targets, #""edition":"palette""#, #""edition":"vertex""#)
        },
        HostileRow("30: a release that its own targets don't list", 12, "not in the list of releases") {
            $0.isListed = false
        },
        HostileRow(
            "30: a release that the site's newer list lacks", 12, "not in the list of releases",
            before: {
                $0.versions = .init(7)
                $0.isListed = false
            }
        ) { _ in },
    ]
}
