// SPDX-License-Identifier: Apache-2.0

/// A moment in UTC, in whole seconds, written `2031-05-01T00:00:00Z` as TUF metadata has it.
package struct UTCTime: Hashable, Comparable, Sendable {
    package let secondsSince1970: Int64

    package init(secondsSince1970: Int64) { self.secondsSince1970 = secondsSince1970 }

    package static func < (left: UTCTime, right: UTCTime) -> Bool { left.secondsSince1970 < right.secondsSince1970 }

    /// The last second that metadata can name, for bundles that never expire.
    package static let latest = UTCTime(secondsSince1970: 253_402_300_799)

    /// The moment a number of days later, at most `latest`.
    package func adding(days: Int64) -> UTCTime {
        let (seconds, overflow) = days.multipliedReportingOverflow(by: 86_400)
        let (sum, overflowed) = secondsSince1970.addingReportingOverflow(seconds)
        return overflow || overflowed ? .latest : min(UTCTime(secondsSince1970: sum), .latest)
    }

    /// The last second of a day written `2031-05-01`; `nil` when there is no such day from 1970 to 9999.
    package static func endOfDay(_ date: String) -> UTCTime? { UTCTime("\(date)T23:59:59Z") }

    /// Reads exactly `YYYY-MM-DDTHH:MM:SSZ`, a real moment from 1970 to 9999 without leap seconds; `nil` for others.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        let shape = Array("0000-00-00T00:00:00Z".utf8)
        guard bytes.count == shape.count else { return nil }
        for (byte, expected) in zip(bytes, shape) {
            guard expected == 0x30 ? (0x30...0x39).contains(byte) : byte == expected else { return nil }
        }
        func number(_ range: Range<Int>) -> Int64 { bytes[range].reduce(0) { $0 * 10 + Int64($1 - 0x30) } }
        let (hour, minute, second) = (number(11..<13), number(14..<16), number(17..<19))
        let day = UTCTime.days(year: number(0..<4), month: number(5..<7), day: number(8..<10))
        secondsSince1970 = day * 86_400 + hour * 3600 + minute * 60 + second
        guard description == text else { return nil }  // 30 February and 24:00 would be written otherwise
    }

    /// Days from 1970-01-01 in the Gregorian calendar; years begin in March here, so that leap days come last.
    private static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let (year, month) = month > 2 ? (year, month - 3) : (year - 1, month + 9)
        return year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468
    }
}

extension UTCTime: CustomStringConvertible {
    package var description: String {
        let bounded = min(max(secondsSince1970, 0), UTCTime.latest.secondsSince1970)
        let (days, seconds) = (bounded / 86_400 + 719_468, bounded % 86_400)
        let era = days / 146_097
        let dayOfEra = days % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        func padded(_ value: Int64, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfYear - (153 * shifted + 2) / 5 + 1, 2))"
        return date + "T\(padded(seconds / 3600, 2)):\(padded(seconds / 60 % 60, 2)):\(padded(seconds % 60, 2))Z"
    }
}
