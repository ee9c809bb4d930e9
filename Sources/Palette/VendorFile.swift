// SPDX-License-Identifier: Apache-2.0

/// What the vendor's file names tell.
package enum VendorFile {
    /// Whether a bundle's file is an appliance's own content bundle: "appliance" is one of the words of its name
    /// (`palette-enterprise-appliance-4.7.27.tar.zst`). Packs and Third Party bundles have other names.
    package static func isApplianceBundle(_ name: String) -> Bool {
        name.lowercased().split { !$0.isLetter && !$0.isNumber }.contains("appliance")
    }
}
