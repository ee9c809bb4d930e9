// SPDX-License-Identifier: Apache-2.0

internal import Files
package import SystemPackage
package import Trust

/// Bundles that were published under former keys.
package struct OutdatedBundles: Sendable {
    /// Those of supported releases whose signers make up no threshold of the newest root: sites that know it refuse them.
    package private(set) var renewable: [FilePath] = []
    /// A line for each bundle whose own metadata can't be read.
    package private(set) var unreadable: [String] = []

    /// Looks at bundles of the folder's product, as `PublishedTrust.checkForks` gives them. Trust-only bundles and releases
    /// that are listed no more are passed over: nothing renews those.
    ///
    /// Throws `FileError` and `SigningError.fork`.
    package init(among bundles: [FilePath], by trust: PublishedTrust) throws {
        for bundle in bundles {
            do {
                let own = try PublishedTrust(reading: MediaFolder(bundle.appending("trust")))
                guard let set = own.published, trust.supports(set), !trust.root.root.vouches(for: set) else { continue }
                renewable.append(bundle)
            } catch let error as TrustError {
                unreadable.append("\(bundle) can't be judged: \(error)")
            } catch let error as PackError {
                unreadable.append("\(bundle) can't be judged: \(error)")
            }
        }
    }
}

extension PublishedTrust {
    /// Whether this set is of a bundle whose release is listed still.
    fileprivate func supports(_ set: TrustedMetadata) -> Bool {
        let targets = set.targets.content
        guard let document = targets.files["release.json"] else { return false }
        return lists(document, of: targets.release.version)
    }
}

extension Root {
    /// Whether those who signed a set are enough of this root's keys.
    func vouches(for set: TrustedMetadata) -> Bool {
        func enough(_ role: Role, _ signers: [KeyID]) -> Bool {
            self[role].keys.filter { signers.contains($0.id) }.count >= self[role].threshold
        }
        return enough(.targets, set.targets.signers) && enough(.snapshot, set.snapshot.signers)
            && enough(.timestamp, set.timestamp.signers)
    }

    /// Whether signatures of releases that counted under `former` may not be enough under this root: keys were removed,
    /// or more must sign.
    package func asksMore(than former: Root) -> Bool {
        [Role.targets, .snapshot, .timestamp].contains { role in
            self[role].threshold > former[role].threshold
                || former[role].keys.contains { key in !self[role].keys.contains { $0.id == key.id } }
        }
    }
}
