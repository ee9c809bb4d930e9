// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Trust

extension MediaWanted {
    /// A receipt's report with what must come before the load is done.
    package func added(to report: Report) -> Report {
        var report = report
        var rows = [("wanted next", volumes.map { "\($0.name) (\($0.bytes.asSize) of it)" }.joined(separator: ", "))]
        if volumes.isEmpty { rows = [] }
        rows.append(("waiting", knowsNothing ? "everything, for the manifests" : waiting))
        rows.append(("spooled", spooled.asSize))
        report.text += "\n" + (rows + damage.prefix(20).map { ("damaged", $0) }).aligned
        if case .object(var members) = report.json {
            members["wanted"] = json
            report.json = .object(members)
        }
        report.failure = failure
        return report
    }

    private var waiting: String {
        "\(references.of("reference")), \(blobs.blobs.of("blob")), \(blobs.bytes.asSize)"
    }
}

extension ComingMedia {
    /// For a plan: what can be done now, what waits, in which order media best come, and what that costs here.
    func rows(_ needs: MediaNeeds, _ plan: LoadPlan) -> [(String, String)] {
        let all = Set(plan.groups.flatMap(\.blobs).filter { $0.mayBeSent && !sent.has($0) }.map(\.digest))
        let waits = all.intersection(needs.waiting.keys)
        let sizes = plan.sizes
        let bytes = { (digests: Set<Digest>) in digests.reduce(UInt64(0)) { $0 + (sizes[$1] ?? 0) } }
        let now = all.subtracting(waits)
        var rows = [("now", "\(now.count.of("blob")), \(bytes(now).asSize)")]
        rows.append(("waits", "\(waits.count.of("blob")), \(bytes(waits).asSize)"))
        rows.append(
            ("wanted", needs.wanted(for: waits).map { "\($0.name) (\($0.bytes.asSize) of it)" }.joined(separator: ", "))
        )
        return rows + spoolRows(needs) + [("until then", heldText(plan))]
    }

    func spoolRows(_ needs: MediaNeeds) -> [(String, String)] {
        let order = needs.order.isBest ? "in this order, the best" : "in this order"
        return [
            (
                "spool",
                "\(needs.bytesToSpool.asSize) now, \(needs.bytesInOrder.asSize) in all \(order), at most "
                    + "\(needs.bytesAtWorst.asSize) in any; \(free.asSize) are free in \(folder)"
            )
        ]
    }

    private func heldText(_ plan: LoadPlan) -> String {
        plan.traits.collectsAfter == nil
            ? "what was sent stays at the target, which collects nothing by itself"
            : "what was sent is held at the registry by staging manifests (tags dray-staging-...)"
    }

    func json(_ needs: MediaNeeds) -> JSONValue {
        [
            "wanted": .array(
                needs.wanted(for: needs.waiting.keys).map {
                    ["name": .string($0.name), "bytes": .int(Int64(clamping: $0.bytes))]
                }),
            "waitingBlobs": .int(Int64(needs.waiting.count)),
            "spool": [
                "folder": .string(folder), "free": .int(Int64(clamping: free)),
                "now": .int(Int64(clamping: needs.bytesToSpool)), "inOrder": .int(Int64(clamping: needs.bytesInOrder)),
                "atMost": .int(Int64(clamping: needs.bytesAtWorst)), "isBestOrder": .bool(needs.order.isBest),
            ],
        ]
    }

    /// The plan of a load that can't know yet where anything goes.
    func report(address: String, _ given: GivenArguments) throws -> Report {
        let needs = try needsOfAll()
        let volumes = needs.wanted(for: needs.waiting.keys)
        let lack = lack(needs)
        let first = try manifestVolumes().joined(separator: ", ")
        var rows = [
            ("target", address), ("release", here.release.title),
            ("manifests", "not known: they are in \(first), which is on none of these media"),
            ("wanted", volumes.map { "\($0.name) (at most \($0.bytes.asSize) of it)" }.joined(separator: ", ")),
        ]
        rows += spoolRows(needs)
        rows.append(
            (
                "better",
                "begin with the medium that has \(first): then \(try bytesFromTheBeginning().asSize) are spooled in all"
            ))
        return Report(
            text: rows.aligned,
            json: [
                "target": .string(address), "release": here.release.titleJSON, "manifestsKnown": .bool(false),
                "missingVolumes": .array(here.missingVolumes.map { .string($0.name) }), "media": json(needs),
                "spoolFromTheBeginning": .int(Int64(clamping: try bytesFromTheBeginning())),
            ],
            warnings: here.findings.map(\.description) + [lack?.description].compactMap(\.self),
            next: [
                "# better: put in the medium that has \(first) first, and plan again; or have what is here kept until it comes:",
                "dray-import load \(given.media) \(given.target)",
            ], failure: lack?.failure ?? .incomplete)
    }
}
