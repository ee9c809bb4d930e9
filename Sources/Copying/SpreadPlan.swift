// SPDX-License-Identifier: Apache-2.0

/// Which files go to which medium: a pure function of sizes.
struct SpreadPlan: Equatable {
    /// A file to place.
    struct Item: Equatable {
        let length: UInt64
        /// The medium that has it already, whole or in part.
        var fixed: Int?
        /// Bytes that it has taken there already.
        var taken: UInt64 = 0
        var isParity = false
        /// Whether it must stand on the first medium, if any has room for it there.
        var isFirst = false
    }

    /// A medium.
    struct Bin: Equatable {
        /// Bytes for these files.
        let room: UInt64
        /// Files take whole multiples of this.
        let unit: UInt64
        let largestFile: UInt64

        /// What a file takes: whole units, and what the file system keeps about it (Btrfs, the most, has 4 bytes for 4 KiB).
        func cost(_ length: UInt64) -> UInt64 { (length + unit - 1) / unit * unit + unit + length / 1024 }
    }

    /// The medium of each item; `nil` for one that no medium has room for.
    let bins: [Int?]
    var isWhole: Bool { !bins.contains(nil) }

    /// Finds room for all, or, where nothing does it, places what fits, the largest first. `balanced`: every medium gets its
    /// share, so that all are written at a time; else the first ones are filled.
    init(_ items: [Item], _ bins: [Bin], balanced: Bool) {
        var search = Spread(items, bins)
        let ways: [(inout Spread) -> Void] = [
            { if balanced { $0.inOrder(shares: true) } }, { $0.inOrder(shares: false) }, { $0.largestFirst() },
            { $0.exhaustive() },
        ]
        for way in ways {
            var attempt = search
            way(&attempt)
            guard attempt.placed.contains(nil) else {
                self.bins = attempt.placed
                return
            }
        }
        search.largestFirst()
        self.bins = search.placed
    }

    /// The fewest media, all as `bin`, that take all items; `nil` where one is too large for any number.
    static func mediaNeeded(_ items: [Item], each bin: Bin) -> Int? {
        guard items.allSatisfy({ $0.length <= bin.largestFile && bin.cost($0.length) <= bin.room }) else { return nil }
        let free = items.map { Item(length: $0.length) }
        let total = items.reduce(0) { $0 + bin.cost($1.length) }
        var count = max(1, Int((total + bin.room - 1) / max(1, bin.room)))
        while !SpreadPlan(free, Array(repeating: bin, count: count), balanced: false).isWhole { count += 1 }
        return count
    }
}

/// A plan in the making.
private struct Spread {
    let items: [SpreadPlan.Item]
    let bins: [SpreadPlan.Bin]
    private var left: [UInt64]
    private(set) var placed: [Int?]

    init(_ items: [SpreadPlan.Item], _ bins: [SpreadPlan.Bin]) {
        (self.items, self.bins) = (items, bins)
        left = bins.map(\.room)
        placed = items.map { _ in nil }
        for (number, item) in items.enumerated() {
            if let fixed = item.fixed { put(number, fixed) }
        }
        for (number, item) in items.enumerated() where item.isFirst && placed[number] == nil && fits(number, 0) {
            put(number, 0)
        }
    }

    private func cost(_ item: Int, _ bin: Int) -> UInt64 {
        let whole = bins[bin].cost(items[item].length)
        return items[item].fixed == bin ? whole - min(whole, items[item].taken) : whole
    }

    private func fits(_ item: Int, _ bin: Int) -> Bool {
        items[item].length <= bins[bin].largestFile && cost(item, bin) <= left[bin]
    }

    /// A fixed item goes where it is, also where there is no room for the rest of it: writing it says so.
    private mutating func put(_ item: Int, _ bin: Int) {
        let cost = cost(item, bin)
        guard cost <= left[bin] else { return }
        left[bin] -= cost
        placed[item] = bin
    }

    private mutating func take(_ item: Int, from bin: Int) {
        left[bin] += cost(item, bin)
        placed[item] = nil
    }

    private var open: [Int] { items.indices.filter { placed[$0] == nil && items[$0].fixed == nil } }

    /// Volumes in their order, medium after medium; parity where the fewest files are.
    mutating func inOrder(shares: Bool) {
        let volumes = open.filter { !items[$0].isParity }
        let total = volumes.reduce(UInt64(0)) { $0 + items[$1].length }
        let room = Double(max(1, left.reduce(0, +)))
        var bin = 0
        var share = left.map { shares ? Double($0) / room * Double(total) : .infinity }
        for item in volumes {
            // a file that crosses the border of two shares belongs where its larger half is
            while bin < bins.count,
                !fits(item, bin) || (bin < bins.count - 1 && share[bin] < Double(items[item].length) / 2)
            {
                bin += 1
            }
            guard bin < bins.count else { return }
            share[bin] -= Double(items[item].length)
            put(item, bin)
        }
        placeParity()
    }

    private mutating func placeParity() {
        for item in open where items[item].isParity {
            let counts = bins.indices.map { bin in placed.count { $0 == bin } }
            let best = bins.indices.filter { fits(item, $0) }.min { (counts[$0], $1) < (counts[$1], $0) }
            if let best { put(item, best) }
        }
    }

    /// The largest first, each where the least room is left; parity last.
    mutating func largestFirst() {
        for item in open.filter({ !items[$0].isParity }).sorted(by: { (items[$1].length, $0) < (items[$0].length, $1) })
        {
            if let best = bins.indices.filter({ fits(item, $0) }).min(by: { left[$0] < left[$1] }) { put(item, best) }
        }
        placeParity()
    }

    /// All ways, the largest files first, within a bounded number of steps.
    mutating func exhaustive() {
        let order = open.sorted { (items[$1].length, $0) < (items[$0].length, $1) }
        var steps = 200_000
        _ = place(order[...], &steps)
    }

    private mutating func place(_ order: ArraySlice<Int>, _ steps: inout Int) -> Bool {
        guard let item = order.first else { return true }
        var tried: Set<UInt64> = []
        for bin in bins.indices where fits(item, bin) && tried.insert(left[bin]).inserted {
            steps -= 1
            guard steps > 0 else { return false }
            put(item, bin)
            if place(order.dropFirst(), &steps) { return true }
            take(item, from: bin)
        }
        return false
    }
}
