// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import SystemPackage

/// Where a volume is on the media at hand.
struct VolumePlaces: Sendable {
    /// A file that has another length than signed: cut off, still growing, or something else.
    struct Odd {
        let medium: MediaFolder
        /// Bytes.
        let size: UInt64
    }

    let volume: Volume
    /// The media that have it with its signed length.
    private(set) var media: [MediaFolder] = []
    /// The media that have a file of another length: its blocks before the end may be good.
    private(set) var odd: [Odd] = []
    /// What is wrong with the first file that can't be right.
    private(set) var unusable: BundleError?
    /// What is wrong with files that can't be read at all.
    private(set) var unreadable: [BundleError] = []

    var name: String { "volumes/\(volume.name)" }
    var isMissing: Bool { media.isEmpty && unusable == nil }
    /// All that are worth a try, the best first.
    var all: [MediaFolder] { media + odd.map(\.medium) }

    init(_ volume: Volume) { self.volume = volume }

    /// Looks on one more medium; what can't be right there.
    mutating func look(on medium: MediaFolder) -> Finding? {
        let fault: BundleError
        let finding: Finding
        do throws(FileError) {
            let file = try medium.open(name)
            let size = try file.status().size
            guard size != volume.length else {
                media.append(medium)
                return nil
            }
            odd.append(Odd(medium: medium, size: size))
            fault = .volumeLength(file.path, expected: volume.length, found: size)
            finding = .volumeUnusable(file.path, "it has \(size) bytes instead of \(volume.length)")
        } catch {
            if error.isMissing { return nil }
            fault = BundleError(error)
            unreadable.append(fault)
            finding = .volumeUnusable(error.path, "\(error.errno)")
        }
        unusable = unusable ?? fault
        return finding
    }

    /// Whether the medium at that place of `all` has all bytes of a block, good or bad.
    func reaches(_ block: Int, on place: Int) -> Bool {
        place < media.count || odd[place - media.count].size >= volume.bytes(ofBlock: block).upperBound
    }
}
