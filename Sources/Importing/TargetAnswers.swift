// SPDX-License-Identifier: Apache-2.0

package import OCI

/// A name inside a target: repository and tag or digest.
package struct Place: Hashable, Sendable, CustomStringConvertible {
    package let repository: String
    package let reference: String

    package init(_ repository: String, _ reference: String) {
        (self.repository, self.reference) = (repository, reference)
    }

    package init(_ repository: String, _ digest: Digest) { self.init(repository, digest.description) }

    /// Whether it names content by digest, not by tag: a tag holds no colon.
    package var isDigest: Bool { reference.hasPrefix("sha256:") }

    package var description: String { repository + (isDigest ? "@" : ":") + reference }
}

extension Place {
    /// Takes `<repository>:<tag>` or `<repository>@<digest>` apart; `nil` for anything else.
    init?(parsing name: String) {
        guard let mark = name.lastIndex(where: { $0 == "@" }) ?? name.lastIndex(where: { $0 == ":" }) else {
            return nil
        }
        let (repository, reference) = (String(name[..<mark]), String(name[name.index(after: mark)...]))
        guard Reference.isRepository(repository) else { return nil }
        guard name[mark] == "@" ? (try? Digest(parsing: reference)) != nil : Reference.isTag(reference) else {
            return nil
        }
        self.init(repository, reference)
    }
}

/// What a target says it has, before anything is sent.
package struct TargetAnswers: Sendable, Equatable {
    /// Where a tag points.
    package struct Tagged: Sendable, Equatable {
        package var digest: Digest
        /// Of the manifest, "" where it isn't known.
        package var mediaType: String

        package init(_ digest: Digest, mediaType: String = "") { (self.digest, self.mediaType) = (digest, mediaType) }
    }

    /// Where the tags point now, by repository and tag; absent ones are left out.
    package var tags: [Place: Tagged] = [:]
    /// The release's manifests that are there by digest, seen with their bytes.
    package var manifests: Set<Place> = []
    /// Repositories that the target hasn't got, as far as it says so.
    package var newRepositories: Set<String> = []
    package var traits = TargetTraits()
    /// Builds of packs that this site loaded here before.
    package var builds: [Place: PackBuild] = [:]

    package init() {}
}

/// A pack as this site loaded it.
package struct PackBuild: Sendable, Equatable {
    package var digest: Digest
    /// Whether it is of the vendor's FIPS build.
    package var fips: Bool

    package init(_ digest: Digest, fips: Bool) { (self.digest, self.fips) = (digest, fips) }
}

/// How a target behaves, as far as a plan depends on it.
package struct TargetTraits: Sendable, Equatable {
    /// A name and version for people, for example `Zot 2.1.2`.
    package var name = ""
    /// Seconds after which it may remove what nothing that is tagged names, while it runs; `nil` where it doesn't.
    package var collectsAfter: Double?
    /// Whether, when it runs again, it collects what nothing names: it is written while it doesn't run.
    package var collectsLater = false
    /// Whether a tag may go from one media type to another by a single PUT (Zot until 2.1.2 refuses).
    package var retypesTags = true
    /// Whether it is known to compute the digest of each blob that it stores.
    package var computesDigests = false
    /// Whether what nothing names any more is freed by `LoadTarget.sweep`.
    package var freesItself = false
    /// Whether a small blob takes one request, as far as is known.
    package var takesSinglePost = false
    /// Whether it is known to refuse Docker's own manifest types.
    package var refusesDockerManifests = false
    /// What the login lacks, as far as that could be asked for without a change: folder of repositories and action.
    package var denied: [Denial] = []

    package init() {}

    /// An action that the login may not do.
    package struct Denial: Sendable, Hashable {
        package let repository: String
        /// `create`, `update` or `delete`.
        package let action: String

        package init(_ repository: String, _ action: String) { (self.repository, self.action) = (repository, action) }
    }
}

/// What a target has under a name.
package enum FoundManifest: Sendable, Equatable {
    /// Not even the repository.
    case unknownRepository
    case missing
    case present(bytes: [UInt8], mediaType: String)
}
