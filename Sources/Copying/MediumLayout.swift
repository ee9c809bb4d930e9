// SPDX-License-Identifier: Apache-2.0

package import SystemPackage

/// Where the files of a bundle stand on a medium.
package struct MediumLayout: Sendable, Equatable {
    /// The folder that was given with `--to`.
    package let mount: FilePath
    /// The bundle's folder name.
    package let bundle: String
    /// Whether all files stand in `mount` itself, under flat names.
    package let isFlat: Bool

    package init(_ mount: FilePath, bundle: String, isFlat: Bool = false) {
        (self.mount, self.bundle, self.isFlat) = (mount, bundle, isFlat)
    }

    /// The folder that all files are in or below.
    package var folder: FilePath { isFlat ? mount : mount.appending(bundle) }

    /// Where a file of the bundle stands.
    package func path(of name: String) -> FilePath {
        isFlat ? mount.appending(MediumLayout.flatName(name, in: bundle)) : folder.appending(name)
    }

    /// Where a file stands until it is whole. Never in `trust/` or `kit/`, where a site refuses what isn't signed.
    package func staged(_ name: String) -> FilePath {
        let flat = MediumLayout.flatName(name, in: bundle)
        return folder.appending(".\(isFlat ? flat : String(flat.dropFirst(bundle.utf8.count + 2))).partial")
    }

    /// Where the label of medium `number` stands: beside the bundle's folder, `MEDIUM` first so that people see it.
    package func label(_ number: Int, _ ending: String) -> FilePath {
        mount.appending("MEDIUM-\(number)-\(bundle).\(ending)")
    }

    /// docs/format.md, "Flat folder".
    package static func flatName(_ name: String, in bundle: String) -> String {
        "\(bundle)--" + name.split(separator: "/", omittingEmptySubsequences: false).joined(separator: "--")
    }
}
