// SPDX-License-Identifier: Apache-2.0

import Files
import Importing
import SystemPackage
import Testing

/// What `undo --apply` may carry out.
struct UndoProofTests {
    @Test func `a site with a key takes back only what its key has proven, and nothing alone where two must agree`()
        throws
    {
        var publisher = try MadePublisher()
        let scene = try TrustScene(publisher)
        try scene.load(try publisher.release("1.0.0"))
        let kept = try #require(try scene.state.receipts().readable.first)
        #expect(refusal { try scene.state.checkUndo(of: kept) } == nil)
        _ = try scene.state.makeSiteKey(name: "Site 7")
        #expect(refusal { try scene.state.checkUndo(of: kept) }?.code == .notTrusted)
        let policy = try scene.state.tighten(machineFile: "/nonexistent") { $0.requireApproval = true }
        #expect(policy.requireApproval)
        #expect(refusal { try scene.state.checkUndo(of: kept) }?.code == .refused)
    }
}
