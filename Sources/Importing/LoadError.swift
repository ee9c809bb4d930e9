// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
package import OCI

/// Why a release is not, or not wholly, in its target.
package enum LoadError: Error, Equatable {
    /// A manifest names what the release doesn't have: the publisher's mistake.
    case absentContent(reference: String, digest: Digest)
    /// Content is on volumes that no given medium holds.
    case missingVolumes([String])
    /// A delta leaves out what is nowhere at hand: what, by blob and file; what it builds on, in words.
    case elsewhere([ExternalNeeds.Missing], base: String)
    /// Tags exist with other digests, and nothing allows them to move; sorted, as `name: has …, the release has …`.
    case tagsWouldMove([TagMove])
    /// The target hasn't what it was sent, after two attempts.
    case notThere([String])
    /// Packs that this site has as the vendor's other build, FIPS or not, under the same tags; nothing allows that.
    case otherBuilds([TagMove])
    /// The target doesn't take manifests of these media types; its address.
    case typesRefused([String], String)
    /// The registry makes no repositories by itself; those that the release needs, the address, and what it said.
    case repositoriesMissing([String], String, String)
    /// The login at this address lacks these permissions.
    case notAllowed([TargetTraits.Denial], String)
    /// The target keeps other bytes under these digests although it was sent the right ones.
    case staysDamaged([String])
    /// Another process holds the lock file at this path; what that file says about it, or "".
    case busy(String, holder: String)
    /// The release has nothing of this name.
    case noSuchFile(String, known: [String])
    /// This folder has fewer bytes free than media that come one at a time need there; nothing was sent.
    case noSpoolSpace(String, needed: UInt64, free: UInt64)
    /// The target has fewer bytes free than are to be sent; nothing was sent.
    case noSpace(String, needed: UInt64, free: UInt64)
    /// The target takes other products; the product, the address, and what it takes.
    case otherProduct(String, String, bound: [String])
    /// The target at this address takes as many products as it may.
    case tooManyProducts(String)
    /// What is about to be done isn't what the plan in this file says; what differs, a line each.
    case planDiffers(String, [String])
    /// Where a plan was to go there is a file already.
    case planPlace(String)
    /// A file that was given as a plan and is none.
    case noPlan(String, String)
    /// A plan that accepts what has expired, and no second person has signed it; its file, and why.
    case expiredUnapproved(String, String)
    /// A reason was given for accepting what has expired, and nothing has.
    case nothingExpired
    /// The site's policy, or the command, asks for a plan that a second person has signed.
    case approvalNeeded
    /// An approved plan, and nobody has said who carries it out.
    case operatorNeeded
    /// A tag that was set, since the plan was compared, to what the plan doesn't know.
    case tagMovedSincePlan([String])
    /// A release that needs others, by name, of which no receipt tells at this address.
    case needsUnmet(String, [String], String)
    /// What the target gave back is not what was sent.
    case otherBytes(String, expected: Digest)

    /// A tag and where it points.
    package struct TagMove: Sendable, Hashable {
        package let name: String
        package let before: Digest
        package let digest: Digest

        package init(name: String, before: Digest, digest: Digest) {
            (self.name, self.before, self.digest) = (name, before, digest)
        }
    }
}

