// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
package import RegistryClient

/// Why a target can't be added or used.
package enum TargetError: Error, Equatable {
    case badName(String)
    case exists(String)
    case unknown(String, known: [String])
    /// The fingerprint that was given is of none of the certificates shown.
    case otherCertificate(host: String)
    case notConfirmed
    /// The certificate is trusted and the login works, and writing is not allowed.
    case mayNotWrite(repository: String)
    /// What failed of certificate, login and permission.
    case access(Step, RegistryError)

    package enum Step: String, Sendable { case certificate, login, permission }
}

extension TargetError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .badName, .unknown: .usage
        case .exists: .refused
        case .otherCertificate, .notConfirmed, .mayNotWrite, .access: .registryRefused
        }
    }

    package var description: String {
        switch self {
        case .badName(let name):
            "\"\(String(name.prefix(100)).printable)\" can't name a target; begin with a letter or digit, then letters, digits and . _ -"
        case .exists(let name): "there is a target \(name) already"
        case .unknown(let name, let known):
            "there is no target \(name.shellWord); "
                + (known.isEmpty ? "none is known" : "known are \(known.joined(separator: ", "))")
        case .otherCertificate(let host):
            "certificate: \(host) shows none with that fingerprint; nothing was kept. Ask the registry's administrator whether "
                + "it was renewed, and for its fingerprint now"
        case .notConfirmed:
            "certificate: not confirmed, nothing was kept; ask the registry's administrator for the fingerprint"
        case .mayNotWrite(let repository):
            "permission: the login may not write to \(repository); nothing was kept. Ask the registry's administrator for "
                + "read, create and update there"
        case .access(let step, let error): "\(step.rawValue): \(error)"
        }
    }
}

/// What a registry said when a target was added.
package struct TargetCheck: Sendable {
    package let kind: RegistryKind
    package let mayCreate: Permission
    package let mayDelete: Permission
    /// Whether there was a certificate to check.
    package let isEncrypted: Bool
    /// Whether there was a login to check.
    package let hasLogin: Bool

    /// Connects, logs in and asks what the login may do. Throws `TargetError.access` or `.mayNotWrite` naming what failed,
    /// else `RegistryError`.
    package init(_ registry: Registry) throws {
        (isEncrypted, hasLogin) = (registry.endpoint.scheme == .https, registry.options.credentials != nil)
        let connection = registry.connection()
        do throws(RegistryError) {
            try connection.ping()
            kind = try connection.kind()
            let repository = registry.endpoint.repository("dray-probe")
            mayCreate = kind.permitsQuestions ? try connection.mayCreate(repository) : .unknown
            mayDelete = mayCreate == .allowed ? try connection.mayDelete(repository) : .unknown
        } catch {
            guard let step = error.step else { throw error }
            throw TargetError.access(step, error)
        }
        guard mayCreate != .denied else {
            throw TargetError.mayNotWrite(repository: registry.endpoint.description)
        }
    }

    /// What was found right, in words: nothing that was not looked at.
    package var checked: String {
        [
            isEncrypted ? "the certificate is right" : "no certificate (http)",
            hasLogin ? "the login works" : "no login was given",
            mayCreate == .allowed ? "writing is allowed" : "whether writing is allowed isn't known",
        ].joined(separator: ", ")
    }

    /// What should be known beside.
    package var warnings: [String] {
        var warnings: [String] = []
        if mayCreate == .unknown {
            warnings.append("whether the login may write can't be found out without writing; the first load will tell")
        }
        if mayCreate == .stored {
            warnings.append(
                "the registry takes what is no manifest for one: look whether dray-probe is gone from "
                    + "the repository dray-probe, and remove it")
        }
        if mayDelete == .denied {
            warnings.append(
                "the login may not delete: staging tags stay, and a tag that changes its type can't be moved on older Zot"
            )
        }
        return warnings
    }
}

extension RegistryError {
    fileprivate var step: TargetError.Step? {
        switch self {
        case .certificate, .speaksNoTLS, .wantsTLS: .certificate
        case .loginRequired, .loginRefused, .untrustedTokenService: .login
        case .denied: .permission
        default: nil
        }
    }
}
