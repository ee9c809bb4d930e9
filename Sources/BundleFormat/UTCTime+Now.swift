// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import Trust

extension UTCTime {
    /// What this machine's clock says.
    package static var now: UTCTime { UTCTime(secondsSince1970: Int64(time(nil))) }
}
