// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import FoundationEssentials
internal import OCI
internal import PaletteSources
internal import RegistryClient
internal import Synchronization
internal import SystemPackage

/// One version of a chart of a classic repository, as the artifact that Helm makes of it.
struct MirroredChart: Sendable {
    let name: String
    let url: String
    let state: Resolved.State
    /// The archive's digest before, if another.
    var former: Digest?
    let wantedBy: [String]
    /// `nil` in a dry run for what isn't there yet.
    var root: Descriptor?
    var archive: Digest?
    /// Bytes of the archive.
    var size: Int64?
    var configuration: Digest?

    var digests: [Digest] { [root?.digest, archive, configuration].compactMap { $0 } }

    var locked: LockFile.Chart? {
        guard let root, let archive, let size else { return nil }
        return LockFile.Chart(name: name, url: url, archive: archive, digest: root.digest, size: size)
    }
}

/// Mirrors charts of classic Helm repositories: `index.yaml`, then each `.tgz`, proved by the index's digest and stored
/// byte for byte as the layer of Helm's OCI artifact (helm.sh, "Use OCI-based registries").
struct ChartRun: Sendable {
    private static let configType = "application/vnd.cncf.helm.config.v1+json"
    private static let layerType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
    /// Bytes of a chart's archive.
    private static let maximumArchive: Int64 = 256 << 20

    private let run: MirrorRun
    private let locked: [String: LockFile.Chart]

    init(_ run: MirrorRun) {
        self.run = run
        locked = Dictionary(run.old.charts.map { ($0.name, $0) }) { $1 }
    }

    /// A version that is wanted, before it is fetched.
    private struct Wanted: Sendable {
        let chart: MirrorChart
        let name: String
        let version: String
        /// `nil` where the lock file alone knows it.
        let address: WebAddress
        let digest: Digest?
    }

    /// The versions of one chart that are wanted, and what the lock file says of that.
    private struct Choice: Sendable {
        let versions: [Wanted]
        let selection: LockFile.Selection
    }

    /// All charts that the manifest comes to; notes what ranges came to.
    func charts(_ lock: inout LockFile) throws -> [MirroredChart] {
        let wanted = try wanted(&lock)
        let found = Mutex([Int: MirroredChart]())
        try crew(run.sources, count: wanted.count) { worker, index in
            let one = wanted[index]
            run.progress.label = "chart \(one.name)"
            let chart = try run.ledger.attempt(one.name, wantedBy: one.chart.wantedBy) { try mirrored(one, worker) }
            if let chart { found.withLock { $0[index] = chart } }
        }
        return found.withLock { found in wanted.indices.compactMap { found[$0] } }
    }

    // MARK: which versions

    private func wanted(_ lock: inout LockFile) throws -> [Wanted] {
        let repositories = Dictionary(grouping: run.options.document.charts, by: \.repository)
            .sorted { $0.key < $1.key }
        let found = Mutex([Choice]())
        try crew(run.sources, count: repositories.count) { worker, number in
            let (repository, charts) = repositories[number]
            let index = try list(repository, charts, worker)
            for chart in charts {
                let label = "\(repository) \(chart.name)"
                let choice = try run.ledger.attempt(label, wantedBy: chart.wantedBy) {
                    try versions(of: chart, label, index)
                }
                if let choice = choice ?? nil { found.withLock { $0.append(choice) } }
            }
        }
        let all = found.withLock { $0 }
        lock.selections += all.map(\.selection)
        var seen: Set<String> = []
        return all.flatMap(\.versions).sorted { $0.name < $1.name }.filter { seen.insert($0.name).inserted }
    }

    /// A repository's `index.yaml`; `nil` where the lock file is all that counts, or it can't be had, which is noted.
    private func list(_ repository: String, _ charts: [MirrorChart], _ worker: Worker) throws -> (
        WebAddress, [UInt8]
    )? {
        guard !run.options.isLocked else { return nil }
        run.progress.label = "charts of \(repository)"
        return try run.ledger.attempt(repository, wantedBy: charts.flatMap(\.wantedBy)) {
            let folder = repository.hasSuffix("/") ? repository : repository + "/"
            let address = try WebAddress(parsing: folder).resolving("index.yaml")
            return (address, try small(address, limit: HelmIndex.maximumSize, worker))
        }
    }

    private func versions(
        of chart: MirrorChart, _ label: String, _ index: (WebAddress, [UInt8])?
    ) throws -> Choice? {
        guard !run.options.isLocked else { return try lockedVersions(of: chart, label) }
        guard let (address, bytes) = index else { return nil }
        let entries = try HelmIndex.entries(of: chart.name, in: bytes)
        let chosen = chart.versions.tags(of: entries.map(\.version))
        guard !chosen.isEmpty else {
            throw MirrorError.noVersion(label, wanted: chart.versions.description, has: entries.count)
        }
        let versions = try chosen.map { version in
            guard let entry = entries.first(where: { $0.version == version }), let url = entry.urls.first else {
                throw MirrorError.unusableChart(label, why: "index.yaml names no address for \(version)")
            }
            let archive = try address.resolving(url)
            // An index from the network must not lead to services of this machine.
            guard archive.endpoint.scheme == .https || address.endpoint.scheme == .http else {
                throw MirrorError.plainHTTP("\(archive)")
            }
            return Wanted(
                chart: chart, name: try chart.reference(of: version), version: version, address: archive,
                digest: entry.digest)
        }
        return Choice(
            versions: versions,
            selection: LockFile.Selection(name: label, wanted: chart.versions.description, tags: chosen))
    }

