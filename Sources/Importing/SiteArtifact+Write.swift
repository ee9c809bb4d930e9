// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import FoundationEssentials
internal import OCI
internal import RegistryClient
internal import SystemPackage
internal import Trust

extension SiteArtifact {
    /// Puts the artifact with one more receipt into the target, under a tag of the receipt's own and as `state`: last of all, when
    /// the load is done. `name`: the receipt file's, without its suffix.
    func write(_ receipt: [UInt8], name: String, to target: any LoadTarget) throws {
        let session = try target.session()
        let repository = SiteArtifact.repository(in: target)
        let parts: [(Part, [UInt8])] = [
            (.receipt, receipt), (.accepted, acceptedPart), (.binding, bindingPart(target.address)),
        ]
        let empty = Array("{}".utf8)
        for bytes in [empty] + parts.map(\.1) {
            let blob = LoadPlan.BlobStep(
                repository: repository, digest: Digest(of: bytes), size: Int64(bytes.count), mountFrom: nil)
            _ = try session.send(blob) { offset in BytesBody(bytes.dropFirst(Int(offset))) }
        }
        let bytes = manifest(parts, config: empty)
        let manifest = try Manifest(parsing: Data(bytes), mediaType: MediaType.manifest)
        let descriptor = Descriptor(
            mediaType: MediaType.manifest, digest: Digest(of: bytes), size: Int64(bytes.count),
            artifactType: SiteArtifact.type)
        for tag in [SiteArtifact.receiptTag(name, Digest(of: receipt)), SiteArtifact.stateTag] {
            _ = try session.put(manifest, descriptor, at: Place(repository, tag))
        }
    }

    // The empty configuration of image-spec 1.1, "Guidelines for Artifact Usage": registries that know no `artifactType` take it.
    private func manifest(_ parts: [(Part, [UInt8])], config: [UInt8]) -> [UInt8] {
        func descriptor(_ type: String, _ bytes: [UInt8]) -> JSONValue {
            [
                "mediaType": .string(type), "digest": .string(Digest(of: bytes).description),
                "size": .int(Int64(bytes.count)),
            ]
        }
        let document: JSONValue = [
            "schemaVersion": 2, "mediaType": .string(MediaType.manifest), "artifactType": .string(SiteArtifact.type),
            "config": descriptor("application/vnd.oci.empty.v1+json", config),
            "layers": .array(parts.map { descriptor($0.0.rawValue, $0.1) }),
        ]
        return document.canonicalBytes
    }

    /// `receipt-20261121T030102Z-0a1b2c3d`: the time, and the beginning of the file's SHA-256.
    static func receiptTag(_ name: String, _ digest: Digest) -> String {
        "\(receiptPrefix)\(name.prefix { $0 != "-" })-\(digest.hex.prefix(8))"
    }

    /// Another host may have loaded something newer meanwhile: a floor never goes down.
    private static func takeNewer(_ artifact: SiteArtifact, _ state: SiteState) throws {
        let trust = try PinnedRoots(state.chains())
        for entry in artifact.accepted {
            do {
                guard let metadata = try trust.newer(entry.metadata, roots: entry.roots) else { continue }
                _ = try state.moveForward(metadata)
            } catch is TrustError {
                continue  // not genuine: it is replaced
            } catch is BundleError {
                continue
            }
        }
    }

    /// Keeps a receipt's file in its target, with what the state has accepted; `false` where the target keeps none.
    ///
    /// `fingerprint`: of the root whose metadata the state has accepted now, `product` its product; other products stay.
    static func keep(
        _ file: FilePath, in target: any LoadTarget, _ state: SiteState, product: String?, fingerprint: Digest?
    ) throws -> Bool {
        guard target.keepsEvidence else { return false }
        var artifact = SiteArtifact()
        do {
            artifact = try read(from: target) ?? artifact
        } catch is SiteArtifactError {
            // It is written anew.
        }
        try takeNewer(artifact, state)
        if let fingerprint, let roots = try state.roots()[fingerprint], let accepted = try state.accepted(fingerprint) {
            artifact.accepted.removeAll { $0.fingerprint == fingerprint }
            artifact.accepted.append(Accepted(roots: roots, metadata: accepted))
        }
        // What other states have bound stays; here it counts for nothing while this state has a binding of its own.
        let bound = try state.binding(of: target.address).union(ProductBinding([product].compactMap(\.self)))
        let all = bound.union(ProductBinding(artifact.products))
        artifact.products = (all.products.count <= ProductBinding.limit ? all : bound).products
        let receipt = try file.contents(limit: DSSEEnvelope.maximumSize)
        try artifact.write(receipt, name: file.lastComponent?.string ?? "", to: target)
        return true
    }
}
