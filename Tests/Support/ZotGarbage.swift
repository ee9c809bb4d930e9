// SPDX-License-Identifier: Apache-2.0

import OCI
import Synchronization

extension ZotStore {
    /// Removes what nothing refers to and what nobody went on with, where it is at least so old.
    func collect(olderThan delay: Duration) {
        for repository in repositories() {
            state.withLock { collect(repository, delay, &$0) }
            for id in ZotDisk.names(path(repository) + "/.uploads") {
                let file = sessionPath(repository, id)
                if let age = ZotDisk.status(file)?.age, age >= delay { ZotDisk.remove(file) }
            }
        }
    }

    private func collect(_ repository: String, _ delay: Duration, _ state: inout State) {
        if options.era == .v2_1_20 { dropUntagged(repository, delay, &state) }
        let kept = reachable(repository, &state)
        let blobs = path(repository) + "/blobs"
        for algorithm in ZotDisk.names(blobs) {
            for name in ZotDisk.names("\(blobs)/\(algorithm)") where kept["\(algorithm):\(name)"] == nil {
                guard let age = ZotDisk.status("\(blobs)/\(algorithm)/\(name)")?.age, age >= delay
                else { continue }
                remove(repository, "\(algorithm):\(name)", &state)
            }
        }
    }

    /// Takes manifests without tag, subject and index out of the repository's index.
    private func dropUntagged(_ repository: String, _ delay: Duration, _ state: inout State) {
        guard let lines = entries(repository, &state) else { return }
        var listed = Set<String>()
        for line in lines where MediaType.isIndex(line.mediaType) {
            listed.formUnion(document(repository, line, &state)?.references.map(\.digest) ?? [])
        }
        var rest: [Entry] = []
        for line in lines {
            let isOld = (ZotDisk.status(blobPath(repository, line.digest))?.age ?? delay) >= delay
            let isFree = line.tag == nil && !listed.contains(line.digest)
            if isFree, isOld, document(repository, line, &state)?.subject == nil { continue }
            rest.append(line)
        }
        guard rest.count < lines.count else { return }
        do throws(Refusal) {
            try keep(rest, repository, &state)
        } catch {
            preconditionFailure("can't write the index of \(repository)")
        }
    }

    /// Everything that the repository's index reaches, with the sizes that are said there.
    func reachable(_ repository: String, _ state: inout State) -> [String: Int] {
        var found: [String: Int] = [:]
        var open = (entries(repository, &state) ?? []).map { ($0.mediaType, $0.digest, $0.size) }
        while let (type, digest, size) = open.popLast() {
            guard found.updateValue(size, forKey: digest) == nil, MediaType.isManifest(type),
                let document = document(repository, digest, type, &state)
            else { continue }
            open += document.references.map { ($0.mediaType, $0.digest, $0.size) }
        }
        return found
    }
}
