// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import RegistryClient
internal import Synchronization

/// One thread's connections.
final class Worker {
    let sources: Sources
    private var connections: [ObjectIdentifier: RegistryConnection] = [:]

    init(_ sources: Sources) { self.sources = sources }

    /// A connection to a registry and the name that a repository has there.
    func connection(_ repository: SourceRepository) throws -> (RegistryConnection, String) {
        let registry = try sources.registry(repository.host)
        return (connection(registry), registry.endpoint.repository(repository.path))
    }

    /// A connection to the server of an address.
    func connection(_ address: WebAddress) throws -> RegistryConnection { connection(try sources.server(address)) }

    private func connection(_ registry: Registry) -> RegistryConnection {
        let key = ObjectIdentifier(registry)
        if let known = connections[key] { return known }
        let made = registry.connection()
        connections[key] = made
        return made
    }

    /// Asks a registry; where that host can't be reached at all, nobody asks it again.
    func ask<Answer>(
        _ repository: SourceRepository, _ body: (RegistryConnection, String) throws -> Answer
    ) throws -> Answer {
        let (connection, name) = try connection(repository)
        do {
            return try body(connection, name)
        } catch {
            sources.note(error, of: repository.host)
            throw error
        }
    }
}

/// Does `count` things on as many threads as there may be connections, each with a worker of its own. The first error
/// thrown ends it, after what had begun.
func crew(_ sources: Sources, count: Int, _ body: @escaping @Sendable (Worker, Int) throws -> Void) throws {
    let next = Atomic<Int>(0)
    let failure = Mutex<(any Error)?>(nil)
    let lanes = (0..<min(sources.jobs, count)).map { Lane("mirror-\($0)") }
    for lane in lanes {
        lane.add {
            let worker = Worker(sources)
            while failure.withLock({ $0 == nil }) {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < count else { return }
                do {
                    try Interruption.check()
                    try body(worker, index)
                } catch {
                    failure.withLock { $0 = $0 ?? error }
                }
            }
        }
    }
    for lane in lanes { lane.drain() }
    if let error = failure.withLock({ $0 }) { throw error }
}
