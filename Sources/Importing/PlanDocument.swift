// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage
package import Trust

/// A plan as a file that a second person signs (docs/loading.md, "A plan that is approved"): what a load would do, in
/// canonical JSON, so that the bytes that were signed are the document that was read.
package struct PlanDocument: Equatable, Sendable {
    static let format = "dray-plan 1"
    /// The most bytes of a plan's file.
    package static let maximumSize = 32 << 20
    /// The most bytes of a reason.
    package static let longestReason = 1000

    package var release = ReleaseName()
    package var trust = TrustVersions()
    /// The target's address.
    package var target = ""
    /// Files in `trust/` whose time was over, in the order of verification.
    package var expired: [ExpiredFile] = []
    /// Why they are accepted; `nil` where none may have expired.
    package var reason: String?
    package var allowances = Allowances()
    /// Sorted by name.
    package var tags: [Tag] = []
    /// Everything that the release puts into the target, whether it is there already or not.
    package var objects = Objects()
    package var profile = Profile()
    package var time = ""
    package var tool = ""

    package init() {}

    /// Which release.
    package struct ReleaseName: Equatable, Sendable {
        package var product = "", version = "", edition = ""
        /// SHA-256 of `release.json`, 64 hex digits.
        package var sha256 = ""
        package var isPreview = false
    }

    /// By whose word: the pinned root's fingerprint, and the versions of all roles.
    package struct TrustVersions: Equatable, Sendable {
        /// 64 hex digits.
        package var root = ""
        package var rootVersion: Int64 = 1, timestampVersion: Int64 = 1
        package var snapshotVersion: Int64 = 1, targetsVersion: Int64 = 1
    }

    /// What the operator lets the load do beyond the rules.
    package struct Allowances: Equatable, Sendable {
        /// Patterns of tags that may move, sorted.
        package var replaceTags: [String] = []
        /// Whether any certificate of the target is taken.
        package var insecureSkipTLSVerify = false
        /// Releases, as `product-version`, that the operator says the site has without a receipt of them; sorted.
        package var assumedReleases: [String] = []

        package init(
            replaceTags: [String] = [], insecureSkipTLSVerify: Bool = false, assumedReleases: [String] = []
        ) {
            self.replaceTags = Set(replaceTags).sorted()
            self.insecureSkipTLSVerify = insecureSkipTLSVerify
            self.assumedReleases = Set(assumedReleases).sorted()
        }
    }

    /// A tag, and what happens to it.
    package struct Tag: Equatable, Sendable {
        /// `<repository>:<tag>`.
        package let name: String
        /// What it names when the plan is made; `nil` where there is no such tag.
        package let from: String?
        package let to: String
    }

    package struct Objects: Equatable, Sendable {
        package var manifests: Int64 = 0, blobs: Int64 = 0, bytes: Int64 = 0
    }

    /// Under which protection the work is done.
    package struct Profile: Equatable, Sendable {
        package var fips = false
        package var sandbox = SitePolicy.Sandbox.required

        package init(fips: Bool = false, sandbox: SitePolicy.Sandbox = .required) {
            (self.fips, self.sandbox) = (fips, sandbox)
        }
    }
}

extension PlanDocument {
    /// What `load` would do by this plan.
    package init(
        _ plan: LoadPlan, _ load: Load, reason: String? = nil, _ allowances: Allowances, _ profile: Profile
    ) {
        let bundle = load.bundle
        (release, trust) = (ReleaseName(bundle), TrustVersions(bundle.metadata))
        (target, expired, self.reason) = (load.target.address, bundle.metadata.expired, reason)
        (self.allowances, self.profile) = (allowances, profile)
        tags = plan.tags.map { step in
            Tag(name: step.name, from: step.before?.digest.description, to: step.descriptor.digest.description)
        }.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        let (manifests, blobs) = (load.content.placedManifests, load.content.placedBlobs)
        let bytes = manifests.reduce(0) { $0 + $1.descriptor.size } + blobs.reduce(0) { $0 + $1.size }
        objects = Objects(manifests: Int64(manifests.count), blobs: Int64(blobs.count), bytes: bytes)
    }

