// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import FoundationEssentials
import Glibc
import Importing
import OCI
import RegistryClient
import Support
import SystemPackage
import Testing

/// A registry that the import suite runs against.
enum SuiteRegistry: String, CaseIterable, CustomTestStringConvertible {
    case docker, dockerHtpasswd, dockerTLS, zot, zotNew, zotWithoutDedupe, zotHtpasswd, zotBearer, zotRoot, live

    var testDescription: String { rawValue }

    /// Those that can be had here; the live one is named by DRAY_TEST_REGISTRY.
    static var present: [SuiteRegistry] { allCases.filter { $0 != .live || liveURL != nil } }

    static var liveURL: String? {
        guard let value = unsafe getenv("DRAY_TEST_REGISTRY") else { return nil }
        return unsafe String(cString: value)
    }

    /// Starts it.
    func start() throws -> RunningRegistry {
        let login = Credentials(username: "admin", password: "geheim")
        switch self {
        case .docker: return .docker(try RegistryServer(), nil)
        case .dockerHtpasswd:
            var options = RegistryServer.Options()
            options.login = ("admin", "geheim")
            return .docker(try RegistryServer(options), login)
        case .dockerTLS:
            var options = RegistryServer.Options()
            options.tls = true
            return .docker(try RegistryServer(options), nil)
        case .zot: return .zot(try ZotServer(), nil)
        case .zotNew:
            var options = ZotServer.Options()
            options.era = .v2_1_20
            return .zot(try ZotServer(options), nil)
        case .zotWithoutDedupe:
            var options = ZotServer.Options()
            options.dedupe = false
            return .zot(try ZotServer(options), nil)
        case .zotHtpasswd:
            var options = ZotServer.Options()
            options.auth = .basic(user: "admin", password: "geheim")
            return .zot(try ZotServer(options), login)
        case .zotBearer:
            var options = ZotServer.Options()
            options.auth = .bearer(user: "admin", password: "geheim")
            return .zot(try ZotServer(options), login)
        case .zotRoot: return .folder(TemporaryFolder())
        case .live: return .live(try #require(SuiteRegistry.liveURL))
        }
    }
}

/// One that answers; it goes with its owner.
enum RunningRegistry {
    case docker(RegistryServer, Credentials?)
    case zot(ZotServer, Credentials?)
    case live(String)
    /// The storage of a Zot that is stopped.
    case folder(TemporaryFolder)

    /// With a base path of its own where others may have written.
    var url: String {
        switch self {
        case .docker(let server, _): server.url + "/spectro-content"
        case .zot(let server, _): server.url + "/spectro-content"
        case .folder(let folder): folder.path.string
        case .live(let url): url + "/dray-suite-\(getpid())-\(UInt32.random(in: 0..<1 << 30))"
        }
    }

    func target(_ state: SiteState? = nil) throws -> any LoadTarget {
        var options = RegistryOptions()
        switch self {
        case .docker(let server, let login):
            (options.credentials, options.caCertificate) = (login, server.certificates?.authority.string)
        case .zot(_, let login): options.credentials = login
        case .folder(let folder): return ZotRootTarget(try ZotRoot(parsing: "\(folder.path):spectro-content"))
        case .live: break
        }
        let endpoint = try Endpoint(parsing: url)
        guard let state else { return RegistryTarget(try Registry(endpoint, options)) }
        return try RegistryTarget(endpoint, options, state: state)
    }

    /// What skopeo needs to look at a reference.
    func skopeo(_ reference: String) -> [String] {
        let place = url.split(separator: "/", maxSplits: 1).last.map { $0.drop { $0 == "/" } } ?? ""
        var login: [String] = []
        switch self {
        case .docker(_, let credentials), .zot(_, let credentials):
            login = credentials.map { ["--src-creds", "\($0.username):\($0.password)"] } ?? []
        case .folder(let folder):
            return ["skopeo", "copy", "-q", "--all", "oci:\(folder.path)/spectro-content/\(reference)"]
        case .live: break
        }
        return ["skopeo", "copy", "-q", "--all", "--src-tls-verify=false"] + login + ["docker://\(place)/\(reference)"]
    }
}

/// The same loads into every registry.
struct SuiteTests {
    private let site: Site

    init() throws { site = try Site() }

    @Test(arguments: SuiteRegistry.present)
    func `a release arrives whole, and skopeo reads it back with its digests`(_ kind: SuiteRegistry) throws {
        let registry = try kind.start()
        let receipt = try site.load(registry.target(site.state))
        #expect(receipt.outcome == "done")
        #expect(receipt.counts.readBack.isComplete)
        #expect(receipt.counts.readBack.repaired == 0)
        #expect(receipt.counts.stagingLeft.isEmpty)
        #expect(receipt.objects.allSatisfy { $0.proof == ($0.manifestType == nil ? .head : .bytes) && $0.isAdded })
        // One of each kind, and one by its digest: a process of skopeo for each costs more than the load.
        let references = try site.verified().release.references
        let kinds = Dictionary(grouping: references) { $0.tag == nil ? "" : $0.kind + $0.descriptor.mediaType }
        #expect(kinds.count == 4)
        for (number, reference) in kinds.values.compactMap(\.first).enumerated() {
            let copy = site.folder.appending("copy-\(number)")
            let copied = try run(registry.skopeo(reference.name) + ["dir:\(copy)"])
            #expect(copied.status == 0, "\(copied.errorOutput)")
            #expect(
                Digest(of: try copy.appending("manifest.json").contents(limit: 1 << 20)) == reference.descriptor.digest)
        }
    }

    @Test(arguments: SuiteRegistry.present)
    func `a second load asks for each thing once and sends nothing`(_ kind: SuiteRegistry) throws {
        let registry = try kind.start()
        _ = try site.load(registry.target(site.state))
        let second = try site.load(registry.target(site.state))
        #expect(second.nothingToDo)
        #expect(second.counts.pushed.blobs + second.counts.mounted.blobs + second.counts.manifestsSent == 0)
        #expect(second.counts.readBack.isComplete)
        #expect(second.done.bytes == 0)
    }
}
