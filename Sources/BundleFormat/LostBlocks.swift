// SPDX-License-Identifier: Apache-2.0

package import OCI

extension VerifiedBundle {
    /// What is lost with such blocks (by volume): the objects that need one of them, in the order of the index, and the names
    /// of the references and files of the release that need such an object, sorted.
    package func lost(with blocks: [Int: Set<Int>]) throws -> (objects: [Digest], names: [String]) {
        let ranges = blocks.mapValues { $0.sorted() }
        var objects: [Digest] = []
        for number in 0..<index.objectCount {
            let digest = index.object(number).digest
            let isHit = try neededBlocks(for: digest).contains { needed in
                ranges[needed.volume]?.contains { needed.blocks.contains($0) } ?? false
            }
            if isHit { objects.append(digest) }
        }
        return (objects, objects.isEmpty ? [] : try names(needing: Set(objects)))
    }
}
