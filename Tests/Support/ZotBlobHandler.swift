// SPDX-License-Identifier: Apache-2.0

import Cryptography
import Glibc

/// Blobs and uploads.
extension ZotHandler {
    func headBlob(_ name: String, _ digest: String, _ identity: ZotAccess.Identity) -> HTTPAnswer {
        guard ZotStore.isDigest(digest) else { return .error(400, .digestInvalid, ["digest": digest]) }
        guard let size = store.findBlob(name, digest, mayRead: { access.mayRead($0, identity) }) else {
            return .error(404, .blobUnknown, ["digest": digest])
        }
        return HTTPAnswer(
            200,
            [("Accept-Ranges", "bytes"), ("Content-Length", "\(size)"), ("Docker-Content-Digest", digest)])
    }

    func blob(_ name: String, _ digest: String) -> HTTPAnswer {
        guard ZotStore.isDigest(digest) else { return .error(400, .digestInvalid, ["digest": digest]) }
        guard let size = store.blob(name, digest) else { return .error(404, .blobUnknown, ["digest": digest]) }
        let path = store.blobPath(name, digest)
        var answer = HTTPAnswer(200, [("Content-Type", request.headers["accept"] ?? "")])
        var text = request.headers["range"]
        if case .ignoreRange = fault { text = nil }
        guard let text else {
            answer["Docker-Content-Digest"] = digest
            answer.file = (path, 0, size)
            return answer
        }
        let parts = text.split(separator: "=").last?.split(separator: "-", omittingEmptySubsequences: false) ?? []
        guard text.hasPrefix("bytes="), parts.count == 2, let first = Int(parts[0]) else { return .empty(416) }
        guard first < size else { return .empty(500) }
        let last = min(Int(parts[1]) ?? size - 1, size - 1)
        guard last >= first else { return .empty(416) }
        answer.status = 206
        answer["Content-Range"] = "bytes \(first)-\(last)/\(size)"
        answer.file = (path, first, last - first + 1)
        return answer
    }

    func deleteBlob(_ name: String, _ digest: String) -> HTTPAnswer {
        guard ZotStore.isDigest(digest) else { return .error(400, .digestInvalid, ["digest": digest]) }
        guard store.exists(name) else { return .error(400, .nameUnknown, ["name": name]) }
        return switch store.deleteBlob(name, digest) {
        case .done: .empty(202)
        case .unknown: .error(404, .blobUnknown, ["digest": digest])
        case .used: .error(405, .denied, ["digest": digest])
        }
    }

    // MARK: Beginning

    func startUpload(_ name: String, _ identity: ZotAccess.Identity) -> HTTPAnswer? {
        let mounts = request.query("mount")
        if let digest = mounts.first {
            guard mounts.count == 1 else { return .empty(400) }
            let isKnown =
                ZotStore.isDigest(digest)
                && store.findBlob(name, digest, mayRead: { access.mayRead($0, identity) }) != nil
            return isKnown ? created(name, digest) : newSession(name)
        }
        guard request.query("from").isEmpty else { return .empty(405) }
        let digests = request.query("digest")
        guard let digest = digests.first else { return newSession(name) }
        guard digests.count == 1 else { return .empty(400) }
        guard request.headers["content-type"] == "application/octet-stream" else { return .empty(415) }
        let length = request.headers["content-length"].flatMap { Int($0) }
        guard let length, length > 0 || isNewEra && length == 0 else {
            return .error(400, .blobUploadInvalid, ["digest": digest])
        }
        return singlePost(name, digest)
    }

    private func newSession(_ name: String) -> HTTPAnswer {
        guard let id = store.makeSession(name) else { return .empty(500) }
        return HTTPAnswer(202, [("Location", "/v2/\(name)/blobs/uploads/\(id)"), ("Range", "0-0")])
    }

    private func created(_ name: String, _ digest: String) -> HTTPAnswer {
        HTTPAnswer(201, [("Location", "/v2/\(name)/blobs/\(digest)")])
    }

    /// The whole blob in the first request. What goes wrong leaves its file behind, as Zot does.
    private func singlePost(_ name: String, _ digest: String) -> HTTPAnswer? {
        guard ZotStore.isDigest(digest), let id = store.makeSession(name) else { return .empty(500) }
        guard case .complete(let actual) = receive(store.sessionPath(name, id), hashing: digest) else { return nil }
        guard actual == digest else {
            return isNewEra ? .error(400, .digestInvalid, ["digest": digest]) : .empty(500)
        }
        guard keep(name, id, digest) else { return .empty(500) }
        var answer = created(name, digest)
        answer["Blob-Upload-UUID"] = id
        return answer
    }

