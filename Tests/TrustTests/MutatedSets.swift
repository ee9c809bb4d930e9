// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Testing
import Trust

/// A publisher's keys and a few of its releases, from which sets are made.
struct World {
    var publisher: Publisher
    var renewed: Publisher
    let releases: [TrustedMetadata]
    /// Under root 3, whose release keys are new and whose versions begin again.
    let restarted: TrustedMetadata
    let roots: [[UInt8]]
    let strangers: [PrivateKey]
    private var ids: [[UInt8]: String] = [:]

    init(kinds: [PrivateKey.NewKind], threshold: Int) throws {
        publisher = try Publisher(rootKeys: 2, rootThreshold: 2, releaseThreshold: threshold)
        publisher.releaseKeys = try kinds.map { try .generate($0) }
        renewed = publisher
        renewed.releaseKeys = try kinds.map { try .generate($0) }
        let first = try publisher.publish("1.0.0")
        let second = try publisher.publish("1.0.1", after: first)
        releases = [first, second, try publisher.publish("1.1.0", after: second)]
        var root = first.root
        roots = [try #require(root.files[1]), try publisher.root(version: 2), try renewed.root(version: 3)]
        for next in roots.dropFirst() { try root.extend(with: next) }
        restarted = try renewed.publish("2.0.0", under: root)
        strangers = [try .generate(.p256)]
        for key in publisher.rootKeys + publisher.releaseKeys + renewed.releaseKeys + strangers {
            ids[key.publicKey.der] = TrustKey(key.publicKey).id.hex
        }
    }

    func sign(_ body: [UInt8], by keys: [PrivateKey]) throws -> [UInt8] {
        try Forge.sign(
            String(decoding: body, as: UTF8.self), by: keys, ids: keys.map { ids[$0.publicKey.der] ?? "" })
    }
}

/// A set, and what it takes to sign it anew.
struct MutatedSet {
    let world: World
    var set: MetadataSet
    private var release: TrustedMetadata
    private var releaseKeys: [PrivateKey]

    /// One of the sets that a client meets, genuine in itself; some of them must be refused.
    init(_ worlds: [World], _ choice: inout SeededChoice) throws {
        world = choice.one(of: worlds)
        let (first, second, third) = (world.releases[0], world.releases[1], world.releases[2])
        let kind = choice.below(10)
        releaseKeys = kind == 5 ? world.renewed.releaseKeys : world.publisher.releaseKeys
        release = [second, second, second, first, third, world.restarted, third, second, second, second][kind]
        set = MetadataSet(
            pinned: world.roots[0], timestamp: release.timestamp.bytes, snapshot: release.snapshot.bytes,
            targets: release.targets.bytes)
        let kept = [nil, first, second, second, second, second, second, nil, nil, nil][kind]
        set.accepted = kept?.accepted
        switch kind {
        case 4: set.roots = [world.roots[1]]
        case 5, 6: set.roots = [world.roots[1], world.roots[2]]
        case 7: set.roots = [world.roots[2]]
        case 8: set.now = choice.one(of: [UTCTime(secondsSince1970: 0), Forge.expires, .latest])
        default: break
        }
    }

    mutating func mutate(_ worlds: [World], _ choice: inout SeededChoice) throws {
        switch choice.below(20) {
        case 0..<4:
            try change(&choice) { bytes, choice in choice.one(of: ByteDamage.allCases).applied(to: bytes, &choice) }
        case 4: try change(&choice) { bytes, choice in MutatedSet.escaped(bytes, &choice) }
        case 5..<8: try change(&choice) { bytes, choice in MutatedSet.withOtherSignatures(bytes, &choice) }
        case 8: exchange(worlds, &choice)
        case 9: try relink(versionsAlone: true, &choice)
        case 10: break
        default: try rewrite(&choice)
        }
    }

    /// Changes one file; those that name it follow, most times.
    private mutating func change(
        _ choice: inout SeededChoice, _ change: ([UInt8], inout SeededChoice) throws -> [UInt8]
    ) throws {
        switch choice.below(set.roots.isEmpty ? 4 : 5) {
        case 0: set.pinned = try change(set.pinned, &choice)
        case 1: set.timestamp = try change(set.timestamp, &choice)
        case 2:
            set.snapshot = try change(set.snapshot, &choice)
            if !choice.once(in: 4) { try linkSnapshot(&choice) }
        case 3:
            set.targets = try change(set.targets, &choice)
            if !choice.once(in: 4) { try relink(versionsAlone: choice.once(in: 4), &choice) }
        default:
            let index = choice.below(set.roots.count)
            set.roots[index] = try change(set.roots[index], &choice)
        }
    }

