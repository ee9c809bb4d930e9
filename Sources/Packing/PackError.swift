// SPDX-License-Identifier: Apache-2.0

package import Files
package import OCI
package import SystemPackage

/// Why a release can't be packed.
package enum PackError: Error, Equatable {
    case alreadyRunning(FilePath)
    /// An interrupted run had another plan; what differs, as far as it is known.
    case planChanged([String])
    case bundleExists(FilePath)
    case partialShorterThanJournal(FilePath)
    case inputChanged(String)
    case blobMismatch(Digest, in: String)
    case blobMissing(Digest, in: String, of: String)
    /// A manifest that an index of a layout folder lists, and that isn't there.
    case sparseIndex(Digest, in: String)
    case badManifest(Digest, in: String, why: String)
    case notALayout(String, why: String)
    case badName(in: String, why: String)
    case unreadableArchive(String, why: String)
    case nameTaken(String)
    case nameUnusable(String)
    case packTwice(String, String, String)
    case expired(String)
    case referenceTwice(String, Digest, Digest)
    case signatureMissing(String, expected: String)
    case signatureWrong(String)
    case vendorKeyUnusable(FilePath, why: String)
    case volumeSizeTooSmall(UInt64, needed: UInt64)
    case rootExists(FilePath)
    case trustUnusable(FilePath, why: String)
    case noSpace(FilePath, missing: UInt64)
    case plainTooLarge(String, size: UInt64, volumeSize: UInt64)
    /// Neither an ISO image nor a makeself archive nor a tar.
    case notVendorFile(FilePath, why: String)
    /// What of an item a VerteX release doesn't take: the first five, and how many there are.
    case nonFIPS(String, [String], count: Int)
    /// One pack's tag, of the FIPS build in one input and of the other in another.
    case flavoursMixed(String, fips: String, other: String)
}

extension PackError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .alreadyRunning, .partialShorterThanJournal, .inputChanged: .failed
        case .planChanged, .bundleExists, .nameTaken, .referenceTwice, .packTwice, .rootExists, .sparseIndex, .nonFIPS,
            .flavoursMixed:
            .refused
        case .expired: .expired
        case .blobMismatch, .blobMissing, .badManifest, .unreadableArchive: .damaged
        case .notALayout, .vendorKeyUnusable, .volumeSizeTooSmall, .trustUnusable, .plainTooLarge,
            .nameUnusable, .badName, .notVendorFile:
            .usage
        case .signatureMissing, .signatureWrong: .notTrusted
        case .noSpace: .noSpace
        }
    }

    package var missingBytes: UInt64? {
        if case .noSpace(_, let missing) = self { missing } else { nil }
    }

    package var description: String {
        switch self {
        case .alreadyRunning(let path):
            "another dray is at work with \(path); wait for it to end, then run the same command again"
        case .planChanged(let differences):
            "the inputs or parameters differ from those of the interrupted run"
                + (differences.isEmpty ? "" : " (\(differences.joined(separator: "; ")))")
                + "; restore them, or begin anew with --restart"
        case .bundleExists(let path):
            "\(path) is there, and nothing in --state says that it was made from these inputs; choose another --out or "
                + "version, or remove that folder"
        case .partialShorterThanJournal(let path):
            "\(path) is shorter than it was; begin anew with --restart"
        case .inputChanged(let name): "\(name) changed while it was read; leave it alone and run the same command again"
        case .blobMismatch(let digest, let place):
            "in \(place) the blob \(digest) holds other bytes than its name says; fetch it again"
        case .blobMissing(let digest, let place, let parent):
            "\(place) lacks \(digest), which \(parent) needs; fetch the whole image"
        case .sparseIndex(let digest, let place):
            "an index in \(place) lists \(digest), which isn't there; registries refuse an index without all its platforms, "
                + "so mirror the image without platforms:, or one platform's manifest by its digest"
        case .badManifest(let digest, let place, let why): "in \(place), \(digest): \(why)"
        case .notALayout(let place, let why): "\(place) is no OCI image layout: \(why)"
        case .badName(let place, let why): "the index.json in \(place): \(why)"
        case .unreadableArchive(let place, let why): "\(place): \(why)"
        case .nameTaken(let name): "\(name) is the name of one of the bundle's own volumes; give the item another name:"
        case .nameUnusable(let name): "\(name) is too long or no name for every medium; give the item a shorter name:"
        case .packTwice(let reference, let first, let second):
            "\(first) and \(second) are both \(reference) with different content; leave one out"
        case .expired(let what): "\(what); a bundle made now could be used nowhere"
        case .referenceTwice(let reference, let first, let second):
            "\(reference) stands for \(first) and for \(second) in this release; leave one out"
        case .signatureMissing(let name, let expected):
            "\(name) has no vendor signature (\(expected) is not there); fetch it, or write signature: none"
        case .signatureWrong(let name):
            "the vendor signature of \(name) is not valid under any of vendorKeys; fetch both files again"
        case .vendorKeyUnusable(let path, let why): "the vendor key \(path) can't be used: \(why)"
        case .volumeSizeTooSmall(let size, let needed):
            "a volume size of \(size) bytes is too small for this release; use at least \(needed)"
        case .rootExists(let path):
            "\(path) has a root already; a product has one for all its releases, and it is never replaced"
        case .trustUnusable(let path, let why): "the trust folder \(path) can't be used: \(why)"
        case .plainTooLarge(let name, let size, let volumeSize):
            "\(name) has \(size) bytes and can't be a plain volume of at most \(volumeSize); leave plain: out, or use "
                + "a larger --volume-size"
        case .notVendorFile(let path, let why):
            "\(path) is no ISO image, no makeself archive and no archive of a vendor: \(why)"
        case .nonFIPS(let item, let found, let count):
            "\(item) is not (only) of the vendor's FIPS build, which a VerteX release must be: \(found.joined(separator: ", "))"
                + (count > found.count ? " and \(count - found.count) more" : "")
                + "; fetch the FIPS build, or write nonFIPS: true at this item to take it and have the release say so"
        case .flavoursMixed(let tag, let fips, let other):
            "\(tag) is of the FIPS build in \(fips) and of the other in \(other); a registry has one tag for both, so leave "
                + "one out"
        case .noSpace(let path, let missing):
            "\(path) lacks up to \(missing) bytes of free space for this bundle; make room and run the same command again"
        }
    }
}
