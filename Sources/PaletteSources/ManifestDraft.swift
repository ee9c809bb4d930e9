// SPDX-License-Identifier: Apache-2.0

internal import Files
package import Palette
internal import SystemPackage

/// A manifest for what was downloaded, to be read and completed by a person: what the names tell is filled in, what they
/// don't is asked for in a line that begins with `# ?`.
package struct ManifestDraft: Sendable {
    /// What the names tell of the release; `nil` where they don't, or disagree.
    package private(set) var product: String?
    package private(set) var version: String?
    package private(set) var edition: Edition?
    /// What somebody should look at: those of the downloads, and what doesn't go together.
    package private(set) var warnings: [String]
    private let downloads: Downloads
    private var versionSource = ""

    /// As manifests write it.
    package var editionName: String? { edition?.rawValue }

    /// Whether `pack` can use it as it is.
    package var isComplete: Bool {
        product != nil && version != nil && edition != nil && !downloads.inputs.isEmpty
            && downloads.inputs.allSatisfy { $0.isSigned || $0.kind != .iso && $0.kind != .bundle }
    }

    package init(_ downloads: Downloads) {
        (self.downloads, warnings) = (downloads, downloads.warnings)
        readNames()
        checkFlavours()
        if downloads.inputs.contains(where: \.isSigned), downloads.keys.isEmpty {
            warnings.append(
                "no vendor key (*.pem) is there to check the signatures with; fetch spectro_public_key.pem "
                    + "(\"Bundle Verification Instructions\" in Artifact Studio)")
        }
        warnings = warnings.map(\.oneLine)
    }

    /// A vendor's file name cut at its version: `palette-enterprise-appliance` and `4.7.27`.
    struct NameParts: Equatable {
        let product: String
        let version: String

        init?(_ name: String) {
            guard
                let match = name.firstMatch(
                    of: /[-_]v?([0-9]+\.[0-9]+\.[0-9]+(?:[-+][A-Za-z0-9.]+?)?)(?=\.tar|\.zst|\.iso|$)/)
            else { return nil }
            let product = name[..<match.range.lowerBound].lowercased().map { $0.isLetter || $0.isNumber ? $0 : "-" }
            (self.product, version) = (String(product.drop { $0 == "-" }.prefix(63)), String(match.1))
        }
    }

    private static func words(_ name: String) -> [Substring] {
        name.lowercased().split { !$0.isLetter && !$0.isNumber }
    }

    private mutating func readNames() {
        let files = downloads.inputs.filter { $0.kind == .iso || $0.kind == .bundle }
        let appliance = files.filter { $0.kind == .iso || ManifestItem.isApplianceBundle($0.name) }
        let thirdParty = files.filter { ManifestDraft.words($0.name).contains("thirdparty") }
        let naming = appliance.isEmpty ? thirdParty : appliance
        let parts = naming.compactMap { input in NameParts(input.name).map { (input, $0) } }
        let versions = Set(parts.map(\.1.version)).sorted { PackVersion($0) < PackVersion($1) }
        if versions.count > 1 {
            let named = parts.map { "\($0.0.path) is \($0.1.version)" }.joined(separator: ", ")
            warnings.append("the versions differ: \(named); an ISO and a content bundle must be of one version")
        } else if let only = versions.first, let first = parts.first {
            (version, versionSource) = (only, first.0.path)
        }
        product = parts.map(\.1.product).first { ManifestDraft.isProduct($0) }
        edition = ManifestDraft.edition(naming.isEmpty ? files : naming)
    }

    private static func isProduct(_ text: String) -> Bool { text.wholeMatch(of: /[a-z0-9][a-z0-9-]{0,62}/) != nil }

    private static func edition(_ inputs: [Downloads.Input]) -> Edition? {
        let words = inputs.map { Set(ManifestDraft.words($0.name)) }
        let isVertex = words.contains { $0.contains("vertex") }
        let isPalette = words.contains { $0.contains("palette") && !$0.contains("vertex") }
        return isVertex == isPalette ? nil : isVertex ? .vertex : .palette
    }

    /// The vendor's two builds share tags, so that one release can't hold both.
    private mutating func checkFlavours() {
        let fips = downloads.inputs.filter { input in
            let words = ManifestDraft.words(input.name)
            return words.contains("fips") || words.contains("vertex")
        }
        let names = Dictionary(grouping: downloads.inputs.filter { $0.kind == .bundle }) { input in
            ManifestDraft.words(input.name).filter { $0 != "fips" && $0 != "vertex" && $0 != "palette" }
        }
        for input in fips where input.kind == .bundle {
            let key = ManifestDraft.words(input.name).filter { $0 != "fips" && $0 != "vertex" && $0 != "palette" }
            for other in names[key] ?? [] where !fips.contains(other) {
                warnings.append(
                    "\(input.path) and \(other.path) look like the FIPS build and the other build of one thing; they share "
                        + "tags: leave one out")
            }
        }
    }
}

