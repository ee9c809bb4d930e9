// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Cage
package import Files
internal import OCI
package import SystemPackage
internal import Synchronization
package import Trust

/// A load as a site does it: under the state's lock, with a receipt at its end, whatever that is.
package struct LoadRun: Sendable {
    package let state: SiteState
    /// Connections.
    package var jobs = 4
    /// Which tags that point elsewhere may be moved.
    package var replaceTags: [TagPattern] = []
    /// Whether every blob is fetched and hashed at the end.
    package var isDeep = false
    /// Bytes that the user says are free at the target.
    package var freeSpace: UInt64?
    /// Where a second copy of the receipt goes.
    package var receipt: FilePath?
    /// The clock by which metadata expires and the receipt is dated.
    package var now: @Sendable () -> UTCTime = { .now }
    /// The name and version of this tool, for the receipt.
    package var tool: String

    package init(state: SiteState, tool: String) { (self.state, self.tool) = (state, tool) }

    /// What came of it.
    package struct Result: Sendable {
        package let receipt: Receipt
        /// Where the state keeps it.
        package let receiptFile: FilePath
        /// What is left to do.
        package let next: [String]
    }

    /// Verifies, plans, loads, reads back. `given`: what the next commands need. Throws `LoadFailure` for everything after verification, when a receipt was
    /// written, and what verification throws.
    package func run(
        _ unverified: UnverifiedBundle, to target: any LoadTarget, given: GivenArguments, progress: Progress
    ) throws -> Result {
        let sandbox = try unverified.decoders.status()
        let lock = try state.lock()
        defer { withExtendedLifetime(lock) {} }
        try state.removeHalfWrittenUploads()
        let bundle = try unverified.verified(by: state.pinnedRoots(), now: now())
        try state.keepRoots(of: bundle.metadata)
        var receipt = Receipt(of: bundle, target: target, tool: tool)
        (receipt.started, receipt.sandbox) = (now().description, sandbox)
        let outcome = Swift.Result { try load(bundle, target, progress, &receipt) }
        do {
            try target.remember(in: state)
        } catch {
            receipt.findings.append("what this load learned about the target could not be kept: \(error)")
        }
        receipt.finished = now().description
        switch outcome {
        case .success:
            return Result(
                receipt: receipt, receiptFile: try write(receipt), next: bundle.stepsAfterLoad(target, given))
        case .failure(let error):
            receipt.note(error)
            let total = progress.total.load(ordering: .relaxed)
            let left = total - min(total, progress.done.load(ordering: .relaxed))
            let free = (try? target.freeSpace()) ?? 0
            throw LoadFailure(error, bytesLeft: left - min(left, free), receipt: Swift.Result { try write(receipt) })
        }
    }

    private func load(
        _ bundle: VerifiedBundle, _ target: any LoadTarget, _ progress: Progress, _ receipt: inout Receipt
    ) throws {
        var load = try Load(bundle, to: target, state: state, jobs: jobs, progress: progress)
        (load.isDeep, load.freeSpace) = (isDeep, freeSpace)
        var before = target.traffic
        defer {
            receipt.counts = load.tally.counts
            let traffic = target.traffic
            receipt.done = Receipt.Effort(
                requests: Int64(traffic.requests - before.requests), bytes: traffic.bytesSent - before.bytesSent)
            receipt.verifiedObjects = Int64(receipt.counts.pushed.blobs + load.content.manifests.count)
            let manifests = load.content.manifests.values.reduce(UInt64(0)) { $0 + UInt64($1.bytes.count) }
            receipt.verifiedBytes = receipt.counts.pushed.bytes + manifests
        }
        receipt.packs = bundle.packImages
        receipt.objects = try load.receiptObjects()
        let plan = try load.plan(replaceTags: replaceTags)
        before = target.traffic
        receipt.planned = Receipt.Effort(requests: plan.requests(load.content), bytes: plan.bytesOfRequests)
        let carriedOut = Swift.Result { try load.carryOut(plan) { try state.accept(bundle.metadata) } }
        receipt.objects = try load.receiptObjects()
        receipt.findings += load.tally.counts.findings
        try carriedOut.get()
        let counts = load.tally.counts
        receipt.nothingToDo =
            plan.isEmpty && counts.pushed.blobs == 0 && counts.manifestsSent == 0 && counts.readBack.repaired == 0
    }

    /// A copy never takes another receipt's place, and a place that can't be written is told before the load.
    private func checkReceiptPlace() throws {
        guard let receipt else { return }
        guard try !receipt.exists() else { throw LoadError.receiptPlace(receipt.string, "it is there already") }
        do {
            try receipt.replaceContents(with: [])
            try receipt.removeFile()
        } catch {
            throw LoadError.receiptPlace(receipt.string, "\(error)")
        }
    }

    private func write(_ receipt: Receipt) throws -> FilePath {
        let file = try receipt.write(in: state)
        // What stands in the receipt is safe now.
        let recorded = Set(receipt.counts.tags.map { Place($0.repository, $0.tag) })
        let moves = try state.notedMoves(of: receipt.target)
        try state.setNotedMoves(moves.filter { !recorded.contains($0.place) }, of: receipt.target)
        if let copy = self.receipt { try copy.replaceContents(with: receipt.encoded) }
        return file
    }
}

extension Receipt {
    /// What is known before anything is sent.
    init(of bundle: VerifiedBundle, target: any LoadTarget, tool: String) {
        self.init()
        (product, version) = (bundle.release.product, bundle.release.version)
        edition = bundle.release.edition
        release = bundle.metadata.targets.content.files["release.json"]?.sha256.lowercaseHex ?? ""
        root = bundle.metadata.fingerprint?.hex ?? ""
        rootVersion = bundle.metadata.root.root.header.version
        targetsVersion = bundle.metadata.targets.content.header.version
        signers = Array(Set(bundle.metadata.targets.signers + [bundle.sumsSigner]).map(\.hex)).sorted()
        (self.target, skippedTLSVerify) = (target.address, target.skipsTLSVerify)
        self.tool = tool
        findings = bundle.findings.map(\.description)
    }

    package mutating func note(_ error: any Error) {
        let failure = (error as? any ClassifiedError)?.failure ?? .failed
        (outcome, exitCode, message) = ("\(failure)", Int64(failure.rawValue), "\(error)")
    }
}

/// A load that failed after verification, with what tells about it.
package struct LoadFailure: ClassifiedError {
    package let cause: any Error
    /// Where the receipt is, or why there is none.
    package let receipt: Result<FilePath, any Error>

    private let bytesLeft: UInt64

    init(_ cause: any Error, bytesLeft: UInt64, receipt: Result<FilePath, any Error>) {
        (self.cause, self.bytesLeft, self.receipt) = (cause, bytesLeft, receipt)
    }

    package var failure: Failure { (cause as? any ClassifiedError)?.failure ?? .failed }
    /// Registries don't say how much they lack, and a write knows its own bytes alone: what is still to be sent.
    package var missingBytes: UInt64? {
        guard failure == .noSpace else { return nil }
        return (cause as? LoadError)?.missingBytes ?? bytesLeft
    }

    package var description: String {
        switch receipt {
        case .success(let file): "\(reason)\nreceipt: \(file)"
        case .failure(let error): "\(reason)\nno receipt could be written: \(error)"
        }
    }

    /// Why the load failed, without the line about the receipt.
    package var reason: String {
        guard let missingBytes, !(cause is LoadError) else { return "\(cause)" }
        return "\(cause); for all that is still to be sent, \(missingBytes) bytes are missing"
    }
}
