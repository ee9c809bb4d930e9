// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
package import Files
package import OCI
package import Trust

/// Which blocks of a bundle a site lacks: what `verify` sends back, and what `dray copy --blocks` answers (docs/format.md,
/// "Block report"). Nothing in it is signed; it can ask for blocks and do nothing else.
package struct BlockReport: Sendable, Equatable {
    /// What is asked of one volume.
    package struct Entry: Sendable, Equatable {
        /// Its place in the index, from 0. Both forms for people count from 1.
        package let number: Int
        /// `nil` in the short form.
        package let name: String?
        /// Whether all of it is asked for.
        package let isMissing: Bool
        /// Blocks, from 0: ascending, apart from each other, none empty. Empty where all of it is missing.
        package let blocks: [Range<Int>]

        /// One that has a few bad blocks, in any order.
        package init(number: Int, name: String? = nil, badBlocks: some Sequence<Int>) {
            (self.number, self.name, isMissing) = (number, name, false)
            blocks = Entry.joined(badBlocks.map { $0..<$0 + 1 })
        }

        /// One that is wholly missing.
        package init(missing number: Int, name: String? = nil) {
            (self.number, self.name, isMissing, blocks) = (number, name, true, [])
        }

        fileprivate init(number: Int, name: String?, isMissing: Bool, ranges: [Range<Int>]) {
            (self.number, self.name, self.isMissing) = (number, name, isMissing)
            blocks = isMissing ? [] : Entry.joined(ranges)
        }

        private static func joined(_ ranges: [Range<Int>]) -> [Range<Int>] {
            var joined: [Range<Int>] = []
            for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
                if let last = joined.last, last.upperBound >= range.lowerBound {
                    joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
                } else {
                    joined.append(range)
                }
            }
            return joined
        }
    }

    /// The most bytes of either form.
    package static let maximumSize = 4 << 20
    /// More than any volume has: 2^56 bytes in blocks would be 2^36, an index holds 16 million digests at most.
    fileprivate static let numbers = 1...(1 << 32)

    /// The bundle's folder name, for people.
    package let bundle: String
    /// The SHA-256 of `release.json` in hex: 64 digits, or the first 16 of the short form.
    package let release: String
    /// Sorted by number, each once.
    package let volumes: [Entry]

    package init(bundle: String, release: Digest, volumes: [Entry]) {
        self.init(bundle: bundle, release: release.hex, volumes: volumes)
    }

    fileprivate init(bundle: String, release: String, volumes: [Entry]) {
        (self.bundle, self.release) = (bundle, release)
        self.volumes = Dictionary(grouping: volumes, by: \.number).sorted { $0.key < $1.key }.map { number, entries in
            Entry(
                number: number, name: entries.lazy.compactMap(\.name).first,
                isMissing: entries.contains(where: \.isMissing), ranges: entries.flatMap(\.blocks))
        }
    }

    /// Whether nothing is asked for.
    package var isEmpty: Bool { volumes.allSatisfy { !$0.isMissing && $0.blocks.isEmpty } }

    /// What is asked for in numbers of this index. Throws `BlockReportError` for another release, and for volumes and blocks
    /// that it doesn't have.
    package func wanted(
        of index: BundleIndex, release digest: Digest
    ) throws(BlockReportError) -> [(volume: Int, blocks: [Range<Int>])] {
        guard digest.hex.hasPrefix(release) else { throw .otherRelease(bundle) }
        var wanted: [(volume: Int, blocks: [Range<Int>])] = []
        for entry in volumes {
            guard index.volumes.indices.contains(entry.number) else { throw .unknownVolume(entry.number + 1) }
            let volume = index.volumes[entry.number]
            guard entry.name == nil || entry.name == volume.name else { throw .unknownVolume(entry.number + 1) }
            let count = Volume.blockCount(of: volume.length)
            guard entry.blocks.last.map({ $0.upperBound <= count }) ?? true else {
                throw .unknownBlock(volume.name, has: count)
            }
            let blocks = entry.isMissing && count > 0 ? [0..<count] : entry.blocks
            if !blocks.isEmpty { wanted.append((entry.number, blocks)) }
        }
        return wanted
    }
}

