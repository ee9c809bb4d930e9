// SPDX-License-Identifier: Apache-2.0

import CommandLineSupport
import Files
import Mirroring
import OCI
import SystemPackage

/// What a mirror run says.
struct MirrorOutcome {
    private let result: MirrorResult
    private let options: MirrorOptions

    private let notes: [String]

    /// `notes` are about what could not even be asked for.
    init(_ result: MirrorResult, _ options: MirrorOptions, _ notes: [String]) {
        (self.result, self.options, self.notes) = (result, options, notes)
    }

    var outcome: Outcome {
        Outcome(
            text: (result.isDryRun ? planText : doneText).joined(separator: "\n"), data: MirrorData(result, options),
            warnings: warnings, next: next, failure: result.failure)
    }

    private var planText: [String] {
        let plan = result.plan
        let references = plan.references.map { reference in
            let change = reference.former.map { "  \($0) -> \(reference.digest.map(\.description) ?? "another")" }
            let left = reference.leftOut.isEmpty ? "" : "  without \(reference.leftOut.joined(separator: ", "))"
            let referrers = reference.referrers == 0 ? "" : "  \(reference.referrers) referrers"
            return "  \(reference.state)  \(reference.name)  \(reference.digest.map(\.description) ?? "to be fetched")"
                + "  \(ByteSize(bytes: reference.bytes))\(referrers)\(left)" + (change ?? "")
        }
        let files = plan.files.map { file in
            "  \(file.state)  \(file.name)  \(file.size.map { ByteSize(bytes: UInt64($0)).description } ?? "size unknown")"
        }
        return ["\(plan.references.count) references:"] + references
            + (files.isEmpty ? [] : ["\(plan.files.count) files:"] + files) + totals + failures
    }

    private var totals: [String] {
        let plan = result.plan
        return [
            "to fetch: \(ByteSize(bytes: plan.bytesToFetch)) in \(plan.blobsToFetch) blobs; "
                + "\(ByteSize(bytes: plan.bytesPresent)) are there"
        ]
    }

    private var doneText: [String] {
        let plan = result.plan
        let states = Dictionary(grouping: plan.references, by: \.state).mapValues(\.count)
        let counts = ["new", "changed", "unchanged"].map { "\(states[$0] ?? 0) \($0)" }.joined(separator: ", ")
        let moved = plan.references.filter { $0.former != nil }.map {
            "  \($0.name)  \($0.former.map(\.description) ?? "") -> \($0.digest.map(\.description) ?? "")"
        }
        return [
            "folder:     \(options.to)",
            "references: \(plan.references.count) (\(counts))",
        ] + (moved.isEmpty ? [] : ["changed since the lock file:"] + moved)
            + (result.files.isEmpty ? [] : ["files:      \(result.files.count)"]) + [
                "blobs:      \(ByteSize(bytes: plan.bytesToFetch)) fetched, \(ByteSize(bytes: plan.bytesPresent)) were there",
                "requests:   \(result.requests)"
                    + (result.retries == 0 ? "" : ", \(result.retries) waits before another try"),
                "lock file:  \(options.lock)",
            ] + failures
    }

    private var failures: [String] {
        guard !result.failures.isEmpty else { return [] }
        let lines = result.failures.map { failure in
            "  " + (failure.reason.hasPrefix(failure.what) ? failure.reason : "\(failure.what): \(failure.reason)")
                + (failure.wantedBy.isEmpty ? "" : " (wanted by \(failure.wantedBy.joined(separator: ", ")))")
        }
        return ["\(result.failures.count) could not be mirrored:"] + lines
    }

    private var warnings: [String] {
        var warnings = notes + result.warnings
        let left = result.plan.references.filter { !$0.leftOut.isEmpty }
        if !left.isEmpty {
            warnings.append(
                "\(left.count) indexes have platforms left out: registries that check an index's children (Zot, Docker's "
                    + "registry, Harbor) don't take such an index, and pack refuses it; see docs/mirror.md")
        }
        if result.plan.keptReferrers > 0 {
            warnings.append(
                "signatures and SBOMs of \(result.plan.keptReferrers) unchanged references were not looked for again; "
                    + "--refresh does")
        }
        let unused = result.unreferenced.values.reduce(0, +)
        if unused > 0, result.removedBytes == 0 {
            warnings.append("\(ByteSize(bytes: unused)) in the folder are not needed any more; --prune removes them")
        }
        return warnings
    }

    private var next: [String] {
        if result.isDryRun { return ["# the same command without --dry-run fetches it"] }
        guard result.failures.isEmpty else {
            return ["# correct what is listed, then run the same command again: what is there is not fetched again"]
        }
        return ["# name the folder in the release's manifest:  - layout: \(options.to)"]
    }
}

private struct MirrorData: Encodable {
    struct FailureData: Encodable {
        let what: String
        let wantedBy: [String]
        let reason: String
        let code: String
        let exitCode: Int32
    }

    let folder: String
    let lock: String
    let dryRun: Bool
    let references: [MirrorPlan.Reference]
    let files: [MirrorPlan.File]
    let fetched: [LockFile.File]
    let blobsToFetch: Int
    let bytesToFetch: UInt64
    let bytesPresent: UInt64
    let requests: Int
    let retries: Int
    let unreferencedBytes: UInt64
    let removedBytes: UInt64
    let failures: [FailureData]

    init(_ result: MirrorResult, _ options: MirrorOptions) {
        (folder, lock, dryRun) = (options.to.string, options.lock.string, result.isDryRun)
        (references, files, fetched) = (result.plan.references, result.plan.files, result.files)
        (blobsToFetch, bytesToFetch) = (result.plan.blobsToFetch, result.plan.bytesToFetch)
        (bytesPresent, requests, retries) = (result.plan.bytesPresent, result.requests, result.retries)
        (unreferencedBytes, removedBytes) = (result.unreferenced.values.reduce(0, +), result.removedBytes)
        failures = result.failures.map {
            FailureData(
                what: $0.what, wantedBy: $0.wantedBy, reason: $0.reason, code: "\($0.failure)",
                exitCode: $0.failure.rawValue)
        }
    }
}
