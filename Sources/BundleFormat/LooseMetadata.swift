// SPDX-License-Identifier: Apache-2.0

internal import Trust

/// Trust metadata that was found among files of any names, verified from a pinned root to the targets.
struct LooseMetadata {
    let metadata: TrustedMetadata
    /// Its files by the names that they have in a bundle, equal ones all.
    let files: [(name: String, file: LooseFile)]

    /// A file that may be trust metadata, by its first bytes.
    struct Candidate {
        let file: LooseFile
        let bytes: [UInt8]
    }
}

extension PinnedRoots {
    /// Tries each candidate as each file of `trust/`, signature before parser as always (docs/format.md, "Trust"). Where that
    /// leaves several timestamps for one release, the newest counts.
    ///
    /// Whether something has expired is not asked: that is for the verification of what was found.
    func metadata(among candidates: [LooseMetadata.Candidate]) -> [LooseMetadata] {
        var found: [LooseMetadata] = []
        for chain in chains {
            let root = chain.root.extended(with: candidates)
            for all in root.metadata(among: candidates) {
                let release = all.targets.content.files["release.json"]
                guard release != nil else { continue }  // trust alone
                let known = found.firstIndex { $0.metadata.targets.content.files["release.json"] == release }
                if let known, !all.isNewer(than: found[known].metadata) { continue }
                let entry = LooseMetadata(metadata: all, files: LooseMetadata.names(of: all, candidates))
                if let known { found[known] = entry } else { found.append(entry) }
            }
        }
        return found
    }
}

extension LooseMetadata {
    fileprivate static func names(
        of metadata: TrustedMetadata, _ candidates: [Candidate]
    ) -> [(name: String, file: LooseFile)] {
        let roots = metadata.root.files.map { (name: Role.root.fileName(version: $0.key), bytes: $0.value) }
        let known = Dictionary(
            (roots + metadata.files).map { ($0.name, $0.bytes) }, uniquingKeysWith: { first, _ in first })
        return known.flatMap { name, bytes in
            candidates.filter { $0.bytes == bytes }.map { ("trust/\(name)", $0.file) }
        }
    }
}

extension TrustedRoot {
    /// This chain with the roots that follow it.
    fileprivate func extended(with candidates: [LooseMetadata.Candidate]) -> TrustedRoot {
        var root = self
        while let next = candidates.firstAccepted({ bytes in
            var next = root
            try next.extend(with: bytes)
            return next
        }) { root = next }
        return root
    }

    fileprivate func metadata(among candidates: [LooseMetadata.Candidate]) -> [TrustedMetadata] {
        candidates.accepted { try verified(timestamp: $0, now: UTCTime(secondsSince1970: 0), expiry: .report) }
            .flatMap { timestamp in candidates.accepted { try timestamp.verified(snapshot: $0) } }
            .flatMap { snapshot in candidates.accepted { try snapshot.verified(targets: $0) } }
    }
}

extension [LooseMetadata.Candidate] {
    /// What comes of those that pass; what does not pass is something else. Equal ones are tried once.
    fileprivate func accepted<Value>(_ check: ([UInt8]) throws -> Value) -> [Value] {
        var tried: Set<[UInt8]> = []
        return compactMap { candidate in
            guard tried.insert(candidate.bytes).inserted else { return nil }
            do { return try check(candidate.bytes) } catch { return nil }
        }
    }

    fileprivate func firstAccepted<Value>(_ check: ([UInt8]) throws -> Value) -> Value? {
        for candidate in self {
            do { return try check(candidate.bytes) } catch { continue }
        }
        return nil
    }
}
