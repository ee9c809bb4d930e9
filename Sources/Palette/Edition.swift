// SPDX-License-Identifier: Apache-2.0

/// Which of the two appliances a release is for. They differ in names, packs and FIPS registries, not in how content is
/// brought in (reference/palette.md, section 10).
package enum Edition: String, Sendable, Codable, CaseIterable {
    case palette, vertex
}
