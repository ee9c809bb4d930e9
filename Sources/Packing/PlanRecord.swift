// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Cryptography
internal import Files
internal import OCI
internal import SystemPackage

/// The plan of an interrupted run, kept beside its journal: so that a run which can't go on can say what differs. Nothing is decided
/// by it.
struct PlanRecord: Equatable {
    private static let limit = 16 << 20
    private var entries: [(name: String, value: String)]

    /// Names for people, with values that are told to them as they are, and those that are only compared.
    init(said: [(String, String)], compared: [(String, String)]) {
        entries =
            said.map { ($0, "=" + PlanRecord.line($1)) }
            + compared.map { (PlanRecord.line($0), "#" + Digest(of: Array($1.utf8)).hex) }
    }

    /// Reads one; `nil` where there is none that can be read.
    init?(reading path: FilePath) throws {
        guard try path.exists() else { return nil }
        let text = String(decoding: try path.contents(limit: PlanRecord.limit), as: UTF8.self)
        entries = text.split(separator: "\n").compactMap { line in
            let parts = line.split(separator: "\t", maxSplits: 1)
            return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
        }
        guard !entries.isEmpty else { return nil }
    }

    func write(to path: FilePath) throws {
        try path.replaceContents(with: Array(entries.map { "\($0.name)\t\($0.value)\n" }.joined().utf8))
    }

    /// What a later plan has otherwise, a few words each, at most ten.
    func differences(to now: PlanRecord) -> [String] {
        let (old, new) = (Dictionary(entries) { one, _ in one }, Dictionary(now.entries) { one, _ in one })
        var found: [String] = []
        for (name, value) in now.entries {
            guard let before = old[name] else {
                found.append("\(name) is new")
                continue
            }
            guard before != value else { continue }
            let isSaid = value.hasPrefix("=") && before.hasPrefix("=")
            found.append(
                isSaid
                    ? "\(name) was \(before.dropFirst()), is \(value.dropFirst())"
                    : "\(name) is another or changed")
        }
        found += entries.filter { new[$0.name] == nil }.map { "\($0.name) is gone" }
        if found.isEmpty, entries.map(\.name) != now.entries.map(\.name) { found = ["the order of the inputs"] }
        return found.count > 10 ? Array(found.prefix(10)) + ["and \(found.count - 10) more"] : found
    }

    private static func line(_ text: String) -> String {
        text.isEmpty ? "none" : text.printable.replacing("\n", with: " ").replacing("\t", with: " ")
    }

    static func == (left: PlanRecord, right: PlanRecord) -> Bool {
        left.entries.elementsEqual(right.entries) { $0 == $1 }
    }
}
