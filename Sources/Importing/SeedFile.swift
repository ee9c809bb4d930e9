// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import SystemPackage

/// A file that the user says holds bytes that a delta leaves out, and the file of the earlier release that it was found to be.
struct SeedFile: Sendable {
    let path: FilePath
    /// The earlier release's file, by its digest.
    let object: Digest
}

extension SeedFile {
    /// Chunks of an object that are read to see whether a file is it: hashing 20 GB first would double the work, as every chunk is
    /// compared when it is used.
    private static let samples = 32

    /// Finds out which file of the base each of these is. A file that matches nothing is left out, with a finding.
    static func matched(_ paths: [FilePath], to bundle: VerifiedBundle) throws -> (
        seeds: [SeedFile], findings: [String]
    ) {
        guard !paths.isEmpty else { return ([], []) }
        let wanted = WantedFiles(bundle.index)
        var seeds: [SeedFile] = []
        var findings: [String] = []
        for path in paths {
            guard let status = try path.statusIfPresent(), status.isRegular else { throw SourceError.noFile(path) }
            let file = try OpenFile.reading(path)
            let size = try file.status().size
            var matches: [SeedFile] = []
            for (object, need) in wanted.files.sorted(by: { $0.key < $1.key }) where need.end <= size {
                try Interruption.check()
                let good = try need.samples.count { try need.isThere($0, in: file) }
                guard good > 0 else { continue }
                matches.append(SeedFile(path: path, object: object))
                if good < need.samples.count {
                    findings.append(
                        "\(path.printable) is like the file \(object) that this delta builds on and not the same: \(good) of "
                            + "\(need.samples.count.of("piece")) that were compared are equal")
                }
            }
            if matches.isEmpty {
                findings.append(
                    "nothing is taken from \(path.printable): it is none of the files that this delta builds on ("
                        + (wanted.names.isEmpty ? "it needs none" : wanted.names.joined(separator: ", ")) + ")")
            }
            seeds += matches
        }
        return (seeds, findings)
    }
}

/// What a delta needs of files of its base.
private struct WantedFiles {
    struct Need {
        /// Bytes that the file must have at least.
        var end: UInt64 = 0
        var samples: [Sample] = []
        fileprivate var seen = 0
        fileprivate var shortest: Sample?
    }

    struct Sample {
        let digest: Digest
        let offset: UInt64
        let length: UInt64
    }

    private(set) var files: [Digest: Need] = [:]

    var names: [String] { files.keys.sorted().map(\.description) }

    init(_ index: BundleIndex) {
        for number in 0..<index.externalCount {
            let external = index.external(number)
            guard external.place == External.file else { continue }
            let chunk = index.chunk(Int(external.chunk))
            let sample = Sample(digest: chunk.digest, offset: external.offset, length: chunk.length)
            files[external.object, default: Need()].add(sample)
        }
        for object in files.keys { files[object]?.finish() }
    }
}

extension WantedFiles.Need {
    private static let most = 32

    /// Keeps some of those that fit memory, spread over the file: every second, fourth, ... as there are more.
    fileprivate mutating func add(_ sample: WantedFiles.Sample) {
        end = max(end, sample.offset + sample.length)
        if shortest.map({ sample.length < $0.length }) ?? true { shortest = sample }
        guard sample.length <= UInt64(maximumFrameLength) else { return }
        seen += 1
        if samples.count < Self.most {
            samples.append(sample)
        } else if seen % (1 + seen / Self.most) == 0 {
            samples[(seen / (1 + seen / Self.most)) % Self.most] = sample
        }
    }

    /// Where none fits memory, the shortest must do.
    fileprivate mutating func finish() { if samples.isEmpty { samples = [shortest].compactMap(\.self) } }

    fileprivate func isThere(_ sample: WantedFiles.Sample, in file: borrowing OpenFile) throws -> Bool {
        let (hasher, buffer) = (Hasher(), Buffer(capacity: 1 << 20))
        var done: UInt64 = 0
        while done < sample.length {
            try Interruption.check()
            let length = Int(min(sample.length - done, UInt64(buffer.capacity)))
            try file.read(into: buffer, at: sample.offset + done, length: length)
            guard buffer.count > 0 else { break }
            buffer.withBytes { hasher.update($0) }
            done += UInt64(buffer.count)
        }
        return Digest(hashed: hasher.finish()) == sample.digest && done == sample.length
    }
}
