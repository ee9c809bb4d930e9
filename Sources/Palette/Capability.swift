// SPDX-License-Identifier: Apache-2.0

/// What the vendor's optional packs add to an appliance (reference/palette.md, section 1.6); the raw value is the name in
/// `release.json`.
package enum Capability: String, Sendable, Hashable, CaseIterable {
    case backup = "backup-restore"
    case configurationSecurity = "configuration-security"
    case penetrationTesting = "penetration-testing"
    case sbom = "sbom-scan"
    case conformance = "conformance-testing"

    /// One of the two packs that bring capabilities.
    package enum Source: String, Sendable {
        case thirdParty = "Third Party"
        case conformance = "Third Party Conformance"
    }

    /// As the documentation names it.
    package var title: String {
        switch self {
        case .backup: "backup and restore"
        case .configurationSecurity: "configuration security"
        case .penetrationTesting: "penetration testing"
        case .sbom: "SBOM scanning"
        case .conformance: "conformance testing"
        }
    }

    /// The tools that do the work; all of them are needed.
    package var tools: [String] {
        switch self {
        case .backup: ["velero"]
        case .configurationSecurity: ["kube-bench"]
        case .penetrationTesting: ["kube-hunter"]
        case .sbom: ["syft", "grype"]
        case .conformance: ["sonobuoy"]
        }
    }

    /// The tools for people, for example `Syft and Grype`.
    package var toolTitle: String {
        switch self {
        case .backup: "Velero"
        case .configurationSecurity: "kube-bench"
        case .penetrationTesting: "kube-hunter"
        case .sbom: "Syft and Grype"
        case .conformance: "Sonobuoy"
        }
    }

    /// Which pack the vendor ships it in.
    package var source: Source { self == .conformance ? .conformance : .thirdParty }

    /// The capabilities whose tools' images are all among these repositories, in the order of the documentation. What counts
    /// is what the images are, not what the file that held them was called.
    package static func brought(by repositories: some Sequence<String>) -> [Capability] {
        let known = Set(allCases.flatMap(\.tools))
        var found: Set<String> = []
        for repository in repositories {
            if let tool = tool(in: repository), known.contains(tool) { found.insert(tool) }
        }
        return allCases.filter { $0.tools.allSatisfy(found.contains) }
    }

    /// The last part of a repository's name, without what vendors put around a tool's name: `spectro-velero` and
    /// `velero-linux-amd64` are Velero, its plugin `velero-plugin-for-aws` is not.
    private static func tool(in repository: String) -> String? {
        guard var name = repository.split(separator: "/").last.map(String.init)?.lowercased() else { return nil }
        if name.hasPrefix("spectro-") { name.removeFirst("spectro-".count) }
        for suffix in ["-linux-amd64", "-linux-arm64", "-amd64", "-arm64", "-fips"] where name.hasSuffix(suffix) {
            name.removeLast(suffix.count)
        }
        return name
    }
}
