// SPDX-License-Identifier: Apache-2.0

internal import OCI
internal import Palette

// The image list, and what the pack names beside it.
extension PackInspection {
    private func finding(
        _ rule: LintRule, _ line: Int?, _ message: String, fix: String, severity: LintSeverity? = nil
    ) -> LintFinding {
        LintFinding(rule, severity, pack: name, at: place("values.yaml", line), message, fix: fix)
    }

    /// What is wrong with `values.yaml` and its list as a whole.
    var listFindings: [LintFinding] {
        guard let content else {
            guard !files.contains("values.yaml") else { return [] }
            return [finding(.valuesMissing, nil, "there is no values.yaml, which is mandatory", fix: "add one")]
        }
        var findings = content.problems.map { problem in
            switch problem.kind {
            case .unreadable: finding(.valuesUnreadable, problem.line, problem.text, fix: "correct values.yaml")
            case .secondBlock: finding(.secondBlock, problem.line, problem.text, fix: "keep one pack: block")
            case .entry:
                finding(
                    .listEntry, problem.line, problem.text,
                    fix: "write \"- image: <reference>\" (charts: repo, name, version)")
            case .templateLine:
                finding(.imageTemplate, problem.line, problem.text, fix: "write the list without templates")
            }
        }
        let isUnreadable = content.problems.contains { $0.kind == .unreadable }
        if content.images == nil, !isUnreadable { findings.append(noList) }
        for line in profileImages {
            findings.append(
                finding(
                    .imageFromProfile, line, "an image that the cluster's profile fills in",
                    fix: "mirror and pack by hand what the site's profiles will name"))
        }
        return findings
    }

    private var noList: LintFinding {
        let names = Set(found.filter { $0.origin != .chartValues || $0.tag != nil }.map(\.description)).sorted()
        guard !names.isEmpty else {
            return finding(
                .noImageList, nil, "pack.content.images is missing; no image was found by searching",
                fix: "list the images; write \"images: []\" where there are none", severity: .warning)
        }
        let shown = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? " and \(names.count - 8) more" : "")
        return finding(
            .noImageList, nil,
            "pack.content.images is missing, so no tool knows what to carry; searching finds \(shown)",
            fix: "list them in values.yaml: pack: {content: {images: [{image: ...}]}}")
    }

    /// What is wrong with entries of the list, and what it lacks.
    var imageFindings: [LintFinding] {
        guard let images = content?.images else { return [] }
        var findings: [LintFinding] = []
        var listed: [Reference] = []
        var lines: [String: Int] = [:]
        for image in images {
            guard !image.isTemplate else {
                findings.append(
                    finding(
                        .imageTemplate, image.line,
                        "\(image.text.prefix(200)) is a template: what it stands for isn't known",
                        fix: "mirror and pack by hand what the site's profiles will name, or write the image out"))
                continue
            }
            if let first = lines.updateValue(image.line, forKey: image.text) {
                findings.append(
                    finding(.imageTwice, image.line, "\(image.text) stands in line \(first) too", fix: "keep one"))
                continue
            }
            do {
                let reference = try Reference(parsing: image.text)
                _ = try DeliveredReference(source: reference)
                listed.append(reference)
                findings += pinFindings(reference, image.line)
            } catch let error {
                findings.append(finding(.imageUnusable, image.line, "\(error)", fix: "correct the entry"))
            }
        }
        return findings + foundFindings(listed) + flavourFindings(listed, images)
    }

    private func pinFindings(_ reference: Reference, _ line: Int) -> [LintFinding] {
        var findings: [LintFinding] = []
        let fix = "pin it: a version's tag, or @sha256:..."
        if reference.digest == nil {
            if reference.tag == nil {
                findings.append(
                    finding(
                        .imageUntagged, line, "\(reference) has no tag: it stands for latest, whatever that is then",
                        fix: fix))
            } else if reference.tag == "latest" {
                findings.append(
                    finding(.imageLatest, line, "\(reference) is another image every time that it is fetched", fix: fix)
                )
            }
        }
        if !reference.hasHost {
            findings.append(
                finding(
                    .imageNoHost, line,
                    "\(reference) names no host: it is taken from Docker Hub and delivered without one",
                    fix: "write docker.io/ before it, so that every reader takes the same image"))
        }
        return findings
    }

    /// The images that were found by searching and that the list lacks, each once.
    private func foundFindings(_ listed: [Reference]) -> [LintFinding] {
        var findings: [LintFinding] = []
        var seen: Set<String> = []
        let ownNames = Set(found.filter { $0.origin == .values }.map(\.plainName))
        for image in found {
            // The pack's values override the chart's.
            if image.origin == .chartValues, ownNames.contains(image.plainName) { continue }
            guard seen.insert(image.plainName + ":" + (image.tag ?? "")).inserted else { continue }
            let same = listed.filter { image.isNamed($0) }
            guard !same.isEmpty else {
                findings.append(lacking(.imageNotListed, image, "\(image.description) is not in pack.content.images"))
                continue
            }
            guard image.isTagSure, !same.contains(where: image.isPinnedAlike) else { continue }
            let others = same.map(\.description).joined(separator: ", ")
            findings.append(
                lacking(
                    .imageTagNotListed, image, "\(image.description) is not in pack.content.images, which has \(others)"
                ))
        }
        return findings
    }

    private func lacking(_ rule: LintRule, _ image: FoundImage, _ message: String) -> LintFinding {
        let fix =
            switch image.origin {
            case .manifest: "list it: this manifest runs it"
            case .values: "list it, unless it is switched off at every site"
            case .presets: "list it, or say that the preset needs a network"
            case .chartValues, .chartTemplate: "list it where the chart can run it at a site"
            }
        return LintFinding(rule, pack: name, at: place(image.file, image.line), message, fix: fix)
    }

    private func flavourFindings(_ listed: [Reference], _ images: [PackContent.Image]) -> [LintFinding] {
        let flavours = listed.map { PackFlavour.isFIPS([$0.name]) }
        guard let fips = flavours.firstIndex(of: true), let other = flavours.firstIndex(of: false) else { return [] }
        let later = max(fips, other)
        let line = images.first { $0.text == listed[later].description }?.line
        return [
            finding(
                .fipsMixed, line,
                "the list has images of the FIPS build (\(listed[fips])) and of the other (\(listed[other]))",
                fix: "take all from one build")
        ]
    }
}

extension Reference {
    /// Whether the name begins with a host: a first part with a dot or a port, or `localhost`.
    var hasHost: Bool {
        guard let slash = name.firstIndex(of: "/") else { return false }
        let first = name[..<slash]
        return first.contains(".") || first.contains(":") || first == "localhost"
    }
}

extension FoundImage {
    /// Whether the list's entry is of the same repository. Where the found name has no host, one may be added elsewhere
    /// (`baseRepo:`, `registry:`), but not in a manifest.
    func isNamed(_ listed: Reference) -> Bool {
        let other = FoundImage.plain(listed.name)
        return other == plainName || origin != .manifest && other.hasSuffix("/" + plainName)
    }

    /// Whether the entry is the same version, as far as it can be known.
    func isPinnedAlike(_ listed: Reference) -> Bool {
        if let digest, let other = listed.digest { return digest == other.description }
        guard let tag, digest == nil else { return true }
        guard listed.digest == nil || listed.tag != nil else { return true }
        return (listed.tag ?? "latest") == tag
    }
}
