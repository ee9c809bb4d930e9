// SPDX-License-Identifier: Apache-2.0

import Cryptography
import OCI
import Synchronization

extension ZotStore {
    /// Why a manifest was not taken or not removed.
    enum Refusal: Error {
        case noRepository, unknown, referenced, invalid, failed
        case typeChange(from: String, to: String)
        case lacksAnnotation(String)
    }

    /// A manifest that was taken.
    struct Kept {
        var digest: String
        var subject: String?
    }

    /// The lines of a repository's index; `nil` when there is no repository.
    func entries(_ repository: String) -> [Entry]? { state.withLock { entries(repository, &$0) } }

    func entries(_ repository: String, _ state: inout State) -> [Entry]? {
        if let known = state.repositories[repository] { return known }
        let index = path(repository) + "/index.json"
        guard let bytes = ZotDisk.read(index), let entries = Entry.all(bytes) else { return nil }
        state.repositories[repository] = entries
        return entries
    }

    func keep(_ entries: [Entry], _ repository: String, _ state: inout State) throws(Refusal) {
        let lines = entries.map(\.json).joined(separator: ",")
        let text = #"{"schemaVersion":2,"manifests":[\#(lines)]}"#
        guard ZotDisk.replace(path(repository) + "/index.json", Array(text.utf8)) else { throw .failed }
        state.repositories[repository] = entries
    }

    /// The line that a tag or digest names, and the bytes.
    func manifest(_ repository: String, _ reference: String) -> Result<(Entry, [UInt8]), Refusal> {
        guard let entries = entries(repository) else { return .failure(.noRepository) }
        guard let entry = entries.first(where: { $0.digest == reference || $0.tag == reference }),
            let bytes = ZotDisk.read(blobPath(repository, entry.digest))
        else { return .failure(.unknown) }
        return .success((entry, bytes))
    }

    /// Takes a manifest under a tag or its digest, in the order of Zot's checks. Its repository stays when it is refused.
    func put(_ bytes: [UInt8], _ mediaType: String, _ repository: String, _ reference: String) throws(Refusal) -> Kept {
        guard makeRepository(repository) else { throw .failed }
        let isDigest = ZotStore.isDigest(reference)
        if options.era == .v2_1_20, !isDigest, reference.contains(":") { throw .invalid }
        let like = isDigest ? reference : "sha256:"
        guard let hasher = ZotStore.hasher(for: like) else { throw .invalid }
        hasher.update(bytes)
        let digest = ZotStore.text(hasher.finish(), like: like)
        guard !isDigest || digest == reference, let document = ZotDocument(bytes, mediaType: mediaType) else {
            throw .invalid
        }
        let entry = Entry(mediaType: mediaType, digest: digest, size: bytes.count, tag: isDigest ? nil : reference)
        return try locked { (state) throws(Refusal) in
            for needed in document.required where !isThere(repository, needed.digest) { throw .invalid }
            try put(entry, bytes, document, repository, &state)
            return Kept(digest: digest, subject: document.subject?.digest)
        }
    }

    private func isThere(_ repository: String, _ digest: String) -> Bool {
        ZotStore.isDigest(digest) && ZotDisk.status(blobPath(repository, digest)) != nil
    }

    private func put(
        _ entry: Entry, _ bytes: [UInt8], _ document: ZotDocument, _ repository: String, _ state: inout State
    ) throws(Refusal) {
        guard var lines = entries(repository, &state) else { throw .failed }
        let old = lines.firstIndex { entry.tag == nil ? $0.digest == entry.digest : $0.tag == entry.tag }
        if let old {
            guard lines[old].digest != entry.digest else { return }  // listed: nothing is written, not even its bytes
            if lines[old].mediaType != entry.mediaType, options.era == .v2_1_2 {
                throw .typeChange(from: lines[old].mediaType, to: entry.mediaType)
            }
        }
        let path = blobPath(repository, entry.digest)
        if ZotDisk.status(path)?.size != entry.size {
            guard ZotDisk.makeFolder(ZotDisk.parent(path)), ZotDisk.replace(path, bytes) else { throw .failed }
        }
        if let old {
            let replaced = lines.remove(at: old)
            lines = pruned(lines, replaced, entry, repository, &state)
        }
        lines.removeAll { $0.tag == nil && $0.digest == entry.digest }
        try lint(document, entry, repository)
        try keep(lines + [entry], repository, &state)
    }

