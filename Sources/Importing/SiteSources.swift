// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
internal import OCI
internal import Synchronization
internal import SystemPackage

/// Where this site may have what a delta leaves out: base bundles, seed files, and the target itself. Shared by all threads, each
/// of which reads through a `SiteSource` of its own.
package final class SiteSources: Sendable {
    let bundle: VerifiedBundle
    let bases: [BaseBundle]
    let seeds: [SeedFile]
    let target: (any LoadTarget)?
    let state: SiteState
    let jobs: Int
    /// What should be known and stops nothing.
    package let findings: [String]
    private let shared = Mutex(Shared())

    /// A bundle that may have chunks of the delta.
    struct BaseBundle: Sendable {
        let bundle: VerifiedBundle
        let chunks: ChunkLookup

        var name: String { bundle.name.printable }
    }

    private struct Shared {
        var rejected: Set<Rejection> = []
        /// Whether a repository has a blob that reaches so far, as it was asked.
        var known: [Place: UInt64] = [:]
        var read: [String: UInt64] = [:]
        var receipts: [Digest: [String]]?
        /// Whether a base has an object wholly at hand.
        var atHand: [AtHand: Bool] = [:]
    }

    private struct AtHand: Hashable {
        let base: Int
        let object: Digest
    }

    private struct Rejection: Hashable {
        let place: String
        let chunk: Digest
    }

    init(
        for bundle: VerifiedBundle, bases: [VerifiedBundle], seeds: [FilePath], target: (any LoadTarget)?,
        state: SiteState, jobs: Int, findings: [String]
    ) throws {
        (self.bundle, self.target, self.state, self.jobs) = (bundle, target, state, jobs)
        self.bases = bases.map { BaseBundle(bundle: $0, chunks: ChunkLookup($0.index)) }
        let matched = try SeedFile.matched(seeds, to: bundle)
        self.seeds = matched.seeds
        self.findings = findings + matched.findings
    }

    /// For one thread.
    package func source() -> any ExternalSource { SiteSource(self) }

    // MARK: What is learned

    func reject(_ place: String, for chunk: Digest) {
        shared.withLock { _ = $0.rejected.insert(Rejection(place: place, chunk: chunk)) }
    }

    func isRejected(_ place: String, for chunk: Digest) -> Bool {
        shared.withLock { $0.rejected.contains(Rejection(place: place, chunk: chunk)) }
    }

    func note(_ bytes: Int, from source: String) { shared.withLock { $0.read[source, default: 0] += UInt64(bytes) } }

    /// Bytes read so far, by where they came from.
    package var bytesRead: [String: UInt64] { shared.withLock { $0.read } }

    /// The size of a blob at the target as it was told, 0 where it isn't there; `nil` where nobody has asked.
    func knownSize(of place: Place) -> UInt64? { shared.withLock { $0.known[place] } }

    func note(size: UInt64, of place: Place) { shared.withLock { $0.known[place] = size } }

    /// Whether a base has all of an object itself, on media that are here.
    func isAtHand(_ object: Digest, inBase number: Int) throws(BundleError) -> Bool {
        let key = AtHand(base: number, object: object)
        if let known = shared.withLock({ $0.atHand[key] }) { return known }
        let bundle = bases[number].bundle
        let outside = try bundle.externalNumbers(for: [object])
        let missing = try bundle.missingVolumes(for: [object])
        let found = outside.isEmpty && missing.isEmpty
        shared.withLock { $0.atHand[key] = found }
        return found
    }

    // MARK: Repositories

    /// The repositories of the target, below its base path, in which the delta says a chunk's blob is, then those that receipts
    /// name for it.
    func repositories(of external: External) throws -> [String] {
        let all = bundle.release.base?.repositories ?? []
        guard external.place != External.file, Int(external.place) < all.count else { return [] }
        // A delta made against a base has the release's names, one made against the site's inventory has the target's.
        let named = all[Int(external.place)]
        let there = target?.mapping.destination(of: named) ?? named
        let said = there == named ? [named] : [there, named]
        return said + (try received(external.object)).filter { !said.contains($0) }
    }

    /// Repositories in which receipts of this target say that a blob is.
    private func received(_ blob: Digest) throws -> [String] {
        if let known = shared.withLock({ $0.receipts }) { return known[blob] ?? [] }
        guard let target else { return [] }
        var found: [Digest: [String]] = [:]
        for kept in try state.receipts().readable where kept.receipt.target == target.address {
            for object in kept.receipt.objects where object.manifestType == nil {
                if found[object.digest]?.contains(object.repository) != true {
                    found[object.digest, default: []].append(object.repository)
                }
            }
        }
        shared.withLock { [found] in $0.receipts = found }
        return found[blob] ?? []
    }
}

