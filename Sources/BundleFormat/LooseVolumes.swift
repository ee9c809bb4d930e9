// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI

/// Finds the volumes of an index among files of any names: by their length and the SHA-256 of their first and last block.
///
/// That decides where a volume is looked for and nothing else: each block is compared with its own digest when it is used.
struct LooseVolumes {
    /// A file that has a volume, or a part of one.
    struct Match {
        let volume: Int
        let file: LooseFile
        /// Whether length, first and last block are the volume's.
        let isWhole: Bool
    }

    private let index: BundleIndex
    private let contents: LooseContents
    private var byLength: [UInt64: [Int]] = [:]
    private var byFirst: [Digest: [Int]] = [:]
    /// Files that can't be read, with the reason.
    private(set) var unreadable: [(file: LooseFile, fault: FileError)] = []
    /// How many files whose length is no volume's are looked into: a volume that is still arriving is among few.
    private var looks = 1000

    init(_ index: BundleIndex, _ contents: LooseContents) {
        (self.index, self.contents) = (index, contents)
        for (number, volume) in index.volumes.enumerated() where volume.length > 0 {
            byLength[volume.length, default: []].append(number)
            byFirst[index.blockDigest(volume: number, block: 0), default: []].append(number)
        }
    }

    /// What each of the files is, in their order; files that are none of the volumes are left out.
    mutating func matches(_ files: [LooseFile]) -> [Match] {
        files.compactMap { file in
            do throws(FileError) {
                return try match(file)
            } catch {
                unreadable.append((file, error))
                return named(file)
            }
        }
    }

    private mutating func match(_ file: LooseFile) throws(FileError) -> Match? {
        guard file.size > 0 else { return named(file) }
        let same = byLength[file.size] ?? []
        guard !same.isEmpty || looks > 0 else { return named(file) }
        if same.isEmpty { looks -= 1 }
        let first = try contents.firstBlock(of: file)
        let starts = byFirst[first] ?? []
        if !same.isEmpty {
            let last = try contents.lastBlock(of: file)
            let ends = same.filter { number in
                index.blockDigest(volume: number, block: Volume.blockCount(of: file.size) - 1) == last
            }
            if let number = ends.first(where: { starts.contains($0) }) {
                return Match(volume: number, file: file, isWhole: true)
            }
            if let number = same.first(where: { starts.contains($0) }) ?? ends.first {
                return Match(volume: number, file: file, isWhole: false)
            }
        }
        // the shortest that is longer: a file that grows is that one sooner than another
        let longer = starts.filter { index.volumes[$0].length > file.size }
        let number = longer.min { index.volumes[$0].length < index.volumes[$1].length } ?? starts.first
        return number.map { Match(volume: $0, file: file, isWhole: false) } ?? named(file)
    }

    /// By its name alone, where its content says nothing.
    private func named(_ file: LooseFile) -> Match? {
        index.volumes.firstIndex { file.isNamed("volumes/\($0.name)") }.map {
            Match(volume: $0, file: file, isWhole: false)
        }
    }
}
