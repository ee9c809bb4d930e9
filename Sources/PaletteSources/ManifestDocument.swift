// SPDX-License-Identifier: Apache-2.0

package import Palette
internal import Yams

/// Where an item's content goes.
package enum Delivery: String, Sendable, Hashable, CaseIterable {
    /// Its OCI content into the registry.
    case registry
    /// The file itself, to be handed to the appliance's upload or to a person.
    case file
}

/// What a manifest's item is, by the key that begins it.
package enum ItemKind: String, Sendable, Hashable, CaseIterable {
    case iso, bundle, layout, packs, file

    /// Whether it names one file or several, not folders.
    package var isFile: Bool { self == .iso || self == .bundle || self == .file }
}

/// What release a manifest makes.
package struct ReleaseIdentity: Sendable, Hashable {
    /// `[a-z0-9][a-z0-9-]{0,62}`
    package let product: String
    /// `[A-Za-z0-9][A-Za-z0-9._+-]{0,62}`
    package let version: String
    package let edition: Edition
    /// The last day of support, `YYYY-MM-DD`, a day that exists.
    package let supportEnd: String?
    /// What it declares for those who use it.
    package let facts: DeclaredFacts

    /// The name of the bundle's folder; valid as one.
    package var folderName: String { "\(product)-\(version)" }
}

/// A manifest as it is written: checked for all that can be known without looking at the files it names.
/// `manifests/README.md` describes every key.
package struct ManifestDocument: Sendable, Equatable {
    /// Bytes.
    package static let maximumSize = 1 << 20
    /// Keys and values.
    package static let maximumNodes = 10_000

    /// One entry of `contents`.
    package struct Item: Sendable, Equatable {
        package enum Signature: Sendable, Equatable { case path(String), waived }

        package let kind: ItemKind
        /// A path, absolute or relative to the manifest; `*` and `?` fit any characters of a name.
        package let pattern: String
        package var deliver: Set<Delivery>?
        package var plain: Bool?
        package var name: String?
        package var signature: Signature?
        package var references: [String]?
        /// Whether a VerteX release may take it although it is not of the FIPS build.
        package var isNonFIPSAllowed = false
        package let place: ManifestPlace
        /// The places of the keys and values given, for messages.
        let places: [String: ManifestPlace]
    }

    /// As the user named it, for messages.
    package let file: String
    package let release: ReleaseIdentity
    /// As written, with their places.
    package let vendorKeys: [VendorKey]
    package let contents: [Item]
    /// Tags that rightly move, as written.
    package let movesTags: [ManifestTagMove]

    package struct VendorKey: Sendable, Equatable {
        package let path: String
        package let place: ManifestPlace
    }

    /// Reads a manifest's bytes; `file` is its name for messages. Throws the first fault.
    package init(parsing bytes: [UInt8], file: String) throws(ManifestError) {
        let reader = ManifestReader(file: file)
        guard bytes.count <= ManifestDocument.maximumSize else { throw reader.failure(.tooLarge(UInt64(bytes.count))) }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw reader.failure(.notUTF8) }
        let root = try reader.mapping(
            reader.root(of: text), "manifest", known: ["format", "release", "vendorKeys", "contents", "movesTags"])
        let format = try reader.required("format", of: root)
        _ = try reader.matching(format, "format", "1") { $0 == "1" }
        self.file = file
        release = try reader.release(reader.required("release", of: root))
        vendorKeys = try reader.vendorKeys(root.values["vendorKeys"])
        var items: [Item] = []
        for node in try reader.sequence(reader.required("contents", of: root), "contents", of: "items") {
            let item = try reader.item(node)
            if release.edition != .vertex, let place = item.places["nonFIPS"] {
                throw ManifestError(
                    file: file, place: place,
                    problem: .keyNotForEdition(key: "nonFIPS", edition: release.edition.rawValue))
            }
            items.append(item)
        }
        contents = items
        movesTags = try reader.movesTags(root.values["movesTags"])
    }
}

extension ManifestReader {
    func required(_ key: String, of mapping: ManifestMapping) throws(ManifestError) -> Node {
        guard let node = mapping.values[key] else { throw failure(.missingKey(key), at: mapping.node) }
        return node
    }

    fileprivate func release(_ node: Node) throws(ManifestError) -> ReleaseIdentity {
        let mapping = try mapping(
            node, "release", known: ["product", "version", "edition", "supportEnd"] + DeclaredFacts.keys)
        return ReleaseIdentity(
            product: try matching(
                required("product", of: mapping), "product", "a-z, 0-9 and dashes, 1 to 63, no dash first",
                ManifestReader.isProduct),
            version: try matching(
                required("version", of: mapping), "version",
                "letters, digits, dots, dashes, underscores and plus signs, 1 to 63, a letter or digit first",
                ManifestReader.isVersion),
            edition: try choice(required("edition", of: mapping), "edition", Edition.self),
            supportEnd: try mapping.values["supportEnd"].map { (node) throws(ManifestError) in
                try matching(node, "supportEnd", "a day, YYYY-MM-DD", ManifestReader.isDay)
            }, facts: try facts(mapping))
    }

