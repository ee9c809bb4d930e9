// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Trust

extension Load {
    /// What should be known of a delta before it is loaded: what was said of its sources, and a base that no receipt here is of.
    func deltaFindings(_ plan: LoadPlan) -> [String] {
        guard let sources, let needs = plan.needs else { return [] }
        return sources.findings + needs.warnings + (needs.missing.isEmpty ? unknownBases(sources) : [])
    }

    /// All bytes are proven by their digests, so another base than the one named is worth no more than a word.
    private func unknownBases(_ sources: SiteSources) -> [String] {
        guard let base = bundle.release.base, !base.releases.isEmpty, let state else { return [] }
        let receipts = (try? state.receipts().readable) ?? []
        let loaded = Set(receipts.filter { $0.receipt.target == target.address }.map(\.receipt.release))
        let given = Set(
            sources.bases.compactMap { $0.bundle.metadata.targets.content.files["release.json"] }
                .map { Digest(hashed: $0.sha256).hex })
        return base.releases.filter { !loaded.union(given).contains($0.release.hex) }.map { release in
            "no receipt here is of \(release.name.product.printable) \(release.name.version.printable) at \(target.address), which this "
                + "delta builds on; all that it leaves out was found nevertheless"
        }
    }
}

extension SiteSources {
    /// What was read from where, for the receipt.
    var usage: [String] {
        bytesRead.sorted { $0.key < $1.key }.map { "the delta took \($0.value.asSize) from \($0.key)" }
    }
}

extension VerifiedBundle {
    /// Rows about a delta: what it builds on and leaves out; none for a full bundle.
    var deltaRows: [(String, String)] {
        guard index.isDelta, let base = baseNames else { return [] }
        let totals = index.externalTotals
        return [
            ("delta of", base),
            ("left out", "\(totals.bytes.asSize) in \(totals.chunks.of("chunk")), which the site must have"),
        ]
    }

    /// The same for machines.
    var deltaJSON: JSONValue {
        guard index.isDelta, let base = release.base else { return .null }
        let totals = index.externalTotals
        return [
            "releases": .array(
                base.releases.map {
                    [
                        "product": .string($0.name.product), "version": .string($0.name.version),
                        "release": .string($0.release.hex),
                    ]
                }),
            "sites": .array(base.sites.map { ["target": .string($0.target), "time": .string($0.time)] }),
            "chunks": .int(Int64(totals.chunks)), "bytes": .int(Int64(clamping: totals.bytes)),
        ]
    }
}
