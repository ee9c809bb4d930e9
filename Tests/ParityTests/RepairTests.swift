// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Glibc
import OCI
import Support
import SystemPackage
import Testing

@testable import Parity

/// Whether the long sweeps run.
let isSweep = unsafe getenv("DRAY_SWEEP") != nil

@Suite struct RepairTests {
    /// Ten volumes of one to three blocks.
    static let ten = (0..<10).map { 1 << 20 + ($0 % 3) << 20 - ($0 == 4 ? 1 : $0 * 1000) }

    private func expectEqual(_ fixture: Fixture, _ before: [String: [UInt8]], _ what: String) throws {
        let after = try fixture.snapshot()
        #expect(Set(after.keys) == Set(before.keys), "\(what)")
        for (name, bytes) in before where after[name] != bytes { Issue.record("\(what): \(name) differs") }
    }

    @Test func `any two of ten volumes come back`() throws {
        let fixture = try Fixture(lengths: RepairTests.ten)
        try fixture.encode(.lanes(2))
        let before = try fixture.snapshot()
        for one in 0..<10 {
            for other in one + 1..<10 {
                try fixture.path(one).removeFile()
                try fixture.path(other).removeFile()
                let outcome = try fixture.repair()
                #expect(outcome.lost.isEmpty && Set(outcome.rebuilt) == [fixture.path(one), fixture.path(other)])
                try expectEqual(fixture, before, "\(one) and \(other)")
            }
        }
    }

    @Test func `any three of ten volumes come back, volumes and parity files together`() throws {
        let fixture = try Fixture(lengths: RepairTests.ten)
        try fixture.encode(.lanes(3))
        let before = try fixture.snapshot()
        let parity = try fixture.parityFiles()
        #expect(parity.count == 3)
        var random = Random(seed: 5)
        let all = (0..<1 << 13).filter { $0.nonzeroBitCount == 3 && $0 & 0x3FF != 0 }
        for mask in isSweep ? all : Array(all.shuffled(using: &random).prefix(25)) {
            for number in 0..<13 where mask >> number & 1 == 1 {
                try (number < 10 ? fixture.path(number) : parity[number - 10]).removeFile()
            }
            #expect(try fixture.repair().lost.isEmpty)
            try fixture.encode(nil)
            try expectEqual(fixture, before, "\(String(mask, radix: 2))")
        }
    }

    @Test func `random damage within the limit is repaired bit for bit`() throws {
        for (amount, seed) in [(ParityAmount.lanes(2), UInt64(1)), (.percent(12), 2)] {
            let fixture = try Fixture(lengths: RepairTests.ten, seed: seed)
            try fixture.encode(amount)
            let before = try fixture.snapshot()
            let set = try #require(try ParitySet(fixture.volumes))
            var random = Random(seed: seed)
            for round in 0..<(isSweep ? 500 : 12) {
                try damage(fixture, set, upTo: set.layout.shape.parity, &random)
                #expect(try fixture.repair().lost.isEmpty)
                try expectEqual(fixture, before, "\(amount), round \(round)")
            }
        }
    }

    /// Damages up to so many blocks of each stripe, in volumes and parity files; at times a file's end or header too.
    private func damage(
        _ fixture: Fixture, _ set: ParitySet, upTo limit: Int, _ random: inout Random
    ) throws {
        for group in set.layout.groups {
            for stripe in 0..<group.stripes {
                let width = group.lanes.count + set.layout.shape.parity
                let count = Int.random(in: 0...limit, using: &random)
                for lane in Array((0..<width).shuffled(using: &random).prefix(count)) {
                    if lane >= group.lanes.count {
                        let file = set.files[set.lanes[group.number][lane - group.lanes.count][0]]
                        try flip(file.path, in: Int(file.offset(of: stripe)), 1 << 20, fixture, &random)
                    } else if let block = group.block(ofLane: lane, stripe: stripe) {
                        let volume = group.lanes[lane].volume
                        let range = fixture.index.volumes[volume].bytes(ofBlock: block)
                        try flip(fixture.path(volume), in: Int(range.lowerBound), range.count, fixture, &random)
                    }
                }
            }
        }
        let file = set.files[Int.random(in: 0..<set.files.count, using: &random)]
        let size = Int(ParityHeader.fileLength(of: set.layout.groups[file.header.group]))
        switch Int.random(in: 0..<4, using: &random) {
        case 0: try flip(file.path, in: 0, file.headerLength, fixture, &random)
        case 1: try flip(file.path, in: size - file.headerLength, file.headerLength, fixture, &random)
        case 2: try OpenFile.writing(file.path).truncate(to: UInt64(size - 1))
        default: break
        }
    }

    private func flip(
        _ path: FilePath, in start: Int, _ length: Int, _ fixture: Fixture, _ random: inout Random
    ) throws {
        let place = start + Int.random(in: 0..<length, using: &random)
        let old = try OpenFile.reading(path).bytes(at: UInt64(place), length: 1)[0]
        try fixture.overwrite(path, at: place, with: [old ^ UInt8.random(in: 1...255, using: &random)])
    }