// MARK: JSON

extension BlockReport {
    private static let format = "dray-verify-report 1"

    /// The file that `verify --report` writes.
    package var json: JSONValue {
        [
            "format": .string(BlockReport.format), "bundle": .string(bundle), "release": .string(release),
            "volumes": .array(volumes.map(\.json)),
        ]
    }

    /// Reads either form; white space around and inside the short one doesn't matter. Throws `BlockReportError`.
    package init(parsing bytes: [UInt8]) throws(BlockReportError) {
        guard bytes.count <= BlockReport.maximumSize else { throw .malformed("it has more than 4 MiB") }
        guard bytes.first(where: { !$0.isSpace }) != UInt8(ascii: "{") else {
            self = try BlockReport(json: bytes)
            return
        }
        guard bytes.allSatisfy({ $0.isSpace || (33..<127).contains($0) }) else { throw .malformed("it is no text") }
        try self.init(short: String(decoding: bytes.filter { !$0.isSpace }, as: UTF8.self))
    }

    private init(json bytes: [UInt8]) throws(BlockReportError) {
        do throws(JSONError) {
            let limits = JSONLimits.document(bytes: BlockReport.maximumSize, values: 1_000_000)
            let document = JSONCursor(try JSONValue(parsing: bytes, limits))
            guard try document["format"].string() == BlockReport.format else {
                throw try document["format"].invalid("\"\(BlockReport.format)\"")
            }
            let release = try document["release"]
            guard Digest(hex: try release.string()) != nil else { throw release.invalid("a SHA-256") }
            let bundle = try document["bundle"]
            guard BlockReport.isName(try bundle.string()) else { throw bundle.invalid("a bundle's name") }
            var entries: [Entry] = []
            for volume in try document["volumes"].elements() { entries.append(try Entry(volume)) }
            self.init(bundle: try bundle.string(), release: try release.string(), volumes: entries)
        } catch {
            throw .malformed(error.description)
        }
    }

    fileprivate static func isName(_ text: some StringProtocol) -> Bool {
        (1...255).contains(text.utf8.count)
            && text.utf8.allSatisfy { (33..<127).contains($0) && $0 != UInt8(ascii: ":") }
    }
}

extension BlockReport.Entry {
    fileprivate var json: JSONValue {
        [
            "number": .int(Int64(number) + 1), "name": name.map(JSONValue.string) ?? .null, "missing": .bool(isMissing),
            "blocks": .array(blocks.map { [.int(Int64($0.lowerBound)), .int(Int64($0.upperBound) - 1)] }),
        ]
    }

    fileprivate init(_ cursor: JSONCursor) throws(JSONError) {
        let name = try cursor.optional("name").flatMap { name throws(JSONError) in
            name.value == .null ? nil : try name.string()
        }
        var ranges: [Range<Int>] = []
        for pair in try cursor["blocks"].elements() {
            let ends = try pair.elements()
            guard ends.count == 2 else { throw pair.invalid("the first and the last block") }
            let last = Int64(BlockReport.numbers.upperBound) - 1
            let first = try ends[0].int(in: 0...last)
            ranges.append(Int(first)..<Int(try ends[1].int(in: first...last)) + 1)
        }
        let number = try cursor["number"].int(in: 1...Int64(BlockReport.numbers.upperBound))
        self.init(
            number: Int(number) - 1, name: name, isMissing: try cursor["missing"].bool(), ranges: ranges)
    }
}

// MARK: The short form

