// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import Trust

extension Prune {
    /// How it ended.
    struct Done {
        /// What is not known to be done, with the reasons.
        var left: [String]
        /// What an earlier run had begun and is gone.
        var earlier: [NotedPrune.Step]
        /// Bytes that were freed here; `nil` where the registry's own collection frees them.
        var swept: UInt64?
        /// Whether nothing is left that only the releases that go had; a tag may be.
        var isWhole: Bool
    }

    /// What would be done, or what was. `again`: the command that carries it out, quoted.
    func report(_ done: Done?, again: String) -> Report {
        var lines = ["stay:"] + retention.kept.map { "  \($0.release.line)  \($0.reason?.description ?? "")" }
        lines.append(retention.gone.isEmpty ? "nothing goes" : "go:")
        lines += retention.gone.map { "  \($0.line)  loaded \($0.newest.finished)" }
        lines += steps.map { "  \($0)" } + kept.map { "  kept  \($0)" }
        return Report(
            text: (lines.map(\.printable) + [rows(done).map { ($0, $1.printable) }.aligned]).joined(separator: "\n"),
            json: json(done), warnings: warnings(done),
            next: done != nil || steps.isEmpty ? [] : ["# read the list; then carry it out:", again],
            failure: done?.isWhole == false ? .failed : nil)
    }

    private func rows(_ done: Done?) -> [(String, String)] {
        let tags = steps.count(where: \.isTag)
        var rows = [
            ("target", target.address + (traits.name.isEmpty ? "" : " (\(traits.name))")),
            ("keeps", "\(retention.keep) of the newest appliance releases of each product"),
            (done == nil ? "to remove" : "removed", "\(tags.of("tag")), \((steps.count - tags).of("manifest"))"),
        ]
        if let done, !done.left.isEmpty {
            rows.append(("but not", done.left.count.of("of these steps", "of these steps")))
        }
        if let done, !done.earlier.isEmpty {
            rows.append(("before", "\(done.earlier.count.of("step")) by a run that was stopped"))
        }
        if let swept = done?.swept {
            rows.append(("freed", swept.asSize))
        } else {
            rows.append(("frees", "up to \(bytes.asSize): content that others brought may share some of it"))
            rows.append(("when", collection))
        }
        rows.append(("in use", inUse.map { "\($0.count.of("image")) listed" } ?? "not known: no list was given"))
        rows.append(("untouched", untouched.text))
        return rows
    }

    /// When what nothing names any more is freed (reference/registries.md, sections 1.2 and 1.5).
    private var collection: String {
        if traits.freesItself { return "with --apply, at once" }
        if let delay = traits.collectsAfter {
            return
                "by the registry's own collection while it runs: Zot's takes what has been unused for \(delay.asDuration) "
                + "(gcDelay), at its next turn (gcInterval, an hour unless configured), where gc is on, as it is by default"
        }
        if traits.collectsLater {
            return
                "by Zot's own collection after its next start (gcInterval, gcDelay: an hour each unless configured), where gc is "
                + "on, as it is by default"
        }
        return
            "not by itself: make the registry read-only or stop it, and run registry garbage-collect CONFIG there; an upload "
            + "at that time could be damaged"
    }

    private func warnings(_ done: Done?) -> [String] {
        guard let done else {
            return inUse == nil && !steps.isEmpty
                ? ["no list of the images in use was given: what clusters run isn't known (--in-use FILE)"] : []
        }
        return done.left.map { "the registry refused to \($0)" }
    }

    private func json(_ done: Done?) -> JSONValue {
        var members: [String: JSONValue] = [
            "applied": .bool(done != nil), "target": .string(target.address), "keep": .int(Int64(retention.keep)),
            "stay": .array(
                retention.kept.map { verdict in
                    var members = verdict.release.json
                    members["reason"] = .string(verdict.reason?.word ?? "")
                    return .object(members)
                }),
            "go": .array(retention.gone.map { .object($0.json) }),
            "steps": .array(
                (noted.steps + (done?.earlier ?? [])).map { ["action": .string($0.action), "name": .string($0.name)] }),
            "kept": .array(kept.map(JSONValue.string)), "left": .array((done?.left ?? []).map(JSONValue.string)),
            "bytes": .int(Int64(clamping: bytes)), "collection": .string(collection),
            "inUse": inUse.map { ["images": .int(Int64($0.count)), "sha256": .string($0.digest.hex)] } ?? .null,
            "untouched": untouched.json,
        ]
        if let swept = done?.swept { members["freed"] = .int(Int64(clamping: swept)) }
        return .object(members)
    }

    /// What the state notes before the first step.
    var noted: NotedPrune {
        NotedPrune(
            steps: steps.map { step in
                switch step {
                case .removeTag(let place, _), .restoreTag(let place, _, _):
                    NotedPrune.Step(action: "removeTag", name: place.description)
                case .removeManifest(let place): NotedPrune.Step(action: "removeManifest", name: place.description)
                }
            }, releases: retention.gone.map { PruneRecord.Gone($0) })
    }
}

extension SiteRelease {
    fileprivate var line: String {
        "\(title)  \(kind?.rawValue ?? "unknown kind")\(newest.facts.isPreview ? "  \(ReleaseTitle.preview)" : "")"
    }

    fileprivate var json: [String: JSONValue] {
        [
            "product": .string(newest.product), "version": .string(newest.version),
            "kind": kind.map { .string($0.rawValue) } ?? .null, "preview": .bool(newest.facts.isPreview),
            "finished": .string(newest.finished),
        ]
    }
}

extension Prune.Untouched {
    fileprivate var text: String {
        var parts: [String] = []
        if let repositories {
            parts.append(Self.listed("repository", "repositories", repositories) + " that no receipt names")
        } else {
            parts.append("the target doesn't list its repositories: only those of receipts were looked at")
        }
        if !tags.isEmpty { parts.append(Self.listed("tag", "tags", tags) + " that no receipt names") }
        if !before.isEmpty { parts.append(Self.listed("thing", "things", before) + " that loads found there") }
        return parts.joined(separator: "; ")
    }

    private static func listed(_ noun: String, _ plural: String, _ names: [String]) -> String {
        guard !names.isEmpty else { return "no \(noun)" }
        return names.count.of(noun, plural)
            + " (\(names.prefix(10).joined(separator: ", "))\(names.count > 10 ? ", …" : ""))"
    }

    fileprivate var json: JSONValue {
        [
            "repositories": repositories.map { .array($0.map(JSONValue.string)) } ?? .null,
            "tags": .array(tags.map(JSONValue.string)), "before": .array(before.map(JSONValue.string)),
        ]
    }
}
