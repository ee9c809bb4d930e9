// SPDX-License-Identifier: Apache-2.0

extension String {
    /// The text without what could move on a terminal or end a line: for what comes from a pack or a file's name.
    package var oneLine: String {
        let shown = unicodeScalars.filter { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: false
            default: true
            }
        }
        return String(UnicodeScalarView(shown))
    }
}
