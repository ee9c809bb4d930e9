// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import OCI
import Testing

struct DifferenceTests {
    private func listing(_ tags: [String: Int], files: [String: Int] = [:]) -> ContentListing {
        var listing = ContentListing(title: "x", proof: "y", isProven: true)
        for (name, content) in tags {
            let parts = name.split(separator: ":").map(String.init)
            listing.tags[ContentListing.Name(repository: parts[0], tag: parts[1])] = digest(content)
        }
        for (name, content) in files {
            listing.files[name] = ContentListing.File(digest: digest(content), size: UInt64(content))
        }
        return listing
    }

    private func digest(_ number: Int) -> Digest { Digest(of: Array("\(number)".utf8)) }

    @Test func `tells packs from images, and added, removed and moved tags from each other`() {
        let old = listing(
            ["spectro-packs/archive/calico:3.29.1": 1, "a/b:1": 2, "a/b:latest": 3, "gone/x:1": 4, "kept/y:1": 5],
            files: ["a.iso": 1, "b.zst": 2, "c": 3])
        let new = listing(
            ["spectro-packs/archive/calico:3.29.2": 6, "a/b:2": 7, "a/b:latest": 8, "new/z:1": 9, "kept/y:1": 5],
            files: ["a.iso": 4, "c": 3, "d": 5])
        let difference = ContentDifference(from: old, to: new)
        #expect(difference.packs.repositories.map(\.name) == ["spectro-packs/archive/calico"])
        #expect(difference.packs.repositories[0].added == ["3.29.2"] && !difference.packs.repositories[0].isWhole)
        #expect(difference.images.repositories.map(\.name) == ["a/b", "gone/x", "new/z"])
        #expect(difference.images.repositories.map(\.isWhole) == [false, true, true])
        let moved = difference.images.repositories[0].moved
        #expect(moved == [.init(tag: "latest", from: digest(3), to: digest(8))])
        #expect((difference.images.added, difference.images.removed, difference.images.same) == (2, 2, 1))
        #expect(difference.files.map(\.name) == ["a.iso", "b.zst", "d"])
        #expect(difference.files.map(\.change) == [.changed, .removed, .added] && difference.filesSame == 1)
        #expect(difference.need == nil && !difference.isEmpty)
        #expect(ContentDifference(from: old, to: old).isEmpty)
    }

    @Test func `the infrastructure is compared layer by layer`() {
        var (old, new) = (listing([:]), listing([:]))
        old.profile = Release.Profile(
            layers: [
                .init(layer: "k8s", component: "pxk", version: "1.29.1", fips: true, isDeclared: true),
                .init(layer: "cni", component: "calico", version: "3.29", fips: nil, isDeclared: true),
            ], platforms: ["maas", "vsphere"])
        new.profile = old.profile
        new.profile?.layers[0].version = "1.31.4"
        new.facts = ["iso appliance.iso": "4.7.27"]
        let difference = ContentDifference(from: old, to: new)
        #expect(difference.profile == [.init(name: "k8s", before: "pxk 1.29.1, FIPS", after: "pxk 1.31.4, FIPS")])
        #expect(difference.facts == [.init(name: "iso appliance.iso", before: nil, after: "4.7.27")])
    }

    @Test func `bytes to send are those of blobs that the first has not`() {
        var (old, new) = (listing([:]), listing([:]))
        old.blobs = [digest(1): 10, digest(2): 20]
        new.blobs = [digest(2): 20, digest(3): 30]
        #expect(ContentDifference(from: old, to: new).need == .init(isByChunks: false, bytes: 30, total: 50))
    }

    @Test func `five thousand images are compared in no time`() {
        let old = listing(
            Dictionary(uniqueKeysWithValues: (0..<5000).map { ("repo/number-\($0 / 10):\($0 % 10)", $0) }))
        var new = old
        for number in 0..<500 {
            new.tags[ContentListing.Name(repository: "repo/number-\(number)", tag: "new")] = digest(number)
        }
        let clock = ContinuousClock()
        var difference = ContentDifference(from: old, to: old)
        let time = clock.measure { difference = ContentDifference(from: old, to: new) }
        #expect(difference.images.repositories.count == 500 && difference.images.same == 5000)
        #expect(time < .seconds(5))
    }
}
