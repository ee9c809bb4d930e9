// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import CommandLineSupport
import Copying
import Files
import Importing
import OCI
import SystemPackage
import Trust

/// What `dray copy` says, to people and to programs.
enum CopyReport {
    struct Report {
        let text: String
        let json: JSONValue
        var next: [String] = []
        var warnings: [String] = []
        var failure: Failure?
    }

    // MARK: Plans

    static func planned(_ plan: CopyPlan) -> Report {
        let lines = zip(plan.media, plan.items).flatMap { medium, items in
            [heading(medium.number, medium.layout.mount, medium.system.limits.name, items)]
                + items.map { "     \($0.name)  \(ByteSize(bytes: $0.length))" }
        }
        let media = zip(plan.media, plan.items).map { medium, items -> JSONValue in
            [
                "number": .int(Int64(medium.number)), "mount": .string(medium.layout.mount.string),
                "fileSystem": .string(medium.system.limits.name),
                "freeBytes": .int(Int64(clamping: medium.system.free)),
                "files": .array(items.map { file($0) }),
            ]
        }
        return Report(
            text: (["\(plan.source.name) would be copied so:"] + lines).joined(separator: "\n"),
            json: ["bundle": .string(plan.source.name), "media": .array(media)],
            next: ["# the same command without --dry-run copies it"])
    }

    static func planned(_ source: CopySource, _ count: Int?, at mount: String) -> Report {
        let bytes = source.items.reduce(0) { $0 + $1.length }
        let size = "\(source.items.count) files, \(ByteSize(bytes: bytes))"
        return Report(
            text: "\(source.name): \(size); "
                + (count.map { "\($0) media like the one at \(mount.printable)" }
                    ?? "no medium is at \(mount.printable), so how many it takes isn't known"),
            json: [
                "bundle": .string(source.name), "bytes": .int(Int64(clamping: bytes)),
                "mediaNeeded": count.map { .int(Int64($0)) } ?? .null,
            ], next: ["# the same command without --dry-run copies it"])
    }

    static func planned(_ source: CopySource, _ images: DiscImages) -> Report {
        let lines = images.discs.flatMap { disc in
            ["\(disc.image.printable)  \(bytes(disc.items))"] + disc.items.map { "     \($0.name)" }
        }
        let discs = images.discs.map { disc -> JSONValue in
            ["image": .string(disc.image.string), "files": .array(disc.items.map { file($0) })]
        }
        return Report(
            text: (["\(source.name) takes \(images.discs.count) discs:"] + lines).joined(separator: "\n"),
            json: ["bundle": .string(source.name), "discs": .array(discs)],
            next: ["# the same command without --dry-run writes the images"])
    }

    private static func heading(_ number: Int, _ mount: FilePath, _ system: String, _ items: [CopyItem]) -> String {
        "  \(number)  \(mount.printable)  \(system)  \(items.count) files, \(bytes(items)), and the small files"
    }

    private static func bytes(_ items: [CopyItem]) -> ByteSize { ByteSize(bytes: items.reduce(0) { $0 + $1.length }) }

    private static func file(_ item: CopyItem) -> JSONValue {
        ["name": .string(item.name), "bytes": .int(Int64(clamping: item.length))]
    }

    // MARK: Results

    static func done(_ source: CopySource, _ results: [MediumResult]) -> Report {
        let failures = results.flatMap(\.errors).map(\.failure)
        let isWhole = results.allSatisfy(\.isWhole)
        let mounts = results.map { $0.mount.word }.joined(separator: " ")
        return Report(
            text: (["\(source.name): " + (isWhole ? "all is on the media and read back" : "not all is on the media")]
                + results.flatMap(lines)).joined(separator: "\n"),
            json: [
                "bundle": .string(source.name), "release": .string(source.release.hex),
                "media": .array(results.map(\.json)),
            ],
            next: isWhole
                ? ["# print MEDIUM-*.html for each medium; at the site:", "dray-import verify \(mounts)"]
                : ["# the same command again goes on where this one has stopped"],
            failure: isWhole ? nil : failures.min() ?? .failed)
    }

    private static func lines(_ result: MediumResult) -> [String] {
        let names = Set(result.planned)
        var lines = [
            "  \(result.number)  \(result.mount.printable)  \(result.system)  \(result.good.count) of \(names.count) files, "
                + "\(ByteSize(bytes: result.bytesWritten)) written, read back "
                + result.readBack.words
        ]
        if !result.notReadAgain.isEmpty {
            lines.append(
                "     \(result.notReadAgain.count) files were read back by the run before, and not again (--recheck does)"
            )
        }
        for (name, count) in result.repaired.sorted(by: { $0.key < $1.key }) {
            lines.append("     \(name.printable): \(count) bad block\(count == 1 ? "" : "s") rewritten")
        }
        return lines + result.errors.map { "     FAILED: \($0)" }
    }

    static func done(_ source: CopySource, _ results: [DiscImages.Result]) -> Report {
        let lines = results.map { result in
            "  \(result.image.printable)  \(ByteSize(bytes: result.size))  \(result.wasThere ? "was there" : "written"), "
                + "read back\n     sha256 \(result.sha256.hex)"
        }
        return Report(
            text: (["\(source.name): \(results.count) images"] + lines).joined(separator: "\n"),
            json: [
                "bundle": .string(source.name),
                "discs": .array(
                    results.map { result in
                        [
                            "image": .string(result.image.string), "bytes": .int(Int64(clamping: result.size)),
                            "sha256": .string(result.sha256.hex), "wasThere": .bool(result.wasThere),
                        ]
                    }),
            ], next: ["# burn each image, then compare the disc: cmp IMAGE /dev/sr0 (the disc may be longer)"])
    }
}

extension MediumResult {
    fileprivate var json: JSONValue {
        [
            "number": .int(Int64(number)), "mount": .string(mount.string), "fileSystem": .string(system),
            "planned": .array(planned.map(JSONValue.string)), "good": .array(good.map(JSONValue.string)),
            "notReadAgain": .array(notReadAgain.map(JSONValue.string)),
            "bytesWritten": .int(Int64(clamping: bytesWritten)), "readBack": .string(readBack.rawValue),
            "repairedBlocks": .object(repaired.mapValues { .int(Int64($0)) }),
            "errors": .array(
                errors.map { ["exitCode": .int(Int64($0.failure.rawValue)), "message": .string("\($0)")] }),
        ]
    }
}

extension Outcome {
    /// What a copy reported, as its outcome.
    init(_ report: CopyReport.Report) {
        self.init(
            text: report.text, data: report.json, warnings: report.warnings, next: report.next, failure: report.failure)
    }
}

extension ReadBack {
    fileprivate var words: String {
        switch self {
        case .direct: "past the page cache"
        case .cacheDropped: "after the page cache was dropped"
        case .memory: "from this machine's memory, where it stands: no medium"
        }
    }
}
