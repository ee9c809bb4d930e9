// SPDX-License-Identifier: Apache-2.0

import OCI

/// Manifests.
extension ZotHandler {
    /// No limit is Zot 2.1.2's; ours, so that a mistake can't take all memory.
    private var bodyLimit: Int { isNewEra ? 4 << 20 : 64 << 20 }

    func manifest(_ name: String, _ reference: String) -> HTTPAnswer {
        let found: (entry: ZotStore.Entry, bytes: [UInt8])
        switch store.manifest(name, reference) {
        case .success(let result): found = result
        case .failure(.noRepository) where request.method == "GET": return .error(404, .nameUnknown, ["name": name])
        case .failure: return .error(404, .manifestUnknown, ["reference": reference])
        }
        var answer = HTTPAnswer(
            200, [("Content-Type", found.entry.mediaType), ("Docker-Content-Digest", found.entry.digest)])
        answer.body = found.bytes
        return answer
    }

    func putManifest(_ name: String, _ reference: String) -> HTTPAnswer? {
        let type = request.headers["content-type"] ?? ""
        let known = options.docker2s2 ? MediaType.manifests : [MediaType.manifest, MediaType.index]
        guard known.contains(type) else { return .error(415, .manifestInvalid, ["mediaType": type]) }
        guard var bytes = connection.readWholeBody(limit: bodyLimit) else {
            let isTooLarge = isNewEra && connection.bodyCount > bodyLimit
            return isTooLarge ? .error(413, .manifestInvalid, ["reference": reference]) : nil
        }
        let tags = isNewEra && ZotStore.isDigest(reference) ? request.query("tag") : []
        do throws(ZotStore.Refusal) {
            let kept = try store.put(bytes, type, name, reference)
            for tag in tags { _ = try store.put(bytes, type, name, tag) }
            if case .storeOtherBytes = fault, !bytes.isEmpty {
                bytes[bytes.count / 2] ^= 1
                _ = ZotDisk.replace(store.blobPath(name, kept.digest), bytes)
            }
            return taken(kept, name, tags)
        } catch {
            return refused(error, name, reference)
        }
    }

    private func taken(_ kept: ZotStore.Kept, _ name: String, _ tags: [String]) -> HTTPAnswer {
        var answer = HTTPAnswer(
            201, [("Location", "/v2/\(name)/manifests/\(kept.digest)"), ("Docker-Content-Digest", kept.digest)])
        if let subject = kept.subject { answer["OCI-Subject"] = subject }
        answer.headers += tags.map { ("OCI-Tag", $0) }
        return answer
    }

    func deleteManifest(_ name: String, _ reference: String) -> HTTPAnswer {
        do throws(ZotStore.Refusal) {
            try store.deleteManifest(name, reference)
            return .empty(202)
        } catch {
            return refused(error, name, reference)
        }
    }

    private func refused(_ refusal: ZotStore.Refusal, _ name: String, _ reference: String) -> HTTPAnswer {
        switch refusal {
        case .noRepository: .error(400, .nameUnknown, ["name": name])
        case .unknown: .error(404, .manifestUnknown, ["reference": reference])
        case .referenced: .error(405, .denied, ["reference": reference])
        case .invalid: .error(400, .manifestInvalid, ["reference": reference])
        case .failed: .empty(500)
        case .typeChange(let old, let new):
            .error(
                400, .manifestInvalid,
                [
                    "reference": reference,
                    "reason": "changing manifest media-type from \"\(old)\" to \"\(new)\" is disallowed",
                ])
        case .lacksAnnotation(let annotation):
            .error(
                400, .manifestInvalid, ["reference": reference, "reason": "the annotation \(annotation) is mandatory"])
        }
    }
}