    private func lockedVersions(
        of chart: MirrorChart, _ label: String
    ) throws -> Choice {
        let wanted = chart.versions.description
        guard let selection = run.old.selections.first(where: { $0.name == label && $0.wanted == wanted }) else {
            throw MirrorError.notInLock("\(label) \(wanted)")
        }
        let versions = try selection.tags.map { version in
            let name = try chart.reference(of: version)
            guard let known = locked[name] else { throw MirrorError.notInLock(name) }
            return Wanted(
                chart: chart, name: name, version: version, address: try WebAddress(parsing: known.url),
                digest: known.archive)
        }
        return Choice(versions: versions, selection: selection)
    }

    // MARK: one version

    private func mirrored(_ wanted: Wanted, _ worker: Worker) throws -> MirroredChart {
        let old = locked[wanted.name]
        var chart = MirroredChart(
            name: wanted.name, url: "\(wanted.address)",
            state: old == nil ? .new : wanted.digest == nil || old?.archive == wanted.digest ? .unchanged : .changed,
            former: wanted.digest == nil || old?.archive == wanted.digest ? nil : old?.digest,
            wantedBy: wanted.chart.wantedBy)
        if let old, old.archive == wanted.digest ?? old.archive, try run.folder.has(old.archive, size: old.size) {
            (chart.archive, chart.size) = (old.archive, old.size)
        } else if !run.options.isDryRun {
            (chart.archive, chart.size) = try fetch(wanted, worker)
        }
        guard let archive = chart.archive, let size = chart.size else { return chart }
        (chart.root, chart.configuration) = try artifact(of: archive, size: size, wanted)
        if run.options.isLocked, let old, old.digest != chart.root?.digest, let now = chart.root?.digest {
            throw MirrorError.changed(wanted.name, locked: old.digest, now: now)
        }
        return chart
    }

    /// Fetches the archive into the folder; its digest and size.
    private func fetch(_ wanted: Wanted, _ worker: Worker) throws -> (Digest, Int64) {
        if wanted.digest == nil {
            run.ledger.warn("\(wanted.name): index.yaml has no digest of it, so nothing but the lock file proves it")
        }
        let label = Digest(of: Array("\(wanted.name) \(wanted.address)".utf8)).hex
        let download = WebDownload(
            address: wanted.address, partial: run.folder.partials.appending("chart-\(label)"),
            limit: ChartRun.maximumArchive)
        let partial = try download.whole(worker, run.progress, expected: wanted.digest, name: wanted.name)
        let digest = partial.digest
        try partial.file.commit(to: run.folder.blob(digest))
        return (digest, partial.file.position)
    }

    /// Stores configuration and manifest of an archive that is there: always the same bytes for the same archive.
    private func artifact(of archive: Digest, size: Int64, _ wanted: Wanted) throws -> (Descriptor, Digest) {
        let file = try OpenFile.reading(run.folder.blob(archive))
        let (buffer, source) = (Buffer(capacity: 1 << 16), ChartBytes(file: file))
        let chart = try HelmChart(reading: { try source.next(buffer) })
        guard chart.name == wanted.chart.name, chart.version.dropV == wanted.version.dropV else {
            throw MirrorError.unusableChart(
                wanted.name, why: "its Chart.yaml says \(chart.name.prefix(100)) \(chart.version.prefix(100))")
        }
        let config = Descriptor(
            mediaType: ChartRun.configType, digest: Digest(of: chart.configuration),
            size: Int64(chart.configuration.count))
        let layer = Descriptor(mediaType: ChartRun.layerType, digest: archive, size: size)
        let manifest = try ChartRun.manifest(config, layer, chart)
        let root = Descriptor(
            mediaType: MediaType.manifest, digest: Digest(of: manifest), size: Int64(manifest.count))
        if !run.options.isDryRun {
            if try !run.folder.has(config.digest, size: config.size) {
                try run.folder.store(chart.configuration, config.digest)
            }
            if try !run.folder.has(root.digest, size: root.size) { try run.folder.store(manifest, root.digest) }
        }
        return (root, config.digest)
    }

    private static func manifest(_ config: Descriptor, _ layer: Descriptor, _ chart: HelmChart) throws -> [UInt8] {
        struct Document: Encodable {
            let schemaVersion = 2
            let mediaType = MediaType.manifest
            let config: Descriptor
            let layers: [Descriptor]
            let annotations: [String: String]
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let annotations = [
            "org.opencontainers.image.title": chart.name, "org.opencontainers.image.version": chart.version,
        ]
        return [UInt8](try encoder.encode(Document(config: config, layers: [layer], annotations: annotations)))
    }

    private func small(_ address: WebAddress, limit: Int, _ worker: Worker) throws -> [UInt8] {
        try worker.small(address, limit: limit)
    }
}

/// Hands out a file in pieces.
private final class ChartBytes {
    private let file: OpenFile
    private var offset: UInt64 = 0

    init(file: consuming OpenFile) { self.file = file }

    func next(_ buffer: Buffer) throws -> Buffer? {
        try file.read(into: buffer, at: offset, length: buffer.capacity)
        offset += UInt64(buffer.count)
        return buffer.count > 0 ? buffer : nil
    }
}

extension MirrorChart {
    /// The reference of a version: the repository's host and path, the chart's name, and the version, whose `+` no tag may
    /// have (Helm writes `_`).
    fileprivate func reference(of version: String) throws -> String {
        let address = try WebAddress(parsing: repository)
        let path = address.path.split(separator: "/").map { $0.lowercased() }
        let standard = ([address.endpoint.host] + path + [name.lowercased()]).joined(separator: "/")
        let text = "\(reference ?? standard):\(version.replacing("+", with: "_"))"
        return try Reference(parsing: text).description
    }
}

extension String {
    /// Charts are listed with or without the `v` that their version has.
    fileprivate var dropV: Substring { hasPrefix("v") ? dropFirst() : self[...] }
}
