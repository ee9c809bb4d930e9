// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import Palette
package import SystemPackage

/// A vendor's detached signature over one input.
package enum ItemSignature: Sendable, Hashable {
    case file(FilePath)
    /// The manifest says `signature: none`; the release must say so too.
    case waived
    /// None stands beside the file. For an ISO or a bundle that stops `pack`; layouts, packs and files need none.
    case absent
}

/// One file or folder that a release takes in.
package struct ManifestItem: Sendable, Equatable {
    /// Bytes of a delivered file's name.
    package static let maximumName = 200

    package let kind: ItemKind
    package let path: FilePath
    /// The parts `<path>_part00`, `_part01`, ... that make the file at `path`, which is not there itself; empty for a whole
    /// file or a folder.
    package let parts: [FilePath]
    /// Never empty.
    package let deliver: Set<Delivery>
    /// Whether it should stand on the medium as a file of its own; `nil` leaves that to the packer.
    package let plain: Bool?
    /// The delivered file's name, usable on every medium; for layouts and packs the folder's name, for messages.
    package let name: String
    package let signature: ItemSignature
    /// The references to take from a layout; `nil` for all.
    package let references: [String]?
    /// Whether a VerteX release may take it although it is not of the FIPS build.
    package let isNonFIPSAllowed: Bool
    /// Where the item stands in the manifest.
    package let place: ManifestPlace

    /// The name under which the signature is delivered beside the file: as the vendor names them, `X.iso.sig.bin`,
    /// `X.tar.sig.bin` for `X.tar.zst`, `X.sig.bin` for `X.zst` (reference/palette.md, section 1.1).
    package static func signatureName(for name: String) -> String {
        (name.hasSuffix(".zst") ? String(name.dropLast(4)) : name) + ".sig.bin"
    }

    /// Whether a file of this name is an appliance's content bundle, which the appliance takes through its own upload:
    /// "appliance" is one of the words of its name (`palette-enterprise-appliance-4.7.27.tar.zst`). Packs and Third
    /// Party packs (`cni-calico-3.29.2.zst`, `palette-thirdparty-bundle-4.7.3.zst`) go to the registry.
    package static func isApplianceBundle(_ name: String) -> Bool {
        VendorFile.isApplianceBundle(name)
    }

    /// Whether a file of this name can stand on every medium: FAT and NTFS take the least.
    package static func isUsableName(_ name: String) -> Bool {
        (1...maximumName).contains(name.utf8.count) && name.utf8.allSatisfy { (32..<127).contains($0) }
            && !name.contains { #"\/:*?"<>|"#.contains($0) } && !name.hasPrefix(".") && !name.hasPrefix(" ")
            && !name.hasSuffix(".") && !name.hasSuffix(" ")
    }
}

/// A manifest with the files that it names: all are there and of the right sort, none is taken twice, and the names
/// that are delivered differ.
package struct ReleaseManifest: Sendable, Equatable {
    package let release: ReleaseIdentity
    package let vendorKeys: [FilePath]
    /// In the order of the manifest, the files of one pattern sorted bytewise.
    package let items: [ManifestItem]
    /// Tags that rightly move; whether the release delivers them is known once its inputs are.
    package let movesTags: [ManifestTagMove]
    /// The manifest as the user named it, for messages.
    package let file: String

    /// Reads the manifest at `path` and finds what it names. Throws `ManifestError`, and `FileError` when the file
    /// system refuses.
    package init(reading path: FilePath) throws {
        let size = try OpenFile.reading(path).status().size
        guard size <= UInt64(ManifestDocument.maximumSize) else {
            throw ManifestReader(file: path.string).failure(.tooLarge(size))
        }
        let bytes = try path.contents(limit: ManifestDocument.maximumSize)
        try self.init(ManifestDocument(parsing: bytes, file: path.string), in: path.removingLastComponent())
    }

    /// Finds what a manifest names; relative paths begin at `folder`.
    package init(_ document: ManifestDocument, in folder: FilePath) throws {
        let resolver = ManifestResolver(file: document.file, folder: folder)
        (release, movesTags, file) = (document.release, document.movesTags, document.file)
        vendorKeys = try document.vendorKeys.map { key in
            try resolver.file(key.path, at: key.place)
        }
        items = try document.contents.flatMap(resolver.items(for:))
        try resolver.checkNames(items)
    }
}
