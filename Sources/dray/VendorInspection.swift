// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import CommandLineSupport
import Files
import Importing
import OCI
import Packing
import PaletteSources
import SystemPackage
import Trust

/// What `inspect` says of a vendor's file that isn't packed.
struct VendorInspection {
    private let file: VendorFile
    /// How many entries of an archive the text names; JSON has all.
    private static let shown = 100

    init(_ file: VendorFile) { self.file = file }

    /// Whether a path is for this inspection: a file, or the name of one that is there in parts.
    static func isVendorFile(_ path: FilePath) throws -> Bool {
        if let status = try path.statusIfPresent() { return status.isRegular }
        return try PartSet(at: path) != nil
    }

    var report: Report {
        var lines = ["file:       \(file.name)"]
        lines.append("size:       \(ByteSize(bytes: file.size))" + (file.parts == 0 ? "" : " in \(file.parts) parts"))
        if let digest = file.digest { lines.append("sha256:     \(digest.hex)") }
        lines.append("signature:  \(signature)")
        var members: [String: JSONValue] = [
            "file": .string(file.name), "bytes": .int(Int64(file.size)),
            "signatureKey": file.key.map { .string($0.hex) } ?? .null,
        ]
        if file.parts > 0 { members["parts"] = .int(Int64(file.parts)) }
        if let digest = file.digest { members["sha256"] = .string(digest.hex) }
        var report: Report
        switch file.content {
        case .iso(let facts):
            report = Report(
                text: (["what:       ISO image"] + facts.lines.map { "            " + $0 }).text, json: .null)
            members["iso"] = facts.json
        case .archive(let archive): report = describe(archive, &members)
        case .makeself(let makeself, let listing): report = describe(makeself, listing, &members)
        }
        report.text = lines.text + "\n" + report.text
        report.json = .object(members)
        return report
    }

    private var signature: String {
        switch file.signature {
        case .valid(let key): "valid, by the vendor key of SHA-256 \(key.hex)"
        case .unchecked: "not checked; --vendor-key FILE checks it"
        }
    }

    private func describe(_ archive: VendorArchive, _ members: inout [String: JSONValue]) -> Report {
        members["bundle"] = archive.facts.json
        members["references"] = .array(archive.references.map(JSONValue.string))
        members["missing"] = .array(archive.missing.map { .string($0.description) })
        var lines = ["what:       OCI image layout of \(archive.blobs) blobs in a tar"]
        lines += archive.facts.lines.map { "            " + $0 } + ["capabilities:"] + archive.facts.capabilityLines
        var warnings: [String] = []
        if archive.otherMembers > 0 { warnings.append("\(archive.otherMembers) members are no part of the layout") }
        if let first = archive.missing.first {
            warnings.append(
                "\(archive.missing.count) blobs that its manifests name are missing (\(first) is the first)")
        }
        return Report(text: lines.text, json: .null, warnings: warnings)
    }

    private func describe(
        _ makeself: Makeself, _ listing: MakeselfListing, _ members: inout [String: JSONValue]
    ) -> Report {
        let sums = makeself.checksums
        var lines = [
            "what:       self-extracting archive"
                + (makeself.tool.map { ", made by makeself \($0)" } ?? "") + "; Dray never runs one",
            "label:      \(makeself.label ?? "none")", "script:     \(makeself.script ?? "none")",
            "checksums:  " + (sums.isEmpty ? "none" : sums.joined(separator: ", ") + "; the file vouches for itself"),
            "holds:      \(listing.members.count) files",
        ]
        lines += listing.members.prefix(VendorInspection.shown).map { "  \($0.name)  \(ByteSize(bytes: $0.size))" }
        let rest = listing.members.count - VendorInspection.shown
        if rest > 0 { lines.append("  and \(rest) more; --output json lists them") }
        members["makeself"] = [
            "tool": makeself.tool.map { .string($0) } ?? .null, "label": makeself.label.map { .string($0) } ?? .null,
            "script": makeself.script.map { .string($0) } ?? .null,
            "checksums": .array(sums.map(JSONValue.string)),
            "members": .array(
                listing.members.map {
                    ["name": .string($0.name), "bytes": .int(Int64($0.size)), "isFile": .bool($0.isFile)]
                }),
        ]
        return Report(
            text: lines.text, json: .null, warnings: listing.fault.map { ["its archive: \($0)"] } ?? [],
            next: [
                "# pack delivers it as it is with file: in a manifest; the same content as .zst can be delivered as registry content"
            ])
    }
}

extension VendorFile {
    fileprivate var key: Digest? { if case .valid(let key) = signature { key } else { nil } }
}

extension [String] {
    fileprivate var text: String { joined(separator: "\n") }
}
