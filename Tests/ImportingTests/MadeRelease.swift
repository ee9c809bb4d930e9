// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import FoundationEssentials
import Importing
import OCI
import RegistryClient
import Support
import SystemPackage

/// An image layout that a test fills, and the release of nothing else.
struct MadeLayout {
    private var blobs: [Digest: [UInt8]] = [:]
    private var entries: [String] = []

    mutating func blob(_ bytes: [UInt8], _ type: String = MediaType.gzipLayer) -> Descriptor {
        let descriptor = Descriptor(mediaType: type, digest: Digest(of: bytes), size: Int64(bytes.count))
        blobs[descriptor.digest] = bytes
        return descriptor
    }

    /// A blob of so many bytes, never the same ones.
    mutating func noise(_ count: Int) throws -> Descriptor {
        blob(try run(["head", "-c", "\(count)", "/dev/urandom"]).stdout)
    }

    /// An image, listed under a reference, or by its digest alone; `more` are further members of its document.
    mutating func image(
        _ name: String?, _ layers: [Descriptor], config: String = "{}", type: String = MediaType.manifest,
        more: String = ""
    ) -> Descriptor {
        let config = blob(Array(config.utf8), MediaType.imageConfig)
        let list = layers.map(MadeLayout.text).joined(separator: ",")
        let text =
            #"{"schemaVersion":2,"mediaType":"\#(type)","config":\#(MadeLayout.text(config)),"layers":[\#(list)]\#(more)}"#
        return add(blob(Array(text.utf8), type), name)
    }

    mutating func index(_ name: String?, _ children: [Descriptor], type: String = MediaType.index) -> Descriptor {
        let list = children.map(MadeLayout.text).joined(separator: ",")
        return add(
            blob(Array(#"{"schemaVersion":2,"mediaType":"\#(type)","manifests":[\#(list)]}"#.utf8), type), name)
    }

    /// Lists a manifest once more.
    @discardableResult
    mutating func add(_ descriptor: Descriptor, _ name: String?) -> Descriptor {
        let annotation = name.map { #","annotations":{"org.opencontainers.image.ref.name":"\#($0)"}"# } ?? ""
        entries.append(String(MadeLayout.text(descriptor).dropLast()) + annotation + "}")
        return descriptor
    }

    /// A descriptor as manifests hold it.
    static func text(_ descriptor: Descriptor) -> String {
        #"{"mediaType":"\#(descriptor.mediaType)","digest":"\#(descriptor.digest)","size":\#(descriptor.size)}"#
    }

    /// Packs it; `more` are further lines of the release's manifest, `files` are delivered as files, cut into chunks.
    func packed(
        more: String = "", product: String = "palette-enterprise", version: String = "1.0.0",
        files: [String: [UInt8]] = [:]
    ) throws -> PackedSample {
        let folder = TemporaryFolder()
        let layout = folder.appending("layout")
        try layout.appending("blobs/sha256").createDirectories()
        for (digest, bytes) in blobs { try write(bytes, to: layout.appending("blobs/sha256/\(digest.hex)")) }
        try write(Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8), to: layout.appending("oci-layout"))
        let index = #"{"schemaVersion":2,"manifests":[\#(entries.joined(separator: ","))]}"#
        try write(Array(index.utf8), to: layout.appending("index.json"))
        let release = """
            format: 1
            release: { product: \(product), version: \(version), edition: palette }
            \(more)contents:
              - layout: layout

            """ + files.keys.sorted().map { "  - { file: \($0), plain: false }\n" }.joined()
        for (name, bytes) in files { try write(bytes, to: folder.appending(name)) }
        try write(Array(release.utf8), to: folder.appending("release.yaml"))
        return try PackedSample(folder.path, product: product)
    }
}

extension ZotServer {
    /// A target below `spectro-content` whose waits take no time.
    func target(
        login: Credentials? = nil, _ change: (inout RegistryOptions) -> Void = { _ in }
    ) throws -> RegistryTarget {
        var options = RegistryOptions()
        options.credentials = login
        options.retry.sleep = { _ in }
        change(&options)
        return RegistryTarget(try Registry(try Endpoint(parsing: url + "/spectro-content"), options))
    }

    /// The manifests that were put, by repository and reference below the base path, in order.
    var puts: [Place] {
        asked.compactMap { asked in
            guard asked.method == "PUT", asked.kind == .manifest, asked.bodyCount > 0 else { return nil }
            let path = asked.target.dropFirst("/v2/spectro-content/".count)
            guard let mark = path.firstRange(of: "/manifests/") else { return nil }
            return Place(String(path[..<mark.lowerBound]), String(path[mark.upperBound...]))
        }
    }

    /// The repositories that releases are in: all but the site's own evidence.
    var contentRepositories: [String] { repositories.filter { !$0.hasSuffix(SiteArtifact.repository) } }

    /// All tags below the base path, but for those of the site's own evidence.
    var allTags: [Place] {
        contentRepositories.flatMap { repository in
            tags(of: repository).map { Place(String(repository.dropFirst("spectro-content/".count)), $0) }
        }
    }

    /// Everything on disk, with sizes, times and links.
    func listing() throws -> String {
        try run(["find", folder.string, "-printf", "%p %s %T@ %n\\n"]).output.split(separator: "\n").sorted()
            .joined(separator: "\n")
    }
}

extension Place {
    var isStaging: Bool { reference.hasPrefix("dray-staging-") }
}
