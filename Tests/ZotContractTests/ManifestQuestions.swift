// SPDX-License-Identifier: Apache-2.0

import OCI

/// The questions about manifests and referrers.
extension Questions {
    private static let emptyType = "application/vnd.oci.empty.v1+json"
    private static let helmType = "application/vnd.cncf.helm.config.v1+json"
    private static let config = #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#

    /// Text as the record's questions had it, in order and spaces: the sizes in the record depend on it.
    private static func descriptor(_ type: String, _ digest: String, _ size: Int, _ rest: String = "") -> String {
        #"{"mediaType": "\#(type)", "digest": "\#(digest)", "size": \#(size)\#(rest)}"#
    }

    private static func manifest(_ config: String, _ layers: [String], before: String = "", after: String = "")
        -> [UInt8]
    {
        Array(
            (#"{"schemaVersion": 2, "mediaType": "\#(MediaType.manifest)", \#(before)"config": \#(config), "#
                + #""layers": [\#(layers.joined(separator: ", "))]\#(after)}"#).utf8)
    }

    private static func index(_ manifests: [String]) -> [UInt8] {
        let list = manifests.joined(separator: ", ")
        return Array(#"{"schemaVersion": 2, "mediaType": "\#(MediaType.index)", "manifests": [\#(list)]}"#.utf8)
    }

    private func put(_ id: String, _ reference: String, _ bytes: [UInt8], _ type: String? = MediaType.manifest) {
        ask(id, "PUT", "/v2/\(a)/manifests/\(reference)", type.map { ["Content-Type": $0] } ?? [:], .whole(bytes))
    }

    func askManifests() {
        let configDigest = push(Array(Questions.config.utf8))
        let empty = Questions.descriptor(Questions.emptyType, push(Array("{}".utf8)), 2)
        let parts = Parts(
            config: Questions.descriptor(MediaType.imageConfig, configDigest, Questions.config.utf8.count),
            helm: Questions.descriptor(Questions.helmType, configDigest, Questions.config.utf8.count), empty: empty,
            layer: Questions.descriptor(MediaType.gzipLayer, layer, 2048),
            ghost: Questions.descriptor(MediaType.gzipLayer, Questions.digest("ghost"), 5))
        image = Questions.manifest(parts.config, [parts.layer])
        askImages(parts)
        askArtifacts(parts)
        askContentTypes()
        askDocker(configDigest)
        askIndexes()
        askTags(parts)
        askForManifests()
        askReferrers(parts)
    }

    struct Parts {
        var config, helm, empty, layer, ghost: String
    }

    private func askImages(_ parts: Parts) {
        put("man-tag", "v1", image)
        put("man-again", "v1", image)
        put("man-digest", Questions.digest(image), image)
        put("man-wrong-digest", Questions.digest("q"), image)
        put("man-missing-layer", "bad", Questions.manifest(parts.config, [parts.ghost]))
        let noConfig = Questions.descriptor(MediaType.imageConfig, Questions.digest("gc"), 2)
        put("man-missing-config", "bad", Questions.manifest(noConfig, [parts.layer]))
    }

    private func askArtifacts(_ parts: Parts) {
        let type = #""artifactType": "application/vnd.x", "#
        put("art-missing-layer", "bad2", Questions.manifest(parts.helm, [parts.ghost]))
        put("art-empty-missing", "bad3", Questions.manifest(parts.empty, [parts.ghost], before: type))
        let text = Questions.descriptor("text/plain", layer, 2048)
        put("art-empty", "art", Questions.manifest(parts.empty, [text], before: type))
        let chart = Questions.descriptor("application/vnd.cncf.helm.chart.content.v1.tar+gzip", layer, 2048)
        put("art-helm", "helm", Questions.manifest(parts.helm, [chart]))
        put("man-nolayers", "nolayers", Questions.manifest(parts.config, []))
        let foreign = Questions.descriptor(
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Questions.digest("f"), 9,
            #", "urls": ["https://example.invalid/f"]"#)
        put("man-foreign", "foreign", Questions.manifest(parts.config, [parts.layer, foreign]))
        let data = Questions.descriptor(Questions.emptyType, Questions.digest("{}"), 2, #", "data": "e30=""#)
        put("man-data", "data", Questions.manifest(data, [data]))
    }

    private func askContentTypes() {
        put("man-noct", "noct", image, nil)
        put("man-ct-param", "ctp", image, MediaType.manifest + "; charset=utf-8")
        put("man-unknown-type", "unk", image, "application/json")
    }

    private func askDocker(_ config: String) {
        let size = Questions.config.utf8.count
        let parts = (
            Questions.descriptor("application/vnd.docker.container.image.v1+json", config, size),
            Questions.descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip", layer, 2048)
        )
        let type = MediaType.dockerManifest
        let image = #"{"schemaVersion": 2, "mediaType": "\#(type)", "config": \#(parts.0), "layers": [\#(parts.1)]}"#
        put("docker-v2s2", "dv2", Array(image.utf8), type)
        let child = Questions.descriptor(type, Questions.digest(image), image.utf8.count, Questions.platform)
        let list = #"{"schemaVersion": 2, "mediaType": "\#(MediaType.dockerList)", "manifests": [\#(child)]}"#
        put("docker-list", "dlist", Array(list.utf8), MediaType.dockerList)
    }

    private static let platform = #", "platform": {"architecture": "amd64", "os": "linux"}"#

    private func askIndexes() {
        let digest = Questions.digest(image)
        let index = multi
        put("index", "multi", index, MediaType.index)
        let nested = Questions.descriptor(MediaType.index, Questions.digest(index), index.count)
        put("index-nested", "nested", Questions.index([nested]), MediaType.index)
        let children = [
            Questions.descriptor(MediaType.manifest, digest, image.count),
            Questions.descriptor(MediaType.manifest, Questions.digest("nochild"), 7),
        ]
        put("index-sparse", "sparse", Questions.index(children), MediaType.index)
        put("index-empty", "iempty", Questions.index([]), MediaType.index)
        put("tag-type-change", "v1", index, MediaType.index)
    }

    private var multi: [UInt8] {
        Questions.index([
            Questions.descriptor(MediaType.manifest, Questions.digest(image), image.count, Questions.platform)
        ])
    }

    private func askTags(_ parts: Parts) {
        put("tag-long", String(repeating: "a", count: 129), image)
        put("tag-dot", ".x", image)
        put("tag-upper", "V1.0_RC-1", image)
        let filler = String(repeating: "y", count: 4 << 20)
        let big = Questions.manifest(parts.config, [parts.layer], after: #", "annotations": {"x": "\#(filler)"}"#)
        put("man-4M", "big", big)
    }

    private func askForManifests() {
        ask("get-man", "GET", "/v2/\(a)/manifests/V1.0_RC-1", Questions.accept)
        ask("get-man-noaccept", "GET", "/v2/\(a)/manifests/V1.0_RC-1")
        ask("get-index-accept", "GET", "/v2/\(a)/manifests/multi", ["Accept": MediaType.manifest])
        ask("head-man", "HEAD", "/v2/\(a)/manifests/\(Questions.digest(image))", Questions.accept)
        ask("get-sparse", "GET", "/v2/\(a)/manifests/sparse", Questions.accept)
    }

    private func askReferrers(_ parts: Parts) {
        let digest = Questions.digest(image)
        let subject = Questions.descriptor(MediaType.manifest, digest, image.count)
        let later = Questions.descriptor(MediaType.manifest, Questions.digest("later"), 5)
        let type = #""artifactType": "application/vnd.sig", "#
        let signature = Questions.manifest(
            parts.empty, [parts.empty], before: type, after: #", "subject": \#(subject), "annotations": {"k": "v"}"#)
        put("subject", Questions.digest(signature), signature)
        let early = Questions.manifest(parts.empty, [parts.empty], before: type, after: #", "subject": \#(later)"#)
        put("subject-missing", Questions.digest(early), early)
        ask("referrers", "GET", "/v2/\(a)/referrers/\(digest)", showsBody: true)
        ask("referrers-filter", "GET", "/v2/\(a)/referrers/\(digest)?artifactType=application/vnd.sig")
        ask("referrers-none", "GET", "/v2/\(a)/referrers/\(Questions.digest("unk"))", showsBody: true)
        ask("referrers-norepo", "GET", "/v2/probe/none/referrers/\(digest)")
        ask("referrers-bad", "GET", "/v2/\(a)/referrers/sha256:zz")
        let listed = Questions.descriptor(
            MediaType.manifest, Questions.digest(signature), signature.count,
            #", "artifactType": "application/vnd.sig""#)
        put("fallback-tag", digest.replacing(":", with: "-"), Questions.index([listed]), MediaType.index)
    }
}
