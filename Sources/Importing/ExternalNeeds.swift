// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
package import OCI
internal import RegistryClient
internal import Synchronization
package import Trust

/// What of a delta's left-out bytes some work needs, where each comes from, and what is nowhere.
package struct ExternalNeeds: Sendable, Equatable {
    /// How bytes are had.
    package enum Way: String, Sendable, Comparable {
        /// The target has the blob: it stays, or is mounted. Not read.
        case there
        /// Read from a base bundle's volumes.
        case base
        /// Read from a file that was given.
        case seed
        /// Read from blobs of the target.
        case target

        package static func < (left: Way, right: Way) -> Bool { left.rawValue < right.rawValue }
    }

    /// Bytes from one place.
    package struct Row: Sendable, Equatable {
        package let way: Way
        /// The bundle's folder, the file, or the target's address.
        package let place: String
        package var chunks = 0
        package var bytes: UInt64 = 0
    }

    /// Bytes of one blob or file of the base that are nowhere at hand.
    package struct Missing: Sendable, Equatable {
        /// The blob or the file.
        package let object: Digest
        /// Where the blob should be; `nil` for a file.
        package let repository: String?
        package var chunks = 0
        package var bytes: UInt64 = 0
        /// References and files that need it, some of them.
        package var neededFor: [String] = []
    }

    /// What the delta builds on, in words.
    package let base: String
    package fileprivate(set) var rows: [Row] = []
    package fileprivate(set) var missing: [Missing] = []
    /// Blobs that were taken to be there unasked, because there are too many to ask for.
    package fileprivate(set) var unasked = 0

    init(base: String) { self.base = base }

    /// Bytes that will be read from elsewhere.
    package var bytesToRead: UInt64 { rows.filter { $0.way != .there }.reduce(0) { $0 + $1.bytes } }

    /// The error, where something is missing.
    var lack: LoadError? { missing.isEmpty ? nil : .elsewhere(missing, base: base) }

    fileprivate mutating func add(_ chunk: ExternalChunk, _ way: Way, _ place: String) {
        let number = rows.firstIndex { $0.way == way && $0.place == place } ?? rows.endIndex
        if number == rows.endIndex { rows.append(Row(way: way, place: place)) }
        rows[number].chunks += 1
        rows[number].bytes += chunk.length
    }
}

extension SiteSources {
    /// The most blobs that are asked for before a load: each question may cost Zot a tenth of a second of password checks.
    static let mostQuestions = 2000

    /// Where the left-out bytes of these objects are. `there`: blobs that the target is to have already, with a repository that
    /// has each; they are not read where it does.
    ///
    /// The target is asked for a byte of each of its blobs that is needed, by a `GET`, which changes nothing there.
    package func needs(
        of objects: [Digest: String], there: [Digest: String] = [:]
    ) throws -> ExternalNeeds {
        var needs = ExternalNeeds(base: bundle.baseNames ?? "")
        let numbers = try bundle.externalNumbers(for: objects.keys)
        needs.unasked = try ask(numbers, there)
        let source = SiteSource(self)
        var missing: [Int] = []
        for number in numbers {
            guard let chunk = bundle.index.externalChunk(number) else { continue }
            if let repository = there[chunk.digest], has(Place(repository, chunk.digest), chunk.length) {
                needs.add(chunk, .there, target?.address ?? "")
            } else if let found = try source.places(of: chunk).first(where: { try isUsable($0, chunk) }) {
                let (way, place) = describe(found)
                needs.add(chunk, way, place)
            } else {
                missing.append(number)
            }
        }
        needs.missing = try group(missing, objects)
        return needs
    }

    private func has(_ place: Place, _ end: UInt64) -> Bool { (knownSize(of: place) ?? .max) >= end }

    /// Asks for the blobs of the target that nothing else has; how many were left unasked.
    private func ask(_ numbers: [Int], _ there: [Digest: String]) throws -> Int {
        guard let target else { return 0 }
        let source = SiteSource(self)
        var questions: Set<Place> = []
        for number in numbers {
            guard let chunk = bundle.index.externalChunk(number) else { continue }
            if let repository = there[chunk.digest] { questions.insert(Place(repository, chunk.digest)) }
            let places = try source.places(of: chunk)
            // What a bundle or a file has need not be asked for.
            guard !places.contains(where: { !($0 is BlobPlace) }) else { continue }
            for case let place as BlobPlace in places { questions.insert(place.place) }
        }
        let asked = questions.sorted { $0.description < $1.description }.prefix(SiteSources.mostQuestions)
        let silent = Mutex(questions.count - asked.count)
        try spread(Array(asked), width: jobs, target.session) { [self] session, place in
            guard let digest = try? Digest(parsing: place.reference) else { return }
            do {
                note(size: try session.blobSize(digest, in: place.repository) ?? 0, of: place)
            } catch let error as RegistryError where error.kind == .refusal {
                silent.withLock { $0 += 1 }  // it sends blobs from elsewhere: it may have them all the same
            }
        }
        return silent.withLock { $0 }
    }

