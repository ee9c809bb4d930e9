// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import SystemPackage
internal import Trust

/// A plan's file that `load` was given, with the approval beside it.
struct GivenPlan {
    let file: FilePath
    let document: PlanDocument
    /// What the receipt keeps; `nil` where nobody has approved it.
    let approval: ReceiptApproval?

    /// Reads the plan and checks its approval, if there is one or one is needed. `person`: who is about to load.
    ///
    /// Throws `LoadError.noPlan`, `.approvalNeeded` and `ApprovalError`; where the plan accepts what has expired,
    /// `LoadError.expiredUnapproved` for whatever is wrong with the approval.
    init(at file: FilePath, _ state: SiteState, person: String?, needsApproval: Bool) throws {
        let bytes = try file.contents(limit: PlanDocument.maximumSize)
        self.file = file
        document = try PlanDocument(parsing: bytes, file)
        do {
            approval = try GivenPlan.approval(of: bytes, file, state, person)
        } catch let error as any ClassifiedError where document.reason != nil && !(error is FileError) {
            throw LoadError.expiredUnapproved(file.printable, "\(error)")
        }
        guard approval == nil else { return }
        if document.reason != nil {
            throw LoadError.expiredUnapproved(file.printable, "\(Approval.file(of: file).printable) is not there")
        }
        guard !needsApproval else { throw LoadError.approvalNeeded }
    }

    private static func approval(
        of plan: [UInt8], _ file: FilePath, _ state: SiteState, _ person: String?
    ) throws -> ReceiptApproval? {
        let place = Approval.file(of: file)
        guard try place.exists() else { return nil }
        let approval: Approval
        do {
            approval = try Approval(parsing: place.contents(limit: Approval.maximumSize))
        } catch let error as DSSEError {
            throw ApprovalError.untrusted(error)
        }
        let approvers = try approval.verified(
            plan: plan, approvers: try state.approvers(), siteKey: try state.siteKey()?.key.id, person: person)
        return ReceiptApproval(plan: plan, approvers)
    }

    /// The tags that it allows to move.
    var patterns: [TagPattern] { document.allowances.replaceTags.map { TagPattern($0) } }

    /// Throws where what would be done now isn't what this plan says: `TrustError.expired` for what has expired since,
    /// `LoadError.planDiffers` for all else.
    func check(_ now: PlanDocument, at time: UTCTime) throws {
        if let file = now.expired.first(where: { !document.expired.contains($0) }) {
            throw TrustError.expired(file: file.file, at: file.expires, now: time)
        }
        let lines = document.differences(to: now)
        guard lines.isEmpty else { throw LoadError.planDiffers(file.printable, lines) }
    }
}
