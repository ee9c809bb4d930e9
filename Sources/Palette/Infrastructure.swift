// SPDX-License-Identifier: Apache-2.0

/// A layer of what an edition runs on, in the order of its documentation (reference/palette.md, section 10).
package enum InfrastructureLayer: String, Sendable, Hashable, CaseIterable {
    case os, k8s, cni, csi, registry

    /// The layer that a pack is of, by its `pack.json`; the registry's pack is an add-on that its name tells.
    package init?(ofPack name: String, layer: String) {
        if name == "zot-registry" || name == "zot" {
            self = .registry
        } else if let layer = InfrastructureLayer(rawValue: layer), layer != .registry {
            self = layer
        } else {
            return nil
        }
    }
}

/// Where an appliance can be installed.
package enum Platform: String, Sendable, Hashable, CaseIterable {
    case vsphere, baremetal, maas
}
