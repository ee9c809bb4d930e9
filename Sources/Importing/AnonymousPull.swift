// SPDX-License-Identifier: Apache-2.0

internal import OCI
internal import RegistryClient

/// Whether an external registry gives content without a login: releases that pull pack content from one need that
/// (docs/targets.md, "External registries").
package enum AnonymousPull: Sendable, Equatable {
    case allowed
    /// What was asked for, and what the registry said.
    case refused(String, why: String)
    /// Nobody could be asked.
    case unknown(String, why: String)

    /// What a person should know; `nil` where all is well.
    package func warning(_ address: String) -> String? {
        switch self {
        case .allowed: nil
        case .refused(let name, let why):
            "\(address) gives \(name) to nobody without a login (\(why)). Releases that know external registries without pull secrets "
                + "can't use it so: clusters would end in ImagePullBackOff. Allow anonymous pulls below the base path, or make "
                + "sure that this release's documentation has image pull secrets for external registries"
        case .unknown(let name, let why):
            "whether \(address) gives \(name) without a login could not be asked (\(why)); releases without pull secrets need that"
        }
    }
}

extension RegistryTarget {
    /// The port of the appliance's own registry, which its hosts log in to (reference: Palette's documentation of the appliance).
    private static let appliancePort: UInt16 = 30003

    package func anonymousPull(of place: Place) -> AnonymousPull? {
        // Where we have no login, what we see is what everybody sees.
        guard registry.options.credentials != nil || registry.options.clientCertificate != nil,
            registry.endpoint.port != RegistryTarget.appliancePort
        else { return nil }
        var options = registry.options
        (options.credentials, options.clientCertificate, options.clientKey) = (nil, nil, nil)
        (options.journal, options.retry.attempts) = (nil, 1)
        let name = place.description
        do throws(RegistryError) {
            let connection = try Registry(registry.endpoint, options).connection()
            // One that isn't there counts as well: who may not pull is told so.
            _ = try connection.manifestState(registry.endpoint.repository(place.repository), place.reference)
            return .allowed
        } catch {
            switch error.kind {
            case .access: return .refused(name, why: error.isLoginRequired ? "401" : "403")
            default: return .unknown(name, why: "\(error)")
            }
        }
    }
}

extension RegistryError {
    fileprivate var isLoginRequired: Bool {
        guard case .loginRequired = self else { return false }
        return true
    }
}

extension LoadPlan {
    /// The reference that stands for the release when an external registry is asked: an image that is there, else any.
    var sample: Place? {
        let images = tags.filter { $0.kind == "image" }
        let found = images.first { $0.before != nil } ?? tags.first { $0.before != nil } ?? images.first ?? tags.first
        return found.map { Place($0.repository, $0.tag) }
    }
}
