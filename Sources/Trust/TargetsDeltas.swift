// SPDX-License-Identifier: Apache-2.0

// Deltas beside the full bundle of a release (docs/format.md, "Trust"): each is listed under a label of its own.
extension Targets {
    /// The name under which a delta's `release.json` is listed, by length and SHA-256: `releases/<version>/delta-<label>.json`.
    package static func listing(of version: String, delta label: String) -> String {
        "releases/\(version)/delta-\(label).json"
    }

    /// Whether a text can be a delta's label: letters, digits, `.`, `_`, `+`, `-`, 1 to 80, a letter or digit first.
    package static func isLabel(_ text: String) -> Bool {
        (1...80).contains(text.utf8.count) && text.first.map { $0.isASCII && ($0.isLetter || $0.isNumber) } ?? false
            && text.utf8.allSatisfy { byte in
                let character = Character(UnicodeScalar(byte))
                return byte < 128 && (character.isLetter || character.isNumber || "._+-".contains(character))
            }
    }

    /// The deltas of supported releases: by version, then by label.
    package var deltas: [String: [String: TargetFile]] {
        var deltas: [String: [String: TargetFile]] = [:]
        for (name, file) in files {
            let parts = name.split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 3, parts[0] == "releases", parts[2].hasPrefix("delta-"), parts[2].hasSuffix(".json")
            else { continue }
            let label = String(parts[2].dropFirst(6).dropLast(5))
            if Targets.isLabel(label) { deltas[String(parts[1]), default: [:]][label] = file }
        }
        return deltas
    }

    /// The versions of which the full bundle or a delta is listed, sorted.
    package var supportedVersions: [String] { Set(supported.keys).union(deltas.keys).sorted() }

    /// Whether a `release.json` is that of a supported release's full bundle or of one of its deltas.
    package func lists(_ document: TargetFile, of version: String) -> Bool {
        supported[version] == document
            || deltas[version, default: [:]].values.contains { $0.isSame(as: document) }
    }

    /// What is listed, in words for people, with the document that each means.
    package var listings: [String: TargetFile] {
        var listings: [String: TargetFile] = [:]
        for (version, file) in supported { listings["release \(version)"] = file }
        for (version, labels) in deltas {
            for (label, file) in labels { listings["release \(version), delta \(label)"] = file }
        }
        return listings
    }
}

extension TargetFile {
    /// As it is listed for a delta: the bundle's own line has the second digest.
    var withoutSHA512: TargetFile { TargetFile(length: length, sha256: sha256) }

    fileprivate func isSame(as other: TargetFile) -> Bool { length == other.length && sha256 == other.sha256 }
}