extension LoadError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .absentContent, .otherBytes, .staysDamaged, .noPlan: .damaged
        case .missingVolumes, .elsewhere: .incomplete
        case .tagsWouldMove, .otherBuilds, .typesRefused, .otherProduct, .tooManyProducts, .planDiffers, .planPlace,
            .approvalNeeded, .operatorNeeded, .tagMovedSincePlan, .needsUnmet:
            .refused
        case .notAllowed, .repositoriesMissing: .registryRefused
        case .notThere, .busy: .failed
        case .noSuchFile, .nothingExpired: .usage
        case .expiredUnapproved: .expired
        case .noSpace, .noSpoolSpace: .noSpace
        }
    }

    /// How much more room the whole load needs.
    package var missingBytes: UInt64? {
        switch self {
        case .noSpace(_, let needed, let free), .noSpoolSpace(_, let needed, let free): needed - min(free, needed)
        default: nil
        }
    }

    package var description: String {
        switch self {
        case .noSpace(let address, let needed, let free):
            "\(address) has \(free.asSize) free and the load still sends up to \(needed.asSize): "
                + "\((needed - min(free, needed)).asSize) more are needed; nothing was sent. Make room there (dray-import prune says what older releases hold), then load again"
        case .noSpoolSpace(let folder, let needed, let free):
            "media that come one at a time need \(needed.asSize) in \(folder), and \(free.asSize) are free there; nothing was sent. "
                + "Make room, give --state on a larger disk, or give all media in one command: then nothing is kept"
        case .absentContent(let reference, let digest):
            "\(reference) needs \(digest), which the release doesn't have; ask its publisher"
        case .missingVolumes(let names):
            "these volumes are needed and on none of the media: \(names.joined(separator: ", ")); "
                + "add the media that hold them: give their folders too, in the same command"
        case .elsewhere(let missing, let base):
            "this delta builds on \(base), and \(missing.reduce(UInt64(0)) { $0 + $1.bytes }.asSize) that it leaves out are nowhere at "
                + "hand; nothing was sent or written:\n" + missing.prefix(20).map(\.line).joined(separator: "\n")
                + (missing.count > 20 ? "\n  and \(missing.count - 20) more" : "")
                + "\nLoad that release first, or give its bundle with --base FOLDER"
                + (missing.contains { $0.repository == nil } ? ", or the file of that SHA-256 with --seed FILE" : "")
        case .tagsWouldMove(let moves):
            "these tags exist with other content, and nothing was changed:\n"
                + moves.prefix(20).map { "  \($0.name)  has \($0.before.short), the release has \($0.digest.short)" }
                .joined(separator: "\n") + (moves.count > 20 ? "\n  and \(moves.count - 20) more" : "")
                + "\nWhere that is right, let them move: --replace-tags PATTERN, for example "
                + (moves.first.map { $0.name.shellWord } ?? "'*'")
        case .otherBuilds(let moves):
            "FIPS and non-FIPS builds of a pack can't share a tag, and this site has the other build of "
                + moves.map { "\($0.name) (\($0.before))" }.joined(separator: ", ")
                + "; nothing was changed. Ask the sender for the release of this site's edition"
        case .typesRefused(let types, let address):
            "\(address) takes no manifests of the types \(types.joined(separator: ", ")); nothing was sent. On Zot its administrator "
                + "adds \"compat\": [\"docker2s2\"] to \"http\" in Zot's configuration; converting would change digests and break "
                + "signatures"
        case .repositoriesMissing(let names, let address, let answer):
            "\(address) makes no repositories by itself (\(answer)); ask its administrator to create these, then load again. On AWS: "
                + "aws ecr create-repository --repository-name NAME for each; on Harbor, the project is the first part:\n"
                + names.map { "  \($0)" }.joined(separator: "\n")
        case .notAllowed(let denials, let address):
            "the login may not "
                + denials.map { "\($0.action) in \($0.repository)" }.joined(separator: ", nor ")
                + " at \(address); nothing was sent. Ask the registry's administrator for it"
        case .notThere(let names):
            "the target hasn't what it was sent: \(names.prefix(10).joined(separator: ", "))"
                + (names.count > 10 ? " and \(names.count - 10) more" : "")
                + "; check its free space and its clean-up, then run the same command again"
        case .busy(let path, let holder):
            "another load is running: \(holder.isEmpty ? "it" : holder) holds \(path); wait for its end and run the same command "
                + "again"
        case .staysDamaged(let names):
            "the registry keeps a damaged copy of \(names.joined(separator: ", ")): it takes the right bytes and stays with its own. "
                + "Remove the blob from its storage (Zot: <repository>/blobs/sha256/<hex>; docker-registry: blobs/sha256/<xx>/<hex>), "
                + "restart it, then load again with --read-back deep"
        case .noSuchFile(let name, let known):
            "the release delivers no file \"\(name)\"; it has "
                + (known.isEmpty ? "none" : known.joined(separator: ", "))
        case .otherProduct(let product, let address, let bound):
            "\(address) takes \(bound.map(\.printable).joined(separator: ", ")) only, and these media hold \(product); nothing was sent. Where that "
                + "product belongs there too, a person says so first: dray-import target bind \(address.shellWord) --product "
                + product.shellWord
        case .tooManyProducts(let address): "\(address) takes \(ProductBinding.limit) products already"
        case .planDiffers(let file, let lines):
            "what would be done is not what \(file) says, and nothing was sent:\n"
                + lines.prefix(20).map { "  \($0)" }.joined(separator: "\n")
                + (lines.count > 20 ? "\n  and \(lines.count - 20) more" : "")
                + "\nPlan again (plan --out), and have that approved"
        case .planPlace(let file):
            "\(file) is there already, and a plan is never written over; give another name with --out"
        case .noPlan(let file, let why):
            "\(file) is no plan (\(why)); plan --out writes one. A plan that was edited is none any more"
        case .expiredUnapproved(let file, let why):
            "\(file) accepts metadata that has expired, which takes a second person's signature, with another key than the "
                + "site's: \(why)"
        case .nothingExpired: "nothing on these media has expired; plan without --accept-expired"
        case .approvalNeeded:
            "a load needs a plan here that a second person has signed, with the approval beside it (plan.json.approval.json): "
                + "dray-import plan MEDIA --to TARGET --out plan.json, dray-import approve plan.json --key KEY by that person, then "
                + "load with --plan plan.json"
        case .operatorNeeded:
            "a plan that a second person has signed is loaded by another one: say who you are with --operator NAME"
        case .tagMovedSincePlan(let names):
            "somebody has moved \(names.joined(separator: ", ")) since the plan was made; no tag was set. Plan again (plan --out), "
                + "and have that approved"
        case .needsUnmet(let release, let names, let address):
            "\(release.printable) needs \(names.map(\.printable).joined(separator: ", ")), and no receipt tells that "
                + "\(address) has \(names.count == 1 ? "it" : "them"); nothing was sent. Load \(names.count == 1 ? "it" : "them") "
                + "first; where the site has \(names.count == 1 ? "it" : "them") all the same (installed from an ISO, or loaded "
                + "without Dray), say so: "
                + names.map { "--assume-release \($0.shellWord)" }.joined(separator: " ")
        case .otherBytes(let name, let expected):
            "the target gave other bytes than \(expected) for \(name); something there changes content"
        }
    }
}

extension Digest {
    /// For people: enough to tell two apart.
    fileprivate var short: String { "sha256:\(hex.prefix(12))…" }
}