    /// A blob must be there as far as the chunk reaches.
    private func isUsable(_ place: any ExternalPlace, _ chunk: ExternalChunk) throws -> Bool {
        guard let blob = place as? BlobPlace else { return true }
        return has(blob.place, blob.start + chunk.length)
    }

    private func describe(_ place: any ExternalPlace) -> (ExternalNeeds.Way, String) {
        switch place {
        case is BasePlace: (.base, place.name)
        case is SeedPlace: (.seed, place.name)
        default: (.target, target?.address ?? place.name)
        }
    }

    /// By the blob or file that would have them, with some names that need them.
    private func group(_ numbers: [Int], _ objects: [Digest: String]) throws -> [ExternalNeeds.Missing] {
        guard !numbers.isEmpty else { return [] }
        var found: [Digest: ExternalNeeds.Missing] = [:]
        var owners: [Int: Digest] = [:]
        let repositories = bundle.release.base?.repositories ?? []
        for number in numbers {
            guard let chunk = bundle.index.externalChunk(number), let first = chunk.externals.first else { continue }
            let repository = first.place == External.file ? nil : repositories[Int(first.place)]
            var entry = found[first.object] ?? .init(object: first.object, repository: repository)
            entry.chunks += 1
            entry.bytes += chunk.length
            found[first.object] = entry
            owners[number] = first.object
        }
        for (digest, name) in objects.sorted(by: { $0.value < $1.value }) {
            for number in Set(try bundle.externalNumbers(for: [digest])) {
                guard let owner = owners[number], var entry = found[owner] else { continue }
                guard entry.neededFor.count < 3, !entry.neededFor.contains(name) else { continue }
                entry.neededFor.append(name)
                found[owner] = entry
            }
        }
        return found.values.sorted { ($1.bytes, $0.object) < ($0.bytes, $1.object) }
    }
}

extension ExternalNeeds {
    /// Rows for people.
    var lines: [(String, String)] {
        rows.sorted { ($0.way, $0.place) < ($1.way, $1.place) }.map { row in
            let what = "\(row.bytes.asSize) in \(row.chunks.of("chunk"))"
            return switch row.way {
            case .there: ("there already", "\(what), of the base: left as it is or mounted")
            case .base: ("to read", "\(what) from the bundle \(row.place)")
            case .seed: ("to read", "\(what) from \(row.place)")
            case .target: ("to read", "\(what) from blobs at \(row.place)")
            }
        }
    }

    /// What should be known beside.
    var warnings: [String] {
        unasked == 0
            ? []
            : [
                "\(unasked.of("blob")) of the base, too many or answered by a redirect, were taken to be there; load says where one is not"
            ]
    }

    /// For machines.
    package var json: JSONValue {
        let sources = rows.sorted { ($0.way, $0.place) < ($1.way, $1.place) }.map(\.json)
        return [
            "base": .string(base), "sources": .array(sources), "missing": .array(missing.map(\.json)),
            "unasked": .int(Int64(unasked)),
        ]
    }
}

extension ExternalNeeds.Row {
    fileprivate var json: JSONValue {
        [
            "way": .string(way.rawValue), "place": .string(place), "chunks": .int(Int64(chunks)),
            "bytes": .int(Int64(clamping: bytes)),
        ]
    }
}

extension ExternalNeeds.Missing {
    fileprivate var json: JSONValue {
        [
            "digest": .string(object.description), "repository": repository.map(JSONValue.string) ?? .null,
            "chunks": .int(Int64(chunks)), "bytes": .int(Int64(clamping: bytes)),
            "neededFor": .array(neededFor.map(JSONValue.string)),
        ]
    }

    /// A line for people.
    var line: String {
        "  " + (repository.map { "blob \(object) of \($0.printable)" } ?? "file \(object)")
            + "  \(bytes.asSize) in \(chunks.of("chunk"))"
            + (neededFor.isEmpty ? "" : "  for \(neededFor.map(\.printable).joined(separator: ", "))")
    }
}
