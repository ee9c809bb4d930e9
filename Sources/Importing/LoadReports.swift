// SPDX-License-Identifier: Apache-2.0

internal import OCI
package import BundleFormat
internal import Files
package import SystemPackage
package import Trust

extension LoadPlan {
    /// What `load` would do. `missing` are the volumes that it needs and no medium has, `given` what the next commands need.
    package func report(_ load: Load, missing: [String], given: GivenArguments) throws -> Report {
        let bundle = load.bundle
        let objections = try load.objections(to: self)
        let needs = try load.comingMedia(self).map { try $0.needs(of: self, load.content) }
        let waits = needs.map { !$0.waiting.isEmpty } ?? false
        var lines = groups.map { group in
            "  \(group.kind)  \(group.name)  \(group.blobs.count.of("blob")), \(group.allManifests.count.of("manifest"))"
        }
        let mapped = load.content.changedNames.map { "  map  \($0.source) -> \($0.destination)" }
        lines += tags.filter { $0.action != .equal }.map { "  tag \($0.action.rawValue)  \($0.name)\($0.change)" }
        return Report(
            text: (isEmpty ? ["everything is there; load would send nothing"] + mapped : mapped + lines).joined(
                separator: "\n") + "\n"
                + (try summary(load, waits ? needs : nil)).aligned
                + (load.fit.map { $0.text.isEmpty ? "" : "\n" + $0.text } ?? ""),
            json: try json(load, missing, needs),
            warnings: bundle.findings.map(\.description) + load.content.packWarnings + load.deltaFindings(self)
                + (load.fit?.warnings ?? []) + objections.map(\.description) + (load.room?.warnings ?? []),
            next: (waits ? beginning(needs, load) : []) + nextSteps(objections, missing, given)
                + (objections.isEmpty && !waits ? Delivery(bundle.release, at: load.target.address).steps(given) : [])
                + (load.room?.next(given) ?? []),
            failure: objections.first?.failure ?? (waits ? .incomplete : nil))
    }

    private func beginning(_ needs: MediaNeeds?, _ load: Load) -> [String] {
        let wanted = needs.map { $0.wanted(for: $0.waiting.keys).map(\.name) } ?? []
        return [
            "# it is fine to begin with what is here; then the same command with the medium that has "
                + wanted.joined(separator: ", then ") + ":"
        ]
    }

    private func summary(_ load: Load, _ needs: MediaNeeds?) throws -> [(String, String)] {
        let blobs = groups.flatMap(\.blobs)
        let mounts = blobs.count { $0.mountFrom != nil }
        let manifests = groups.reduce(0) { $0 + $1.allManifests.count }
        var rows = [
            ("target", load.target.address + (traits.name.isEmpty ? "" : " (\(traits.name))")),
            ("release", load.bundle.release.title),
            (
                "to send",
                "at most \(bytesToSend.asSize): \((blobs.count - mounts).of("blob")), \(manifests.of("manifest"))"
            ),
            ("to mount", mounts.of("blob")),
            ("requests", "about \(requests(load.content))"),
            (
                "there already",
                "\(presentManifests.count.of("manifest")), \(tags.count { $0.action == .equal }.of("tag"))"
            ),
        ]
        if !newRepositories.isEmpty {
            rows.append(("to create", newRepositories.count.of("repository", "repositories")))
        }
        if let needs, let media = load.media { rows += media.rows(needs, self) }
        if let needs = self.needs { rows += [("delta of", needs.base)] + needs.lines }
        if let room = load.room {
            rows.append(("room", try room.text(needed: load.target.bytesLacking(self))))
        }
        rows.append(("delivery", Delivery(load.bundle.release, at: load.target.address).summary))
        if let seconds = load.expectedSeconds(self) { rows.append(("expected time", "about \(seconds.asDuration)")) }
        return rows
    }

