// SPDX-License-Identifier: Apache-2.0

/// The name of one part of a file that CanvOS cut to fit an ISO: `<file>_partNN`, from 00 (reference/palette.md,
/// section 6).
package struct PartName: Sendable, Equatable {
    /// The file's name without `_partNN`.
    package let whole: String
    package let number: Int
    /// Digits of the number, which all parts of one file have alike.
    package let width: Int

    /// `nil` for a name that is none.
    package init?(_ name: String) {
        guard let match = name.wholeMatch(of: /(.+)_part([0-9]{2,4})/), let number = Int(match.2) else { return nil }
        (whole, self.number, width) = (String(match.1), number, match.2.count)
    }

    /// The name of another part of the same file.
    package func name(of number: Int) -> String {
        let digits = String(number)
        return whole + "_part" + String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
