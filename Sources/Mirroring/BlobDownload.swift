// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import RegistryClient
internal import SystemPackage

/// A blob to fetch, and the repositories that have it.
struct WantedBlob: Sendable {
    let digest: Digest
    let size: Int64
    var sources: [SourceRepository]
}

extension MirrorFolder {
    /// Fetches a blob, from where an earlier run stopped, and gives it its name once its digest is proved. Throws
    /// `MirrorError.gone`, `.wrongBytes`, `RegistryError`, `FileError`.
    func fetch(_ blob: WantedBlob, _ worker: Worker, _ progress: Progress) throws {
        let partial = try PartialFile(partials.appending(blob.digest.hex), limit: blob.size)
        progress.add(Int(partial.position))
        for isLast in [false, true] {
            let wasResumed = partial.wasResumed
            try complete(partial, blob, worker, progress)
            let digest = partial.digest()
            if digest == blob.digest { return try partial.commit(to: self.blob(blob.digest)) }
            guard wasResumed, !isLast else {
                try partial.discard()
                throw MirrorError.wrongBytes("\(blob.digest)", expected: blob.digest, got: digest)
            }
            // What an interrupted run left may be damaged (a power cut): once more, from the beginning.
            try partial.restart()
        }
    }

    private func complete(
        _ partial: PartialFile, _ blob: WantedBlob, _ worker: Worker, _ progress: Progress
    ) throws {
        var failure: any Error = MirrorError.gone("\(blob.digest)")
        for source in blob.sources where partial.position < blob.size {
            do {
                let isThere = try worker.ask(source) { connection, name in
                    try connection.blob(name, blob.digest, from: partial.position, size: blob.size) { bytes in
                        try partial.append(bytes)
                        progress.add(bytes.byteCount)
                    }
                }
                if !isThere { failure = MirrorError.gone("\(blob.digest) in \(source.host)/\(source.path)") }
            } catch {
                guard !isFatal(error) else { throw error }
                failure = error  // another repository may have it
            }
        }
        guard partial.position == blob.size else { throw failure }
    }
}
