// SPDX-License-Identifier: Apache-2.0

import PaletteSources
import Testing

struct VersionTests {
    @Test func `versions are ordered as semver.org says`() throws {
        let order = [
            "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
            "1.0.0-rc.1", "1.0.0", "v1.0.1", "1.2", "1.10.0", "2",
        ].map { SemanticVersion(parsing: $0) }
        for (left, right) in zip(order, order.dropFirst()) {
            #expect(try #require(left) < #require(right))
            #expect(try #require(right) > #require(left))
        }
        #expect(SemanticVersion(parsing: "1.2.3+a") == SemanticVersion(parsing: "v1.2.3_b"))
    }

    @Test(arguments: ["", "latest", "1.2.3.4", "1..2", "v", "1.2.x", "12345678901", "-1", "1.2.3 "])
    func `what is no version is none`(_ text: String) {
        #expect(SemanticVersion(parsing: text) == nil)
    }

    @Test(arguments: [
        (">=1.2 <2", ["1.2.0", "1.9.9"], ["1.1.9", "2.0.0", "1.5.0-rc.1"]),
        ("~1.2", ["1.2.0", "1.2.9"], ["1.3.0", "1.1.9"]), ("~1.2.3", ["1.2.3", "1.2.9"], ["1.2.2", "1.3.0"]),
        ("~1", ["1.0.0", "1.9.0"], ["2.0.0"]), ("^1.2", ["1.2.0", "1.99.0"], ["2.0.0", "1.1.0"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0"]), ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("1.2.x", ["1.2.0", "1.2.5"], ["1.3.0"]), ("1.x", ["1.0.0", "1.5.5"], ["2.0.0"]), ("1.2", ["1.2.7"], ["1.3.0"]),
        ("1.2.3", ["1.2.3", "v1.2.3"], ["1.2.4"]), ("=1.2.3", ["1.2.3"], ["1.2.4"]),
        ("*", ["0.0.1", "9.9.9"], ["1.0.0-a"]),
        (">1.2", ["1.3.0"], ["1.2.9"]), ("<=1.2", ["1.2.9"], ["1.3.0"]), (">= 1.2, != 1.3.0", ["1.3.1"], ["1.3.0"]),
        ("1.1.x || >=2", ["1.1.4", "2.5.0"], ["1.2.0"]),
        (">=1.0.0-rc.1", ["1.0.0-rc.2", "1.0.0"], ["1.0.0-beta", "1.1.0-rc.1"]),
    ])
    func `a range holds what it says`(_ text: String, _ inside: [String], _ outside: [String]) throws {
        let range = try #require(VersionRange(parsing: text))
        for version in inside { #expect(try range.contains(#require(SemanticVersion(parsing: version))), "\(version)") }
        for version in outside {
            #expect(try !range.contains(#require(SemanticVersion(parsing: version))), "\(version)")
        }
    }

    @Test(arguments: ["", "||", "latest", ">=", "1.2 ||", "!=1.2", ">=vv1", "~*", "1.2.3.4"])
    func `what is no range is none`(_ text: String) { #expect(VersionRange(parsing: text) == nil) }

    @Test func `aliases count only where nothing longer does, and newest takes the highest`() throws {
        let all = try #require(VersionRange(parsing: "*"))
        let tags = ["latest", "1", "1.2", "1.2.3", "1.2.10", "3.9", "3.10", "v2.0.0", "2.0.0", "2.1.0-rc.1"]
        #expect(VersionChoice(range: all).tags(of: tags) == ["3.10", "3.9", "2.0.0", "v2.0.0", "1.2.10", "1.2.3"])
        #expect(VersionChoice(range: all, newest: 2).tags(of: tags) == ["3.10", "3.9"])
        let wide = VersionChoice(range: try #require(VersionRange(parsing: ">=2 <3")), newest: 1, preReleases: true)
        #expect(wide.tags(of: tags) == ["2.1.0-rc.1"])
    }
}
