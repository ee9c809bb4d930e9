// SPDX-License-Identifier: Apache-2.0

/// What the user gave that the commands after this one need too, each word quoted for a shell.
package struct GivenArguments: Sendable {
    /// Media, `--release` and `--state`.
    package let media: String
    /// `--to`, and how the registry there is spoken to.
    package let target: String
    /// `--to` and `--state` alone.
    package let place: String
    /// `--to` with its options, and `--state`: for commands without media.
    package let site: String

    /// Takes words as they were given, unquoted. `target` begins with `--to`; `state` is `--state` and its folder, or nothing;
    /// `leave` is what only a plan or a load takes.
    package init(media: [String], target: [String], state: [String] = [], leave: [String] = []) {
        (self.media, self.target) = (media.shellLine, (target + leave).shellLine)
        (place, site) = ((Array(target.prefix(2)) + state).shellLine, (target + state).shellLine)
    }
}

extension [String] {
    /// Words that a POSIX shell takes apart again as they are.
    package var shellLine: String { map(\.shellWord).joined(separator: " ") }
}

extension String {
    /// One word for a POSIX shell: quoted where it holds anything that a shell might read.
    package var shellWord: String {
        let isPlain =
            !isEmpty
            && utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
                case UInt8(ascii: "0")...UInt8(ascii: "9"): true
                default: "-_./:,@%+=".utf8.contains(byte)
                }
            }
        return isPlain ? self : "'" + replacing("'", with: #"'\''"#) + "'"
    }
}