extension BlockReport {
    /// One line for paper or a phone: `dray:<bundle>:<16 digits of release>:<volume>=<blocks>;...:<check>`; volumes from 1,
    /// blocks from 0 as `7` or `7-9` with commas between, `*` for all. The check is the first 6 hex digits of the SHA-256 of
    /// what stands before it, its colon included.
    package var short: String {
        let lists = volumes.map { entry in
            let ranges = entry.blocks.map { range in
                range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound - 1)"
            }
            return "\(entry.number + 1)=\(entry.isMissing ? "*" : ranges.joined(separator: ","))"
        }
        let text = "dray:\(bundle):\(release.prefix(16)):\(lists.joined(separator: ";")):"
        return text + BlockReport.check(of: text)
    }

    private static func check(of text: String) -> String { String(Digest(of: Array(text.utf8)).hex.prefix(6)) }

    fileprivate init(short text: String) throws(BlockReportError) {
        let fields = text.split(separator: ":", omittingEmptySubsequences: false)
        guard fields.count == 5, fields[0] == "dray", BlockReport.isName(fields[1]) else {
            throw .malformed("it is neither the file of verify --report nor a line that begins with dray:")
        }
        guard BlockReport.check(of: String(text.dropLast(fields[4].count))) == fields[4].lowercased() else {
            throw .checkDiffers
        }
        guard fields[2].count == 16, [UInt8](lowercaseHex: fields[2]) != nil else {
            throw .malformed("the release is not 16 hex digits")
        }
        var entries: [Entry] = []
        for list in fields[3].split(separator: ";") { entries.append(try Entry(short: list)) }
        self.init(bundle: String(fields[1]), release: String(fields[2]), volumes: entries)
    }
}

extension BlockReport.Entry {
    fileprivate init(short list: Substring) throws(BlockReportError) {
        let sides = list.split(separator: "=", omittingEmptySubsequences: false)
        guard sides.count == 2, let number = Int(sides[0]), BlockReport.numbers.contains(number) else {
            throw .malformed("\"\(list.prefix(40))\" is no volume and its blocks")
        }
        var ranges: [Range<Int>] = []
        if sides[1] != "*" {
            for range in sides[1].split(separator: ",") { ranges.append(try Self.range(range)) }
        }
        self.init(number: number - 1, name: nil, isMissing: sides[1] == "*", ranges: ranges)
    }

    private static func range(_ text: Substring) throws(BlockReportError) -> Range<Int> {
        let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
        guard (1...2).contains(ends.count), let first = ends.first, let last = ends.last, first >= 0, last >= first,
            last < BlockReport.numbers.upperBound
        else { throw .malformed("\"\(text.prefix(40))\" is no block or range of blocks") }
        return first..<last + 1
    }
}

extension UInt8 {
    fileprivate var isSpace: Bool { self == 0x20 || (0x09...0x0d).contains(self) }
}

/// Why a block report can't be used.
package enum BlockReportError: Error, Equatable {
    case malformed(String)
    /// The check digits of the short form are not those of its text.
    case checkDiffers
    /// It is about another release; the name that it says.
    case otherRelease(String)
    /// The bundle has no volume of that number (from 1), or it has another name.
    case unknownVolume(Int)
    /// The volume has fewer blocks.
    case unknownBlock(String, has: Int)
}

extension BlockReportError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .malformed, .checkDiffers, .unknownVolume, .unknownBlock: .usage
        case .otherRelease: .refused
        }
    }

    package var description: String {
        switch self {
        case .malformed(let why): "this is no block report: \(why); take it again from verify --report"
        case .checkDiffers: "the block report was mistyped somewhere: its last six digits don't fit; compare it again"
        case .otherRelease(let name):
            "the block report is about another release (it says \(name.printable)); give the bundle that it is about"
        case .unknownVolume(let number): "the block report asks for volume \(number), which is not in this bundle so"
        case .unknownBlock(let name, let count):
            "the block report asks for a block of \(name.printable) that doesn't exist; it has \(count)"
        }
    }
}
