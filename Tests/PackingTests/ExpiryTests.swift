// SPDX-License-Identifier: Apache-2.0

import Files
import Packing
import Support
import SystemPackage
import Testing
import Trust

struct ExpiryTests {
    @Test func `a bundle past its support is refused with 11, its bytes unread`() throws {
        let past = try #require(UTCTime("2019-06-01T00:00:00Z"))
        let fixture = try PackFixture(now: past)
        try fixture.sample.edit("edition: palette }", "edition: palette, supportEnd: \"2020-01-01\" }")
        let bundle = try fixture.pack().folder
        let tool = [SourceTree.tool("dray").string, "verify", bundle.string, "--root", "\(bundle)/trust/1.root.json"]
        try sh("rm \(bundle)/volumes/tool")
        let result = try run(tool)
        #expect(result.status == 11)
        #expect(result.errorOutput.contains("2020-01-01"))
    }

    @Test func `a release that has ended before it is packed is not signed`() throws {
        let fixture = try PackFixture()
        try fixture.sample.edit("edition: palette }", "edition: palette, supportEnd: \"2020-01-01\" }")
        #expect(throws: PackError.expired("the release's supportEnd, 2020-01-01, has passed")) { try fixture.pack() }
        #expect(try !fixture.place.appending("out/palette-enterprise-1.0.0").exists())
    }
}
