// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Importing
import OCI
import RegistryClient
import Support
import Testing

/// Whether an external registry gives content to nobody in particular.
struct AnonymousPullTests {
    private let site: Site
    private static let login = Credentials(username: "admin", password: "geheim")

    init() throws { site = try Site() }

    private func warnings(_ target: any LoadTarget) throws -> [String] {
        var run = PlanRun(state: site.state, tool: "test")
        run.now = { PackedSample.now }
        return try run.run(
            site.unverified(), to: target, given: GivenArguments(media: ["M"], target: ["--to", "T"]),
            progress: Progress()
        ).warnings.filter { $0.contains("without a login") }
    }

    @Test(arguments: [
        ZotServer.Auth.basic(user: "admin", password: "geheim"), .bearer(user: "admin", password: "geheim"),
    ])
    func `one that wants a login is warned about, and gets no credentials with the question`(
        auth: ZotServer.Auth
    ) throws {
        var options = ZotServer.Options()
        options.auth = auth
        let server = try ZotServer(options)
        let target = try registryTarget(server.url, login: AnonymousPullTests.login)
        let place = Place("library/db", "16")
        let asked = server.asked.count
        guard case .refused("library/db:16", _) = target.anonymousPull(of: place) else {
            Issue.record("\(String(describing: target.anonymousPull(of: place)))")
            return
        }
        let questions = server.asked.dropFirst(asked)
        #expect(!questions.isEmpty && questions.allSatisfy { $0.headers["authorization"]?.contains("Basic") != true })
        #expect(try warnings(target).count == 1)
        let receipt = try site.load(target)
        #expect(Check(receipt, at: target, jobs: 2).pullWarning?.contains("ImagePullBackOff") == true)
    }

    @Test func `one that needs none, or has no login here, is not`() throws {
        let server = try ZotServer()
        #expect(
            try registryTarget(server.url, login: AnonymousPullTests.login).anonymousPull(of: Place("a", "1"))
                == .allowed)
        #expect(try registryTarget(server.url).anonymousPull(of: Place("a", "1")) == nil)
        #expect(try warnings(registryTarget(server.url)).isEmpty)
    }

    @Test func `the appliance's own registry is not asked`() throws {
        let target = try registryTarget("https://127.0.0.1:30003/spectro-content", login: AnonymousPullTests.login)
        #expect(target.anonymousPull(of: Place("a", "1")) == nil)
    }

    @Test func `one that doesn't answer is unknown`() throws {
        let target = try registryTarget("http://127.0.0.1:1", login: AnonymousPullTests.login)
        guard case .unknown("a:1", _) = target.anonymousPull(of: Place("a", "1")) else {
            Issue.record("it was asked")
            return
        }
    }
}
