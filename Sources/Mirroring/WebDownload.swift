// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import OCI
internal import RegistryClient
internal import SystemPackage

/// A file over HTTP(S) that grows in the folder's own place and goes on after a kill.
struct WebDownload {
    let address: WebAddress
    let partial: FilePath
    /// The most bytes that it may have.
    let limit: Int64
    /// The entity tag of a whole file that is there: then only another one is fetched.
    var knownTag: String?

    /// A download that is whole, not yet under its name.
    struct Whole {
        let file: PartialFile
        let digest: Digest
        let entityTag: String?
    }

    /// Where the entity tag of the bytes in `partial` is kept, so that they are never joined with another file's.
    private var tagFile: FilePath { FilePath(partial.string + ".tag") }

    /// As `ifChanged`, of a file that isn't there.
    func whole(
        _ worker: Worker, _ progress: Progress, expected: Digest?, name: String
    ) throws -> (file: PartialFile, digest: Digest) {
        guard let whole = try ifChanged(worker, progress, expected: expected, name: name) else {
            throw MirrorError.gone(name)
        }
        return (whole.file, whole.digest)
    }

    /// Fetches all of it; `nil` where the server says that it is what `knownTag` names. Throws `MirrorError.gone`,
    /// `.wrongBytes` where `expected` is another digest, `RegistryError`, `FileError`.
    func ifChanged(_ worker: Worker, _ progress: Progress, expected: Digest?, name: String) throws -> Whole? {
        let file = try PartialFile(partial, limit: limit)
        for isLast in [false, true] {
            let wasResumed = file.wasResumed
            let reception = Reception(file, tagFile, progress)
            guard try receive(reception, worker, name) else { return nil }
            let digest = file.digest()
            if expected == nil || digest == expected {
                try tagFile.removeFile()
                return Whole(file: file, digest: digest, entityTag: reception.entityTag)
            }
            guard wasResumed, !isLast else {
                try discard(file)
                throw MirrorError.wrongBytes(name, expected: expected ?? digest, got: digest)
            }
            try file.restart()
        }
        return nil
    }

    /// Throws away what came: it is not what is wanted.
    func discard(_ file: PartialFile) throws {
        try file.discard()
        try tagFile.removeFile()
    }

    private func receive(_ reception: Reception, _ worker: Worker, _ name: String) throws -> Bool {
        let connection = try worker.connection(address)
        var request = FileRequest(address, limit: limit)
        request.offset = reception.file.position
        request.knownTag = knownTag
        if request.offset > 0, try tagFile.exists() {
            request.entityTag = String(decoding: try tagFile.contents(limit: 1024), as: UTF8.self)
        }
        switch try connection.file(request, begin: { try reception.begin($0) }, into: { try reception.take($0) }) {
        case .whole: return true
        case .unchanged: return false
        case .missing: throw MirrorError.gone("\(name) at \(address)")
        }
    }

    /// Writes what comes.
    private final class Reception {
        let file: PartialFile
        private(set) var entityTag: String?
        private let tagFile: FilePath
        private let progress: Progress

        init(_ file: PartialFile, _ tagFile: FilePath, _ progress: Progress) {
            (self.file, self.tagFile, self.progress) = (file, tagFile, progress)
        }

        func begin(_ head: FileHead) throws {
            if head.start != file.position { try file.restart() }
            entityTag = head.entityTag
            guard let tag = head.entityTag else { return try tagFile.removeFile() }
            try tagFile.replaceContents(with: Array(tag.utf8))
        }

        func take(_ bytes: RawSpan) throws {
            try file.append(bytes)
            progress.add(bytes.byteCount)
        }
    }
}

extension Worker {
    /// The bytes of a small file. Throws `MirrorError.gone`, `RegistryError.answerTooLarge`.
    func small(_ address: WebAddress, limit: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        let answer = try connection(address).file(
            FileRequest(address, limit: Int64(limit)), begin: { _ in bytes = [] },
            into: { span in unsafe span.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) } })
        guard answer == .whole else { throw MirrorError.gone("\(address)") }
        return bytes
    }
}
