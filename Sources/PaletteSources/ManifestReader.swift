// SPDX-License-Identifier: Apache-2.0

internal import Yams

/// Reads values out of YAML nodes and turns every fault into a `ManifestError` at its place.
struct ManifestReader {
    let file: String

    /// The document's one node. Anchors and aliases are refused: they would hide a value's place, and can blow up.
    func root(of text: String) throws(ManifestError) -> Node {
        let node: Node?
        do {
            let parser = try Parser(yaml: text, encoding: .utf8)
            node = try parser.singleRoot()
            var nodes = 0
            // Nodes hold their anchors weakly; the parser owns them.
            if let node { try withExtendedLifetime(parser) { try check(node, &nodes) } }
        } catch let error as ManifestError {
            throw error
        } catch {
            throw explain(error)
        }
        guard let node else { throw failure(.missingKey("format")) }
        return node
    }

    func failure(_ problem: ManifestError.Problem, at node: Node? = nil) -> ManifestError {
        ManifestError(file: file, place: place(of: node), problem: problem)
    }

    func place(of node: Node?) -> ManifestPlace {
        ManifestPlace(line: node?.mark?.line ?? 1, column: node?.mark?.column ?? 1)
    }

    /// A mapping's values by key, all of which must be among `known`.
    func mapping(_ node: Node, _ key: String, known: [String]) throws(ManifestError) -> ManifestMapping {
        guard let mapping = node.mapping else { throw failure(.wrongType(key: key, expected: "a mapping"), at: node) }
        var values: [String: Node] = [:]
        var keys: [String: Node] = [:]
        for (keyNode, value) in mapping {
            guard let name = keyNode.scalar?.string else {
                throw failure(.wrongType(key: key, expected: "a mapping with plain keys"), at: keyNode)
            }
            guard known.contains(name) else {
                throw failure(.unknownKey(name, suggestion: closest(to: name, among: known)), at: keyNode)
            }
            values[name] = value
            keys[name] = keyNode
        }
        return ManifestMapping(node: node, values: values, keys: keys)
    }

    func sequence(_ node: Node, _ key: String, of what: String) throws(ManifestError) -> [Node] {
        guard let sequence = node.sequence, !sequence.isEmpty else {
            throw failure(.wrongType(key: key, expected: "a list of \(what), at least one"), at: node)
        }
        return Array(sequence)
    }

    /// A text; numbers and dates are taken as they are written, so that `version: 4.10` stays 4.10.
    func text(_ node: Node, _ key: String) throws(ManifestError) -> String {
        guard let scalar = node.scalar, !scalar.string.isEmpty,
            [.str, .int, .float, .timestamp].contains(tag(of: node))
        else { throw failure(.wrongType(key: key, expected: "a text"), at: node) }
        return scalar.string
    }

    /// `true` or `false`, in no other spelling.
    func boolean(_ node: Node, _ key: String) throws(ManifestError) -> Bool {
        switch (node.scalar?.string, tag(of: node)) {
        case ("true", .bool): return true
        case ("false", .bool): return false
        default: throw failure(.wrongType(key: key, expected: "true or false"), at: node)
        }
    }

    /// One of a few words.
    func choice<Value: RawRepresentable & CaseIterable>(
        _ node: Node, _ key: String, _: Value.Type
    ) throws(ManifestError) -> Value where Value.RawValue == String {
        let text = try text(node, key)
        if let value = Value(rawValue: text) { return value }
        let known = Value.allCases.map(\.rawValue)
        let expected = known.joined(separator: " or ")
        throw failure(
            .badValue(key: key, value: text, expected: expected, suggestion: closest(to: text, among: known)), at: node)
    }

    private func tag(of node: Node) -> Tag.Name { Tag.Name(rawValue: node.tag.rawValue) }

    private func check(_ node: Node, _ nodes: inout Int) throws(ManifestError) {
        nodes += 1
        guard nodes <= ManifestDocument.maximumNodes else { throw failure(.tooManyNodes, at: node) }
        guard node.anchor == nil, node.alias == nil else { throw failure(.unsupported("an anchor or alias"), at: node) }
        let tags: [Tag.Name]
        switch node {
        case .mapping(let mapping):
            tags = [.map]
            for (key, value) in mapping {
                try check(key, &nodes)
                try check(value, &nodes)
            }
        case .sequence(let sequence):
            tags = [.seq]
            for element in sequence { try check(element, &nodes) }
        default: tags = [.str, .int, .float, .timestamp, .bool, .null, .merge, .value]
        }
        guard tags.contains(tag(of: node)) else { throw failure(.unsupported("a tag"), at: node) }
    }

    private func explain(_ error: any Error) -> ManifestError {
        func at(_ mark: Mark) -> ManifestPlace { ManifestPlace(line: mark.line, column: mark.column) }
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            let problem: ManifestError.Problem =
                problem == "found undefined alias"
                ? .unsupported("an anchor or alias") : .syntax(problem)
            return ManifestError(file: file, place: at(mark), problem: problem)
        case .duplicatedKeysInMapping(let keys, let context):
            return ManifestError(file: file, place: at(context.mark), problem: .repeatedKey(keys.first ?? ""))
        case .reader(let problem, _, _, _): return failure(.syntax(problem))
        default: return failure(.syntax("unreadable"))
        }
    }
}

/// A mapping whose keys were checked.
struct ManifestMapping {
    let node: Node
    let values: [String: Node]
    /// The keys' own nodes, for their places.
    let keys: [String: Node]
}
