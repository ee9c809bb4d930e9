// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Testing

@testable import RegistryClient

/// How an upload is decided, without a connection.
struct UploadProgressTests {
    private static let mebibyte: Int64 = 1 << 20

    private static func habits(single: Bool? = nil, chunks: Bool? = nil, speed: Double? = nil) -> RegistryHabits {
        var habits = RegistryHabits()
        (habits.takesSinglePost, habits.takesChunks, habits.bytesPerSecond) = (single, chunks, speed)
        return habits
    }

    private static func upload(
        _ size: Int64, from: String? = nil, _ presence: BlobUpload.Presence = .unknown, kept: Int64? = nil,
        keeps: Bool = true, rules: UploadRules = UploadRules()
    ) -> UploadProgress {
        UploadProgress(
            size: size, mountFrom: from, presence: presence, rules: rules, keepsSessions: keeps, kept: kept)
    }

    /// Everything that can come of one kind of upload: a blob of three bytes in chunks of two and one, three attempts.
    @Test(arguments: [nil, "other"], [nil, 2, 3] as [Int64?])
    func `whatever a registry answers, the upload keeps its rules and ends`(_ from: String?, _ kept: Int64?) {
        var rules = UploadRules()
        (rules.smallestChunk, rules.firstChunk, rules.attempts, rules.refusals) = (1, 2, 3, 2)
        (rules.singleLimit, rules.unaskedLimit) = (3, 3)
        for (single, chunks, keeps) in [(nil, nil, true), (true, true, true), (false, nil, false), (nil, false, false)]
        where keeps || kept == nil {
            let upload = Self.upload(3, from: from, kept: kept, keeps: keeps, rules: rules)
            var walk = UploadWalk()
            let longest = walk.walk(UploadWorld(upload, habits: Self.habits(single: single, chunks: chunks)))
            #expect(walk.objections.first == nil)
            #expect(longest <= 100)
            #expect(walk.count > 200)
            #expect(walk.endings.isSuperset(of: [.fail, .finish(.uploaded)]))
            #expect(walk.endings.contains(.finish(.mounted)) == (from != nil))
            #expect(walk.actions.contains(.status) == (chunks != false))
        }
    }

    /// The actions of an upload to which this happens.
    private static func actions(
        of upload: UploadProgress, _ habits: RegistryHabits = RegistryHabits(), _ events: [UploadProgress.Event]
    ) -> [UploadProgress.Action] {
        var (upload, habits) = (upload, habits)
        var actions = [upload.next(habits)]
        for event in events {
            upload.take(event, &habits)
            actions.append(upload.next(habits))
        }
        return actions
    }

    @Test func `no registry gets more requests than it needs`() {
        let open = [UploadProgress.Event.accepted(), .stored]
        let taken = Self.habits(single: true)
        let rows: [(UploadProgress, RegistryHabits, [UploadProgress.Event], [UploadProgress.Action])] = [
            (Self.upload(9, from: "b"), .init(), [.stored], [.mount(from: "b"), .finish(.mounted)]),
            (
                Self.upload(9, from: "b"), .init(), open,
                [.mount(from: "b"), .put(0..<9), .finish(.uploaded)]
            ),
            (
                Self.upload(9, from: "b"), taken, [.refused(.other), .stored],
                [.mount(from: "b"), .single, .finish(.uploaded)]
            ),
            (Self.upload(9), .init(), [.present], [.ask, .finish(.present)]),
            (Self.upload(9), .init(), [.absent, .stored], [.ask, .single, .finish(.uploaded)]),
            (
                Self.upload(9), .init(), [.absent, .accepted(), .stored],
                [.ask, .single, .put(0..<9), .finish(.uploaded)]
            ),
            (Self.upload(9, .unlikely), Self.habits(single: false), open, [.open, .put(0..<9), .finish(.uploaded)]),
            (Self.upload(9), taken, [.stored], [.single, .finish(.uploaded)]),
            (Self.upload(64 << 10), taken, [.stored], [.single, .finish(.uploaded)]),
            (Self.upload(64 << 10 | 1), taken, [.absent, .stored], [.ask, .single, .finish(.uploaded)]),
            (Self.upload(1 << 20, .unlikely), taken, [.stored], [.single, .finish(.uploaded)]),
            (
                Self.upload(1 << 20 | 1, .unlikely), taken, open,
                [.open, .put(0..<(1 << 20 | 1)), .finish(.uploaded)]
            ),
            (Self.upload(0), taken, open, [.open, .put(0..<0), .finish(.uploaded)]),
        ]
        for (upload, habits, events, actions) in rows {
            #expect(Self.actions(of: upload, habits, events) == actions)
        }
    }

