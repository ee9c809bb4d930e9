// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
internal import OCI
internal import Palette
internal import Trust

// What a release says of itself for people, in `inspect`, `list` and wherever a release is looked at.
extension Release {
    /// Identity, in rows.
    var identityRows: [(String, String)] {
        var rows = [("release", title)]
        if let kind { rows.append(("kind", kind.rawValue)) }
        if !needs.isEmpty {
            rows.append(("needs", needs.map { "\($0.product) \($0.version)" }.joined(separator: ", ")))
        }
        if !upgradesFrom.isEmpty { rows.append(("upgrades from", upgradesFrom.joined(separator: ", "))) }
        return rows
    }

    /// Its contents with what was read of them, and the tables of profile, capabilities and FIPS evidence.
    var factLines: [String] {
        var lines = ["contents:"] + contents.flatMap(\.factLines)
        if let profile { lines += ["infrastructure profile:"] + profile.lines }
        lines += ["capabilities:"] + capabilityLines
        if !fipsEvidence.isEmpty {
            lines.append("FIPS evidence, in the words of its sources (Dray has checked none of it):")
            lines += fipsEvidence.map { "  \($0.component): \($0.statement) (says \($0.source))" }
        }
        return lines
    }

    /// The same as members of a JSON object.
    var factJSON: [String: JSONValue] {
        var members = factMembers
        members["preview"] = .bool(isPreview)
        members["capabilities"] = .array(capabilityTable)
        members["contents"] = .array(contents.map(\.factJSON))
        return members
    }

    /// Every capability of the documentation, with whether this release brings it.
    private var capabilityRows: [(capability: Capability, isBrought: Bool)] {
        let names = Set(broughtCapabilities)
        return Capability.allCases.map { ($0, names.contains($0.rawValue)) }
    }

    private var capabilityLines: [String] {
        Capability.lines(capabilityRows)
    }

    private var capabilityTable: [JSONValue] {
        capabilityRows.map { capability, isBrought in
            [
                "name": .string(capability.rawValue), "tools": .array(capability.tools.map(JSONValue.string)),
                "pack": .string(capability.source.rawValue), "brought": .bool(isBrought),
            ]
        }
    }
}

extension Capability {
    /// The documentation's table with yes and no.
    static func lines(_ table: [(capability: Capability, isBrought: Bool)]) -> [String] {
        table.map { capability, isBrought in
            [
                "\(capability.title) (\(capability.toolTitle))", isBrought ? "yes" : "no",
                "\(capability.source.rawValue) pack",
            ]
        }.columns
    }
}

extension Release.Profile {
    var lines: [String] {
        let rows = layers.map { layer in
            [
                layer.layer, layer.component, layer.version, layer.fips.map { $0 ? "yes" : "no" } ?? "not said",
                layer.isDeclared ? "the manifest" : "the inputs",
            ]
        }
        let table = rows.isEmpty ? [] : ([["layer", "component", "version", "FIPS", "said by"]] + rows).columns
        return table + (platforms.isEmpty ? [] : ["  platforms: \(platforms.joined(separator: ", "))"])
    }
}

extension Release.Content {
    var factLines: [String] {
        var line = "  \(kind)  \(name)"
        if let size { line += "  \(size.asSize)" }
        line += "  as \(delivered.joined(separator: " and "))"
        if isNonFIPSAllowed { line += "  (not of the FIPS build, by the manifest's word)" }
        return [line] + (iso?.lines ?? []).map { "    \($0)" } + (bundle?.lines ?? []).map { "    \($0)" }
    }

    var factJSON: JSONValue {
        var members: [String: JSONValue] = [
            "kind": .string(kind), "name": .string(name), "delivered": .array(delivered.map(JSONValue.string)),
        ]
        if let size { members["bytes"] = .int(Int64(size)) }
        if let digest { members["digest"] = .string(digest.description) }
        if let bundle { members["bundle"] = bundle.json }
        if let iso { members["iso"] = iso.json }
        if isNonFIPSAllowed { members["nonFIPS"] = true }
        return .object(members)
    }
}

extension Release.BundleFacts {
    /// The table of capabilities with what these bring, for people.
    package var capabilityLines: [String] {
        Capability.lines(Capability.allCases.map { ($0, capabilities.contains($0.rawValue)) })
    }

    /// For people, without what isn't known.
    package var lines: [String] {
        var facts: [String] = []
        if let version { facts.append("version \(version)") }
        if let agent { facts.append("agent \(agent)") }
        if !packs.isEmpty || images == 0 { facts.append(packs.count.of("pack")) }
        if images > 0 { facts.append(images.of("image")) }
        if let fips { facts.append(fips ? "of the FIPS build" : "not of the FIPS build") }
        let names = packs.map { "\($0.name) \($0.version)\($0.fips == true ? " (FIPS build)" : "")" }
        return [facts.joined(separator: ", ")] + names.wrapped(after: "packs: ")
    }
}

extension Release.ISOFacts {
    /// For people, without what isn't known.
    package var lines: [String] {
        var facts = ["volume id \(volumeID.isEmpty ? "(empty)" : volumeID)"]
        if let edition { facts.append("edition \(edition)") }
        if let version { facts.append("version \(version)") }
        if let os { facts.append(os) }
        if let kernel { facts.append("kernel \(kernel)") }
        let held = bundles.isEmpty ? ["no bundle among its files"] : bundles.wrapped(after: "holds: ")
        return [facts.joined(separator: ", ")] + held
    }
}

extension [String] {
    /// A list in lines of at most about 100 characters.
    fileprivate func wrapped(after title: String) -> [String] {
        guard !isEmpty else { return [] }
        var lines = [title]
        for (number, item) in enumerated() {
            let text = item + (number == count - 1 ? "" : ", ")
            if lines[lines.count - 1].count + text.count > 100, lines[lines.count - 1].count > title.count {
                lines.append(String(repeating: " ", count: title.count))
            }
            lines[lines.count - 1] += text
        }
        return lines
    }
}

extension [[String]] {
    /// Rows as aligned columns, indented.
    fileprivate var columns: [String] {
        let widths = (first ?? []).indices.map { column in map { $0[column].count }.max() ?? 0 }
        return map { row in
            let cells = zip(row, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }
            var line = "  " + cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }
    }
}
