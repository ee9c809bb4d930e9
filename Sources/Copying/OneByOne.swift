// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import Glibc
package import SystemPackage

/// Copies to media that come to one mount point one after another, however many it takes.
///
/// The journal in the state folder says what each holds. A medium that comes again is known by what is on it; one that is done is
/// passed over, one that isn't is gone on with.
package struct OneByOne: Sendable {
    private let source: CopySource
    private let mount: FilePath
    private let options: CopyOptions
    private let timeout: Int?
    private let say: @Sendable (String) -> Void
    private let journal: CopyJournal

    /// `mount`: where a medium is mounted, now or later. `timeout`: seconds to wait for each; `nil` for no limit. `say` is given a
    /// line for the person who changes the media. Throws `CopyError`, `FileError`.
    package init(
        _ source: CopySource, at mount: FilePath, _ options: CopyOptions, timeout: Int?,
        say: @escaping @Sendable (String) -> Void
    ) throws {
        (self.source, self.mount, self.options) = (source, try mount.absolute(), options)
        (self.timeout, self.say) = (timeout, say)
        journal = try CopyJournal(options.state, source.release, key: "one by one\n\(self.mount.string)")
    }

    /// Waits for media and fills them until everything is on one. Throws `CopyError.noMedium` (3) when none comes in time, and what
    /// stands in the way; a medium that fails while it is written ends it, in the results.
    package func run(_ progress: Progress) throws -> [MediumResult] {
        progress.begin(total: source.items.reduce(0) { $0 + $1.length })
        var results: [MediumResult] = []
        for entry in journal.media where entry.isDone {
            progress.add(Int(clamping: items(entry.planned).reduce(0) { $0 + $1.length }))
        }
        while !rest.isEmpty {
            let (medium, number) = try nextMedium(progress)
            let result = try fill(medium, number, progress)
            results.append(result)
            guard result.isWhole else { return results }
            say(
                "medium \(number) is done: \(result.good.count) files; it may be removed"
                    + (rest.isEmpty ? "" : ". \(rest.count) files are left"))
        }
        try journal.remove()
        return results
    }

    /// How many media of the size that is mounted now take what is left; `nil` where none is, or a file is too large for it.
    package func mediaNeeded() throws -> Int? {
        guard try mount.isMountPoint() else { return nil }
        let medium = try Medium(1, MediumLayout(mount, bundle: source.name, isFlat: options.isFlat), source)
        return SpreadPlan.mediaNeeded(rest.map { SpreadPlan.Item(length: $0.length) }, each: medium.bin)
    }

    private func items(_ names: [String]) -> [CopyItem] { source.items.filter { names.contains($0.name) } }

    /// What no medium that is done has.
    private var rest: [CopyItem] {
        let done = Set(journal.media.filter(\.isDone).flatMap(\.planned))
        return source.items.filter { !done.contains($0.name) }
    }

    private func fill(_ medium: Medium, _ number: Int, _ progress: Progress) throws -> MediumResult {
        let chosen = try choose(for: medium)
        try medium.checkLimits(source, chosen)
        let isLast = chosen.count == rest.count
        let highest = max(number, journal.media.map(\.number).max() ?? 0)
        return try MediumCopy(
            source: source, medium: medium, items: chosen, label: Label(source, of: isLast ? highest : nil),
            journal: journal, rechecks: options.rechecks, progress: progress
        ).run()
    }

    /// What goes onto this medium: what it has begun with, then as many of the rest as fit, in order; smaller ones fill the gap.
    private func choose(for medium: Medium) throws -> [CopyItem] {
        let rest = rest
        let items = rest.map { item in
            let isThere = medium.whole.contains(item.name) || medium.parts[item.name] != nil
            return SpreadPlan.Item(
                length: item.length, fixed: isThere ? 0 : nil, taken: isThere ? medium.taken(item) : 0,
                isParity: item.volume == nil)
        }
        let chosen = FirstFit.chosen(items, medium.bin)
        guard !chosen.isEmpty else {
            let bin = medium.bin
            let smallest = rest.map(\.length).min() ?? 0
            throw CopyError.noRoom(
                NoRoom(
                    missing: bin.cost(smallest) - min(bin.room, bin.cost(smallest) - 1), fitting: 0, fittingBytes: 0,
                    all: rest.count, mediaNeeded: SpreadPlan.mediaNeeded(items, each: bin), mediumSize: bin.room))
        }
        return chosen.map { rest[$0] }
    }

    // MARK: Waiting

    private func nextMedium(_ progress: Progress) throws -> (Medium, Int) {
        var said: String?
        let start = ContinuousClock.now
        while true {
            try Interruption.check()
            let obstacle: String
            if try !mount.isMountPoint() {
                obstacle = "waiting for a medium to be mounted at \(mount.string)"
            } else {
                let layout = MediumLayout(mount, bundle: source.name, isFlat: options.isFlat)
                let number = try number(of: layout)
                guard let number, journal.entry(number)?.isDone == true else {
                    let next = (journal.media.map(\.number).max() ?? 0) + 1
                    let medium = try Medium(number ?? next, layout, source)
                    try medium.probe()
                    return (medium, number ?? next)
                }
                obstacle = "medium \(number) is done; put the next one in its place at \(mount.string)"
            }
            if obstacle != said { say(obstacle) }
            said = obstacle
            progress.label = obstacle
            if let timeout, ContinuousClock.now - start >= .seconds(timeout) {
                throw CopyError.noMedium(mount, seconds: timeout)
            }
            usleep(300_000)
        }
    }

    /// Which medium of the journal this is, by the volumes on it: `nil` for one that has none of theirs.
    private func number(of layout: MediumLayout) throws -> Int? {
        for entry in journal.media {
            for name in entry.planned {
                let isThere = try layout.path(of: name).exists() || layout.staged(name).exists()
                if isThere { return entry.number }
            }
        }
        return nil
    }
}

/// The choice for one medium, when nobody knows what comes next.
enum FirstFit {
    /// The numbers of the items that fit, ascending: those that are there, then in order.
    static func chosen(_ items: [SpreadPlan.Item], _ bin: SpreadPlan.Bin) -> [Int] {
        var left = bin.room
        var chosen: [Int] = []
        for number in items.indices.sorted(by: { (items[$0].fixed ?? 1, $0) < (items[$1].fixed ?? 1, $1) }) {
            let whole = bin.cost(items[number].length)
            let cost = items[number].fixed == nil ? whole : whole - min(whole, items[number].taken)
            guard items[number].length <= bin.largestFile, cost <= left else { continue }
            left -= cost
            chosen.append(number)
        }
        return chosen.sorted()
    }
}
