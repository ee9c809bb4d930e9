// SPDX-License-Identifier: Apache-2.0

package import Files
package import OCI
package import SystemPackage

/// Why a bundle can't be used, or not wholly.
package enum BundleError: Error, Equatable {
    /// No folder given is a bundle or holds one.
    case noBundle([FilePath])
    /// Several bundles, and none was named.
    case severalBundles([String])
    /// No bundle of that name among those.
    case unknownBundle(String, [String])
    /// `trust/`, a file in it, or the signature of `SHA256SUMS` is on no medium given.
    case unsigned(FilePath)
    /// No root on the media is one that is trusted here; the product that it names, which nobody vouches for, where its own
    /// keys have signed it; the products that are trusted here.
    case unknownRoot(FilePath, claims: String?, trusted: [String])
    /// A file of `trust/` has a lower version than a record, named in words, says was accepted once.
    case belowFloor(String, accepted: Int64, source: String)
    /// A folder that holds trust metadata and no release; the product that it is for.
    case trustOnly(FilePath, product: String)
    /// Two media of one bundle carry validly signed files that differ.
    case differentMedia(FilePath, FilePath)
    /// The site's newer targets list another `release.json` for this version, or none.
    case delisted(version: String, accepted: Int64)
    /// A file of `trust/`, or the signature of `SHA256SUMS`, can't be read or is no regular file; why, in words.
    case trustUnusable(FilePath, String)
    /// A name in `trust/` or `kit/` that nothing signs.
    case extraName(FilePath)
    /// The release, its index or its sums belong to something else than the targets do.
    case otherRelease(FilePath, expected: String, found: String)
    /// A signed small file is absent.
    case fileMissing(FilePath)
    /// A signed small file is not the bytes that were signed.
    case fileDamaged(FilePath)
    /// A file that can't be read, or is no regular file; why, in words.
    case fileUnusable(FilePath, String)
    /// `SHA256SUMS` says something else about a file than the targets and the index do.
    case sumsDiffer(String)
    /// A signed document contradicts itself or breaks a rule.
    case malformed(FilePath, String)
    /// A volume is on none of the media.
    case volumeMissing(String)
    /// A volume file has another length than signed.
    case volumeLength(FilePath, expected: UInt64, found: UInt64)
    /// A block of a volume has another digest than signed, or can't be read.
    case blockDamaged(FilePath, block: Int, bytes: Range<UInt64>)
    /// A medium went away while a file on it was read; why, and how many of its blocks were not read.
    case mediumGone(FilePath, String, unread: Int)
    /// A frame of verified blocks does not decode to what the index says.
    case frameDamaged(volume: String, offset: UInt64, String)
    /// The bundle has no such object.
    case objectUnknown(Digest)
    /// An object's verified pieces are not the bytes of its digest: the publisher's index is wrong.
    case objectDiffers(Digest)
    /// A delta leaves this chunk out, and nothing at hand has it; what the delta builds on, in words.
    case externalMissing(Digest, bytes: UInt64, base: String)
    /// Places outside of the bundle gave other bytes than those of this digest; none of them is asked for it again.
    case externalDiffers(Digest, places: [String])
    /// An object is larger than what asked for it takes.
    case objectTooLarge(Digest, size: UInt64, limit: Int)
}

extension BundleError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .noBundle, .volumeMissing, .externalMissing: .incomplete
        case .severalBundles, .unknownBundle, .trustOnly: .usage
        case .unsigned, .unknownRoot, .differentMedia, .trustUnusable: .notTrusted
        case .delisted, .belowFloor: .replaced
        case .extraName, .otherRelease: .refused
        case .mediumGone: .failed
        case .fileMissing, .fileDamaged, .fileUnusable, .sumsDiffer, .malformed, .volumeLength, .blockDamaged,
            .frameDamaged, .objectUnknown, .objectDiffers, .externalDiffers, .objectTooLarge:
            .damaged
        }
    }
}

extension BundleError: CustomStringConvertible {
    private static let copyAgain = "copy it again from the original medium"
    private static let askSender = "don't use this medium, ask its sender"

