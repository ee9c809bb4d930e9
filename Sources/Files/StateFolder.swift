// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import SystemPackage

/// Where a tool keeps what must outlive it.
package enum StateFolder {
    /// `/var/lib/dray` for root, else `$XDG_STATE_HOME/dray` or `~/.local/state/dray` (XDG Base Directory
    /// Specification 0.8). Not created here.
    package static func standard() -> FilePath {
        if getuid() == 0 { return "/var/lib/dray" }
        if let state = variable("XDG_STATE_HOME"), FilePath(state).isAbsolute {
            return FilePath(state).appending("dray")
        }
        return FilePath(variable("HOME") ?? ".").appending(".local/state/dray")
    }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}
