// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
package import SystemPackage
internal import Trust

/// A plan's file as an approver reads it: every member of it, so that nothing is signed unseen.
package struct ApprovablePlan: Sendable {
    /// The most bytes of a plan.
    package static let maximumSize = 16 << 20
    static let format = "dray-plan 1"
    /// The most lines that are shown of a list.
    private static let listed = 1000

    private let rows: [(String, String)]

    /// Reads a plan strictly. Throws `StateError.noPlan` for what isn't one.
    package init(parsing bytes: [UInt8], _ path: FilePath) throws(StateError) {
        do throws(JSONError) {
            let limits = JSONLimits.document(bytes: ApprovablePlan.maximumSize)
            let document = JSONCursor(try JSONValue(parsing: bytes, limits))
            let format = try document["format"]
            guard try format.string() == ApprovablePlan.format else { throw format.invalid(ApprovablePlan.format) }
            rows = try document.members().filter { $0.name != "format" }.flatMap { member in
                ApprovablePlan.rows(member.name, member.cursor.value)
            }
        } catch {
            throw .noPlan(path, "\(error)")
        }
    }

    /// For people.
    package var text: String { rows.map { ($0.printable, $1.printable) }.aligned }

    private static func rows(_ name: String, _ value: JSONValue) -> [(String, String)] {
        switch value {
        case .string(let text): return [(name, text)]
        case .int(let number): return [(name, "\(number)")]
        case .bool(let flag): return [(name, flag ? "yes" : "no")]
        case .null: return [(name, "none")]
        case .object(let members):
            let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
            return sorted.flatMap { rows("\(name).\($0.key)", $0.value) }
        case .array(let elements):
            guard !elements.isEmpty else { return [(name, "none")] }
            let shown = elements.prefix(listed).flatMap { rows(name, $0) }
            return elements.count > listed
                ? shown + [(name, "... and \(elements.count - listed) more: read the file")] : shown
        }
    }
}
