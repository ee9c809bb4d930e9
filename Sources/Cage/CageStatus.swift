// SPDX-License-Identifier: Apache-2.0

internal import CLinux

/// What keeps the code that decodes input from media away from everything else, as it was when it started.
package struct CageStatus: Sendable, Equatable {
    /// Whether system calls outside a short list end the decoder (seccomp).
    package let seccomp: Bool
    /// The ABI of Landlock that forbids it every file; `nil` where the kernel has none.
    package let landlock: Int?
    /// Whether files on media are opened by one call that leaves their folder by no way; else one part of the name after
    /// the other, no link followed.
    package let openat2: Bool
    /// Bytes of memory that one decoder may map; `nil` without a cage.
    package var addressSpace: UInt64? { seccomp ? dray_cage_address_space : nil }

    package init(seccomp: Bool, landlock: Int?, openat2: Bool) {
        (self.seccomp, self.landlock, self.openat2) = (seccomp, landlock, openat2)
    }

    /// A child that has told which ABI of Landlock it is under.
    init(cagedUnderLandlock version: Int) {
        self.init(
            seccomp: true, landlock: version > 0 ? version : nil, openat2: dray_has_openat2() != 0)
    }

    /// Decoding with all rights of the user.
    static var uncaged: CageStatus {
        CageStatus(seccomp: false, landlock: nil, openat2: dray_has_openat2() != 0)
    }
}