extension ManifestDraft {
    /// The manifest's text. `prefix` leads from the manifest's folder to the downloads: empty, or with a slash last.
    package func text(prefix: String) -> String {
        var lines = [
            "# Written by \"dray manifest init\" from what is in \(downloads.folder.string.oneLine).",
            "# Read it, answer each line that begins with \"# ?\", then try it: dray pack THIS-FILE --trust TRUST --dry-run",
            "# manifests/README.md describes every key.",
        ]
        lines += warnings.map { "# ! " + $0.oneLine }
        lines += ["format: 1", "", "release:"] + releaseLines
        if !downloads.keys.isEmpty {
            lines += ["", "# What the vendor's *.sig.bin files are checked with.", "vendorKeys:"]
            lines += downloads.keys.map { "  - \(ManifestDraft.scalar(prefix + $0))" }
        }
        lines += ["", "contents:"]
        if downloads.inputs.isEmpty { lines.append("  # ? nothing was found; add items") }
        for group in groups {
            lines += ["  # " + group.title] + group.inputs.map { line($0, prefix) } + [""]
        }
        return lines.joined(separator: "\n") + (lines.last == "" ? "" : "\n")
    }

    private var releaseLines: [String] {
        [
            product.map { "  product: \($0)" }
                ?? "  # ? product: a-z, 0-9 and dashes; one name for all releases of a kind",
            version.map { "  version: \(ManifestDraft.scalar($0))  # of \(versionSource.oneLine)" }
                ?? "  # ? version: which release this is",
            edition.map { "  edition: \($0.rawValue)" } ?? "  # ? edition: palette or vertex",
            "  # supportEnd: YYYY-MM-DD    when the release's metadata expires; 18 months when left out",
        ]
    }

    private struct Group {
        let title: String
        let inputs: [Downloads.Input]
    }

    private var groups: [Group] {
        let bundles = downloads.inputs.filter { $0.kind == .bundle }
        let appliance = bundles.filter { ManifestItem.isApplianceBundle($0.name) }
        let thirdParty = bundles.filter {
            ManifestDraft.words($0.name).contains("thirdparty") && !appliance.contains($0)
        }
        let packs = bundles.filter { !appliance.contains($0) && !thirdParty.contains($0) }
        func all(_ kind: ItemKind) -> [Downloads.Input] { downloads.inputs.filter { $0.kind == kind } }
        return [
            Group(title: "The installer: delivered as a file, its signature beside it.", inputs: all(.iso)),
            Group(
                title: "The appliance's content bundle: delivered as the file that the appliance's own upload takes.\n"
                    + "  # With \"deliver: [file, registry]\" its content goes to an external registry too.",
                inputs: appliance),
            Group(
                title: "Third Party and Conformance packs: backup, scans, SBOM, conformance tests; to the registry.",
                inputs: thirdParty),
            Group(title: "Packs and other bundles: to the registry.", inputs: packs),
            Group(title: "Images and artifacts in OCI image layouts: to the registry.", inputs: all(.layout)),
            Group(
                title: "Pack folders: each becomes an OCI artifact (dray packs lint checks them).", inputs: all(.packs)),
            Group(title: "Other files, as they are.", inputs: all(.file)),
        ].filter { !$0.inputs.isEmpty }
    }

    private func line(_ input: Downloads.Input, _ prefix: String) -> String {
        var remarks: [String] = []
        if input.kind.isFile { remarks.append(ByteSize(bytes: input.size).description) }
        if input.parts > 0 { remarks.append("in \(input.parts) parts") }
        if input.isSigned { remarks.append("signed") }
        var lines = ["  - \(input.kind.rawValue): \(ManifestDraft.scalar(prefix + input.path))"]
        if !remarks.isEmpty { lines[0] += "  # " + remarks.joined(separator: ", ") }
        if input.kind.isFile, !ManifestItem.isUsableName(input.name) {
            let name = ManifestDraft.scalar(ManifestDraft.usableName(input.name))
            lines.append("    name: \(name)  # its own name can't stand on every medium")
        }
        if input.kind == .iso || input.kind == .bundle, !input.isSigned {
            let signature = ManifestItem.signatureName(for: input.name).oneLine
            lines.append("    # ? no signature is there: fetch \(signature), or write: signature: none")
        }
        return lines.joined(separator: "\n")
    }

    /// A name for every medium that people recognise.
    private static func usableName(_ name: String) -> String {
        let letters = name.utf8.prefix(ManifestItem.maximumName - 1).map { byte in
            let text = String(UnicodeScalar(byte))
            return (32..<127).contains(byte) && ManifestItem.isUsableName("x\(text)x") ? text : "_"
        }
        let usable = letters.joined()
        return ManifestItem.isUsableName(usable) ? usable : usable + "_"
    }

    /// A text as YAML: plain where nothing in it means anything, else in double quotes.
    static func scalar(_ text: String) -> String {
        if text.wholeMatch(of: /[A-Za-z.\/][A-Za-z0-9._\/+-]*/) != nil, !["true", "false", "null"].contains(text) {
            return text
        }
        if text.wholeMatch(of: /[0-9]+\.[0-9]+\.[A-Za-z0-9._+-]*/) != nil { return text }
        var quoted = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case _
            where scalar.properties.generalCategory == .control || scalar.value == 0xfeff
                || (0x2028...0x2029).contains(scalar.value) || scalar.value == 0x85:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return "\"\(quoted)\""
    }
}