    // MARK: Sessions

    func uploadStatus(_ name: String, _ id: String) -> HTTPAnswer {
        guard let size = store.session(name, id) else { return unknownSession(id) }
        let last = isNewEra ? max(size - 1, 0) : size - 1
        return HTTPAnswer(204, [("Location", "/v2/\(name)/blobs/uploads/\(id)"), ("Range", "0-\(last)")])
    }

    func cancelUpload(_ name: String, _ id: String) -> HTTPAnswer {
        guard store.session(name, id) != nil else { return unknownSession(id) }
        ZotDisk.remove(store.sessionPath(name, id))
        return .empty(204)
    }

    func patch(_ name: String, _ id: String) -> HTTPAnswer? {
        var start: Int?
        if let length = request.headers["content-length"], let range = request.headers["content-range"] {
            guard let length = Int(length) else { return .empty(400) }
            guard let (first, last) = ZotHandler.range(range), last - first + 1 == length else { return .empty(416) }
            start = first
        }
        guard let size = store.session(name, id) else { return unknownSession(id) }
        guard start == nil || start == size else { return .error(416, .blobUploadInvalid, ["session_id": id]) }
        guard case .complete = receive(store.sessionPath(name, id), hashing: nil) else { return nil }
        let count = isNewEra ? size + connection.bodyCount : connection.bodyCount
        return HTTPAnswer(
            202,
            [
                ("Location", "/v2/\(name)/blobs/uploads/\(id)"), ("Range", "0-\(count - 1)"),
                ("Blob-Upload-UUID", id),
            ])
    }

    func finishUpload(_ name: String, _ id: String) -> HTTPAnswer? {
        let digests = request.query("digest")
        guard digests.count == 1, ZotStore.isDigest(digests[0]) else { return .empty(400) }
        let length = request.headers["content-length"].flatMap { Int($0) }
        let range = request.headers["content-range"]
        guard length != nil || range != nil else { return .empty(400) }
        var start = 0
        if let range {
            guard let (first, _) = ZotHandler.range(range) else { return .empty(416) }
            start = first
        }
        guard let size = store.session(name, id) else { return unknownSession(id) }
        let file = store.sessionPath(name, id)
        var actual: String?
        if let length, length > 0 || range != nil {
            guard start == size else {
                return .error(isNewEra ? 416 : 400, .blobUploadInvalid, ["session_id": id])
            }
            guard case .complete(let digest) = receive(file, hashing: size == 0 ? digests[0] : nil) else { return nil }
            actual = digest
        }
        guard actual ?? ZotStore.digest(of: file, like: digests[0]) == digests[0] else {
            return .error(400, .digestInvalid, ["digest": digests[0]])
        }
        guard keep(name, id, digests[0]) else { return .empty(500) }
        var answer = created(name, digests[0])
        answer["Docker-Content-Digest"] = digests[0]
        return answer
    }

    private func unknownSession(_ id: String) -> HTTPAnswer { .error(404, .blobUploadUnknown, ["session_id": id]) }

    /// `0-999`
    private static func range(_ text: String) -> (first: Int, last: Int)? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let first = Int(parts[0]), let last = Int(parts[1]), first >= 0, last >= first else {
            return nil
        }
        return (first, last)
    }

    private func keep(_ name: String, _ id: String, _ digest: String) -> Bool {
        guard store.keepBlob(store.sessionPath(name, id), name, digest) else { return false }
        guard case .storeOtherBytes = fault else { return true }
        let path = store.blobPath(name, digest)
        guard var bytes = ZotDisk.read(path), !bytes.isEmpty else { return true }
        bytes[bytes.count / 2] ^= 1
        return ZotDisk.replace(path, bytes)
    }

    private enum Received {
        /// The digest of the bytes, if it was asked for.
        case complete(String?)
        case cut
    }

    /// Appends the body to a file. A cut removes the file, unless it is the server that goes.
    private func receive(_ file: String, hashing digest: String?) -> Received {
        let descriptor = unsafe open(file, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else { return .cut }
        defer { close(descriptor) }
        let hasher = digest.flatMap { ZotStore.hasher(for: $0) }
        let isWhole = unsafe connection.readBody { piece in
            hasher?.update(unsafe RawSpan(_unsafeBytes: piece))
            return unsafe ZotDisk.append(piece, to: descriptor)
        }
        if !isWhole {
            if !isStopping() { ZotDisk.remove(file) }
            return .cut
        }
        return .complete(hasher.flatMap { hasher in digest.map { ZotStore.text(hasher.finish(), like: $0) } })
    }
}
