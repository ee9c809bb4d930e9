// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Support
import Testing

@testable import Importing

/// What a plan says of a target that is too small.
struct RoomTests {
    @Test func `a load that doesn't fit is refused with what a prune could free, which is left undone`() throws {
        let server = try ZotServer()
        let made = try PruneScene(at: { _ in try server.target() })
        var publisher = made.publisher
        var layout = MadeLayout()
        _ = layout.image("library/app:5", [try layout.noise(50_000)])
        let packed = try layout.packed(version: "5.0.0")
        let media = try publisher.edit(packed.bundle, "5.0.0") { $0.kind = .appliance }
        let report = try made.scene.plan(media, to: made.target) { $0.freeSpace = 10_000 }
        #expect(report.failure == .noSpace)
        let offers = report.warnings.filter { $0.hasPrefix("prune --keep") }
        #expect(offers.count == 2, "\(report.warnings)")
        #expect(offers.first?.contains("palette-enterprise 2.0.0, palette-enterprise 1.0.0") == true)
        #expect(report.next.last == "dray-import prune --to T --keep 2")
        #expect(try made.has("app1", in: "library/app") && made.faults(4).isEmpty)
        let roomy = try made.scene.plan(media, to: made.target) { $0.freeSpace = 10_000_000 }
        #expect(roomy.failure == nil && !roomy.warnings.contains { $0.contains("prune") })
        #expect(roomy.text.contains("as --free-space says"))
        #expect(try made.scene.plan(media, to: made.target).text.contains("not known, as registries don't tell"))
    }

    @Test func `a capacity counts less what receipts tell of`() throws {
        let server = try ZotServer()
        let made = try PruneScene(at: { _ in try server.target() }, releases: 2)
        let used = try made.scene.state.releases(at: made.target.address).bytes
        // two releases: a shared layer of 20,000, and each its own 9,500
        #expect((39_000..<60_000).contains(used), "\(used)")
        var target = try server.target()
        target.capacity = used + 1_000
        let room = try made.scene.state.room(at: target, saidToBeFree: nil)
        #expect(room.free == 1_000)
        #expect(try made.scene.state.room(at: target, saidToBeFree: 7).free == 7)
        #expect(try made.scene.state.room(at: try server.target(), saidToBeFree: nil).free == nil)
        target.capacity = 10
        #expect(try made.scene.state.room(at: target, saidToBeFree: nil).free == 0)
    }
}
