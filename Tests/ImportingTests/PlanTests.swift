// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Testing

@testable import Importing

struct PlanTests {
    private var made = Contents()

    @Test mutating func `an empty target gets everything, children before parents`() throws {
        let (one, two) = (try made.image(["base", "a"]), try made.image(["base", "b"]))
        let both = try made.index([one, two])
        let plan = LoadPlan(try made.content([reference("x/both", "1", both)]), TargetAnswers())
        let group = try #require(plan.groups.first)
        #expect(plan.groups.count == 1)
        #expect(group.manifests.map(\.descriptor) == [one, two, both])
        #expect(group.blobs.map(\.digest) == ["config", "base", "a", "b"].map { Contents.blob($0).digest })
        #expect(group.blobs.allSatisfy { $0.mountFrom == nil })
        #expect(plan.tags.map(\.action) == [.new])
        #expect(plan.bytesToSend == UInt64(400 + one.size + two.size + both.size))
        #expect(!plan.isEmpty)
    }

    @Test mutating func `a second repository mounts what the first has`() throws {
        let (one, two) = (try made.image(["base", "a"]), try made.image(["base", "b"]))
        let content = try made.content([reference("one", "1", one), reference("two", "1", two)])
        let plan = LoadPlan(content, TargetAnswers())
        #expect(plan.groups[1].blobs.map(\.mountFrom) == ["one", "one", nil])
        #expect(plan.bytesToSend == UInt64(400 + one.size + two.size))
    }

    @Test mutating func `two tags of one manifest in a repository are one transfer`() throws {
        let image = try made.image(["base"])
        let content = try made.content([reference("x", "1", image), reference("x", "latest", image)])
        let plan = LoadPlan(content, TargetAnswers())
        #expect(plan.groups.count == 1)
        #expect(plan.tags.map(\.tag) == ["1", "latest"])
    }

    @Test mutating func `a manifest that is there implies its blobs, and others mount from it`() throws {
        let (one, two) = (try made.image(["base", "a"]), try made.image(["base", "b"]))
        var answers = TargetAnswers()
        answers.manifests = [Place("one", one.digest)]
        answers.tags[Place("one", "1")] = .init(one.digest)
        let content = try made.content([reference("two", "1", two), reference("one", "1", one)])
        let plan = LoadPlan(content, answers)
        #expect(plan.groups.map(\.name) == ["two:1"])
        #expect(plan.groups[0].blobs.map(\.mountFrom) == ["one", "one", nil])
        #expect(plan.presentManifests == [Place("one", one.digest)])
        #expect(plan.tags.map(\.action) == [.new, .equal])
    }

    @Test mutating func `a target with all of it gets nothing`() throws {
        let image = try made.image(["base"])
        var answers = TargetAnswers()
        answers.manifests = [Place("x", image.digest)]
        answers.tags[Place("x", "1")] = .init(image.digest)
        let plan = LoadPlan(try made.content([reference("x", "1", image)]), answers)
        #expect(plan.isEmpty)
        #expect(plan.bytesToSend == 0)
        #expect(plan.neededDigests.isEmpty)
    }

    @Test(
        arguments: [
            (nil, .nobody, .new), (nil, .admin, .new), ("same", .nobody, .equal), ("same", .admin, .equal),
            ("other", .nobody, .refuse), ("other", .release, .move), ("other", .admin, .move),
        ] as [(String?, LoadPlan.Leave, LoadPlan.TagAction)])
    func `what happens to a tag`(_ before: String?, _ leave: LoadPlan.Leave, _ action: LoadPlan.TagAction) {
        let digest = { (name: String) in Contents.blob(name).digest }
        #expect(LoadPlan.action(before: before.map(digest), wanted: digest("same"), leave: leave) == action)
    }

    @Test mutating func `a tag that would move is refused with both digests`() throws {
        let (image, other) = (try made.image(["base"]), Contents.blob("other").digest)
        var answers = TargetAnswers()
        answers.tags[Place("x", "1")] = .init(other)
        let plan = LoadPlan(try made.content([reference("x", "1", image)]), answers)
        #expect(plan.refusals == [LoadError.TagMove(name: "x:1", before: other, digest: image.digest)])
        #expect(LoadError.tagsWouldMove(plan.refusals).failure == .refused)
    }

    @Test mutating func `tags come in the order images, artifacts, packs, bundle definitions`() throws {
        let image = try made.image(["base"])
        let kinds = ["pack", "bundleDefinition", "image", "artifact"]
        let sorted = kinds.map { reference($0.lowercased(), "1", image, kind: $0) }.sorted(
            by: ReleaseReference.tagOrder)
        #expect(sorted.map(\.kind) == ["image", "artifact", "pack", "bundleDefinition"])
    }

    @Test mutating func `a transfer waits for what it needs`() throws {
        let (one, two) = (try made.image(["base", "a"]), try made.image(["base"]))
        let both = try made.index([one])
        let content = try made.content([reference("x", "1", both), reference("y", "1", two)])
        let steps = TransferSteps(LoadPlan(content, TargetAnswers()), content)
        let order = OrderedSteps()
        try steps.graph.run(width: 3) { _, step in order.append(step) }
        var done: Set<Place> = []
        for number in order.all {
            switch steps.steps[number] {
            case .blob(let blob, _):
                if let source = blob.mountFrom { #expect(done.contains(Place(source, blob.digest))) }
                done.insert(Place(blob.repository, blob.digest))
            case .manifest(let step, _):
                let digest = step.descriptor.digest
                for needed in content.blobs(of: digest) + content.children(of: digest) {
                    #expect(done.contains(Place(step.repository, needed.digest)))
                }
                done.insert(Place(step.repository, digest))
            }
        }
        #expect(order.all.count == steps.steps.count)
    }
}