    private func json(_ load: Load, _ missing: [String], _ coming: MediaNeeds?) throws -> JSONValue {
        let needed = try load.target.bytesLacking(self)
        return [
            "target": .string(load.target.address), "registry": .string(traits.name),
            "release": load.bundle.release.titleJSON, "site": load.fit?.json ?? .null,
            "room": load.room?.json(needed: needed) ?? .null,
            "delivery": Delivery(load.bundle.release, at: load.target.address).json,
            "bytesToSend": .int(Int64(clamping: bytesToSend)), "requests": .int(requests(load.content)),
            "blobs": .int(Int64(groups.reduce(0) { $0 + $1.blobs.count })),
            "manifests": .int(Int64(groups.reduce(0) { $0 + $1.allManifests.count })),
            "presentManifests": .int(Int64(presentManifests.count)), "nothingToDo": .bool(isEmpty),
            "newRepositories": .array(newRepositories.map(JSONValue.string)),
            "refusedTypes": .array(refusedTypes.map(JSONValue.string)),
            "denied": .array(
                traits.denied.map { ["repository": .string($0.repository), "action": .string($0.action)] }),
            "expectedSeconds": load.expectedSeconds(self).map { .int(Int64($0)) } ?? .null,
            "missingVolumes": .array(missing.map(JSONValue.string)), "delta": needs?.json ?? .null,
            "media": coming.flatMap { needs in load.media.map { $0.json(needs) } } ?? .null,
            "mapping": .array(
                load.content.changedNames.map {
                    ["source": .string($0.source), "destination": .string($0.destination)]
                }),
            "steps": .array(groups.map(\.json)), "tags": .array(tags.map(\.json)),
        ]
    }
}

extension LoadPlan {
    private func nextSteps(_ objections: [LoadError], _ missing: [String], _ given: GivenArguments) -> [String] {
        let load = "dray-import load \(given.media) \(given.target)"
        let patterns = movesByOption ? replaced.map { " --replace-tags " + $0.text.shellWord }.joined() : ""
        switch objections.first {
        case nil: return [load + patterns]
        case .tagsWouldMove(let moves):
            let names = moves.count > 10 ? ["*"] : moves.map(\.name)
            return [
                "# if these tags may move:",
                load + (patterns + names.map { " --replace-tags " + $0.shellWord }.joined()),
            ]
        case .missingVolumes: return [VerifiedBundle.addMedia(missing)]
        case .elsewhere: return ["# find what the warning names, then plan again with --base or --seed"]
        case .noSpace: return ["# make room there, then plan again"]
        case .needsUnmet(_, let names, _):
            return [
                "# load \(names.joined(separator: ", ")) first; or, where the site has it all the same, say so:",
                load + names.map { " --assume-release " + $0.shellWord }.joined(),
            ]
        default: return ["# mend what the warning says, then plan again"]
        }
    }
}

extension LoadPlan.Group {
    fileprivate var json: JSONValue {
        [
            "name": .string(name), "kind": .string(kind),
            "blobs": .array(
                blobs.map { blob in
                    [
                        "digest": .string(blob.digest.description), "bytes": .int(blob.size),
                        "mountFrom": blob.mountFrom.map(JSONValue.string) ?? .null,
                    ]
                }),
            "manifests": .array(allManifests.map { .string($0.digest.description) }),
        ]
    }
}

extension LoadPlan.TagStep {
    fileprivate var change: String {
        guard let before else { return "" }
        return "  \(before.digest) -> \(descriptor.digest)" + (action == .move ? ", allowed by \(leave.text)" : "")
            + (retypes ? "; it changes its media type: removed, then set" : "")
    }

    fileprivate var json: JSONValue {
        [
            "name": .string(name), "digest": .string(descriptor.digest.description),
            "before": before.map { .string($0.digest.description) } ?? .null, "action": .string(action.rawValue),
            "allowedBy": .string(leave.rawValue), "retypes": .bool(retypes),
        ]
    }
}

extension LoadPlan.Leave {
    fileprivate var text: String {
        switch self {
        case .nobody: "nobody"
        case .release: "the release"
        case .admin: "--replace-tags"
        }
    }
}

