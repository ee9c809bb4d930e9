// SPDX-License-Identifier: Apache-2.0

package import Files
package import RegistryClient

extension RegistryError: ClassifiedError {
    package var failure: Failure {
        switch kind {
        case .transient, .refusal: .failed
        case .access: .registryRefused
        case .policy: .refused
        case .noSpace: .noSpace
        case .cancelled: .interrupted
        }
    }
}

extension RegistryError {
    /// Whether an upload could not begin because its repository isn't there: ECR and Harbor make none by themselves.
    var saysNoRepository: Bool {
        guard case .refused(let line, status: 404, _) = self else { return false }
        return line.method == "POST"
    }
}

extension EndpointError: ClassifiedError {
    package var failure: Failure { .usage }
}

extension DockerConfigError: ClassifiedError {
    package var failure: Failure {
        if case .helper(_, _, .interrupted) = self { .interrupted } else { .usage }
    }
}
