// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Synchronization

extension Load {
    /// Asks the target for the release's tags and manifests, and decides; changes nothing there.
    ///
    /// A manifest is fetched, not only asked for, so that its bytes are checked at once; by its tag where it has one, so that
    /// one request tells both.
    package func plan(replaceTags: [TagPattern] = []) throws -> LoadPlan {
        progress.label = "asking \(target.address)"
        try target.session().ping()
        let isFirst = try state.map { try !$0.hasUnfinishedLoad(of: target.address) } ?? false
        let answers = Mutex(TargetAnswers())
        let repositories = Dictionary(grouping: content.items, by: \.reference.repository)
        try spread(repositories.keys.sorted(), width: jobs, target.session) { session, repository in
            let found = try ask(session, repository, repositories[repository] ?? [], isFirst: isFirst)
            answers.withLock { $0.add(found) }
        }
        var result = answers.withLock { $0 }
        result.builds = try state?.packBuilds(of: target.address) ?? [:]
        let draft = LoadPlan(content, result, replaceTags: replaceTags)
        result.traits = try target.session().traits(TraitsQuestion(draft))
        var plan = LoadPlan(content, result, replaceTags: replaceTags)
        plan.needs = try sources?.needs(of: plan.neededObjects, there: plan.blobsElsewhere(content))
        return plan
    }

    /// What one repository has of these items. `isFirst`: no load was stopped here before.
    private func ask(
        _ session: any TargetSession, _ repository: String, _ items: [RegistryContent.Item], isFirst: Bool
    ) throws -> TargetAnswers {
        var answers = TargetAnswers()
        for tag in Set(items.compactMap { $0.finalTag(content) }).sorted() {
            let place = Place(repository, tag)
            switch try session.manifest(place) {
            case .unknownRepository:
                answers.newRepositories.insert(repository)
                return answers
            case .missing: break
            case .present(let bytes, let type):
                let digest = Digest(of: bytes)
                answers.tags[place] = TargetAnswers.Tagged(digest, mediaType: type)
                answers.manifests.insert(Place(repository, digest))
            }
        }
        // Docker's registry tells an unknown repository from an unknown tag only by its list of tags, which a stopped load's
        // blobs don't show up in. One request in place of one for each manifest now, and for each blob later.
        if isFirst, answers.tags.isEmpty, try session.tags(of: repository) == nil {
            answers.newRepositories.insert(repository)
            return answers
        }
        for manifest in Set(items.flatMap { $0.manifests.map(\.digest) }).sorted() {
            let place = Place(repository, manifest)
            guard !answers.manifests.contains(place), case .present(let bytes, _) = try session.manifest(place),
                Digest(of: bytes) == manifest
            else { continue }
            answers.manifests.insert(place)
        }
        return answers
    }
}

extension LoadPlan {
    /// The blobs that are counted on to be at the target, with a repository that has each.
    fileprivate func blobsElsewhere(_ content: RegistryContent) -> [Digest: String] {
        var found: [Digest: String] = [:]
        for blob in groups.flatMap(\.blobs) where found[blob.digest] == nil {
            guard let known = content.elsewhere[blob.digest] else { continue }
            if let mounted = blob.mountFrom, known.contains(mounted) { found[blob.digest] = mounted }
            if blob.presence == .implied { found[blob.digest] = blob.repository }
        }
        return found
    }
}

extension TargetAnswers {
    fileprivate mutating func add(_ other: TargetAnswers) {
        tags.merge(other.tags) { $1 }
        manifests.formUnion(other.manifests)
        newRepositories.formUnion(other.newRepositories)
    }
}

extension TraitsQuestion {
    init(_ plan: LoadPlan) {
        self.init()
        let tags = plan.tags.filter { $0.action != .equal }
        written = Set(tags.map(\.repository) + plan.groups.flatMap { $0.blobs.map(\.repository) }).sorted()
        moving = tags.filter { $0.before != nil }.map { Place($0.repository, $0.tag) }
        // Which registry it is, isn't known yet: those whose type changes may need it.
        retyped = tags.filter(\.changesType).map(\.repository)
        hasDockerManifests = plan.groups.contains { group in
            group.allManifests.contains { MediaType.isDocker($0.mediaType) }
        }
    }
}
