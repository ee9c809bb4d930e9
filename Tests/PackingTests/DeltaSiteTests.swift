// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Packing
import Support
import SystemPackage
import Testing
import Trust

/// Deltas against what sites say that they have.
struct DeltaSiteTests {
    private let fixture: DeltaFixture

    init() throws { fixture = try DeltaFixture() }

    /// The largest blobs of the first release's layout, largest first.
    private func layers() throws -> [(digest: Digest, size: UInt64)] {
        let blobs = fixture.first.sample.inputs.appending("mirror/blobs/sha256")
        return try blobs.entries().compactMap { name in
            try Digest(hex: name).map { ($0, try OpenFile.reading(blobs.appending(name)).status().size) }
        }.sorted { $0.1 > $1.1 }
    }

    private func site(_ name: String?, _ blobs: [(Digest, UInt64, String)]) -> SiteHolding {
        var source = Release.BaseSite(
            target: "https://\(name ?? "x"):30003/spectro-content", time: "2026-11-01T00:00:00Z",
            digest: Digest(of: Array("\(name ?? "x")\(blobs)".utf8)))
        source.name = name
        var site = SiteHolding(source: source)
        site.repositories = Set(blobs.map(\.2)).sorted()
        for (digest, size, repository) in blobs {
            let number = UInt32(site.repositories.firstIndex(of: repository) ?? 0)
            site.blobs[digest, default: SiteHolding.Blob(size: size, repositories: [])].repositories.append(number)
        }
        return site
    }

    private func pack(_ sites: [SiteHolding], bases: [FilePath] = [], out: String = "out") throws -> PackResult {
        var options = fixture.options(bases, out: out)
        options.have = sites
        return try Packing.pack(options, progress: Progress(), now: fixture.first.now)
    }

    private func places(_ bundle: FilePath) throws -> [Digest: [String]] {
        let index = try fixture.index(bundle)
        let repositories = try #require(fixture.release(bundle).base).repositories
        var found: [Digest: [String]] = [:]
        for number in 0..<index.chunkCount {
            let externals = index.externals(of: number)
            guard !externals.isEmpty else { continue }
            found[index.chunk(number).digest] = externals.map {
                $0.place == External.file ? "file" : repositories[Int($0.place)]
            }
        }
        return found
    }

    @Test func `only what all sites have is left out, where all have it or wherever each has`() throws {
        let layers = try layers()
        let (base, db) = (layers[0], layers[1])
        let one = site(
            "one", [(base.digest, base.size, "library/db"), (base.digest, base.size, "a"), (db.digest, db.size, "b")])
        let other = site("other", [(base.digest, base.size, "library/db"), (base.digest, base.size, "c")])
        let result = try pack([one, other])
        #expect(result.folder.lastComponent?.string == "palette-enterprise-1.0.1-delta-for-one+other")
        #expect(try places(result.folder) == [base.digest: ["library/db"]])
        let apart = site("other", [(base.digest, base.size, "d"), (db.digest, db.size, "b")])
        let second = try pack([one, apart], out: "second")
        #expect(
            try places(second.folder) == [
                base.digest: ["library/db", "a", "d"].sorted { left, right in
                    left == "library/db" || right != "library/db" && left < right
                }, db.digest: ["b"],
            ])
        #expect(try #require(fixture.release(second.folder).base).sites.map(\.name) == ["one", "other"])
    }

    @Test func `with a base its files count, and of the registry what the site has`() throws {
        let layers = try layers()
        let result = try pack([site("one", [(layers[1].digest, layers[1].size, "library/db")])], bases: [fixture.base])
        let places = try places(result.folder)
        #expect(places[layers[1].digest] == ["library/db"])
        // the base layer lies in the old image alone
        #expect(places[layers[0].digest] == ["file"])
        #expect(try #require(result.delta).label == "1.0.0-for-one")
    }

    @Test func `a blob of another size is not the same, and who has nothing is refused`() throws {
        let layers = try layers()
        let wrong = site("one", [(layers[0].digest, layers[0].size + 1, "a")])
        let result = try pack([wrong])
        #expect(try places(result.folder).isEmpty)
        let delta = try #require(result.delta)
        #expect(delta.warnings.contains { $0.contains("not smaller than a full bundle") })
        #expect(throws: DeltaError.emptyHolding("https://none:30003/spectro-content")) {
            try pack([site("none", [])], out: "b")
        }
    }

    @Test func `what nobody known has signed is said`() throws {
        let layers = try layers()
        let result = try pack([site(nil, [(layers[0].digest, layers[0].size, "a")])])
        #expect(result.warnings.contains { $0.contains("no known site has signed") })
    }

    @Test func `measuring counts what packing leaves out, and writes nothing`() throws {
        let options = fixture.options([fixture.base])
        let estimate = try #require(try measureDelta(options, progress: Progress(), now: fixture.first.now))
        #expect(try !fixture.place.appending("out/palette-enterprise-1.0.1-delta-1.0.0").exists())
        let delta = try #require(try fixture.pack([fixture.base]).delta)
        #expect(estimate.bytesLeftOut == delta.bytesLeftOut && estimate.chunksLeftOut == delta.chunksLeftOut)
        #expect(estimate.bytesStored > delta.bytesStored * 9 / 10 && estimate.bytesStored < delta.bytesStored * 2)
        #expect(try measureDelta(fixture.options([]), progress: Progress(), now: fixture.first.now) == nil)
    }
}