extension Receipt {
    /// For people. `file` is where it is, `proof` what its signature is worth.
    package func report(file: FilePath?, proof: ReceiptFile.Proof? = nil, keyNames: [KeyID: String] = [:]) -> Report {
        let moved = counts.tags.filter { $0.action == "move" }
        var rows = [
            ("release", title), ("target", target),
            (
                "outcome",
                outcome == "done"
                    ? "done: \(contentPlace)" + (nothingToDo ? "; everything was there, nothing was sent" : "")
                    : "\(outcome) (exit code \(exitCode))"
            ),
            ("time", "\(started) to \(finished)"),
            ("pushed", "\(counts.pushed.blobs.of("blob")), \(counts.pushed.bytes.asSize)"),
            ("already there", "\(counts.skipped.blobs.of("blob")), \(counts.manifestsPresent.of("manifest"))"),
            ("mounted", counts.mounted.blobs.of("blob")),
            ("manifests", "\(counts.manifestsSent) sent"),
            (
                "tags",
                "\(counts.tags.count { $0.action == "new" }) new, \(counts.tags.count { $0.action == "equal" }) unchanged, \(moved.count) moved"
            ),
            ("read back", readBackText),
            ("requests", "\(done.requests), planned \(planned.requests)"),
            ("bytes sent", "\(done.bytes.asSize), planned at most \(planned.bytes.asSize)"),
            ("signed by", signers.map { String($0.prefix(16)) }.joined(separator: ", ")),
            ("tool", tool),
        ]
        rows += releaseRows + evidenceRows
        if skippedTLSVerify { rows.append(("certificate", "NOT CHECKED (--insecure-skip-tls-verify)")) }
        if !counts.stagingLeft.isEmpty {
            rows.append(
                (
                    "left behind",
                    "staging tags, which the next load removes: \(counts.stagingLeft.joined(separator: ", "))"
                ))
        }
        if let sandbox { rows.append(("sandbox", sandbox.words)) }
        if let message { rows.append(("message", message)) }
        if let file { rows.append(("receipt", file.string)) }
        if let proof { rows.append(("signature", proof.text(keyNames))) }
        let lines = moved.map { "  \($0.repository):\($0.tag) was \($0.before ?? "nothing"), is \($0.digest)" }
        return Report(text: ([rows.aligned] + lines).joined(separator: "\n"), json: json, warnings: findings)
    }

    /// What a load that is done has done, and no more: a registry's content upgrades nothing.
    var contentPlace: String {
        "the content is in the \(target.hasPrefix("oci:") || target.hasPrefix("zot-root:") ? "folder" : "registry")"
    }

    /// What its release is and needs; nothing where it doesn't say.
    private var releaseRows: [(String, String)] {
        let rows: [(String, String?)] = [
            ("kind", facts.kind?.rawValue),
            ("needs", facts.needs.map { "\($0.product)-\($0.version)" }.joined(separator: ", ")),
            ("assumed there", assumedReleases.joined(separator: ", ")),
            ("capabilities", facts.capabilities?.joined(separator: ", ")),
            ("not by this load", left.map { "\($0.name) (\($0.way))" }.joined(separator: ", ")),
        ]
        return rows.compactMap { name, value in
            value.flatMap { $0.isEmpty ? nil : (name, $0.printable) }
        }
    }

    /// Who, with whose word, and what was in force; nothing for receipts of version 0.1.
    private var evidenceRows: [(String, String)] {
        let approvers = approval?.approvers.map { "\($0.name) (key \($0.keyID.prefix(16)))" }.joined(separator: ", ")
        let rows: [(String, String?)] = [
            ("run by", origin.user.isEmpty ? nil : origin.text), ("operator", origin.person),
            ("registry account", origin.account), ("registry certificate", origin.certificate.map { "SHA-256 \($0)" }),
            ("approved by", approvers), ("EXPIRED, taken because", expiredAccepted?.reason),
        ]
        return rows.compactMap { name, value in value.map { (name, $0.printable) } }
    }

    private var readBackText: String {
        let back = counts.readBack
        guard back.isComplete else { return "not done" }
        return "\(back.manifests.of("manifest")), \(back.tags.of("tag")), \(back.blobs.of("blob")) are there"
            + (isReadBackDeeply ? ", each hashed" : ", blobs by their size")
            + (back.repaired > 0 ? ", \(back.repaired) sent once more" : "")
    }
}

extension VerifiedBundle {
    /// The step where volumes of these names are on none of the media given.
    package static func addMedia(_ volumes: [String]) -> String {
        "# add the media that hold \(volumes.map { "volumes/\($0)" }.joined(separator: ", ")): give their folders too, in the "
            + "same command"
    }

    /// What to do after a load: make Palette see the packs, deliver what no registry takes, and check.
    package func stepsAfterLoad(_ target: any LoadTarget, _ given: GivenArguments) -> [String] {
        let delivery = Delivery(release, at: target.address)
        guard !target.address.hasPrefix("oci:") else {
            let look = release.references.first { $0.tag != nil }.map { reference in
                "skopeo inspect " + "\(target.address):\(reference.name)".shellWord
            }
            return [look].compactMap(\.self) + delivery.steps(given)
        }
        guard target.isRunning else {
            return [
                "# start Zot; then let Palette read the packs, and check at Zot's address:",
                "dray-import check \(release.name) \(given.site)",
            ] + delivery.steps(given)
        }
        return delivery.packSteps(given) + delivery.steps(given)
            + [
                "# the check, at any time and without media:",
                "dray-import check \(release.name) \(given.site)",
            ]
    }
}
