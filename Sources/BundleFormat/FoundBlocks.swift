// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import SystemPackage

/// What the files at hand and the records say about each block of each volume, put together.
struct FoundBlocks {
    /// Of every volume at least one, in the order of the index.
    private(set) var results: [VolumeResult] = []
    /// By volume: the blocks that are good nowhere.
    private(set) var needed: [Int: RangeSet<Int>] = [:]

    init(_ bundle: VerifiedBundle, _ files: [VolumeFile], _ states: [VolumeFileState], _ records: VerifyRecords?) {
        let byVolume = Dictionary(grouping: files.indices, by: { files[$0].number })
        let paths = Set(files.map { $0.path.string })
        for (number, places) in bundle.volumes.enumerated() {
            let all = RangeSet(0..<Volume.blockCount(of: places.volume.length))
            let indices = byVolume[number] ?? []
            let elsewhere = records?.elsewhere(number, except: paths) ?? []
            var good = RangeSet<Int>()
            for index in indices { good.formUnion(states[index].good) }
            for entry in elsewhere { good.formUnion(entry.good) }
            let lacking = all.subtracting(good)
            if !lacking.isEmpty { needed[number] = lacking }
            for (place, index) in indices.enumerated() {
                results.append(FoundBlocks.result(files[index], states[index], places, place))
            }
            results += places.unreadable.map { VolumeResult(number: number, volume: places.volume, fault: $0) }
            guard places.isMissing else { continue }
            // a volume without a block has nothing that could be verified elsewhere
            let isKnown = lacking.isEmpty && !elsewhere.isEmpty
            var missing = VolumeResult(
                number: number, volume: places.volume, fault: isKnown ? nil : .volumeMissing(places.volume.name))
            missing.elsewhere = elsewhere.map { VolumeResult.Elsewhere(path: $0.path, time: $0.time) }
            results.append(missing)
        }
    }

    private static func result(
        _ file: VolumeFile, _ state: VolumeFileState, _ places: VolumePlaces, _ place: Int
    ) -> VolumeResult {
        let unread = RangeSet(file.blocks).subtracting(state.good).subtracting(state.bad)
        var fault: BundleError?
        if place >= places.media.count {
            let size = places.odd[place - places.media.count].size
            fault = .volumeLength(file.path, expected: file.volume.length, found: size)
        }
        if let gone = state.gone { fault = .mediumGone(file.path, "\(gone.errno)", unread: unread.count) }
        var result = VolumeResult(number: file.number, volume: file.volume, path: file.path, fault: fault)
        (result.bad, result.unread) = (Array(state.bad.ranges), unread.count)
        result.bytesChecked = file.bytes(state.good) + file.bytes(state.bad.intersection(RangeSet(0..<file.reach)))
        if let known = file.known, !known.good.isEmpty {
            (result.skipped, result.since) = (known.good.count, known.since)
            result.bytesSkipped = file.bytes(known.good)
            result.bytesChecked -= result.bytesSkipped
        }
        return result
    }
}

extension VolumeFile {
    /// Bytes of these blocks.
    fileprivate func bytes(_ blocks: RangeSet<Int>) -> UInt64 {
        blocks.ranges.reduce(0) { sum, run in
            let (first, last) = (volume.bytes(ofBlock: run.lowerBound), volume.bytes(ofBlock: run.upperBound - 1))
            return sum + last.upperBound - first.lowerBound
        }
    }
}

extension RangeSet<Int> {
    /// How many numbers are in it.
    var count: Int { ranges.reduce(0) { $0 + $1.count } }
}
