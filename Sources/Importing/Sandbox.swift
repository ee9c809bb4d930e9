// SPDX-License-Identifier: Apache-2.0

package import Cage
package import Trust

extension SiteState {
    /// Where this site decodes what comes from media: in the cage, unless its policy does without. Starts nothing. Throws
    /// what `policy` throws.
    package func frameDecoders() throws -> FrameDecoders {
        switch try policy().sandbox {
        case .required: .caged(Cage())
        case .none: .inProcess
        }
    }
}

extension CageStatus {
    /// `{"seccomp":true,"landlock":7,"openat2":true}`, as receipts have it; `landlock` is null where there is none.
    package var json: JSONValue {
        [
            "seccomp": .bool(seccomp), "landlock": landlock.map { .int(Int64($0)) } ?? .null, "openat2": .bool(openat2),
        ]
    }

    /// Reads a receipt's member.
    init(_ cursor: JSONCursor) throws(JSONError) {
        let landlock = try cursor["landlock"]
        self.init(
            seccomp: try cursor["seccomp"].bool(),
            landlock: landlock.value == .null ? nil : Int(try landlock.int(in: 1...Int64(Int32.max))),
            openat2: try cursor["openat2"].bool())
    }

    /// In a few words, for a receipt's line.
    var words: String {
        guard seccomp else { return "NONE, by this site's policy" }
        return (["seccomp"] + (landlock.map { ["Landlock ABI \($0)"] } ?? []) + (openat2 ? ["openat2"] : []))
            .joined(separator: ", ")
    }

    /// The same for people.
    package var report: Report {
        let rows = [
            ("seccomp", seccomp ? "yes: a short list of system calls, every other one ends the decoder" : "no"),
            ("Landlock", landlock.map { "yes, ABI \($0): no file can be opened" } ?? "no"),
            ("memory", addressSpace.map { "\($0.asSize) at most in each decoder" } ?? "no limit"),
            ("names on media", openat2 ? "opened by openat2" : "opened part by part, without openat2"),
        ]
        return Report(
            text: rows.aligned, json: json,
            warnings: seccomp
                ? [] : ["this site's policy says \"sandbox\": \"none\": what decodes media has this user's rights"])
    }
}