    func matching(
        _ node: Node, _ key: String, _ expected: String, _ isValid: (String) -> Bool
    ) throws(ManifestError) -> String {
        let text = try text(node, key)
        guard isValid(text) else {
            throw failure(
                .badValue(key: key, value: String(text.prefix(100)), expected: expected, suggestion: nil), at: node)
        }
        return text
    }

    private static func isDay(_ text: String) -> Bool {
        guard let match = text.wholeMatch(of: /([0-9]{4})-([0-9]{2})-([0-9]{2})/), let year = Int(match.1),
            let month = Int(match.2), let day = Int(match.3), (1...12).contains(month)
        else { return false }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return (1...[31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]).contains(day)
    }

    fileprivate func vendorKeys(_ node: Node?) throws(ManifestError) -> [ManifestDocument.VendorKey] {
        guard let node else { return [] }
        var keys: [ManifestDocument.VendorKey] = []
        for entry in try sequence(node, "vendorKeys", of: "paths") {
            keys.append(.init(path: try text(entry, "vendorKeys"), place: place(of: entry)))
        }
        return keys
    }

    private static let kinds = ItemKind.allCases.map(\.rawValue)
    /// Which keys an item of each kind takes beside its own.
    private static let options: [ItemKind: [String]] = [
        .iso: ["deliver", "plain", "name", "signature"],
        .bundle: ["deliver", "plain", "name", "signature", "nonFIPS"],
        .file: ["deliver", "plain", "name", "signature"], .layout: ["deliver", "references", "nonFIPS"],
        .packs: ["deliver", "nonFIPS"],
    ]
    private static let allOptions = ["deliver", "plain", "name", "signature", "references", "nonFIPS"]

    fileprivate func item(_ node: Node) throws(ManifestError) -> ManifestDocument.Item {
        let mapping = try mapping(node, "contents", known: ManifestReader.kinds + ManifestReader.allOptions)
        let kinds = ItemKind.allCases.filter { mapping.values[$0.rawValue] != nil }
        guard let kind = kinds.first, kinds.count == 1 else {
            let expected = "an item with one of \(ManifestReader.kinds.joined(separator: ", "))"
            throw failure(.wrongType(key: "contents", expected: expected), at: node)
        }
        for option in ManifestReader.allOptions where !ManifestReader.options[kind, default: []].contains(option) {
            guard let key = mapping.keys[option] else { continue }
            throw failure(.keyNotForKind(key: option, kind: kind.rawValue), at: key)
        }
        let pattern = try required(kind.rawValue, of: mapping)
        var item = ManifestDocument.Item(
            kind: kind, pattern: try text(pattern, kind.rawValue), place: place(of: node),
            places: mapping.values.mapValues(place(of:)))
        try readOptions(mapping, into: &item)
        return item
    }

    private func readOptions(
        _ mapping: ManifestMapping, into item: inout ManifestDocument.Item
    ) throws(ManifestError) {
        if let node = mapping.values["deliver"] { item.deliver = try deliver(node, item.kind) }
        if let node = mapping.values["plain"] { item.plain = try boolean(node, "plain") }
        if let node = mapping.values["name"] {
            let name = try text(node, "name")
            guard ManifestItem.isUsableName(name) else { throw failure(.unusableName(name), at: node) }
            item.name = name
        }
        if let node = mapping.values["signature"] {
            let text = try text(node, "signature")
            item.signature = text == "none" ? .waived : .path(text)
        }
        if let node = mapping.values["references"] {
            var references: [String] = []
            for entry in try sequence(node, "references", of: "references") {
                references.append(try text(entry, "references"))
            }
            item.references = references
        }
        if let node = mapping.values["nonFIPS"] { item.isNonFIPSAllowed = try boolean(node, "nonFIPS") }
    }

    private func deliver(_ node: Node, _ kind: ItemKind) throws(ManifestError) -> Set<Delivery> {
        var deliver: Set<Delivery> = []
        for entry in try sequence(node, "deliver", of: "registry and file") {
            deliver.insert(try choice(entry, "deliver", Delivery.self))
        }
        // An ISO or a file has no registry content, a folder is no file: the other half alone would deliver nothing.
        guard let needed = kind.onlyDelivery else { return deliver }
        guard deliver.contains(needed) else {
            throw failure(
                .badValue(
                    key: "deliver", value: deliver.map(\.rawValue).joined(separator: ", "),
                    expected: "\(needed.rawValue), the one way for \(kind.rawValue)", suggestion: nil), at: node)
        }
        return [needed]
    }
}

extension ItemKind {
    /// The one way in which content of this kind can be delivered, if there is but one.
    var onlyDelivery: Delivery? {
        switch self {
        case .iso, .file: .file
        case .layout, .packs: .registry
        case .bundle: nil
        }
    }
}
