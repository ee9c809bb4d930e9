// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import Trust

extension UTCTime {
    /// What this machine's clock says.
    package static var now: UTCTime { UTCTime(secondsSince1970: Int64(time(nil))) }

    /// The first day of the month that this source was last released in: no clock can be right that is behind it. A constant,
    /// so that two builds of one source are equal.
    package static let toolDate = UTCTime(secondsSince1970: 1_788_220_800)  // 2026-09-01
}