    /// What of `now`, the plan as it would be carried out, isn't what this one says, a line each for people; empty where it may
    /// be carried out. A tag may by now be what the plan makes of it; stricter than allowed is fine.
    package func differences(to now: PlanDocument) -> [String] {
        var lines: [String] = []
        func compare(_ what: String, _ mine: String, _ other: String) {
            if mine != other { lines.append("\(what): planned \(mine), found \(other)") }
        }
        compare("release", release.text, now.release.text)
        compare("target", target, now.target)
        compare("trust", trust.text, now.trust.text)
        compare("objects", objects.text, now.objects.text)
        for file in now.expired where !expired.contains(file) {
            lines.append("expired: \(file.file) at \(file.expires), which the plan doesn't say")
        }
        let patterns = now.allowances.replaceTags.filter { !allowances.replaceTags.contains($0) }
        if !patterns.isEmpty { lines.append("allowed to move here only: \(patterns.joined(separator: ", "))") }
        if now.allowances.insecureSkipTLSVerify && !allowances.insecureSkipTLSVerify {
            lines.append("the registry's certificate would not be checked here")
        }
        let assumed = now.allowances.assumedReleases.filter { !allowances.assumedReleases.contains($0) }
        if !assumed.isEmpty { lines.append("taken for granted here only: \(assumed.joined(separator: ", "))") }
        if profile.fips && !now.profile.fips { lines.append("planned with FIPS, found without") }
        if profile.sandbox == .required && now.profile.sandbox != .required {
            lines.append("planned with the sandbox, found without")
        }
        return lines + tagDifferences(to: now)
    }

    private func tagDifferences(to now: PlanDocument) -> [String] {
        let planned = Dictionary(tags.map { ($0.name, $0) }) { $1 }
        let found = Dictionary(now.tags.map { ($0.name, $0) }) { $1 }
        var lines: [String] = []
        for tag in now.tags {
            guard let mine = planned[tag.name] else {
                lines.append("tag \(tag.name): the plan doesn't have it")
                continue
            }
            if mine.to != tag.to { lines.append("tag \(tag.name): planned to become \(mine.to), found \(tag.to)") }
            guard tag.from == mine.from || tag.from == mine.to else {
                lines.append("tag \(tag.name): planned from \(mine.from ?? "nothing"), found \(tag.from ?? "nothing")")
                continue
            }
        }
        return lines + tags.filter { found[$0.name] == nil }.map { "tag \($0.name): only the plan has it" }
    }

    /// What a person who is asked to approve it sees.
    package var text: String { summary.aligned }

    private var summary: [(String, String)] {
        let moves = tags.filter { $0.from != nil && $0.from != $0.to }
        var rows = [
            ("release", release.text), ("target", target.printable), ("trust", trust.text),
            ("root", RootCandidate.grouped(trust.root.printable)), ("objects", objects.text),
            (
                "tags",
                "\(tags.count { $0.from == nil }) new, \(tags.count { $0.from == $0.to }) unchanged, \(moves.count) moved"
            ),
        ]
        rows += moves.map { ("moves", "\($0.name) from \($0.from ?? "") to \($0.to)".printable) }
        rows += expired.map { ("EXPIRED", "\($0.file.printable) at \($0.expires), to be accepted") }
        if let reason { rows.append(("reason", reason.printable)) }
        if !allowances.replaceTags.isEmpty {
            rows.append(("may move", allowances.replaceTags.map(\.printable).joined(separator: ", ")))
        }
        if !allowances.assumedReleases.isEmpty {
            rows.append(("assumed there", allowances.assumedReleases.map(\.printable).joined(separator: ", ")))
        }
        if allowances.insecureSkipTLSVerify { rows.append(("certificate", "NOT CHECKED")) }
        return rows + [
            ("fips", profile.fips ? "on" : "off"), ("sandbox", profile.sandbox.rawValue),
            ("made", "\(time.printable) by \(tool.printable)"),
        ]
    }
}

extension PlanDocument.ReleaseName {
    fileprivate init(_ bundle: VerifiedBundle) {
        (product, version) = (bundle.release.product, bundle.release.version)
        (edition, isPreview) = (bundle.release.edition, bundle.release.isPreview)
        sha256 = bundle.metadata.targets.content.files["release.json"].map { Digest(hashed: $0.sha256).hex } ?? ""
    }

    fileprivate var text: String {
        "\(ReleaseTitle.text(product, version, edition, isPreview: isPreview)), sha256:\(sha256)".printable
    }
}

extension PlanDocument.TrustVersions {
    fileprivate init(_ metadata: TrustedMetadata) {
        root = metadata.fingerprint?.hex ?? ""
        rootVersion = metadata.root.root.header.version
        timestampVersion = metadata.timestamp.content.header.version
        snapshotVersion = metadata.snapshot.content.header.version
        targetsVersion = metadata.targets.content.header.version
    }

    fileprivate var text: String {
        "root \(rootVersion) of \(root.prefix(16)), timestamp \(timestampVersion), snapshot \(snapshotVersion), "
            + "targets \(targetsVersion)"
    }
}

extension PlanDocument.Objects {
    fileprivate var text: String { "\(manifests) manifests, \(blobs) blobs, \(bytes) bytes" }
}
