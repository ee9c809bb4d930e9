// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage
package import Trust

/// Which products a target takes: that of the first load, and those that a person has added since.
package struct ProductBinding: Equatable, Sendable {
    /// The most products that a target takes.
    package static let limit = 64

    /// Sorted, each once; empty before the first load.
    package let products: [String]

    package init(_ products: some Sequence<String> = []) { self.products = Set(products).sorted() }

    /// What either of them takes.
    package func union(_ other: ProductBinding) -> ProductBinding { ProductBinding(products + other.products) }

    /// Throws `LoadError.otherProduct` where the target takes others only.
    package func check(_ product: String, at address: String) throws(LoadError) {
        guard products.isEmpty || products.contains(product) else {
            throw .otherProduct(product, address, bound: products)
        }
    }

    /// `{"address":...,"products":[...]}`: the file in the state, and what the target keeps.
    package func json(of address: String) -> JSONValue {
        ["address": .string(address), "products": .array(products.map(JSONValue.string))]
    }

    /// Reads what `json` gives. Throws `JSONError`.
    package init(_ document: JSONCursor) throws(JSONError) {
        let list = try document["products"]
        let products = try list.elements().map { cursor throws(JSONError) in try cursor.string() }
        let isUsable = products.allSatisfy { name in
            (1...256).contains(name.utf8.count) && name.utf8.allSatisfy { (0x20...0x7e).contains($0) }
        }
        guard products.count <= ProductBinding.limit, isUsable else {
            throw list.invalid("at most \(ProductBinding.limit) names of up to 256 printable ASCII characters")
        }
        self.init(products)
    }
}

// `bindings/<16 hex of the address>.json`.
extension SiteState {
    /// Which products the target at this address takes, as far as this state knows. Throws `StateError.unreadable`.
    package func binding(of address: String) throws -> ProductBinding {
        let file = file(in: "bindings", of: address)
        guard try file.exists() else { return ProductBinding() }
        do {
            let limit = 64 << 10
            let bytes = try file.contents(limit: limit)
            return try ProductBinding(JSONCursor(JSONValue(parsing: bytes, .document(bytes: limit))))
        } catch let error as JSONError {
            throw StateError.unreadable(file, "\(error)")
        }
    }

    /// All that targets are bound to, by address. Throws `StateError.unreadable`.
    package func bindings() throws -> [(address: String, binding: ProductBinding)] {
        let folder = path.appending("bindings")
        guard try folder.exists() else { return [] }
        return try folder.entries().filter { $0.hasSuffix(".json") }.map { entry in
            let address = try address(in: folder.appending(entry))
            return (address, try binding(of: address))
        }.sorted { $0.address < $1.address }
    }

    private func address(in file: FilePath) throws -> String {
        do {
            let limit = 64 << 10
            return try JSONCursor(JSONValue(parsing: file.contents(limit: limit), .document(bytes: limit)))["address"]
                .string()
        } catch let error as JSONError {
            throw StateError.unreadable(file, "\(error)")
        }
    }

    /// Lets the target at this address take these products from now on, too, in one step; never fewer. Whoever calls holds the lock.
    /// Throws `LoadError.tooManyProducts`.
    package func bind(_ address: String, to binding: ProductBinding) throws {
        let known = try self.binding(of: address)
        let all = known.union(binding)
        guard all != known else { return }
        guard all.products.count <= ProductBinding.limit else { throw LoadError.tooManyProducts(address) }
        let file = file(in: "bindings", of: address)
        try file.removingLastComponent().createDirectories()
        try file.replaceContents(with: all.json(of: address).canonicalBytes)
    }

    /// What `target bind` does. Throws `StateError.unknownProduct` for one that no root is trusted for.
    package func bind(_ address: String, product: String) throws -> Report {
        let lock = try lock()
        defer { withExtendedLifetime(lock) {} }
        let trusted = try pinnedRoots().products
        guard trusted.contains(product) else { throw StateError.unknownProduct(product, trusted: trusted) }
        try bind(address, to: ProductBinding([product]))
        let products = try binding(of: address).products
        return Report(
            text: "\(address) takes: \(products.joined(separator: ", "))",
            json: ["address": .string(address), "products": .array(products.map(JSONValue.string))])
    }
}
