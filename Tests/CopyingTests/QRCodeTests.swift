// SPDX-License-Identifier: Apache-2.0

import Support
import SystemPackage
import Testing

@testable import Copying

/// Whether the other decoder is here (scripts/setup --test installs it).
private let hasZBar = (try? run(["zbarimg", "--version"]).status) == 0

struct QRCodeTests {
    /// The picture that the SVG draws, as a bitmap of four dots a module.
    private func bitmap(_ svg: String) throws -> [UInt8] {
        let size = try #require(svg.firstMatch(of: #/viewBox="0 0 ([0-9]+) /#).flatMap { Int($0.1) })
        var dots = [Bool](repeating: false, count: size * size)
        for run in svg.matches(of: /M([0-9]+) ([0-9]+)h([0-9]+)v1h-([0-9]+)z/) {
            let (x, y, width) = try (#require(Int(run.1)), #require(Int(run.2)), #require(Int(run.3)))
            #expect(run.3 == run.4)
            for column in x..<x + width { dots[y * size + column] = true }
        }
        var text = "P1\n\(size * 4) \(size * 4)\n"
        for y in 0..<size * 4 {
            for x in 0..<size * 4 { text += dots[y / 4 * size + x / 4] ? "1" : "0" }
            text += "\n"
        }
        return Array(text.utf8)
    }

    @Test(
        .enabled(if: hasZBar, "zbarimg is not installed; scripts/setup --test installs it"),
        arguments: [
            "dray product=palette-enterprise version=4.7.27 root=\(String(repeating: "0a", count: 32)) release="
                + String(repeating: "f9", count: 32),
            "a", "0123456789 ABC:/$%",
        ])
    func `another program reads what it says`(text: String) throws {
        let place = TemporaryFolder()
        let file = place.appending("code.pbm")
        try write(try bitmap(try #require(QRCode(text)).svg), to: file)
        let result = try run(["zbarimg", "--raw", "-q", "-Sdisable", "-Sqrcode.enable", file.string])
        #expect(result.output == text + "\n", "\(result.errorOutput)")
    }

    @Test func `too much text has no code`() {
        #expect(QRCode(String(repeating: "x", count: 2331)) != nil)
        #expect(QRCode(String(repeating: "x", count: 2332)) == nil)
    }
}
