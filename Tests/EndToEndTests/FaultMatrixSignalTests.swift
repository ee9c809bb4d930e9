// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Synchronization
import Testing

/// A load that is asked to stop.
struct FaultMatrixSignalTests {
    /// Starts a load that gets the signal when half of a large blob has gone; its exit code.
    private func stop(_ load: CutLoad, by signal: Int32, hanging: Bool = false, twice: Bool = false) throws -> Int32? {
        load.proxy.arm(.body(2_000_000), cutsConnection: false) {
            let client = load.runningClient
            load.signalled.withLock { $0 = .now }
            client.signal(signal)
            if twice {
                usleep(300_000)
                client.signal(signal)
            }
            guard hanging else { return }
            _ = client.wait(seconds: 30)
        }
        return try load.begin(jobs: 1).wait(seconds: 40)
    }

    @Test(arguments: zip(CutRegistry.allCases, [SIGINT, SIGTERM]))
    func `asked to stop, it ends with 130, and the same command sends no byte again`(
        _ kind: CutRegistry, _ signal: Int32
    ) throws {
        let load = try CutLoad(kind, try CutSite())
        #expect(try stop(load, by: signal) == 130, "\(load.errors)")
        #expect(load.errors.contains("the same command"), "\(load.errors)")
        #expect(try load.keptUploads().count == 1)
        try write([UInt8](), to: load.state.appending("uploads/.killed-here.json.new"))
        #expect(try load.carryOut(nil, jobs: 1) == 1, "\(load.errors)")
        let sent = SentBlobs(load.proxy.exchanges)
        #expect(sent.lost.isEmpty)
        let digests = sent.stored.map(\.digest)
        #expect(Set(digests).count == digests.count)
        #expect(try load.keptUploads() == [])
        #expect(try load.registry.sessions() == [])
        #expect(try !load.registry.content().contains("damaged"))
    }

    @Test func `a registry that hangs is waited for ten seconds`() throws {
        let load = try CutLoad(.zot, try CutSite())
        #expect(try stop(load, by: SIGTERM, hanging: true) == 130, "\(load.errors)")
        let asked = load.signalled.withLock { $0 }
        let signalled = try #require(asked)
        #expect(ContinuousClock.now - signalled < .seconds(20))
        #expect(try load.keptUploads().count == 1)
        #expect(try load.carryOut(nil, jobs: 1) == 1, "\(load.errors)")
        #expect(try load.keptUploads() == [])
        #expect(try load.registry.sessions() == [])
    }

    @Test func `asked twice, it ends at once, and the same command goes on`() throws {
        let load = try CutLoad(.zot, try CutSite())
        #expect(try stop(load, by: SIGINT, hanging: true, twice: true) == 130)
        #expect(try load.carryOut(nil, jobs: 1) == 1, "\(load.errors)")
        #expect(try load.keptUploads() == [])
        #expect(try load.registry.sessions() == [])
    }
}
