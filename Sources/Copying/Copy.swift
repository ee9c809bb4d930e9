// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import Synchronization
package import SystemPackage

/// How a bundle is to be copied.
package struct CopyOptions: Sendable {
    /// The state folder, for the journal of a copy that isn't finished.
    package let state: FilePath
    /// All files in one folder under flat names.
    package var isFlat = false
    /// Also reads again what an earlier run, cut short, had read back.
    package var rechecks = false

    package init(state: FilePath) { self.state = state }
}

/// Which file goes to which of the media that are there; what `--dry-run` prints and `run` carries out.
package struct CopyPlan: Sendable {
    package let source: CopySource
    package let media: [Medium]
    /// The files of each medium.
    package let items: [[CopyItem]]
    private let journal: CopyJournal
    private let options: CopyOptions

    /// Looks at all media, and refuses before the first byte what can't be done.
    ///
    /// Throws `CopyError`: 16 where there is no room, 14 for limits of a file system and for what stands in the way; `FileError`
    /// where one can't be written to.
    package init(_ source: CopySource, to mounts: [FilePath], _ options: CopyOptions) throws {
        (self.source, self.options) = (source, options)
        let places = try mounts.map { try $0.absolute() }
        journal = try CopyJournal(options.state, source.release, key: places.map(\.string).joined(separator: "\n"))
        var media: [Medium] = []
        for (index, place) in places.enumerated() {
            let layout = MediumLayout(place, bundle: source.name, isFlat: options.isFlat)
            let medium = try Medium(index + 1, layout, source)
            if let other = media.first(where: { $0.system.device == medium.system.device }) {
                throw CopyError.oneFileSystem(other.layout.mount, place)
            }
            try medium.probe()
            media.append(medium)
        }
        self.media = media
        items = try CopyPlan.spread(source, media, journal)
        for (medium, items) in zip(media, items) { try medium.checkLimits(source, items) }
    }

    /// Bytes that will be read back, those that are there already included.
    package var bytes: UInt64 {
        source.items.reduce(0) { $0 + $1.length } + media.reduce(0) { $0 + $1.commonBytes }
    }

    /// Copies to all media at a time; one that fails stops no other. Throws `Interrupted`, and `FileError` for the state folder.
    package func run(_ progress: Progress) throws -> [MediumResult] {
        progress.begin(total: bytes)
        // All of them first: the files of a medium that fails at once stay its own.
        for (medium, items) in zip(media, items) {
            try journal.update(medium.number) { $0.planned = items.map(\.name) }
        }
        let results = Mutex<[MediumResult]>([])
        let lanes = zip(media, items).map { medium, items in
            let lane = Lane("copy-\(medium.number)")
            let work = MediumCopy(
                source: source, medium: medium, items: items, label: Label(source, of: media.count), journal: journal,
                rechecks: options.rechecks, progress: progress)
            lane.add {
                let result = try work.run()
                results.withLock { $0.append(result) }
            }
            return lane
        }
        for lane in lanes { lane.drain() }
        for lane in lanes { try lane.check() }
        let all = results.withLock { $0.sorted { $0.number < $1.number } }
        if all.allSatisfy(\.isWhole) { try journal.remove() }
        return all
    }

    private static func spread(_ source: CopySource, _ media: [Medium], _ journal: CopyJournal) throws -> [[CopyItem]] {
        let bins = media.map(\.bin)
        let largest = bins.map(\.largestFile).max() ?? 0
        if let item = source.items.first(where: { $0.length > largest }) {
            throw CopyError.volumeTooLarge(
                item.name, length: item.length, system: media.first?.system.limits.name ?? "", limit: largest)
        }
        let found = source.items.map { item in
            let place =
                media.firstIndex { $0.whole.contains(item.name) } ?? media.firstIndex { $0.parts[item.name] != nil }
            return SpreadPlan.Item(
                length: item.length, fixed: place, taken: place.map { media[$0].taken(item) } ?? 0,
                isParity: item.volume == nil, isFirst: item.name == source.items.first?.name)
        }
        // what an earlier run had planned still fits, unless somebody has put something else there
        var planned = found
        for (number, item) in source.items.enumerated() where found[number].fixed == nil {
            planned[number].fixed = media.indices.first { journal.entry($0 + 1)?.planned.contains(item.name) == true }
        }
        let again = SpreadPlan(planned, bins, balanced: true)
        let plan = again.isWhole ? again : SpreadPlan(found, bins, balanced: true)
        guard plan.isWhole else { throw noRoom(found, bins, plan) }
        return media.indices.map { bin in source.items.indices.filter { plan.bins[$0] == bin }.map { source.items[$0] }
        }
    }

    private static func noRoom(_ items: [SpreadPlan.Item], _ bins: [SpreadPlan.Bin], _ plan: SpreadPlan) -> CopyError {
        let left = items.indices.filter { plan.bins[$0] == nil }
        let fitting = items.indices.filter { plan.bins[$0] != nil }
        let largest = bins.max { $0.room < $1.room } ?? SpreadPlan.Bin(room: 0, unit: 1, largestFile: 0)
        let need = items.indices.reduce(UInt64(0)) { sum, item in
            let cost = bins[items[item].fixed ?? 0].cost(items[item].length)
            return sum + cost - min(cost, items[item].taken)
        }
        let room = bins.reduce(UInt64(0)) { $0 + $1.room }
        return .noRoom(
            NoRoom(
                missing: need > room ? need - room : left.reduce(0) { $0 + largest.cost(items[$1].length) },
                fitting: fitting.count, fittingBytes: fitting.reduce(0) { $0 + items[$1].length }, all: items.count,
                mediaNeeded: SpreadPlan.mediaNeeded(items, each: largest), mediumSize: largest.room))
    }
}

extension Medium {
    /// Bytes that a file takes there already.
    func taken(_ item: CopyItem) -> UInt64 {
        whole.contains(item.name) ? .max : parts[item.name] ?? 0
    }
}