    /// Children without a tag that only the replaced index listed leave the repository's index with it.
    private func pruned(
        _ lines: [Entry], _ replaced: Entry, _ entry: Entry?, _ repository: String, _ state: inout State
    ) -> [Entry] {
        guard replaced.mediaType == MediaType.index, entry?.mediaType ?? MediaType.index == MediaType.index,
            let former = document(repository, replaced, &state)
        else { return lines }
        var others = Set<String>()
        for index in lines + (entry.map { [$0] } ?? []) where index.mediaType == MediaType.index {
            others.formUnion(document(repository, index, &state)?.references.map(\.digest) ?? [])
        }
        let gone = Set(former.references.map(\.digest)).subtracting(others)
        return lines.filter { $0.tag != nil || $0.mediaType != MediaType.manifest || !gone.contains($0.digest) }
    }

    private func lint(_ document: ZotDocument, _ entry: Entry, _ repository: String) throws(Refusal) {
        guard entry.mediaType == MediaType.manifest else { return }
        for name in options.mandatoryAnnotations where document.annotations?[name] == nil {
            throw .lacksAnnotation(name)
        }
    }

    /// Removes a tag, which leaves the manifest by digest, or a manifest with all its tags.
    func deleteManifest(_ repository: String, _ reference: String) throws(Refusal) {
        try locked { (state) throws(Refusal) in
            guard let lines = entries(repository, &state) else { throw .noRepository }
            let gone = lines.filter { $0.tag == reference || $0.digest == reference }
            guard let removed = gone.last else { throw .unknown }
            var rest = lines.filter { !gone.contains($0) }
            if removed.digest != reference {
                if !rest.contains(where: { $0.digest == removed.digest }) {
                    rest.append(Entry(mediaType: removed.mediaType, digest: removed.digest, size: removed.size))
                }
                return try keep(rest, repository, &state)
            }
            for index in rest where MediaType.isIndex(index.mediaType) {
                let children = document(repository, index, &state)?.references ?? []
                if children.contains(where: { $0.digest == reference }) { throw .referenced }
            }
            try keep(pruned(rest, removed, nil, repository, &state), repository, &state)
            remove(repository, reference, &state)
        }
    }

    /// A manifest that is stored, read once; `nil` when it is gone or unreadable.
    func document(_ repository: String, _ entry: Entry, _ state: inout State) -> ZotDocument? {
        document(repository, entry.digest, entry.mediaType, &state)
    }

    func document(
        _ repository: String, _ digest: String, _ mediaType: String, _ state: inout State
    ) -> ZotDocument? {
        if let known = state.documents[digest] { return known }
        guard let bytes = ZotDisk.read(blobPath(repository, digest)) else { return nil }
        let document = ZotDocument(bytes, mediaType: mediaType)
        state.documents[digest] = document
        return document
    }

    /// The manifests about a subject, in the order they came; `nil` when there is no repository.
    func referrers(_ repository: String, _ subject: String) -> [(entry: Entry, document: ZotDocument)]? {
        state.withLock { state in
            guard let lines = entries(repository, &state) else { return nil }
            var found: [(entry: Entry, document: ZotDocument)] = []
            for line in lines where !found.contains(where: { $0.entry.digest == line.digest }) {
                guard let document = document(repository, line, &state), document.subject?.digest == subject
                else { continue }
                found.append((line, document))
            }
            return found
        }
    }

    private func locked<Value>(_ body: (inout State) throws(Refusal) -> Value) throws(Refusal) -> Value {
        try state.withLock { (state) -> Result<Value, Refusal> in
            do throws(Refusal) { return .success(try body(&state)) } catch { return .failure(error) }
        }.get()
    }
}
