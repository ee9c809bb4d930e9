// SPDX-License-Identifier: Apache-2.0

package import OCI

// What a release says of itself for people and for plans: signed, but declared by its publisher or read from its inputs.
extension Release {
    /// What a release is to those who keep or remove releases at a site.
    package enum Kind: String, Sendable, CaseIterable {
        /// A whole appliance release; retention counts these.
        case appliance
        /// Packs alone.
        case packs
        /// A correction of another release.
        case fix
    }

    /// Another release, by name.
    package struct Name: Sendable, Hashable {
        package var product: String
        package var version: String

        package init(product: String, version: String) { (self.product, self.version) = (product, version) }
    }

    /// The infrastructure that the edition runs on (reference/palette.md, section 10).
    package struct Profile: Sendable, Equatable {
        /// In the order `os`, `k8s`, `cni`, `csi`, `registry`, each at most once.
        package var layers: [Layer] = []
        /// `vsphere`, `baremetal`, `maas`; sorted.
        package var platforms: [String] = []

        package init(layers: [Layer] = [], platforms: [String] = []) {
            (self.layers, self.platforms) = (layers, platforms)
        }
    }

    /// One layer of the infrastructure.
    package struct Layer: Sendable, Equatable {
        /// `os`, `k8s`, `cni`, `csi` or `registry`.
        package var layer: String
        /// For example `calico`.
        package var component: String
        package var version: String
        /// Absent where nobody says.
        package var fips: Bool?
        /// Whether the manifest says so; else it was read from an input.
        package var isDeclared: Bool

        package init(layer: String, component: String, version: String, fips: Bool?, isDeclared: Bool) {
            (self.layer, self.component, self.version) = (layer, component, version)
            (self.fips, self.isDeclared) = (fips, isDeclared)
        }
    }

    /// What a source says of a component's FIPS validation, in its words; Dray claims nothing of its own.
    package struct FIPSEvidence: Sendable, Equatable {
        package var component: String
        package var statement: String
        /// Who says so: a document, a certificate's number, a page.
        package var source: String

        package init(component: String, statement: String, source: String) {
            (self.component, self.statement, self.source) = (component, statement, source)
        }
    }

    /// What was read of a vendor archive or a layout.
    package struct BundleFacts: Sendable, Equatable {
        /// The bundle's own version, as its name or its annotations have it.
        package var version: String?
        /// The version of the agent (stylus) inside, which is not the bundle's.
        package var agent: String?
        package var packs: [Pack] = []
        /// References that are images.
        package var images = 0
        /// Of the vendor's FIPS build or not; absent where the images don't tell, or tell both.
        package var fips: Bool?
        /// Names of capabilities that its images bring, sorted: `Palette.Capability`.
        package var capabilities: [String] = []

        package init() {}
    }

    /// A pack inside a bundle.
    package struct Pack: Sendable, Equatable {
        package var name: String
        package var version: String
        package var fips: Bool?

        package init(name: String, version: String, fips: Bool?) {
            (self.name, self.version, self.fips) = (name, version, fips)
        }
    }

    /// What was read of an ISO image.
    package struct ISOFacts: Sendable, Equatable {
        package var volumeID: String
        package var kernel: String?
        package var os: String?
        /// `palette` or `vertex`, where its names tell.
        package var edition: String?
        /// The release's version, as its name or its content has it.
        package var version: String?
        /// Bundles inside, by file name; empty for an installer without content.
        package var bundles: [String] = []

        package init(volumeID: String) { self.volumeID = volumeID }
    }

    /// What a delta builds on.
    package struct Base: Sendable, Equatable {
        /// Earlier releases whose bytes it leaves out.
        package var releases: [BaseRelease] = []
        /// What sites said that they have.
        package var sites: [BaseSite] = []
        /// Repositories below the target's base path that `External.place` counts; each once.
        package var repositories: [String] = []
        /// What tells this delta from others of its release: part of its folder's name, and of the name under which it is
        /// listed as supported (`Targets.isLabel`).
        package var label = "base"

        package init() {}
    }

    package struct BaseRelease: Sendable, Equatable {
        package var name: Name
        /// SHA-256 of its `release.json`.
        package var release: Digest
        /// SHA-256 of its index.
        package var index: Digest

        package init(name: Name, release: Digest, index: Digest) {
            (self.name, self.release, self.index) = (name, release, index)
        }
    }

    package struct BaseSite: Sendable, Equatable {
        /// The target's address, as its inventory or receipt has it.
        package var target: String
        /// UTC, as the file has it.
        package var time: String
        /// SHA-256 of the inventory or receipt.
        package var digest: Digest
        /// What the publisher calls the site whose key signed it; absent where nobody did.
        package var name: String?

        package init(target: String, time: String, digest: Digest) {
            (self.target, self.time, self.digest) = (target, time, digest)
        }
    }
}