    @Test func `volumes of a wrong length get their own again`() throws {
        let fixture = try Fixture(lengths: RepairTests.ten)
        try fixture.encode(.lanes(2))
        let before = try fixture.snapshot()
        try OpenFile.writing(fixture.path(2)).truncate(to: 5)
        try OpenFile.writing(fixture.path(5)).truncate(to: 9 << 20)
        let outcome = try fixture.repair()
        #expect(outcome.lost.isEmpty && outcome.repaired.map(\.path) == [fixture.path(2), fixture.path(5)])
        try expectEqual(fixture, before, "lengths")
    }

    @Test func `beyond the limit all else is repaired, and what is lost is named`() throws {
        let fixture = try Fixture(lengths: [Int](repeating: 3 << 20, count: 10))
        try fixture.encode(.lanes(2))
        let before = try fixture.snapshot()
        for volume in [1, 4, 7] { try fixture.overwrite(fixture.path(volume), at: 1 << 20) }
        for volume in [1, 4] { try fixture.overwrite(fixture.path(volume), at: 2 << 20) }
        let dry = try fixture.repair(dryRun: true)
        #expect(dry.lost == [1: [1], 4: [1], 7: [1]] && dry.repaired.map(\.blocks) == [1, 1])
        let outcome = try fixture.repair()
        #expect(outcome.lost == [1: [1], 4: [1], 7: [1]])
        let after = try fixture.snapshot()
        for (name, bytes) in before {
            let found = try #require(after[name])
            let bad = stride(from: 0, to: bytes.count, by: 1 << 20).filter { start in
                found[start..<min(start + 1 << 20, found.count)] != bytes[start..<min(start + 1 << 20, bytes.count)]
            }
            #expect(bad == (["volumes/v01", "volumes/v04", "volumes/v07"].contains(name) ? [1 << 20] : []), "\(name)")
        }
    }

    @Test func `three of ten volumes lost with parity for two are refused, and nothing is written`() throws {
        let fixture = try Fixture(lengths: RepairTests.ten)
        try fixture.encode(.lanes(2))
        for volume in [2, 5, 8] { try fixture.path(volume).removeFile() }
        let before = try fixture.snapshot()
        let outcome = try fixture.repair()
        #expect(Set(outcome.lost.keys) == [2, 5, 8] && outcome.rebuilt.isEmpty && outcome.notWritten.isEmpty)
        try expectEqual(fixture, before, "nothing")
    }

    @Test func `a stopped repair goes on with what it had written`() throws {
        let fixture = try Fixture(lengths: [Int](repeating: 3 << 20, count: 10))
        try fixture.encode(.lanes(1))
        let before = try fixture.snapshot()
        try fixture.path(3).removeFile()
        // as a kill leaves it: the first block is there, the second half written
        let staged = fixture.folder.appending("volumes/.v03.partial")
        try OpenFile.creating(staged).write(Array(fixture.contents[3].prefix((1 << 20) + 5000)), at: 0)
        // what is left is worth something: without it block 0 would be out of reach
        try fixture.overwrite(fixture.path(6), at: 100)
        let outcome = try fixture.repair()
        #expect(outcome.rebuilt == [fixture.path(3)] && outcome.lost.isEmpty)
        try expectEqual(fixture, before, "stopped")
    }

    @Test func `media heal each other, and those that can't be written are named`() throws {
        let fixture = try Fixture(lengths: RepairTests.ten)
        let before = try fixture.snapshot()
        let other = fixture.place.appending("other")
        #expect(try run(["cp", "-r", fixture.folder.string, other.string]).status == 0)
        try fixture.overwrite(fixture.path(2), at: 5)
        try fixture.overwrite(other.appending("volumes/v07"), at: 50)
        try fixture.path(9).removeFile()
        let outcome = try fixture.repair([fixture.folder, other])
        #expect(outcome.lost.isEmpty)
        #expect(Set(outcome.repaired.map(\.path)) == [fixture.path(2), other.appending("volumes/v07")])
        // volume 9 is on the other medium: it is not missing
        #expect(outcome.rebuilt.isEmpty)
        #expect(try fixture.bytes(other.appending("volumes/v07")) == before["volumes/v07"])
        #expect(try fixture.bytes(fixture.path(2)) == before["volumes/v02"])
    }

    @Test func `nothing is written through a link in the place of a volume`() throws {
        let fixture = try Fixture(lengths: RepairTests.ten)
        try fixture.encode(.lanes(1))
        let secret = fixture.place.appending("secret")
        try OpenFile.creating(secret).write(Array("mine".utf8), at: 0)
        try fixture.path(3).removeFile()
        #expect(try run(["ln", "-s", secret.string, fixture.path(3).string]).status == 0)
        let outcome = try fixture.repair()
        #expect(try fixture.bytes(secret) == Array("mine".utf8))
        #expect(outcome.repaired.isEmpty && outcome.rebuilt == [fixture.path(3)])
        #expect(try fixture.path(3).statusIfPresent(followingLinks: false)?.isRegular == true)
        #expect(try fixture.bytes(fixture.path(3)) == fixture.contents[3])
    }
}
