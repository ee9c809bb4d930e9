// SPDX-License-Identifier: Apache-2.0

import Support
import Synchronization
import SystemPackage
import Testing
import Trust

/// A medium that is meant to hurt, and what `dray-import` must say of it.
struct HostileRow: Sendable, CustomTestStringConvertible {
    typealias Build = @Sendable (inout HostileMedium) throws -> Void
    let testDescription: String
    let code: Int
    /// What the message must say.
    let words: String
    let build: Build
    /// Where the load ends otherwise than the verification.
    var load: Int?
    var clock: UTCTime?
    /// Media that the site takes before, by `trust update`.
    var before: Build?
    /// Media that it must accept after: what was refused has changed nothing for them.
    var after: Build?

    init(
        _ name: String, _ code: Int, _ words: String, load: Int? = nil, clock: UTCTime? = nil, before: Build? = nil,
        after: Build? = nil, _ build: @escaping Build
    ) {
        (testDescription, self.code, self.words, self.build) = (name, code, words, build)
        (self.load, self.clock, self.before, self.after) = (load, clock, before, after)
    }
}

/// Cases 1 to 30 and 32 of docs/hostile-cases.md, each by the real process: its exit code and reason, no change of state, target
/// or media, no signal, little memory and time.
@Suite struct HostileTrustTests {
    private static let left = Mutex(HostileRow.all.count)

    @Test(arguments: HostileRow.all) func `is refused, and nothing has changed`(_ row: HostileRow) throws {
        let ground = try HostileGround.shared.get()
        let scene = try ground.scene()
        if let before = row.before {
            try scene.importer("trust", "update", try scene.medium("before", before)).mustSucceed()
        }
        try scene.medium("media", row.build)
        let listing = try scene.listing()
        for (command, code) in [
            (["verify", "media"], row.code), (["load", "media", "--to", "oci:layout"], row.load ?? row.code),
        ]
        where code != 0 || command[0] == "verify" {
            let result = try scene.measured(command, clock: row.clock)
            ground.count(result)
            #expect(result.code == code, "\(command[0]): \(result.text)")
            #expect(result.text.contains(row.words), "\(command[0]): \(result.text)")
            #expect(result.memory < HostileGround.memoryLimit)
            if code == 0 { try scene.forgetVerified() }
            #expect(try scene.listing() == listing, "\(command[0])")
        }
        if let after = row.after {
            let media = try scene.medium("after", after)
            let accepted = try scene.measured(["load", media, "--to", "oci:layout"], clock: row.clock)
            #expect(accepted.code == 0, "\(accepted.text)")
        }
        if Self.left.withLock({ left in
            left -= 1; return left == 0
        }) {
            print(ground.summary)
        }
    }
}
