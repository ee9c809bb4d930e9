// SPDX-License-Identifier: Apache-2.0

package import Files
package import OCI
internal import PaletteSources
internal import RegistryClient
package import SystemPackage

/// Why something can't be mirrored. No case holds a query or a secret.
package enum MirrorError: Error, Equatable {
    /// The source has no such thing (any more).
    case gone(String)
    /// Bytes that are not what their digest says.
    case wrongBytes(String, expected: Digest, got: Digest)
    case badManifest(String, why: String)
    /// A manifest of a type that no OCI registry takes, for example Docker's schema 1.
    case unsupportedType(String, type: String)
    case noVersion(String, wanted: String, has: Int)
    case noPlatform(String, wanted: [String], has: [String])
    case tooManyReferrers(Digest)
    /// The manifest asks for something that the lock file doesn't have.
    case notInLock(String)
    /// What is there now is not what the lock file says.
    case changed(String, locked: Digest, now: Digest)
    case noLock(FilePath)
    case lockUnreadable(FilePath, why: String)
    case inUse(FilePath)
    case notALayout(FilePath)
    case noSpace(FilePath, missing: UInt64)
    /// An address without TLS that nothing allows.
    case plainHTTP(String)
    /// A chart whose index entry names no address, or no digest and no lock has one.
    case unusableChart(String, why: String)
    case noVendorKey(String)
    case vendorKeyUnusable(FilePath, why: String)
    case signatureMissing(String)
    case signatureWrong(String)
    /// A file whose address nobody gives.
    case noAddress(String)
    case unusableName(String)
    /// Two files, or two digests, under one name.
    case twice(String)
    case urlsUnreadable(FilePath, line: Int)
}

extension MirrorError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .gone, .noVersion, .inUse: .failed
        case .wrongBytes, .badManifest: .damaged
        case .unsupportedType, .noPlatform, .tooManyReferrers, .notInLock, .changed, .plainHTTP, .notALayout: .refused
        case .noSpace: .noSpace
        case .signatureMissing, .signatureWrong: .notTrusted
        case .unusableChart: .damaged
        case .noLock, .lockUnreadable, .noVendorKey, .vendorKeyUnusable, .noAddress, .unusableName, .twice,
            .urlsUnreadable:
            .usage
        }
    }

    package var missingBytes: UInt64? {
        if case .noSpace(_, let missing) = self { missing } else { nil }
    }
}

extension MirrorError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .gone(let what): "\(what) is not there; check the reference, or whether it was removed at its source"
        case .wrongBytes(let what, let expected, let got):
            "\(what): the bytes that came are \(got), not \(expected); nothing of them was kept, run the same command again "
                + "or ask the source"
        case .badManifest(let what, let why): "\(what): \(why)"
        case .unsupportedType(let what, let type):
            "\(what) has the type \"\(type)\", which OCI registries don't take; have it pushed again by a current tool"
        case .noVersion(let what, let wanted, let has):
            "\(what): none of \(has) tags or versions fits \(wanted); correct the range, or allow preReleases"
        case .noPlatform(let what, let wanted, let has):
            "\(what) has none of the platforms \(wanted.joined(separator: ", ")); it has \(has.joined(separator: ", "))"
        case .tooManyReferrers(let digest):
            "\(digest) has more than \(ReferrerSearch.limit) referrers; set referrers: false for its image"
        case .notInLock(let what):
            "\(what) is not in the lock file: the manifest has changed since; run without --locked to lock it anew"
        case .changed(let what, let locked, let now):
            "\(what) is \(now) now, and \(locked) in the lock file; run without --locked to take the change"
        case .noLock(let path): "there is no lock file \(path); run once without --locked, or name it with --lock"
        case .lockUnreadable(let path, let why):
            "the lock file \(path) can't be read: \(why); restore it, or remove it to lock everything anew"
        case .inUse(let path): "another dray mirror is writing \(path); wait for it"
        case .notALayout(let path):
            "\(path) is not empty and no OCI image layout; name a new folder, or one that dray mirror made"
        case .noSpace(let path, let missing):
            "\(path): \(missing) more bytes are needed; make room there and run the same command again"
        case .plainHTTP(let address):
            "\(address) has no TLS; use https, or say plainHttp: true for its host under registries"
        case .unusableChart(let what, let why): "\(what): \(why)"
        case .noVendorKey(let what): "\(what) is to be checked by a vendor's signature; name the key under vendorKeys"
        case .vendorKeyUnusable(let path, let why): "the vendor key \(path) can't be used: \(why)"
        case .signatureMissing(let what): "\(what) has no signature at its source; fetch it, or pin the file by sha256"
        case .signatureWrong(let what):
            "\(what): the signature is not of any vendor key over these bytes; nothing of them was kept, fetch it again"
        case .noAddress(let what): "nothing says where \(what) is; give its url, or its signed address with --urls"
        case .unusableName(let what):
            "\"\(what)\" can't be a file name on every medium; give the file another with name:"
        case .twice(let what): "\(what) is named twice with different content; keep one"
        case .urlsUnreadable(let path, let line): "\(path):\(line): no address that begins with https://"
        }
    }
}

/// One thing that could not be mirrored, while the rest could.
package struct MirrorFailure: Sendable, Equatable {
    /// The reference, the chart or the file.
    package let what: String
    /// The packs that ask for it.
    package let wantedBy: [String]
    package let reason: String
    package let failure: Failure
}

/// The exit code that an error means, whatever module it comes from.
func failure(of error: any Error) -> Failure {
    if let error = error as? RegistryError {
        return switch error.kind {
        case .transient, .refusal: .failed
        case .access: .registryRefused
        case .policy: .refused
        case .noSpace: .noSpace
        case .cancelled: .interrupted
        }
    }
    if let classified = error as? any ClassifiedError { return classified.failure }
    return switch error {
    case is EndpointError, is DockerConfigError, is ReferenceError, is PaletteSources.ManifestError: .usage
    case is GraphError, is OCI.ManifestError, is HelmIndexError, is HelmChartError: .damaged
    default: .failed
    }
}

/// Whether nothing else can succeed after an error: the user stopped, or there is no room.
func isFatal(_ error: any Error) -> Bool {
    if error is Interrupted || (error as? RegistryError) == .cancelled { return true }
    return (error as? FileError)?.isOutOfSpace ?? false
}
