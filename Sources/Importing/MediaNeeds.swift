// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import OCI

/// What a load whose media come one at a time needs of which volume: a value, made of the index and of what is at hand.
struct MediaNeeds: Sendable {
    /// Objects that can't be read yet, with the blocks that are neither on the media at hand nor spooled.
    private(set) var waiting: [Digest: BlockSet] = [:]
    /// Blocks on the media at hand that later runs need.
    private(set) var toSpool = BlockSet()
    /// Which volumes come in which order, and what that spools.
    private(set) var order = MediaOrder()
    private let index: BundleIndex

    /// `objects`: what is still to be read, `kept`: what every run reads again, as the manifests are. `here` has no spool among its
    /// sources; `spooled` is what the spool has. `each`: blocks that every
    /// object waits for.
    init(
        _ here: VerifiedBundle, objects: some Collection<Digest>, kept: some Collection<Digest>, spooled: BlockSet,
        each: BlockSet = BlockSet()
    ) throws(BundleError) {
        index = here.index
        var (later, keeps) = (BlockSet(), BlockSet())
        var needs: [BlockSet] = []
        for digest in objects {
            let all = try here.blocks(of: digest).union(each)
            let missing = here.missing(of: all).subtracting(spooled)
            guard !missing.isEmpty else { continue }
            waiting[digest] = missing
            needs.append(missing)
            later.formUnion(all)
        }
        guard !needs.isEmpty else { return }
        for digest in kept { keeps.formUnion(try here.blocks(of: digest)) }
        later.formUnion(keeps)
        toSpool = later.subtracting(here.missing(of: later)).subtracting(spooled)
        order = MediaOrder(needs, kept: here.missing(of: keeps).subtracting(spooled)) { $0.bytes(here.index) }
    }

    /// What is wanted of each volume that isn't here, in the order in which they best come.
    func wanted(for objects: some Sequence<Digest>) -> [MediaWanted.Volume] {
        var blocks = BlockSet()
        for digest in objects { blocks.formUnion(waiting[digest] ?? BlockSet()) }
        return order.volumes.filter { blocks.volumes[$0] != nil }.map { number in
            MediaWanted.Volume(name: index.volumes[number].name, bytes: blocks.only(number).bytes(index))
        }
    }

    var bytesToSpool: UInt64 { toSpool.bytes(index) }
    /// Bytes that the spool gets from now on, where the volumes come in that order, and at most in any other.
    var bytesInOrder: UInt64 { bytesToSpool + order.bytes }
    var bytesAtWorst: UInt64 { bytesToSpool + order.worst }
}

extension VerifiedBundle {
    /// Everything that a load may read of a bundle whose manifests are not known: all objects but those that are delivered as files.
    var objectsForRegistries: [Digest] {
        let files = Set(release.files.flatMap { [$0.digest, $0.signature?.digest].compactMap(\.self) })
        return (0..<index.objectCount).map { index.object($0).digest }.filter { !files.contains($0) }
    }
}
