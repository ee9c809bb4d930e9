// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
internal import Files
internal import OCI
internal import Trust

extension VerifiedBundle {
    /// What the bundle is: identity, trust, media, sizes.
    package var inspection: Report {
        let missing = Set(missingVolumes.map(\.name))
        var rows = [
            ("release", release.title),
            ("root", RootCandidate.grouped(metadata.fingerprint?.hex ?? "")),
            (
                "signed",
                "targets \(metadata.targets.content.header.version), expires \(metadata.targets.content.header.expires)"
            ),
            (
                "signers",
                Set(metadata.targets.signers + [sumsSigner]).map { String($0.hex.prefix(16)) }.sorted().joined(
                    separator: ", ")
            ),
        ]
        if let end = release.supportEnd { rows.append(("support ends", end)) }
        if !release.movesTags.isEmpty { rows.append(("may move", Set(release.movesTags.map(\.name)).count.of("tag"))) }
        rows += [
            ("registry", "\(release.references.count.of("reference")), \(release.requirements.registryBytes.asSize)"),
            ("files", "\(release.files.count), \(release.files.reduce(UInt64(0)) { $0 + $1.size }.asSize)"),
            (
                "on media",
                "\(index.volumes.reduce(UInt64(0)) { $0 + $1.length }.asSize) in \(index.volumes.count.of("volume"))"
            ),
            ("index", "\(index.objectCount.of("object")), \(index.chunkCount.of("chunk"))"),
        ]
        let volumes = index.volumes.map { volume in
            "  \(volume.name)  \(volume.length.asSize)\(volume.kind == .plain ? "  plain" : "")"
                + (missing.contains(volume.name) ? "  MISSING" : "")
        }
        let waived = release.contents.filter { $0.vendorSignature == .waived }.map(\.name)
        return Report(
            text: rows.aligned + "\nvolumes:\n" + volumes.joined(separator: "\n"),
            json: [
                "product": .string(release.product), "version": .string(release.version),
                "edition": .string(release.edition), "preview": .bool(release.isPreview),
                "root": .string(metadata.fingerprint?.hex ?? ""),
                "targetsVersion": .int(metadata.targets.content.header.version),
                "expires": .string(metadata.targets.content.header.expires.description),
                "signers": .array(
                    Set(metadata.targets.signers + [sumsSigner]).map(\.hex).sorted().map(JSONValue.string)),
                "registryBytes": .int(Int64(release.requirements.registryBytes)),
                "volumes": .array(
                    index.volumes.map { volume in
                        [
                            "name": .string(volume.name), "bytes": .int(Int64(volume.length)),
                            "plain": .bool(volume.kind == .plain), "sha256": .string(volume.digest.hex),
                            "present": .bool(!missing.contains(volume.name)),
                        ]
                    }),
                "movesTags": .array(release.movesTags.map(\.report)),
                "contents": .array(
                    release.contents.map { ["kind": .string($0.kind), "name": .string($0.name)] }),
            ],
            warnings: findings.map(\.description)
                + waived.map { "\($0) has no vendor signature: its publisher waived it" })
    }

    /// What the bundle delivers: references and files.
    package var listing: Report {
        let references = release.references.sorted(by: ReleaseReference.tagOrder)
        var lines: [String] = []
        if !references.isEmpty {
            lines.append("registry:")
            lines += references.map { "  \($0.kind)  \($0.name)  \($0.descriptor.digest)" }
        }
        if !release.movesTags.isEmpty {
            lines.append("tags that may move:")
            lines += release.movesTags.map { "  \($0.name)  \($0.from) -> \($0.to)" }
        }
        if !release.files.isEmpty {
            lines.append("files:")
            lines += release.files.map { file in
                "  \(file.kind)  \(file.name)  \(file.size.asSize)"
                    + (file.signature.map { "  signature \($0.name)" } ?? "")
            }
        }
        return Report(
            text: lines.joined(separator: "\n"),
            json: [
                "references": .array(
                    references.map { reference in
                        var members: [String: JSONValue] = [
                            "kind": .string(reference.kind), "name": .string(reference.name),
                            "digest": .string(reference.descriptor.digest.description),
                            "mediaType": .string(reference.descriptor.mediaType), "source": .string(reference.source),
                        ]
                        if let images = reference.images { members["images"] = .array(images.map(JSONValue.string)) }
                        if let fips = reference.fips { members["fips"] = .bool(fips) }
                        return .object(members)
                    }),
                "movesTags": .array(release.movesTags.map(\.report)),
                "files": .array(
                    release.files.map { file in
                        [
                            "kind": .string(file.kind), "name": .string(file.name),
                            "digest": .string(file.digest.description), "bytes": .int(Int64(file.size)),
                            "signature": file.signature.map { .string($0.name) } ?? .null,
                        ]
                    }),
            ],
            warnings: findings.map(\.description))
    }
}

extension Release.TagMove {
    fileprivate var report: JSONValue {
        ["tag": .string(name), "from": .string(from.description), "to": .string(to.description)]
    }
}
