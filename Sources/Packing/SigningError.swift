// SPDX-License-Identifier: Apache-2.0

package import Files
package import SystemPackage
package import Trust

/// Why metadata can't be signed or published.
package enum SigningError: Error, Equatable {
    /// Two contents of one file that both were signed: here, and elsewhere.
    case fork(file: String, FilePath, FilePath)
    /// Something published that the trust folder doesn't know.
    case folderBehind(FilePath, lacks: String, FilePath)
    /// The keys at hand don't make up a threshold.
    case tooFewKeys(Role, root: Int64, have: Int, needed: Int, uncounted: [UncountedKey] = [])
    /// None of the keys at hand may sign the sums of a trust-only bundle.
    case noReleaseKey(root: Int64, [UncountedKey])
    /// A stage waits for signatures: a line for each threshold that isn't met.
    case incomplete([String])
    case keyNotAsked(KeyID)
    /// The stage belongs to another product, or to another first root of it.
    case otherTrust(stage: String, folder: String)
    /// The trust folder has moved on since.
    case stale(String)
    case signatureWrong(FilePath)
    case stageExists(FilePath)
    case stageUnusable(FilePath, why: String)
    case keyListed(KeyID)
    case keyUnlisted(String)
    case thresholdTooHigh(Int, keys: Int, of: String)
    case unlisted(String)
    case nothingPublished(FilePath)
    case bundleUnusable(FilePath, why: String)
    /// A file of the bundle isn't the one that was staged.
    case bundleDiffers(FilePath)
    case tooLarge(bytes: Int, limit: Int)
    case exportExists(FilePath)
}

extension SigningError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .incomplete: .incomplete
        case .fork, .folderBehind, .keyNotAsked, .otherTrust, .stale, .signatureWrong, .stageExists, .stageUnusable,
            .tooLarge, .exportExists:
            .refused
        case .bundleDiffers: .damaged
        case .tooFewKeys, .noReleaseKey, .keyListed, .keyUnlisted, .thresholdTooHigh, .unlisted, .nothingPublished,
            .bundleUnusable:
            .usage
        }
    }

    package var description: String {
        switch self {
        case .fork(let file, let one, let other):
            "\(file) in \(one) and in \(other) differ, and both were signed: two copies of the trust folder went on apart. "
                + "Sites that know one refuse the other. Stop publishing from one of the copies, and take what sites have"
        case .folderBehind(let folder, let lacks, let place):
            "\(folder) lacks \(lacks), which \(place) was published with: it is an old copy of the trust folder; go on with "
                + "the newest one, or copy the newer files of \(place)/trust into it"
        case .tooFewKeys(let role, let root, let have, let needed, let uncounted):
            "root \(root) wants \(needed) of its \(role.rawValue) keys to sign, and \(have) of them are given; "
                + uncounted.map { "\($0); " }.joined()
                + "give more, or let the holders sign apart (--stage, pack --no-sign; dray sign --help)"
        case .noReleaseKey(let root, let uncounted):
            "one release key of root \(root) must sign the sums, and none is given; "
                + uncounted.map { "\($0); " }.joined() + "dray trust status lists the keys that count"
        case .incomplete(let lines):
            "signatures are missing:\n" + lines.map { "  \($0)" }.joined(separator: "\n")
        case .keyNotAsked(let id):
            "the key \(id) is none that this stage asks for; take one of those it names (dray sign add STAGE without --key)"
        case .otherTrust(let stage, let folder):
            "the stage is of \(stage), the trust folder of \(folder); name the folder that it was staged from"
        case .stale(let why): "the trust folder has moved on since this was staged: \(why); stage it again"
        case .signatureWrong(let path):
            "\(path) doesn't sign what this stage holds; ask its sender to sign this stage, or remove the file"
        case .stageExists(let path): "\(path) is there already; choose another folder for the stage"
        case .stageUnusable(let path, let why): "\(path) can't be used: \(why); ask for the stage again"
        case .keyListed(let id): "the key \(id) is in the root already"
        case .keyUnlisted(let text): "the root has no key \(text) of this kind; dray trust status lists them"
        case .thresholdTooHigh(let threshold, let keys, let kind):
            "a threshold of \(threshold) can't be met with \(keys) \(kind) keys; thresholds are from 1 to their number, "
                + "at most \(TrustLimits.signatures)"
        case .unlisted(let version):
            "release \(version) is not listed as supported; dray trust status lists those that are"
        case .nothingPublished(let path):
            "\(path) has published nothing yet; pack a release first, its media carry all roots"
        case .bundleUnusable(let path, let why): "\(path) can't be signed: \(why)"
        case .bundleDiffers(let path): "\(path) isn't the file that was staged; pack and stage it again"
        case .tooLarge(let bytes, let limit):
            "the trust-only bundle would have \(bytes) bytes, more than \(limit); dray trust renew signs the list of "
                + "releases without a bundle's files, then export again; delist releases that nobody needs"
        case .exportExists(let path): "\(path) is there with other content; choose another --out, or remove it"
        }
    }
}