    package var description: String {
        switch self {
        case .noBundle(let paths):
            "no bundle in \(paths.map(\.string).list); give a bundle folder, or the folder it is in"
        case .severalBundles(let names): "there are several bundles: \(names.list); name one with --release"
        case .unknownBundle(let name, let names): "there is no bundle \(name.printable); there are: \(names.list)"
        case .unsigned(let path): "\(path.printable) is missing, so nothing vouches for this bundle; \(Self.askSender)"
        case .unknownRoot(let path, let claims, let trusted):
            Self.unknownRoot(path, claims: claims, trusted: trusted)
                + "; compare its fingerprint with its sender's, then add it: dray-import trust add"
        case .belowFloor(let file, let accepted, let source):
            "\(file.printable) is older than version \(accepted), which \(source) says was accepted here, and what was "
                + "accepted then isn't known here any more; use media with version \(accepted) or newer, or give such "
                + "media, or the publisher's trust folder, to: dray-import trust update"
        case .trustOnly(let folder, let product):
            "\(folder.printable) brings newer trust for \(product.printable) and no release; it is taken with: "
                + ["dray-import trust update", folder.printable].joined(separator: " ")
        case .differentMedia(let one, let other):
            "\(one.printable) and \(other.printable) are both signed but differ; use media of one set only"
        case .delisted(let version, let accepted):
            "release \(version) is not in the list of releases accepted since (targets \(accepted)), or differs there; "
                + "use a release that is still listed"
        case .extraName(let path): "nothing signs \(path.printable); \(Self.askSender)"
        case .otherRelease(let path, let expected, let found):
            "\(path.printable) is of \(found.printable), the signed targets are of \(expected.printable); "
                + Self.askSender
        case .fileMissing(let path): "\(path.printable) is missing; \(Self.copyAgain)"
        case .fileDamaged(let path): "\(path.printable) is not the file that was signed; \(Self.copyAgain)"
        case .fileUnusable(let path, let why), .trustUnusable(let path, let why):
            "\(path.printable) can't be used: \(why); \(Self.copyAgain)"
        case .sumsDiffer(let name):
            "SHA256SUMS and the signed targets don't say the same about \(name.printable); \(Self.askSender)"
        case .malformed(let path, let why): "\(path.printable) is signed but can't be used: \(why); ask its sender"
        case .volumeMissing(let name): "volume \(name) is on none of the media given; add the medium that has it"
        case .volumeLength(let path, let expected, let found):
            "\(path.printable) has \(found) bytes instead of \(expected); copy this volume again"
        case .blockDamaged(let path, let block, let bytes):
            "\(path.printable) is damaged in block \(block) (bytes \(bytes.lowerBound) to \(bytes.upperBound)); "
                + "copy this volume again (the others are not affected)"
        case .mediumGone(let path, let why, let unread):
            "\(path.printable) went away while it was read (\(why)), \(unread) of its blocks were not checked; look after the "
                + "medium's connection and run the same command again"
        case .frameDamaged(let volume, let offset, let why):
            "volume \(volume) is what was signed, but can't be decoded at byte \(offset): \(why); ask its sender"
        case .objectUnknown(let digest): "the bundle has no object \(digest); ask its sender"
        case .objectDiffers(let digest):
            "the pieces that the index names for \(digest) are not its bytes; it was not accepted, ask its sender"
        case .externalMissing(let digest, let bytes, let base):
            "this bundle is a delta and leaves out \(bytes) bytes (\(digest)) that nothing at hand has; it builds on \(base): "
                + "give that bundle's folder with --base, its ISO or archive with --seed, or the registry that has it"
        case .externalDiffers(let digest, let places):
            "what \(places.list) gave for \(digest) are not its bytes; they were not used. Run the same command again with "
                + "--base or --seed of the release that the delta builds on"
        case .objectTooLarge(let digest, let size, let limit):
            "\(digest) has \(size) bytes, at most \(limit) are possible here; ask its sender"
        }
    }
}

extension BundleError {
    /// What is wrong with a root that nobody here trusts, without what to do.
    package static func unknownRoot(_ path: FilePath, claims: String?, trusted: [String]) -> String {
        "\(path.printable) is no root that is trusted here; "
            + (claims.map { "it says that it is of \($0.printable), which nothing has verified, " } ?? "")
            + (trusted.isEmpty
                ? "and no product is trusted here"
                : "and trusted here: \(trusted.map(\.printable).joined(separator: ", "))")
    }
}

/// Several faults at once: the worst decides the exit code, all are shown.
package struct BundleFaults: ClassifiedError {
    /// At least one, the worst first.
    package let faults: [any ClassifiedError]
    package let failure: Failure

    /// `nil` without faults; equal ones count once.
    init?(_ all: [any ClassifiedError]) {
        var seen: Set<String> = []
        faults = all.filter { seen.insert($0.description).inserted }.sorted { $0.failure < $1.failure }
        guard let worst = faults.first else { return nil }
        failure = worst.failure
    }

    package var description: String { faults.map(\.description).joined(separator: "\n") }
}

extension String {
    /// Fit for a terminal: what is no printable character becomes `?`.
    package var printable: String {
        String(String.UnicodeScalarView(unicodeScalars.map { $0.properties.isPrintable ? $0 : "?" }))
    }
}

extension Unicode.Scalar.Properties {
    fileprivate var isPrintable: Bool {
        switch generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}

extension FilePath {
    /// Fit for a terminal.
    package var printable: String { string.printable }
}

extension [String] {
    fileprivate var list: String { map(\.printable).joined(separator: ", ") }
}
