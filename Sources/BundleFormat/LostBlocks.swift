// SPDX-License-Identifier: Apache-2.0

package import OCI

extension VerifiedBundle {
    /// What is lost with such blocks (by volume): the objects that need one of them, in the order of the index, and the names
    /// of the references and files of the release that need such an object, sorted.
    package func lost(with blocks: [Int: Set<Int>]) throws -> (objects: [Digest], names: [String]) {
        let affected = AffectedObjects(self, blocks.mapValues { RangeSet($0.lazy.map { $0..<$0 + 1 }) })
        let names = affected.isEmpty ? [] : try names(needing: affected).map(\.name)
        return (affected.objects.map(\.digest), names)
    }
}
