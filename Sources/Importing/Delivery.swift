// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Palette
internal import Trust

/// What a load into a registry doesn't do: the parts of a release that go another way, with the steps of the appliance's Local UI
/// and of Palette's console (reference/palette.md, sections 1.3, 1.4, 2 and 5). A push never upgrades an appliance.
struct Delivery {
    /// How a delivered file comes to where it is of use.
    enum Way: String {
        /// An appliance's content bundle: uploaded to the leader, then the cluster's update.
        case upgrade = "localUI-upgrade"
        /// Another bundle's file: uploaded to the leader, then Palette's Sync.
        case upload = "localUI-upload"
        /// An installer: a host boots from it.
        case boot
        /// Any other file.
        case file
    }

    private let release: Release
    private let target: String

    init(_ release: Release, at target: String) { (self.release, self.target) = (release, target) }

    /// The release's files, each with its way.
    var files: [(name: String, way: Way)] { release.files.map { ($0.name, Delivery.way(of: $0)) } }

    private static func way(of file: Release.DeliveredFile) -> Way {
        switch file.kind {
        case "iso": .boot
        case "bundle": VendorFile.isApplianceBundle(file.name) ? .upgrade : .upload
        default: .file
        }
    }

    /// Content bundles of an appliance that only the registry gets.
    private var registryOnly: [String] {
        release.contents.filter {
            $0.kind == "bundle" && VendorFile.isApplianceBundle($0.name) && !$0.delivered.contains("file")
        }.map(\.name)
    }

    /// Content bundles of an appliance that don't go to the registry.
    private var fileOnly: [String] {
        release.contents.filter {
            $0.kind == "bundle" && VendorFile.isApplianceBundle($0.name) && !$0.delivered.contains("registry")
        }.map(\.name)
    }

    private var hasPacks: Bool { release.references.contains { $0.kind == "pack" } }
    private var isFolder: Bool { ["oci:", "zot-root:"].contains { target.hasPrefix($0) } }
    /// The appliance's own registry answers at this port, on each node.
    private var isInternal: Bool {
        target.contains(":\(Delivery.registryPort)/") || target.hasSuffix(":\(Delivery.registryPort)")
    }

    private static let registryPort = 30003
    private static let localUI = "https://<leader>:5080"

    /// For a summary: what the load does and what it leaves.
    var summary: String {
        let place = isFolder ? "the folder" : "the registry"
        var parts = release.references.isEmpty ? [] : ["content into \(place)"]
        for (way, words) in [
            (Way.upgrade, "through the appliance's Local UI: no load upgrades an appliance"),
            (.upload, "through the appliance's Local UI"), (.boot, "by booting from it"),
            (.file, "as a file (extract)"),
        ] {
            let names = files.filter { $0.way == way }.map(\.name)
            if !names.isEmpty { parts.append("\(names.joined(separator: ", ")) \(words)") }
        }
        return parts.joined(separator: "; ")
    }

    var json: JSONValue {
        [
            "registry": .bool(!release.references.isEmpty),
            "files": .array(files.map { ["name": .string($0.name), "way": .string($0.way.rawValue)] }),
            "registryOnly": .array(registryOnly.map(JSONValue.string)), "sync": .bool(hasPacks && !isFolder),
        ]
    }

    /// What is left to do beside the load, in order: commands, and text that begins with `# `.
    func steps(_ given: GivenArguments) -> [String] {
        files.flatMap { file in steps(for: file.name, file.way, given) } + registryOnly.map(Delivery.registryOnlyStep)
            + externalSteps
    }

    private func steps(for name: String, _ way: Way, _ given: GivenArguments) -> [String] {
        let extract = "dray-import extract \(name.shellWord) \(given.media) --to ./"
        switch way {
        case .upgrade: return [extract] + Delivery.uploadSteps(name) + Delivery.upgradeSteps
        case .upload: return [extract] + Delivery.uploadSteps(name) + [Delivery.syncStep]
        case .boot: return [extract, Delivery.bootStep(name)]
        case .file: return [extract]
        }
    }

    /// By hand, for one file that was extracted.
    static func steps(afterExtracting name: String, kind: String) -> [String] {
        switch kind {
        case "bundle":
            uploadSteps(name) + (VendorFile.isApplianceBundle(name) ? upgradeSteps : [syncStep])
        default: []
        }
    }

    private static func uploadSteps(_ name: String) -> [String] {
        [
            "# upload \(name) in the Local UI of the leader host, \(localUI): Content > Actions > Upload Content; its signature "
                + "beside it where hosts hold a public key of their own, and then one bundle for each upload. Without a browser: "
                + "palette content upload, port 5082, with the token in /opt/spectrocloud/.upload-auth-token on the leader",
            "# wait, at least five minutes, until every linked host shows Status Ready, Content Synced and Health Healthy, and "
                + "\"Syncing content: (N) items are pending\" is gone",
        ]
    }

    private static let upgradeSteps = [
        "# then, in the same Local UI: Cluster > Configuration > Update > Review Changes, enter the values that it asks for "
            + "again, Update. The OCI Pack Registry Password must match the one that is in use, or Zot can't be reached after "
            + "the upgrade. The management plane is down meanwhile; workloads go on"
    ]

    private static let syncStep =
        "# then, in the system console, https://<vip>/system: Administration > Pack Registries > the three dots of OCI Pack "
        + "Registry > Sync"

    private static func bootStep(_ name: String) -> String {
        "# \(name): write it to a stick, or attach it as virtual media, and boot each new host from it; it installs hosts, and "
            + "upgrades none that runs"
    }

    private static func registryOnlyStep(_ name: String) -> String {
        "# \(name) comes into the registry alone. That upgrades no appliance: the upgrade takes its file in the leader's Local UI, "
            + "and these media don't hold it; ask the sender for a release that delivers it as a file too (deliver: [registry, file])"
    }

    /// A site with an external registry needs an upgrade's content in both.
    private var externalSteps: [String] {
        guard !isFolder, !isInternal, release.contents.contains(where: { VendorFile.isApplianceBundle($0.name) }) else {
            return []
        }
        let lacking = fileOnly.map {
            " \($0) doesn't come into it with this release; ask the sender for deliver: [registry, file]."
        }.joined()
        return [
            "# \(target.printable) looks like an external registry (the appliance's own answers at port \(Delivery.registryPort)): "
                + "for an upgrade the content bundle has to be in both, here and in the Local UI.\(lacking)"
        ]
    }

    /// How Palette comes to know of packs that a load has brought.
    func packSteps(_ given: GivenArguments) -> [String] {
        guard hasPacks else { return [] }
        if target.hasPrefix("zot-root:") { return ["# start Zot again", Delivery.syncStep] }
        guard !isFolder else { return [] }
        return [
            "# let Palette read the packs: with --palette URL --token-file FILE, or in the system console as this says",
            "dray-import sync \(given.place)",
        ]
    }
}

/// A part of a release that a load does not deliver, as its receipt keeps it.
package struct LeftPart: Sendable, Equatable {
    package var name: String
    /// `localUI-upgrade`, `localUI-upload`, `boot` or `file`.
    package var way: String

    package init(name: String, way: String) { (self.name, self.way) = (name, way) }

    var json: JSONValue { ["name": .string(name), "way": .string(way)] }

    /// Throws `JSONError`.
    init(_ cursor: JSONCursor) throws(JSONError) {
        self.init(name: try cursor["name"].string(), way: try cursor["way"].string())
    }
}