/// Where one thread reads what a delta leaves out. Base bundles come first, whose bytes are checked against signatures anyway, then
/// files, then the target.
final class SiteSource: ExternalSource {
    let all: SiteSources
    /// A reader takes 16 MiB, so one is kept.
    private var base: (number: Int, reader: ObjectReader)?
    private var object: (digest: Digest, ranges: RangeReader)?
    private var session: (any TargetSession)?
    private var windows: [BlobWindow] = []
    private var files: [Int: OpenSeed] = [:]
    private let scratch = Buffer(capacity: 1 << 20)
    private static let windowCount = 2

    init(_ all: SiteSources) { self.all = all }

    func places(of chunk: ExternalChunk) throws -> [any ExternalPlace] {
        var places: [any ExternalPlace] = []
        for number in all.bases.indices {
            if let place = try BasePlace(number, chunk, self) { places.append(place) }
        }
        for external in chunk.externals where external.place == External.file {
            for number in all.seeds.indices where all.seeds[number].object == external.object {
                places.append(SeedPlace(number, external, chunk, self))
            }
        }
        if all.target != nil {
            for external in chunk.externals {
                for repository in try all.repositories(of: external) {
                    let known = all.knownSize(of: Place(repository, external.object))
                    guard known.map({ $0 >= external.offset + chunk.length }) ?? true else { continue }
                    places.append(BlobPlace(repository, external, chunk, self))
                }
            }
        }
        return places.filter { !all.isRejected($0.name, for: chunk.digest) }
    }

    func reject(_ place: any ExternalPlace, for chunk: ExternalChunk) { all.reject(place.name, for: chunk.digest) }

    // MARK: What places read from

    fileprivate func reader(ofBase number: Int) -> ObjectReader {
        if let base, base.number == number { return base.reader }
        let reader = all.bases[number].bundle.reader()
        base = (number, reader)
        object = nil
        return reader
    }

    /// What reads ranges of a base's object; reads that go forward cost no search.
    fileprivate func ranges(of digest: Digest, inBase number: Int) -> RangeReader? {
        if let object, object.digest == digest, base?.number == number { return object.ranges }
        guard let ranges = reader(ofBase: number).ranges(of: digest) else { return nil }
        object = (digest, ranges)
        return ranges
    }

    /// Reads an open seed.
    fileprivate func read(
        seed number: Int, at offset: UInt64, into target: UnsafeMutableRawBufferPointer
    ) throws -> Int {
        let seed = try files[number] ?? OpenSeed(all.seeds[number].path)
        files[number] = seed
        let length = min(target.count, scratch.capacity)
        try seed.file.read(into: scratch, at: offset, length: length)
        scratch.withBytes { bytes in unsafe bytes.withUnsafeBytes { unsafe target.copyMemory(from: $0) } }
        return scratch.count
    }

    /// The window of a blob; the one that was used longest ago goes.
    fileprivate func window(_ digest: Digest, in repository: String) throws -> BlobWindow {
        let place = Place(repository, digest)
        if let known = windows.firstIndex(where: { $0.place == place }) {
            windows.append(windows.remove(at: known))
        } else {
            if windows.count >= SiteSource.windowCount { windows.removeFirst() }
            windows.append(
                BlobWindow(
                    digest, in: repository, try openSession(), spoolFolder: all.state.path.appending("spool")))
        }
        return windows[windows.count - 1]
    }

    private func openSession() throws -> any TargetSession {
        guard let target = all.target else { preconditionFailure("places of a target need one") }
        let session = try self.session ?? target.session()
        self.session = session
        return session
    }
}

