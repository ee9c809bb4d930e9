// SPDX-License-Identifier: Apache-2.0

package import Compression
package import Cryptography
package import Files
package import OCI
package import Trust

// What the errors of the modules that know no exit codes mean, wherever a bundle is read or written.

extension TrustError: ClassifiedError {
    package var failure: Failure {
        switch meaning {
        case .notTrusted: .notTrusted
        case .expired: .expired
        case .replaced: .replaced
        case .damaged: .damaged
        case .otherProduct: .refused
        case .unusableInput: .usage
        }
    }
}

extension ReleaseError: ClassifiedError {
    package var failure: Failure { .refused }
}

extension IndexError: ClassifiedError {
    package var failure: Failure { .damaged }
}

extension JSONError: ClassifiedError {
    package var failure: Failure { .damaged }
}

extension DigestError: ClassifiedError {
    package var failure: Failure { .damaged }
}

extension FrameError: ClassifiedError {
    package var failure: Failure { self == .notReproduced ? .failed : .damaged }
}

extension KeyError: ClassifiedError {
    package var failure: Failure { self == .faultySignature ? .failed : .usage }
}

extension GraphError: ClassifiedError {
    package var failure: Failure { .damaged }
}
