// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Trust

/// Whether a load fits, and what a prune could free where it doesn't.
struct Room: Sendable {
    /// A prune that would make room.
    struct Offer: Sendable {
        /// Appliance releases that stay.
        let keep: Int
        /// At most so many bytes go.
        let bytes: UInt64
        /// What would go, for people.
        let releases: [String]
    }

    /// Bytes that are free at the target, as it or a person says; `nil` where nobody does.
    var free: UInt64?
    /// Where `free` comes from, for people.
    var source = ""
    /// The fewest releases that go first.
    var offers: [Offer] = []

    /// The size of the appliance's own registry unless it was given more (reference/palette.md, section 2): a hint, no limit.
    static let usualRegistry: UInt64 = 100 << 30
}

extension SiteState {
    /// What is free at a target: as a person says, as it tells itself, or as its capacity leaves beside what receipts tell of.
    func room(at target: any LoadTarget, saidToBeFree: UInt64?) throws -> Room {
        if let saidToBeFree { return Room(free: saidToBeFree, source: "as --free-space says") }
        if let free = try target.freeSpace() { return Room(free: free, source: "as the file system says") }
        guard let capacity = target.capacity else { return Room() }
        let used = try releases(at: target.address).bytes
        return Room(
            free: capacity - min(capacity, used),
            source:
                "of the \(capacity.asSize) that target add was told, beside the \(used.asSize) that receipts tell of")
    }
}

extension SiteReleases {
    /// Bytes of all that the releases have, each blob and manifest once. A registry that shares nothing between its repositories
    /// takes more.
    var bytes: UInt64 {
        let objects = releases.flatMap(\.receipts).flatMap(\.objects).filter { $0.proof != .none }
        let sizes = Dictionary(objects.map { ($0.digest, $0.size) }) { first, _ in first }
        return sizes.values.reduce(0) { $0 + UInt64(max(0, $1)) }
    }
}

extension PlanRun {
    /// What prunes could free, by what the target and the receipts say now; nothing is changed.
    func offers(at target: any LoadTarget, _ progress: Progress) throws -> [Room.Offer] {
        var offers: [Room.Offer] = []
        for keep in [2, 1] {
            var run = PruneRun(state: state, tool: tool)
            (run.keep, run.jobs) = (keep, jobs)
            let prune = try run.prune(target, progress).prune
            let names = prune.retention.gone.map(\.title)
            guard !names.isEmpty, names.count > offers.last?.releases.count ?? 0 else { continue }
            offers.append(Room.Offer(keep: keep, bytes: prune.bytes, releases: names))
        }
        return offers
    }
}

extension Room {
    /// For a plan's summary. `needed`: bytes that may have to be sent.
    func text(needed: UInt64) -> String {
        guard let free else {
            return
                "not known, as registries don't tell: --free-space SIZE, or target add --capacity SIZE. The appliance's own has "
                + "\(Room.usualRegistry.asSize) unless it was given more"
        }
        return "\(free.asSize) free, \(source); at most \(needed.asSize) needed"
    }

    /// What is said beside the refusal.
    var warnings: [String] {
        offers.map { offer in
            "prune --keep \(offer.keep) could free up to \(offer.bytes.asSize), of \(offer.releases.joined(separator: ", "))"
                .printable
        }
    }

    /// What may be done about it.
    func next(_ given: GivenArguments) -> [String] {
        guard let offer = offers.first else { return [] }
        return [
            "# see what older releases hold, and what goes; then with --apply and the list of images in use:",
            "dray-import prune \(given.site) --keep \(offer.keep)",
        ]
    }

    func json(needed: UInt64) -> JSONValue {
        [
            "needed": .int(Int64(clamping: needed)), "free": free.map { .int(Int64(clamping: $0)) } ?? .null,
            "prune": .array(
                offers.map {
                    [
                        "keep": .int(Int64($0.keep)), "bytes": .int(Int64(clamping: $0.bytes)),
                        "releases": .array($0.releases.map(JSONValue.string)),
                    ]
                }),
        ]
    }
}
