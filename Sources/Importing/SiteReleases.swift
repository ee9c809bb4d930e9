// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
internal import OCI
internal import Palette
package import Trust

/// A release as the receipts of one target tell of it.
package struct SiteRelease: Sendable {
    /// Of its loads into the target that were neither undone nor pruned, the newest first; at least one.
    package let receipts: [Receipt]
    /// Whether each of them counts: signed by the site's key, or the site's own where it has no key.
    package let isProven: Bool
    /// Whether a prune has begun to take it away since its newest load, and did not come to its end.
    package let isPartlyGone: Bool

    /// Its newest load that ended well, else its newest.
    package var newest: Receipt { receipts.first { $0.outcome == "done" } ?? receipts[0] }
    /// Whether all of it came to the target.
    package var isLoaded: Bool { newest.outcome == "done" && !isPartlyGone }
    /// For people.
    package var title: String { "\(newest.product) \(newest.version)" }
    /// `product-version`, as options name it.
    package var name: String { "\(newest.product)-\(newest.version)" }

    /// What it is; of receipts of before a kind was known: an appliance where its agent or its bundle's definition tells.
    package var kind: Release.Kind? { receipts.lazy.compactMap(\.facts.kind).first ?? (hasAgent ? .appliance : nil) }

    private var hasAgent: Bool {
        receipts.contains { receipt in
            receipt.counts.tags.contains { tag in
                let name = tag.repository.split(separator: "/").last ?? ""
                return name == "stylus" || name.hasPrefix("stylus-")
                    || (tag.repository == DeliveredReference.bundleDefinitions && VendorFile.isApplianceBundle(tag.tag))
            }
        }
    }
}

/// What the receipts of a site, and their copies in a target, tell of the releases in that target.
package struct SiteReleases: Sendable {
    /// By the end of their newest load, the newest first.
    package private(set) var releases: [SiteRelease] = []
    /// Copies in the target that can't be read or believed.
    package fileprivate(set) var faults: [String] = []

    package init() {}

    /// Takes the state's files and the target's copies. What counts is what the site's key has signed, or a later file that it
    /// has signed names; without a key, the state's own. The rest is listed as not proven.
    ///
    /// `begun`: loads, by release and end, that a prune which was killed has begun to take away.
    ///
    /// Throws `SiteError.untrusted` for a file of the state whose signature doesn't hold.
    package init(
        _ own: [ReceiptFile], copies: [ReceiptFile] = [], at address: String, keys: [TrustKey], begun: [String] = []
    ) throws {
        let known = Set(own.map(\.digest))
        let (others, here) = (copies.filter { !known.contains($0.digest) }, Set(copies.map(\.digest)))
        var proven = Set(try own.filter { try $0.isSigned(by: keys) }.map(\.digest))
        var foreign: [ReceiptFile] = []
        for copy in others {
            do throws(SiteError) {
                if try copy.isSigned(by: keys) { proven.insert(copy.digest) }
                foreign.append(copy)
            } catch {
                faults.append("\(error)")
            }
        }
        proven.formUnion(ReceiptChain(own + foreign, proven: proven).attested)
        if keys.isEmpty { proven.formUnion(known) }
        let files = own.filter { $0.content.target == address || here.contains($0.digest) } + foreign
        releases = SiteReleases.grouped(files, proven, Set(begun))
    }

    private static func grouped(
        _ files: [ReceiptFile], _ proven: Set<Digest>, _ begun: Set<String>
    ) -> [SiteRelease] {
        // What nobody has proven takes nothing away: it may only add to what is there.
        let counted = files.filter { proven.contains($0.digest) }
        let (gone, partly) = (Set(counted.flatMap(\.content.ended)), begun.union(counted.flatMap(\.content.begun)))
        var groups: [String: [(Receipt, Bool)]] = [:]
        for file in files {
            guard case .load(let receipt) = file.content, !gone.contains(receipt.release + receipt.finished) else {
                continue
            }
            groups[receipt.release, default: []].append((receipt, proven.contains(file.digest)))
        }
        return groups.values.map { loads in
            let receipts = loads.map(\.0).sorted { $0.finished > $1.finished }
            let newest = receipts.first { $0.outcome == "done" } ?? receipts[0]
            return SiteRelease(
                receipts: receipts, isProven: loads.allSatisfy(\.1),
                isPartlyGone: partly.contains(newest.release + newest.finished))
        }.sorted { ($0.newest.finished, $0.name) > ($1.newest.finished, $1.name) }
    }

    /// Those that came to the target whole.
    package var loaded: [SiteRelease] { releases.filter(\.isLoaded) }
}

extension SiteState {
    /// What the state's receipts tell of the target at this address. Throws what reading them can throw: a file that can't be
    /// read may tell of anything.
    package func releases(at address: String) throws -> SiteReleases {
        let (files, faults) = try receiptFiles()
        if let fault = faults.first { throw fault }
        return try SiteReleases(files, at: address, keys: receiptKeys(), begun: notedPrune(of: address)?.loads ?? [])
    }

    /// The same with the copies that the target keeps, as other hosts' loads are told of there alone. Asks the target for each of
    /// them.
    package func releases(in target: any LoadTarget, _ progress: Progress) throws -> SiteReleases {
        guard target.keepsEvidence else { return try releases(at: target.address) }
        let (files, faults) = try receiptFiles()
        if let fault = faults.first { throw fault }
        let copies = try History.Source(in: target, progress: progress)
        var found = try SiteReleases(
            files, copies: copies.files, at: target.address, keys: receiptKeys(),
            begun: notedPrune(of: target.address)?.loads ?? [])
        found.faults += copies.faults
        return found
    }
}

extension ReceiptFile {
    /// Throws `SiteError.untrusted`.
    fileprivate func isSigned(by keys: [TrustKey]) throws(SiteError) -> Bool {
        if case .signed = try proof(by: keys) { true } else { false }
    }
}

extension ReceiptFile.Content {
    /// The target's address.
    var target: String {
        switch self {
        case .load(let receipt): receipt.target
        case .undo(let record): record.target
        case .prune(let record): record.target
        }
    }

    /// The loads that this ended, by release and time.
    fileprivate var ended: [String] {
        switch self {
        case .load: []
        case .undo(let record): [record.release + record.finished]
        case .prune(let record): record.gone.flatMap(\.keys)
        }
    }

    /// The loads that this began to take away.
    fileprivate var begun: [String] {
        guard case .prune(let record) = self else { return [] }
        return record.begun.flatMap(\.keys)
    }
}