/// A seed as one thread reads it.
final class OpenSeed {
    let file: OpenFile
    init(_ path: FilePath) throws { file = try OpenFile.reading(path) }
}

/// Bytes of a base bundle's volumes: its chunk of that digest, or the range of its blob or file that the delta names, as a base
/// may have been cut otherwise.
final class BasePlace: ExternalPlace {
    private enum Range {
        case chunk(Int)
        case object(Digest, offset: UInt64)
    }

    let name: String
    private let source: SiteSource
    private let number: Int
    private let range: Range
    private var ranges: RangeReader?

    /// `nil` where the bundle hasn't got the bytes itself, or no medium a volume that they need.
    init?(_ number: Int, _ chunk: ExternalChunk, _ source: SiteSource) throws {
        let base = source.all.bases[number]
        if let found = base.chunks.number(of: chunk.digest), base.bundle.isAtHand(chunk: found) {
            range = .chunk(found)
        } else {
            let match = try chunk.externals.first { external in
                let object = base.bundle.index.object(external.object)
                guard let object, external.offset + chunk.length <= object.size else { return false }
                return try source.all.isAtHand(external.object, inBase: number)
            }
            guard let named = match else { return nil }
            range = .object(named.object, offset: named.offset)
        }
        (self.number, self.source) = (number, source)
        name = base.name
    }

    func read(at offset: UInt64, into target: UnsafeMutableRawBufferPointer) throws -> Int {
        do {
            let count: Int
            switch range {
            case .chunk(let chunk):
                let ranges = self.ranges ?? source.reader(ofBase: number).ranges(ofChunk: chunk)
                self.ranges = ranges
                count = try unsafe ranges.read(at: offset, into: target)
            case .object(let object, let start):
                guard let ranges = source.ranges(of: object, inBase: number) else { return 0 }
                count = try unsafe ranges.read(at: start + offset, into: target)
            }
            source.all.note(count, from: name)
            return count
        } catch let error as BundleError {
            throw PlaceFault(error)
        }
    }
}

/// Bytes of a file that the user gave.
final class SeedPlace: ExternalPlace {
    let name: String
    private let source: SiteSource
    private let number: Int
    private let start: UInt64

    init(_ number: Int, _ external: External, _ chunk: ExternalChunk, _ source: SiteSource) {
        (self.number, self.source) = (number, source)
        start = external.offset
        name = source.all.seeds[number].path.printable
    }

    func read(at offset: UInt64, into target: UnsafeMutableRawBufferPointer) throws -> Int {
        do {
            let count = try unsafe source.read(seed: number, at: start + offset, into: target)
            source.all.note(count, from: name)
            return count
        } catch let error as FileError {
            throw PlaceFault(error)
        }
    }
}

/// Bytes of a blob at the target.
final class BlobPlace: ExternalPlace {
    let name: String
    private let source: SiteSource
    let place: Place
    private let repository: String
    private let external: External
    /// Where the chunk begins in the blob.
    var start: UInt64 { external.offset }

    init(_ repository: String, _ external: External, _ chunk: ExternalChunk, _ source: SiteSource) {
        (self.repository, self.external, self.source) = (repository, external, source)
        place = Place(repository, external.object)
        name = "\(source.all.target?.address ?? "") \(place)"
    }

    func read(at offset: UInt64, into target: UnsafeMutableRawBufferPointer) throws -> Int {
        do {
            let window = try source.window(external.object, in: repository)
            let count = try unsafe window.read(at: external.offset + offset, into: target)
            source.all.note(count, from: source.all.target?.address ?? "")
            return count
        } catch let error as any ClassifiedError where !error.endsEverything {
            throw PlaceFault(error)
        }
    }
}

extension ClassifiedError {
    /// Whether no other place is to be tried: the user wants to stop.
    fileprivate var endsEverything: Bool { failure == .interrupted }
}

extension VerifiedBundle {
    /// Whether a medium has every volume that a chunk lies in.
    func isAtHand(chunk number: Int) -> Bool {
        let missing = Set(missingVolumes.map(\.name))
        guard !missing.isEmpty else { return true }
        return index.parts(of: index.chunk(number)).allSatisfy { part in
            !missing.contains(index.volumes[Int(index.frame(Int(part.frame)).volume)].name)
        }
    }
}
