// SPDX-License-Identifier: Apache-2.0

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

    /// Of a `values.yaml` that has more bytes than `maximumSize`, and isn't read.
    package init(tooLarge size: UInt64) {
        skipped = ["values.yaml has \(size) bytes, over \(PackImages.maximumSize)"]
    }

    /// Reads the bytes of a `values.yaml`, at most `maximumSize`. Whatever they are, there is an answer: a list that can't
    /// be read is `skipped`.
    package init(values bytes: [UInt8]) { self.init(PackContent(values: bytes)) }

    /// The images of what was read.
    package init(_ content: PackContent) {
        references = content.images?.filter { !$0.isTemplate }.map(\.text)
        for problem in content.problems {
            skip(problem.line.map { "values.yaml:\($0): \(problem.text)" } ?? problem.text)
        }
        for image in content.images ?? [] where image.isTemplate {
            skip("\"\(image.text.prefix(200))\" is a template")
        }
    }

    private mutating func skip(_ what: String) {
        if skipped.count < PackImages.maximumSkipped {
            skipped.append(what)
        } else if skipped.count == PackImages.maximumSkipped {
            skipped.append("and more")
        }
    }
}
