// SPDX-License-Identifier: Apache-2.0

internal import Archive
internal import BundleFormat
internal import Files
internal import OCI
internal import Palette
internal import PaletteSources
internal import Splitting
internal import SystemPackage

/// Carries out a plan: reads each input once, front to back, into the builder and the composer.
struct PackRun {
    let plan: PackPlan
    let builder: BundleBuilder
    let reader: InputReader
    let signatures: VendorSignatures
    var composer = ReleaseComposer()

    init(plan: PackPlan, builder: BundleBuilder, reader: InputReader) throws {
        (self.plan, self.builder, self.reader) = (plan, builder, reader)
        signatures = try VendorSignatures(plan.vendorKeys)
    }

    private var blobs: BlobIntake { BlobIntake(builder: builder, reader: reader) }

    mutating func takeInputs() throws {
        builder.confirmDigests = { [reader] in try reader.confirm() }
        for input in plan.inputs {
            reader.progress.label = input.item.name
            switch input.item.kind {
            case .layout: try takeLayout(input)
            case .packs: try takePack(input)
            case .bundle where input.isForRegistry: try takeArchive(input)
            case .iso, .bundle, .file: try takeFile(input)
            }
        }
        try reader.confirm()
        composer.settlePacks()
    }

    private mutating func takeLayout(_ input: PlannedInput) throws {
        guard let layout = input.layout else { return }
        let place = layout.path.string
        for (descriptor, manifest) in layout.graph.manifests {
            try blobs.hold(descriptor.digest, Array(manifest.bytes), place: place)
            reader.progress.add(manifest.bytes.count)
        }
        for blob in layout.graph.blobs {
            let file = layout.blob(blob.digest)
            guard try file.exists() else { throw PackError.blobMissing(blob.digest, in: place, of: "a manifest") }
            try blobs.take(blob.digest, size: UInt64(blob.size), file: file, place: place)
        }
        try composer.add(layout.entries, layout.graph, lists: layout.packImages(), place: place)
        composer.add(content(input, digest: nil, signature: .notApplicable))
    }

    private mutating func takePack(_ input: PlannedInput) throws {
        guard let pack = input.pack, let layer = input.packLayer else { return }
        let place = pack.folder.string
        let config = Digest(of: PackArtifact.config)
        let manifest = pack.manifest(layerDigest: layer, configDigest: config)
        let digest = Digest(of: manifest)
        if !builder.has(layer) {
            if let known = builder.found(layer, size: pack.layerSize) {
                builder.register(object: layer, size: pack.layerSize, known)
            } else {
                try builder.begin(layer, as: .blobs, size: pack.layerSize)
                let check = PackHash()
                try pack.writeLayer { bytes in
                    check.update(bytes)
                    try builder.append(bytes)
                }
                guard check.finish() == layer else { throw PackError.inputChanged(place) }
                let chunk = try builder.end(layer, size: pack.layerSize)
                builder.register(
                    object: layer, size: pack.layerSize, [Segment(chunk: chunk, offset: 0, length: pack.layerSize)])
            }
        }
        reader.progress.add(Int(clamping: pack.layerSize))
        try builder.hold(config, PackArtifact.config)
        try builder.hold(digest, manifest)
        let target = try DeliveredReference(pack: pack.metadata.name, version: pack.metadata.version)
        try composer.add(
            ReleaseReference(
                repository: target.repository, tag: target.tag,
                descriptor: Descriptor(mediaType: MediaType.manifest, digest: digest, size: Int64(manifest.count)),
                kind: target.kind.rawValue, source: target.description))
        composer.add(input.packImages, of: target.description)
        composer.count(blob: layer, size: pack.layerSize)
        composer.count(blob: config, size: UInt64(PackArtifact.config.count))
        composer.count(blob: digest, size: UInt64(manifest.count))
        composer.count(manifestType: MediaType.manifest)
        composer.add(content(input, digest: layer, signature: .notApplicable))
    }

    private mutating func takeArchive(_ input: PlannedInput) throws {
        let intake = ArchiveIntake(builder: builder, reader: reader)
        let result: ArchiveIntake.Result
        do {
            result = try intake.take(
                input.item.path, ordinal: input.ordinal, size: input.size,
                plainName: input.isPlain ? input.item.name : nil)
        } catch let error as ArchiveError where error != .outOfMemory {
            throw PackError.unreadableArchive(input.item.path.string, why: error.description)
        }
        let signature = try signatures.check(input.item, digest: result.digest)
        if result.otherMembers > 0 {
            composer.warn("\(input.item.name): \(result.otherMembers) members are no registry content")
        }
        try composer.add(result.entries, result.graph, lists: result.packImages, place: input.item.path.string)
        if input.item.deliver.contains(.file) {
            if !input.isPlain, !builder.has(result.digest) {
                let file = ArchiveFileIntake(builder: builder, reader: reader)
                guard try file.take(input.item.path, size: input.size) == result.digest else {
                    throw PackError.inputChanged(input.item.path.string)
                }
            }
            try addFile(input, digest: result.digest)
        }
        composer.add(content(input, digest: result.digest, signature: signature))
    }

    private mutating func takeFile(_ input: PlannedInput) throws {
        let digest: Digest
        if let known = builder.item(input.ordinal), !input.isPlain {
            digest = known.digest
            reader.progress.add(Int(clamping: input.size))
        } else if input.isPlain {
            let intake = PlainIntake(builder: builder, reader: reader, knownSizes: plan.knownSizes)
            digest = try intake.take(
                input.item.path, ordinal: input.ordinal, name: input.item.name, size: input.size)
        } else if input.item.kind == .bundle {
            digest = try ArchiveFileIntake(builder: builder, reader: reader).take(input.item.path, size: input.size)
        } else {
            digest = try FileIntake(builder: builder, reader: reader).take(input.item.path, size: input.size)
        }
        let signature = try signatures.check(input.item, digest: digest)
        builder.finish(item: input.ordinal, digest: digest, size: input.size)
        try addFile(input, digest: digest)
        composer.add(content(input, digest: digest, signature: signature))
    }

    /// Notes a delivered file; its signature goes beside a plain one as a plain file too, else into an archive volume.
    private mutating func addFile(_ input: PlannedInput, digest: Digest) throws {
        var delivered: Release.SignatureFile?
        if case .file(let path) = input.item.signature {
            let name = ManifestItem.signatureName(for: input.item.name)
            let bytes = try path.contents(limit: 64 << 10)
            let signature = Digest(of: bytes)
            if input.isPlain {
                let intake = PlainIntake(builder: builder, reader: reader, knownSizes: [])
                _ = try intake.take(path, ordinal: input.ordinal + 1, name: name, size: UInt64(bytes.count))
            } else {
                try builder.hold(signature, bytes)
            }
            delivered = Release.SignatureFile(name: name, digest: signature, size: UInt64(bytes.count))
        }
        composer.add(
            file: Release.DeliveredFile(
                name: input.item.name, kind: input.item.kind.rawValue, digest: digest, size: input.size,
                signature: delivered))
    }

    private func content(
        _ input: PlannedInput, digest: Digest?, signature: Release.VendorSignature
    ) -> Release.Content {
        Release.Content(
            kind: input.item.kind.rawValue, name: input.item.name, digest: digest,
            size: digest == nil ? nil : input.size, delivered: input.item.deliver.map(\.rawValue).sorted(),
            vendorSignature: signature)
    }
}
