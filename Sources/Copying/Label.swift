// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage

/// What is written beside the bundle on each medium for people: a text and a sheet to print.
struct Label: Sendable {
    let source: CopySource
    /// How many media there are; `nil` while that isn't known.
    private let count: Int?

    init(_ source: CopySource, of count: Int?) { (self.source, self.count) = (source, count) }

    /// Writes both files, and takes away those that an earlier run wrote for the same set under another number.
    func write(_ medium: Medium, _ items: [CopyItem]) throws {
        let layout = medium.layout
        for name in try layout.mount.entries() where isOurs(name, layout) {
            let path = layout.mount.appending(name)
            guard ![layout.label(medium.number, "txt"), layout.label(medium.number, "html")].contains(path),
                try path.statusIfPresent(followingLinks: false)?.isRegular == true,
                String(decoding: try path.contents(limit: 1 << 20), as: UTF8.self).contains(code)
            else { continue }
            try path.removeFile()
        }
        _ = try files(medium.number, items, in: layout.mount)
    }

    /// Writes both files into a folder; their names and paths.
    func files(_ number: Int, _ items: [CopyItem], in folder: FilePath) throws -> [(name: String, path: FilePath)] {
        let layout = MediumLayout(folder, bundle: source.name)
        return try [("txt", text(number, items)), ("html", sheet(number, items))].map { ending, text in
            let path = layout.label(number, ending)
            try path.replaceContents(with: Array(text.utf8))
            return (path.lastComponent?.string ?? "", path)
        }
    }

    private func isOurs(_ name: String, _ layout: MediumLayout) -> Bool {
        name.hasPrefix("MEDIUM-")
            && (name.hasSuffix("-\(layout.bundle).txt") || name.hasSuffix("-\(layout.bundle).html"))
    }

    /// The set's fingerprint, as the QR code has it: product, version, the SHA-256 of the first root's file, and of release.json.
    var code: String {
        "dray product=\(source.bundle.release.product) version=\(source.bundle.release.version) "
            + "root=\(root) release=\(source.release.hex)"
    }

    /// The SHA-256 of the file `1.root.json`.
    private var root: String { source.bundle.digests["trust/1.root.json"]?.hex ?? "none" }

    func title(_ number: Int) -> String { count.map { "MEDIUM \(number) OF \($0)" } ?? "MEDIUM \(number)" }

    /// The rows of the sheet's upper half.
    var facts: [(String, String)] {
        let release = source.bundle.release
        return [
            ("bundle", source.name), ("product", release.product), ("version", release.version),
            ("edition", release.edition), ("root", root.grouped), ("release", source.release.hex.grouped),
        ]
    }

    /// Of each file its name, bytes, and SHA-256, which parity has none of.
    func rows(_ items: [CopyItem]) -> [(name: String, bytes: UInt64, digest: String)] {
        items.map { item in
            (item.name, item.length, item.volume.map { source.bundle.index.volumes[$0].digest.hex } ?? "not signed")
        }
    }

    func others(_ items: [CopyItem]) -> String {
        let here = Set(items.map(\.name))
        let rest = source.items.filter { !here.contains($0.name) }
        return rest.isEmpty
            ? "Nothing is missing here: this medium holds all of the bundle."
            : "\(rest.count) of \(source.items.count) files are on other media of the set."
    }

    static let advice = [
        "Nothing on this medium vouches for it, this page included: compare the root with the one that reached you",
        "by another way. README-VERIFY.txt in the bundle's folder tells how to check the rest with openssl and",
        "sha256sum alone; with Dray: dray-import verify FOLDER",
    ]

    private func text(_ number: Int, _ items: [CopyItem]) -> String {
        let width = facts.map(\.0.count).max() ?? 0
        let head = facts.map { name, value in
            name + String(repeating: " ", count: width - name.count + 2) + value
        }
        let list = rows(items).flatMap { ["\($0.digest)  \($0.name)", "    \($0.bytes) bytes"] }
        return
            ([title(number), ""] + head + ["", "On this medium, beside the small files that all media have:", ""]
            + (list.isEmpty ? ["(no volume)"] : list) + ["", others(items), ""] + Label.advice
            + ["", "Seal number: ________________   Date: ____________   Signature: ________________", "", code])
            .joined(separator: "\n") + "\n"
    }
}

extension String {
    /// Hex digits in groups of four, as people compare them.
    var grouped: String {
        var text = ""
        for (place, digit) in enumerated() {
            if place > 0, place % 4 == 0 { text += " " }
            text.append(digit)
        }
        return text
    }
}
