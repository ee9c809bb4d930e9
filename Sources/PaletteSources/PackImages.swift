// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Yams

/// The images that a pack's `values.yaml` names under `pack.content.images` (reference/palette.md, section 3.1).
package struct PackImages: Sendable, Equatable, Codable {
    /// Bytes of a `values.yaml`.
    package static let maximumSize = 1 << 20
    /// Images of one pack.
    package static let maximumCount = 10_000
    private static let maximumSkipped = 20

    /// As written, in order; `nil` where the pack names no list or it can't be read.
    package private(set) var references: [String]?
    /// What was passed over and why, for people: templates, entries that are no image.
    package private(set) var skipped: [String] = []

    /// The `layer` of the `pack.json` that stood beside it, where that was read too: `os`, `k8s`, `cni`, `csi`, `addon`.
    package internal(set) var packLayer: String?

    /// Of a `values.yaml` that has more bytes than `maximumSize`, and isn't read.
    package init(tooLarge size: UInt64) {
        skipped = ["values.yaml has \(size) bytes, over \(PackImages.maximumSize)"]
    }

    /// Reads the bytes of a `values.yaml`, at most `maximumSize`. Whatever they are, there is an answer: a list that can't
    /// be read is `skipped`.
    package init(values bytes: [UInt8]) {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            skipped = ["values.yaml is no UTF-8 text"]
            return
        }
        guard let block = PackImages.block(of: text) else { return }
        // Expanding them may take any time, and no image list has any.
        guard block.firstMatch(of: /[\s\[{,:-]\*[A-Za-z0-9_]/) == nil else {
            skipped = ["values.yaml has aliases in its pack: block"]
            return
        }
        do {
            let parser = try Parser(yaml: block, encoding: .utf8)
            let node = try parser.singleRoot()
            withExtendedLifetime(parser) { read(node) }
        } catch {
            skipped = ["the pack: block of values.yaml is no YAML"]
        }
    }

    /// The block that begins with the line `pack:`. The rest holds the charts' values, which needn't be YAML before
    /// their templates are filled in.
    private static func block(of text: String) -> String? {
        var lines: [Substring] = []
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            let begins = line.first.map { !$0.isWhitespace && $0 != "#" } ?? false
            if lines.isEmpty {
                if line.wholeMatch(of: /(?:pack|"pack"|'pack')[ \t]*:(?:[ \t].*)?/) != nil { lines.append(line) }
            } else if begins {
                break
            } else {
                lines.append(line)
            }
        }
        return lines.isEmpty ? nil : lines.joined(separator: "\n")
    }

    private mutating func read(_ root: Node?) {
        guard let list = root?.mapping?["pack"]?.mapping?["content"]?.mapping?["images"] else { return }
        guard let entries = list.sequence else {
            if list.scalar?.string.isEmpty == false { skipped = ["pack.content.images is no list"] }
            return
        }
        guard entries.count <= PackImages.maximumCount else {
            skipped = ["pack.content.images has \(entries.count) entries, over \(PackImages.maximumCount)"]
            return
        }
        var found: [String] = []
        for (number, entry) in entries.enumerated() {
            guard let image = entry.mapping?["image"]?.scalar?.string, !image.isEmpty, image.utf8.count <= 1000 else {
                skip("pack.content.images[\(number)] names no image")
                continue
            }
            if image.contains("{{") {
                skip("\"\(image.prefix(200))\" is a template")
            } else {
                found.append(image)
            }
        }
        references = found
    }

    private mutating func skip(_ what: String) {
        if skipped.count < PackImages.maximumSkipped {
            skipped.append(what)
        } else if skipped.count == PackImages.maximumSkipped {
            skipped.append("and more")
        }
    }
}
