// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Packing
import Support
import SystemPackage
import Testing
import Trust

/// A publisher with a release, its bundle, and the inputs of the release that follows.
final class DeltaFixture: Sendable {
    let first: PackFixture
    let next: SampleRelease
    /// The full bundle of the first release.
    let base: FilePath

    init(volumeSize: UInt64 = 0, _ prepare: (PackFixture) throws -> Void = { _ in }) throws {
        first = try PackFixture()
        try prepare(first)
        base = try first.pack(volumeSize: volumeSize).folder
        next = try SampleRelease(seed: 1, after: 0)
    }

    var place: TemporaryFolder { first.place }

    func options(_ bases: [FilePath], out: String = "out", volumeSize: UInt64 = 0) -> PackOptions {
        var options = first.options(out: out, volumeSize: volumeSize)
        options.manifest = next.manifest
        options.bases = bases
        return options
    }

    @discardableResult
    func pack(_ bases: [FilePath], out: String = "out", volumeSize: UInt64 = 0) throws -> PackResult {
        try Packing.pack(options(bases, out: out, volumeSize: volumeSize), progress: Progress(), now: first.now)
    }

    /// The base's small files alone, in a folder of their own.
    func smallFiles(_ names: String = "trust release.json index") throws -> FilePath {
        let folder = place.appending("small")
        try sh("rm -rf \(folder); mkdir \(folder); cd \(base); cp -r \(names) \(folder)")
        return folder
    }

    func index(_ bundle: FilePath) throws -> BundleIndex {
        try BundleIndex(parsing: try bundle.appending("index").contents(limit: 1 << 24))
    }

    func release(_ bundle: FilePath) throws -> Release {
        try Release(parsing: try bundle.appending("release.json").contents(limit: 1 << 24))
    }

    /// What stands at an external's place at the first release's site; `nil` where nothing does.
    func bytes(at external: External, _ length: UInt64, repositories: [String]) throws -> [UInt8]? {
        let inputs = first.sample.inputs
        let name = external.object.hex
        let path: FilePath
        if external.place == External.file {
            let sums = try sh("cd \(inputs); sha256sum *.iso *.zst tools/tool").output
            guard let line = sums.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
            path = inputs.appending(String(line.dropFirst(66)))
        } else {
            let repository = repositories[Int(external.place)]
            guard try content(of: repository).contains(name) else { return nil }
            path =
                [inputs.appending("mirror/blobs/sha256/\(name)"), place.appending("layers/\(name)")]
                .first { (try? $0.exists()) == true } ?? inputs.appending("bundle-pkg/blobs/sha256/\(name)")
        }
        let file = try OpenFile.reading(path)
        return try file.bytes(at: external.offset, length: Int(length))
    }

    /// Blobs that the first release puts into a repository, by its layouts' manifests.
    private func content(of repository: String) throws -> Set<String> {
        let names: [String: [String]] = [
            "us-docker.pkg.dev/palette-images/web": ["mirror", "us-docker.pkg.dev/palette-images/web:1.2.3"],
            "library/db": ["mirror", "docker.io/library/db:16"],
            "ghcr.io/spegel-org/spegel": ["mirror", "ghcr.io/spegel-org/spegel@"],
            "sonobuoy/sonobuoy": ["mirror", "sonobuoy/sonobuoy"],
            "quay.io/multi/both": ["mirror", "quay.io/multi/both:v2"],
            "us-docker.pkg.dev/palette-images/db": ["bundle-pkg", "us-docker.pkg.dev/palette-images/db:16.1"],
            "bundle-definition": ["bundle-pkg", "bundle-definition:palette-enterprise-appliance-1.0.0"],
        ]
        guard let entry = names[repository] else { return [] }
        let blobs = "\(first.sample.inputs)/\(entry[0])"
        let script = """
            import json, sys
            top, name = sys.argv[1:]
            def below(d):
                m = json.load(open(f"{top}/blobs/sha256/{d[7:]}"))
                for x in m.get("manifests", []): below(x["digest"])
                for x in [m[k] for k in ("config",) if k in m] + m.get("layers", []): print(x["digest"][7:])
            for e in json.load(open(top + "/index.json"))["manifests"]:
                if e["annotations"]["org.opencontainers.image.ref.name"].startswith(name): below(e["digest"])
            """
        let result = try run(["python3", "-c", script, blobs, entry[1]])
        return Set(result.output.split(separator: "\n").map(String.init))
    }
}
