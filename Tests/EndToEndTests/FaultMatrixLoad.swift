// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Synchronization
import SystemPackage
import Testing

/// What is cut.
enum Cut: String, CaseIterable {
    case clientKilled = "client killed"
    case registryKilled = "registry killed"
    case connectionReset = "connection reset"
}

/// One disturbed load: where it is cut, and how.
struct CutPoint: CustomStringConvertible {
    let cut: Cut
    let moment: FaultProxy.Moment
    let jobs: Int
    /// Seconds that a killed registry stays away; `nil`: until the load has failed.
    var outage: Double?

    var description: String { "\(cut.rawValue) at \(moment), \(jobs) jobs, outage \(outage.map { "\($0)" } ?? "long")" }
}

/// A site with a packed release, whose loads go through a proxy into a registry that nothing else uses.
final class CutSite: Sendable {
    /// Bytes of the largest request for a blob.
    static let chunk = 128 << 10
    let site: Site

    init() throws {
        site = try Site { sample in
            try sh(
                """
                cd \(sample.inputs)/mirror && python3 - <<'END'
                import hashlib, json
                index = json.load(open("index.json"))
                subject = {k: index["manifests"][0][k] for k in ("mediaType", "digest", "size")}
                def put(data, kind):
                    name = hashlib.sha256(data).hexdigest()
                    open("blobs/sha256/" + name, "wb").write(data)
                    return {"mediaType": kind, "digest": "sha256:" + name, "size": len(data)}
                kind = "application/vnd.oci.image.manifest.v1+json"
                about = {"schemaVersion": 2, "mediaType": kind, "artifactType": "application/vnd.example.sbom",
                         "config": put(b"{}", "application/vnd.oci.empty.v1+json"),
                         "layers": [put(b"sbom" * 500, "application/json")], "subject": subject}
                index["manifests"].append(put(json.dumps(about).encode(), kind))
                json.dump(index, open("index.json", "w"))
                END
                """)
        }
        try site.trust()
    }

    /// A state folder that trusts the release's root and knows no registry.
    func freshState() throws -> TemporaryFolder {
        let folder = TemporaryFolder()
        try sh("cp -r \(site.place.path)/site/roots \(folder.path)/")
        return folder
    }
}

/// A registry, its proxy and a state folder of their own.
final class CutLoad: Sendable {
    let registry: RunningCutRegistry
    let proxy: FaultProxy
    let state: TemporaryFolder
    private let site: CutSite
    private let client = Mutex<ChildProcess?>(nil)
    /// When the client was sent a signal.
    let signalled = Mutex<ContinuousClock.Instant?>(nil)
    /// Whether the registry was killed and has not been started again.
    private let isDown = Mutex(false)

    init(_ kind: CutRegistry, _ site: CutSite) throws {
        (registry, self.site, state) = (try kind.start(), site, try site.freshState())
        proxy = FaultProxy(to: registry.port)
    }

    deinit {
        client.withLock { $0?.kill() }
        registry.kill()
    }

    /// Starts the command.
    @discardableResult
    func begin(jobs: Int) throws -> ChildProcess {
        let started = try ChildProcess(
            [
                SourceTree.tool("dray-import").string, "load", site.site.bundle.string, "--to", "\(proxy.url)/base",
                "--state", state.path.string, "--chunk-size", "\(CutSite.chunk)", "--jobs", "\(jobs)", "--quiet",
            ], output: state.appending("stdout"), errorOutput: state.appending("stderr"))
        client.withLock { $0 = started }
        return started
    }

    /// The client that runs, waited for where it has just been started.
    var runningClient: ChildProcess {
        while true {
            if let client = client.withLock({ $0 }) { return client }
            usleep(500)
        }
    }

    /// What the last run said.
    var errors: String {
        do {
            return String(decoding: try contents(of: state.appending("stderr")), as: UTF8.self)
        } catch {
            return "\(error)"
        }
    }

    /// Lets the cut happen at its moment.
    func arm(_ point: CutPoint) {
        proxy.arm(point.moment, cutsConnection: point.cut == .connectionReset) { [self] in
            switch point.cut {
            case .clientKilled: runningClient.kill()
            case .registryKilled:
                isDown.withLock { $0 = true }
                registry.kill()
            case .connectionReset: break
            }
        }
    }

    /// Runs the same command until it succeeds; how often it ran, or `nil` if eight times were not enough.
    func carryOut(_ point: CutPoint?, jobs: Int) throws -> Int? {
        if let point { arm(point) }
        for number in 1...8 {
            let status = try run(jobs: jobs, outage: point?.outage)
            if status == 0 { return number }
        }
        return nil
    }

    private func run(jobs: Int, outage: Double?) throws -> Int32? {
        let client = try begin(jobs: jobs)
        let limit = ContinuousClock.now + .seconds(60)
        var status: Int32?
        while status == nil, ContinuousClock.now < limit {
            status = client.wait(seconds: 0.02)
            if let outage, isDown.withLock({ $0 }) {
                usleep(UInt32(outage * 1e6))
                try bringBack()
            }
        }
        if isDown.withLock({ $0 }) { try bringBack() }
        client.kill()
        return status
    }

    private func bringBack() throws {
        try registry.restart()
        isDown.withLock { $0 = false }
    }

    /// Files of uploads that could be gone on with, half-written ones too.
    func keptUploads() throws -> [String] {
        let place = "\(state.path)/uploads"
        return try sh("[ ! -d \(place) ] || ls -A \(place)").output.split(separator: "\n").map(String.init)
    }
}