    /// Changes what one file says and signs it.
    private mutating func rewrite(_ choice: inout SeededChoice) throws {
        let (world, release, root) = (world, releaseKeys, world.publisher.rootKeys)
        try change(&choice) { bytes, choice in
            let text = String(decoding: bytes.prefix(6000), as: UTF8.self)
            let isRoot = text.contains("\"_type\":\"root\"")
            let right = isRoot ? root : release
            let keys: [PrivateKey] =
                switch choice.below(12) {
                case 0: world.strangers
                case 1: Array(right.dropLast())
                case 2: isRoot ? release : root
                case 3: right + world.strangers
                default: right
                }
            let body = choice.one(of: ContentChange.allCases).applied(to: Array(Forge.body(bytes).utf8), &choice)
            return try world.sign(body, by: keys)
        }
    }

    private mutating func relink(versionsAlone: Bool, _ choice: inout SeededChoice) throws {
        let version = release.targets.content.header.version
        let header = release.snapshot.content.header
        let link = versionsAlone ? Link(version: version) : Link(version: version, to: set.targets)
        set.snapshot = try Snapshot(header: header, targets: link).signed(by: releaseKeys)
        try linkSnapshot(&choice)
    }

    private mutating func linkSnapshot(_ choice: inout SeededChoice) throws {
        let version = release.snapshot.content.header.version
        let link = choice.once(in: 6) ? Link(version: version) : Link(version: version, to: set.snapshot)
        set.timestamp = try Timestamp(header: release.timestamp.content.header, snapshot: link).signed(by: releaseKeys)
    }

    /// Puts a genuine file into the place of another.
    private mutating func exchange(_ worlds: [World], _ choice: inout SeededChoice) {
        let other = choice.one(of: worlds)
        let set = choice.one(of: other.releases + [other.restarted])
        let files = [set.timestamp.bytes, set.snapshot.bytes, set.targets.bytes] + other.roots
        switch choice.below(8) {
        case 0: self.set.pinned = choice.one(of: files)
        case 1: self.set.timestamp = choice.once(in: 2) ? set.timestamp.bytes : choice.one(of: files)
        case 2: self.set.snapshot = choice.once(in: 2) ? set.snapshot.bytes : choice.one(of: files)
        case 3: self.set.targets = choice.once(in: 2) ? set.targets.bytes : choice.one(of: files)
        case 4: self.set.accepted = AcceptedFiles(timestamp: set.timestamp.bytes, snapshot: set.snapshot.bytes)
        case 5: self.set.accepted = AcceptedFiles(timestamp: choice.one(of: files), snapshot: choice.one(of: files))
        case 6: self.set.roots.append(choice.one(of: other.roots))
        default: self.set.roots.reverse()
        }
    }
}

// Changes to a file that keep what it says.
extension MutatedSet {
    /// One character of a text written as an escape.
    private static func escaped(_ bytes: [UInt8], _ choice: inout SeededChoice) -> [UInt8] {
        let places = bytes.indices.filter {
            (0x61...0x7a).contains(bytes[$0]) && $0 > 0 && bytes[$0 - 1] == UInt8(ascii: "\"")
        }
        guard !places.isEmpty else { return bytes }
        let place = choice.one(of: places)
        return bytes[..<place] + Array("\\u00\(String(bytes[place], radix: 16))".utf8) + bytes[(place + 1)...]
    }

    /// The list of signatures changed, the signed bytes as they were.
    private static func withOtherSignatures(_ bytes: [UInt8], _ choice: inout SeededChoice) -> [UInt8] {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.firstRange(of: "],\"signed\":"), let start = text.firstRange(of: "[") else { return bytes }
        var entries = text[start.upperBound..<end.lowerBound].split(separator: "},").map { entry in
            entry.hasSuffix("}") ? String(entry) : entry + "}"
        }
        guard !entries.isEmpty else { return bytes }
        let index = choice.below(entries.count)
        let entry = entries[index]
        let zeros = String(repeating: "0", count: 64)
        switch choice.below(12) {
        case 0: entries.remove(at: index)
        case 1: entries.append(entry)
        case 2:
            entries.append("{\"keyid\":\"\(zeros)\",\"sig\":" + (entry.split(separator: "\"sig\":").last ?? "\"\"}"))
        case 3: entries[index] = entry.replacing("\"keyid\":\"", with: "\"keyid\":\"0")
        case 4: entries[index] = entry.uppercased().replacing("KEYID", with: "keyid").replacing("SIG", with: "sig")
        case 5: entries[index] = String(entry.dropLast(2)) + "00\"}"
        case 6: entries[index] = String(entry.dropLast(4)) + "\"}"
        case 7: entries[index] = entry.prefix { $0 != "," } + ",\"sig\":\"\"}"
        case 8: entries.reverse()
        case 9: entries.append("{\"keyid\":\"\(zeros)\",\"sig\":\"00\"}")
        case 10: entries += (10..<27).map { "{\"keyid\":\"\($0)\(zeros.dropLast(2))\",\"sig\":\"00\"}" }
        default: entries[index] = String(entry.dropLast()) + ",\"zz\":1}"
        }
        return Array((text[..<start.upperBound] + entries.joined(separator: ",") + text[end.lowerBound...]).utf8)
    }
}
