// SPDX-License-Identifier: Apache-2.0

internal import CLinux

/// What the process was started with.
package enum ProcessArguments {
    /// The arguments, the program's name first, where there is no `/proc` too: `CommandLine.arguments` is empty there.
    /// What is no UTF-8 is repaired.
    package static var all: [String] {
        (0..<dray_argument_count()).compactMap { unsafe dray_argument($0).map { unsafe String(cString: $0) } }
    }
}