/// `rescue.py` on deltas.
struct DeltaRescueTests {
    @Test(arguments: [false, true]) func `rescue rebuilds files and blobs from a delta and its base, or from seeds`(
        _ hasSeeds: Bool
    ) throws {
        let fixture = try DeltaFixture()
        let bundle = try fixture.pack([fixture.base]).folder
        let (inputs, old, out) = (fixture.next.inputs, fixture.first.sample.inputs, fixture.place.path)
        let others =
            hasSeeds
            ? "$(for f in \(old)/mirror/blobs/sha256/* \(old)/bundle-pkg/blobs/sha256/* \(old)/*.iso \(old)/*.zst \(old)/tools/tool;"
                + " do echo --seed $f; done)" : "\(fixture.base)"
        for (name, source) in [
            ("appliance.iso", "appliance.iso"), ("tool", "tools/tool"),
            ("palette-enterprise-appliance-1.0.0.tar.zst", "palette-enterprise-appliance-1.0.0.tar.zst"),
        ] {
            try sh(
                """
                rm -f \(out)/x; python3 \(bundle)/rescue.py extract \(name) \(out)/x \(bundle) \(others)
                cmp \(out)/x \(inputs)/\(source)
                """)
        }
        try sh(
            """
            for b in $(ls \(inputs)/mirror/blobs/sha256); do rm -f \(out)/x
            python3 \(bundle)/rescue.py extract sha256:$b \(out)/x \(bundle) \(others); echo "$b  \(out)/x" | sha256sum --quiet -c; done
            """)
    }

    @Test func `rescue says what is missing, and writes nothing`() throws {
        let fixture = try DeltaFixture()
        let bundle = try fixture.pack([fixture.base]).folder
        let out = fixture.place.appending("x")
        let result = try run(["python3", "\(bundle)/rescue.py", "extract", "appliance.iso", out.string, bundle.string])
        #expect(result.status == 3)
        #expect(result.errorOutput.contains("--seed") && result.errorOutput.contains("bytes of sha256:"))
        #expect(try !out.exists())
        let list = try sh("python3 \(bundle)/rescue.py list \(bundle)").output
        #expect(list.contains("delta of palette-enterprise 1.0.0") && list.contains("needs "))
        let whole = try sh("python3 \(bundle)/rescue.py list \(bundle) \(fixture.base)").output
        #expect(!whole.contains("needs "))
        let two = try fixture.pack([]).folder
        #expect(try run(["python3", "\(bundle)/rescue.py", "list", bundle.string, two.string]).status == 64)
    }
}

/// `dray diff` as its user runs it.
struct DiffToolTests {
    private func diff(_ arguments: String) throws -> String {
        try sh("\(SourceTree.tool("dray")) diff \(arguments) 2>&1").output
    }

    @Test func `compares bundles, releases, layouts and packs, and says what nothing vouches for`() throws {
        let fixture = try DeltaFixture()
        let (old, new) = (fixture.base, try fixture.pack([fixture.base]).folder)
        let text = try diff("\(old) \(new) --root \(fixture.first.trust)/1.root.json")
        #expect(text.contains("checked by the given root") && !text.contains("origin not checked"))
        #expect(text.contains("0 added, 0 removed, 1 moved"), "\(text)")
        #expect(text.contains("~  appliance.iso") && text.contains("by the chunks of both indexes"))
        #expect(try diff("\(old) \(new)").contains("origin not checked: judged by its own root"))
        let small = try fixture.smallFiles("release.json")
        let alone = try diff("\(small)/release.json \(new)")
        #expect(alone.contains("NOT CHECKED: a release.json alone") && alone.contains("not known: one of the two"))
        let layouts = try diff("\(fixture.first.sample.inputs)/mirror \(fixture.next.inputs)/mirror")
        #expect(layouts.contains("us-docker.pkg.dev/palette-images/web") && layouts.contains("by whole blobs"))
        let packs = try diff("\(fixture.first.sample.inputs)/packs \(fixture.next.inputs)/packs/hello")
        #expect(packs.contains("spectro-packs/archive/hello-universe") && packs.contains("moved 1.3.1 ("))
        let json = try sh("\(SourceTree.tool("dray")) diff \(old) \(new) --output json 2>/dev/null | jq -c .result")
            .output
        #expect(json.contains(#""equal":false"#) && json.contains(#""by":"chunks""#))
        let same = try sh("\(SourceTree.tool("dray")) diff \(old) \(old) --output json 2>/dev/null | jq -c .result")
            .output
        #expect(same.contains(#""equal":true"#) && same.contains(#""bytes":0"#))
        let foreign = try PackFixture()
        let refused = try run([
            SourceTree.tool("dray").string, "diff", old.string, new.string, "--root", "\(foreign.trust)/1.root.json",
        ])
        #expect(refused.status == 10)
    }
}