    @Test func `a large blob goes in chunks and is closed by an empty request`() {
        let size = 80 * Self.mebibyte
        let events: [UploadProgress.Event] = [.accepted(), .accepted(), .accepted(), .accepted(), .stored]
        let ranges = [0..<32, 32..<64, 64..<80].map { $0.lowerBound * Self.mebibyte..<$0.upperBound * Self.mebibyte }
        #expect(
            Self.actions(of: Self.upload(size, .unlikely), .init(), events)
                == [.open] + ranges.map { .patch($0) } + [.put(size..<size), .finish(.uploaded)])
    }

    @Test func `a kept session is asked for once, and left where it is not what we think`() {
        let size = 80 * Self.mebibyte
        let half = size / 2
        let upload = Self.upload(size, .unlikely, kept: half)
        #expect(
            Self.actions(of: upload, .init(), [.stands(at: half)]) == [
                .status, .patch(half..<half + 32 * Self.mebibyte),
            ])
        #expect(Self.actions(of: upload, .init(), [.refused(.gone)]) == [.status, .ask])
        for count in [nil, 0, half - 1, half + 1, size] {
            let actions = Self.actions(of: upload, .init(), [.stands(at: count), .ended, .absent])
            #expect(actions == [.status, .cancel, .ask, .open])
        }
        let complete = Self.upload(size, kept: size)
        #expect(
            Self.actions(of: complete, .init(), [.stands(at: size), .stored])
                == [.status, .put(size..<size), .finish(.uploaded)])
    }

    @Test func `a lost answer to a chunk costs nothing where the session has the whole chunk`() {
        let (size, chunk) = (80 * Self.mebibyte, 32 * Self.mebibyte)
        let begun: [UploadProgress.Event] = [.accepted(), .accepted(), .lost]
        let upload = Self.upload(size, .unlikely)
        let (whole, none, part) = (
            Self.actions(of: upload, .init(), begun + [.stands(at: 2 * chunk)]),
            Self.actions(of: upload, .init(), begun + [.stands(at: chunk)]),
            Self.actions(of: upload, .init(), begun + [.stands(at: chunk + 1)])
        )
        #expect(whole.suffix(3) == [.patch(chunk..<2 * chunk), .status, .patch(2 * chunk..<size)])
        #expect(none.suffix(2) == [.status, .patch(chunk..<chunk + chunk / 2)])
        #expect(part.suffix(2) == [.status, .cancel])
    }

    @Test func `chunks follow the speed between their bounds`() {
        let rules = UploadRules()
        let rows: [(speed: Double?, largest: Int64?, smallest: Int64?, whole: Int64, chunk: Int64)] = [
            (nil, nil, nil, 32 << 20, 32 << 20), (2e6, nil, nil, 30_000_000, 30_000_000),
            (1, nil, nil, 1 << 20, 1 << 20), (0, nil, 5 << 20, 5 << 20, 5 << 20),
            (1e9, nil, nil, 15_000_000_000, 1 << 30), (.infinity, nil, nil, 1_000_000_000_000_000, 1 << 30),
            (1e9, 8 << 20, nil, 8 << 20, 8 << 20), (nil, 1 << 20, 5 << 20, 1 << 20, 1 << 20),
            (nil, nil, .max, .max, .max), (-1, nil, -7, 1 << 20, 1 << 20),
        ]
        for row in rows {
            var habits = Self.habits(speed: row.speed)
            (habits.largestRequest, habits.smallestChunk) = (row.largest, row.smallest)
            let sizes = rules.sizes(habits, limit: .max)
            #expect(sizes.whole == row.whole && sizes.chunk == row.chunk, "\(row)")
        }
    }

    @Test func `too large a request is halved and remembered down to one mebibyte`() {
        var (upload, habits) = (Self.upload(5 * Self.mebibyte, .unlikely), RegistryHabits())
        var sizes: [Int64] = []
        while case let action = upload.next(habits), action != .fail {
            switch action {
            case .open: upload.take(.accepted(), &habits)
            case .cancel: upload.take(.ended, &habits)
            case .put(let range), .patch(let range):
                sizes.append(range.upperBound - range.lowerBound)
                upload.take(.refused(.tooLarge), &habits)
            default: return #expect(Bool(false), "\(action)")
            }
        }
        #expect(sizes == [5 << 20, 5 << 19, 5 << 18, 1 << 20])
        #expect(habits.largestRequest == 1 << 20)
    }

    @Test func `what refuses chunks gets whole blobs from then on`() {
        let size = 80 * Self.mebibyte
        for refusal in [UploadProgress.Refusal.unsupported, .broken, .gone, .otherBytes] {
            var (upload, habits) = (Self.upload(size, .unlikely), RegistryHabits())
            let events: [UploadProgress.Event] =
                [.accepted(), .refused(refusal)] + (refusal == .gone ? [] : [.ended]) + [.accepted()]
            for event in events {
                _ = upload.next(habits)
                upload.take(event, &habits)
            }
            #expect(upload.next(habits) == .put(0..<size))
            #expect(habits.takesChunks == (refusal == .unsupported ? false : nil))
            #expect(Self.actions(of: Self.upload(size, .unlikely), habits, [.accepted()]).last == .put(0..<size))
        }
    }

    @Test func `chunks that make another blob are not sent twice`() {
        let size = 40 * Self.mebibyte
        let events: [UploadProgress.Event] = [
            .accepted(), .accepted(), .accepted(), .refused(.otherBytes), .ended, .accepted(),
        ]
        #expect(Self.actions(of: Self.upload(size, .unlikely), .init(), events).last == .put(0..<size))
        // the same bytes in one piece are the proof, unless chunks are known to work
        for (known, learned) in [(nil, false), (true, true)] as [(Bool?, Bool)] {
            var (upload, habits) = (Self.upload(size, .unlikely), Self.habits(chunks: known))
            for event in events + [.stored] {
                #expect(habits.takesChunks == known)
                _ = upload.next(habits)
                upload.take(event, &habits)
            }
            #expect(habits.takesChunks == learned)
        }
    }

    @Test func `a doubt about chunks ends with the process`() throws {
        var habits = Self.habits(single: true)
        habits.doubtChunks()
        #expect(!habits.mayTakeChunks)
        let next = try JSONDecoder().decode(RegistryHabits.self, from: JSONEncoder().encode(habits))
        #expect(next.mayTakeChunks && next.takesSinglePost == true)
        habits.takesChunks = true
        habits.doubtChunks()
        #expect(habits.mayTakeChunks)
    }

    @Test func `a limited rate bounds chunks below what was measured`() {
        var rules = UploadRules()
        rules.mostPerSecond = 100_000
        let fast = rules.sizes(Self.habits(speed: 1e9), limit: .max)
        #expect(fast.whole == 1_500_000 && fast.chunk == 1_500_000)
        rules.mostPerSecond = 1 << 30
        #expect(rules.sizes(RegistryHabits(), limit: .max).chunk == 32 << 20)
        rules.mostPerSecond = 10
        #expect(rules.sizes(RegistryHabits(), limit: .max).chunk == 64 << 10)
    }

    @Test func `the speed follows what takes time`() {
        var habits = RegistryHabits()
        habits.measure(1000, seconds: 0.9)
        habits.measure(0, seconds: 60)
        #expect(habits.bytesPerSecond == nil)
        habits.measure(1 << 20, seconds: 1)
        #expect(habits.bytesPerSecond == 1_048_576)
        habits.measure(4 << 20, seconds: 2)
        #expect(habits.bytesPerSecond == 1_572_864)
        habits.measure(1 << 20, seconds: 0)
        #expect(habits.bytesPerSecond == 1_572_864)
        habits = RegistryHabits()
        habits.measure(60_000, seconds: 60)
        #expect(habits.bytesPerSecond == 1000)
    }

    @Test func `a session's size is read in every way that registries write it`() {
        let rows: [(String?, Int64?)] = [
            ("0-99", 100), ("bytes=0-99", 100), ("bytes 0-99", 100), ("0--1", 0), ("0-0", 1), (nil, nil), ("", nil),
            ("1-99", nil), ("0-", nil), ("0--2", nil), ("0-99999999999999999999", nil), ("bytes=", nil),
        ]
        for (text, size) in rows {
            let response = Response(headers: text.map { [("range", $0)] } ?? [])
            #expect(response.sessionSize == size)
        }
    }

    @Test func `pieces take their share of time one after another`() {
        let limit = RateLimit(bytesPerSecond: 1000)
        #expect(limit.pieceSize == 100)
        let now = ContinuousClock.now + .seconds(1)
        #expect(limit.wait(for: 100, now: now) == .zero)
        #expect(limit.wait(for: 200, now: now) == .milliseconds(100))
        #expect(limit.wait(for: 100, now: now) == .milliseconds(300))
        #expect(limit.wait(for: 100, now: now + .seconds(9)) == .zero)
    }
}
