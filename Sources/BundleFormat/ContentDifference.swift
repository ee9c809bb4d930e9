// SPDX-License-Identifier: Apache-2.0

package import OCI

/// What one listing has otherwise than another before it.
package struct ContentDifference: Sendable {
    /// The tags of one repository that differ.
    package struct Repository: Sendable, Equatable {
        package struct Moved: Sendable, Equatable {
            package let tag: String
            package let from: Digest
            package let to: Digest

            package init(tag: String, from: Digest, to: Digest) { (self.tag, self.from, self.to) = (tag, from, to) }
        }

        package let name: String
        /// Sorted.
        package var added: [String] = []
        package var removed: [String] = []
        package var moved: [Moved] = []
        /// Whether the other listing has no tag in it at all.
        package var isWhole = false
    }

    /// Of packs, or of everything else with a tag.
    package struct Section: Sendable, Equatable {
        /// Those with a difference, sorted by name.
        package var repositories: [Repository] = []
        /// Tags that point to the same.
        package var same = 0

        package var added: Int { repositories.reduce(0) { $0 + $1.added.count } }
        package var removed: Int { repositories.reduce(0) { $0 + $1.removed.count } }
        package var moved: Int { repositories.reduce(0) { $0 + $1.moved.count } }
    }

    package enum Change: String, Sendable {
        case added, removed, changed
    }

    package struct File: Sendable, Equatable {
        package let name: String
        package let change: Change
        /// The new digest and size, or of a removed file the old ones.
        package let digest: Digest
        package let size: UInt64
    }

    /// A line of the infrastructure, or what was read of an input.
    package struct Fact: Sendable, Equatable {
        package let name: String
        package let before: String?
        package let after: String?

        package init(name: String, before: String?, after: String?) {
            (self.name, self.before, self.after) = (name, before, after)
        }
    }

    /// What has to be sent to who has the first listing.
    package struct Need: Sendable, Equatable {
        /// Chunks by both indexes, or whole blobs.
        package let isByChunks: Bool
        package let bytes: UInt64
        /// Of all that the second has.
        package let total: UInt64

        package init(isByChunks: Bool, bytes: UInt64, total: UInt64) {
            (self.isByChunks, self.bytes, self.total) = (isByChunks, bytes, total)
        }
    }

    package let packs: Section
    package let images: Section
    /// Sorted by name.
    package let files: [File]
    package let filesSame: Int
    package let profile: [Fact]
    package let facts: [Fact]
    /// `nil` where one of the two doesn't say what it has.
    package let need: Need?

    package init(from old: ContentListing, to new: ContentListing) {
        let isPack = { (repository: String) in
            repository.hasPrefix("spectro-packs/archive/") || repository.contains("/spectro-packs/archive/")
        }
        packs = ContentDifference.section(old, new, where: isPack)
        images = ContentDifference.section(old, new) { !isPack($0) }
        (files, filesSame) = ContentDifference.files(old.files, new.files)
        profile = ContentDifference.facts(old.profile?.rows ?? [:], new.profile?.rows ?? [:])
        facts = ContentDifference.facts(old.facts, new.facts)
        need = ContentDifference.need(old, new)
    }

    /// Whether nothing differs that can be compared.
    package var isEmpty: Bool {
        packs.repositories.isEmpty && images.repositories.isEmpty && files.isEmpty && profile.isEmpty && facts.isEmpty
    }

    private static func section(
        _ old: ContentListing, _ new: ContentListing, where isIncluded: (String) -> Bool
    ) -> Section {
        var section = Section()
        var found: [String: Repository] = [:]
        func change(_ repository: String, _ body: (inout Repository) -> Void) {
            body(&found[repository, default: Repository(name: repository)])
        }
        for (name, digest) in new.tags where isIncluded(name.repository) {
            guard let former = old.tags[name] else {
                change(name.repository) { $0.added.append(name.tag) }
                continue
            }
            if former == digest {
                section.same += 1
            } else {
                change(name.repository) { $0.moved.append(.init(tag: name.tag, from: former, to: digest)) }
            }
        }
        for name in old.tags.keys where isIncluded(name.repository) && new.tags[name] == nil {
            change(name.repository) { $0.removed.append(name.tag) }
        }
        let (oldNames, newNames) = (Set(old.tags.keys.map(\.repository)), Set(new.tags.keys.map(\.repository)))
        section.repositories = found.values.map { repository in
            var sorted = repository
            sorted.added.sort()
            sorted.removed.sort()
            sorted.moved.sort { $0.tag < $1.tag }
            sorted.isWhole = oldNames.contains(repository.name) != newNames.contains(repository.name)
            return sorted
        }.sorted { $0.name < $1.name }
        return section
    }

    private static func files(
        _ old: [String: ContentListing.File], _ new: [String: ContentListing.File]
    ) -> ([File], same: Int) {
        var files: [File] = []
        var same = 0
        for name in Set(old.keys).union(new.keys) {
            switch (old[name], new[name]) {
            case (let before?, let after?) where before.digest == after.digest: same += 1
            case (let before, let after?):
                files.append(
                    File(
                        name: name, change: before == nil ? .added : .changed, digest: after.digest, size: after.size))
            case (let before?, nil):
                files.append(File(name: name, change: .removed, digest: before.digest, size: before.size))
            case (nil, nil): continue
            }
        }
        return (files.sorted { $0.name < $1.name }, same)
    }

    private static func facts(_ old: [String: String], _ new: [String: String]) -> [Fact] {
        Set(old.keys).union(new.keys).sorted().filter { old[$0] != new[$0] }.map {
            Fact(name: $0, before: old[$0], after: new[$0])
        }
    }

    private static func need(_ old: ContentListing, _ new: ContentListing) -> Need? {
        if let former = old.index, let index = new.index {
            var known: Set<Digest> = []
            for number in 0..<former.chunkCount { known.insert(former.chunk(number).digest) }
            for number in 0..<former.objectCount { known.insert(former.object(number).digest) }
            let chunks = (0..<index.chunkCount).map { index.chunk($0) }
            return Need(
                isByChunks: true, bytes: chunks.lazy.filter { !known.contains($0.digest) }.reduce(0) { $0 + $1.length },
                total: chunks.reduce(0) { $0 + $1.length })
        }
        guard let former = old.blobs, let blobs = new.blobs else { return nil }
        return Need(
            isByChunks: false, bytes: blobs.reduce(0) { former[$1.key] == nil ? $0 + $1.value : $0 },
            total: blobs.reduce(0) { $0 + $1.value })
    }
}

extension Release.Profile {
    /// A line for each layer, and one for the platforms.
    fileprivate var rows: [String: String] {
        var rows: [String: String] = [:]
        for layer in layers {
            let fips = layer.fips.map { $0 ? ", FIPS" : ", not FIPS" } ?? ""
            rows[layer.layer] = "\(layer.component) \(layer.version)\(fips)"
        }
        if !platforms.isEmpty { rows["platforms"] = platforms.joined(separator: ", ") }
        return rows
    }
}
