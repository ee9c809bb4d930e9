// SPDX-License-Identifier: Apache-2.0

package import Archive
package import Files
package import OCI
package import Palette
package import PaletteSources

// What the errors of the modules that know no exit codes mean to `pack`.

extension PaletteSources.ManifestError: ClassifiedError {
    package var failure: Failure {
        switch problem {
        case .parts(let error): error.failure
        default: .usage
        }
    }
}

extension PartSetError: ClassifiedError {
    package var failure: Failure {
        if case .twice = self { .usage } else { .incomplete }
    }
}

extension PackFolderError: ClassifiedError {
    package var failure: Failure { .usage }
}

extension PackMetadataError: ClassifiedError {
    package var failure: Failure { .usage }
}

extension MappingError: ClassifiedError {
    package var failure: Failure { .usage }
}

extension ReferenceError: ClassifiedError {
    package var failure: Failure { .usage }
}

extension ArchiveError: ClassifiedError {
    package var failure: Failure { self == .outOfMemory ? .failed : .damaged }
}
