// SPDX-License-Identifier: Apache-2.0

/// What becomes of metadata whose time is over. Signatures, thresholds, versions, lengths and digests are checked the same
/// way whatever the rule.
package enum ExpiryRule: Sendable {
    /// `TrustError.expired`, the rule of TUF (section 5.3.10 and after).
    case refuse
    /// Accepted and named in `TrustedMetadata.expired`: two people have agreed to it, or only versions are compared.
    case report
}

/// A file whose time was over when it was judged.
package struct ExpiredFile: Equatable, Sendable {
    /// Its name in `trust/`.
    package let file: String
    package let expires: UTCTime

    package init(file: String, expires: UTCTime) { (self.file, self.expires) = (file, expires) }
}

extension RoleMetadata {
    /// `nil` before the second that `expires` names.
    func expired(at time: UTCTime) -> ExpiredFile? {
        time < header.expires ? nil : ExpiredFile(file: fileName, expires: header.expires)
    }

    /// Throws from the second on that `expires` names, unless the rule is only to report it.
    func checkExpiry(_ time: UTCTime, _ rule: ExpiryRule = .refuse) throws(TrustError) {
        guard rule == .refuse, let expired = expired(at: time) else { return }
        throw .expired(file: expired.file, at: expired.expires, now: time)
    }
}
