// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Cryptography
import Files
import OCI
import Support
import SystemPackage
import Testing
import Trust

@Suite struct VerificationTests {
    @Test func `accepts what its publisher packed`() throws {
        let scene = try Scene()
        let bundle = try scene.verified()
        #expect(bundle.release.name == "palette-enterprise-1.2.3")
        #expect(bundle.findings.isEmpty && bundle.missingVolumes.isEmpty)
        #expect(bundle.sumsSigner == TrustKey(scene.publisher.releaseKey.publicKey).id)
        #expect(bundle.metadata.targets.content.header.version == 1)
        #expect(try scene.place.appending("x").exists() == false)
    }

    @Test(arguments: [
        ("trust/1.root.json", Failure.notTrusted), ("trust/timestamp.json", .notTrusted),
        ("trust/1.snapshot.json", .damaged), ("trust/1.targets.json", .damaged), ("release.json", .damaged),
        ("index", .damaged), ("SHA256SUMS", .notTrusted), ("SHA256SUMS.sig", .notTrusted),
        ("README-VERIFY.txt", .damaged), ("rescue.py", .damaged), ("kit/bin/dray-import", .damaged),
    ]) func `refuses a flipped bit anywhere in a small file that has no second copy`(
        _ name: String, _ code: Failure
    ) throws {
        let scene = try Scene().withoutCopies()
        let path = scene.path(name)
        let bytes = try get(path)
        #expect(scene.code() == nil)
        for offset in stride(from: 0, to: bytes.count, by: max(1, bytes.count / 8)) {
            var changed = bytes
            changed[offset] ^= 1 << UInt8(offset % 8)
            try put(changed, path)
            let error = scene.refusal()
            #expect(error?.failure == code, "byte \(offset): \(error?.description ?? "accepted")")
            #expect(error?.description.contains(name == "SHA256SUMS.sig" ? "SHA256SUMS" : name.fileName) == true)
        }
    }

    @Test(arguments: [
        "trust/1.root.json", "trust/timestamp.json", "trust/1.snapshot.json", "trust/1.targets.json", "release.json",
        "index", "SHA256SUMS", "SHA256SUMS.sig",
    ]) func `takes a small file that is damaged, cut off or missing from copies, and says so`(_ name: String) throws {
        let scene = try Scene()
        let path = scene.path(name)
        let bytes = try get(path)
        let expected = Finding.replaced(path, by: scene.path("copies/\(name)"))
        try flip(path, at: bytes.count / 2)
        #expect(try scene.verified().findings == [expected])
        try put(Array(bytes.dropLast()), path)
        #expect(try scene.verified().findings == [expected])
        try path.removeFile()
        #expect(try scene.verified().findings == [expected])
        #expect(expected.failure == .damaged)
    }

    @Test(arguments: ["trust/timestamp.json", "release.json", "index", "SHA256SUMS.sig"])
    func `names a damaged or missing second copy`(_ name: String) throws {
        let scene = try Scene()
        let copy = scene.path("copies/\(name)")
        try flip(copy, at: 3)
        #expect(try scene.verified().findings == [.copyDamaged(copy)])
        try copy.removeFile()
        #expect(try scene.verified().findings == [.copyDamaged(copy)])
    }

    @Test(arguments: [
        ("trust", Failure.notTrusted), ("trust/1.root.json", .notTrusted), ("trust/timestamp.json", .notTrusted),
        ("trust/1.snapshot.json", .notTrusted), ("trust/1.targets.json", .notTrusted), ("SHA256SUMS.sig", .notTrusted),
        ("SHA256SUMS", .damaged), ("release.json", .damaged), ("index", .damaged), ("rescue.py", .damaged),
        ("kit", .damaged),
    ]) func `refuses a medium that lacks a small file`(_ name: String, _ code: Failure) throws {
        let scene = try Scene().withoutCopies()
        try scene.remove(name)
        #expect(scene.code() == code)
    }

    @Test(
        arguments: [
            ("trust/2.root.json.bak", Failure.refused), ("trust/9.targets.json", .refused), ("kit/libz.so", .refused),
            ("kit/bin/dray-import2", .refused), ("kit/more/a", .refused), ("trust/folder/a", .refused),
            ("autorun.inf", nil), ("volumes/extra.iso", nil), ("copies/notes", nil), ("scan/report.txt", nil),
            ("parity/a.p01", nil), ("MEDIUM-2.txt", nil),
        ] as [(String, Failure?)]) func `refuses unsigned names beside keys and programs, reports others`(
            _ name: String, _ code: Failure?
        ) throws
    {
        let scene = try Scene()
        try put([1], scene.path(name))
        #expect(scene.code() == code)
        guard code == nil else { return }
        let isExempt = name.hasPrefix("parity") || name.hasPrefix("MEDIUM")
        let findings = try scene.verified().findings
        #expect(findings.count == (isExempt ? 0 : 1))
        #expect(findings.allSatisfy { $0.failure == nil })
    }

    @Test func `opens no link and no pipe in place of a file`() throws {
        for (name, code) in [
            ("trust/timestamp.json", Failure.notTrusted), ("release.json", .damaged), ("rescue.py", .damaged),
            ("kit/bin/dray-import", .damaged),
        ] {
            let scene = try Scene().withoutCopies()
            let outside = scene.place.appending("outside")
            try put(try get(scene.path(name)), outside)
            try scene.path(name).removeFile()
            #expect(try run(["ln", "-s", outside.string, scene.path(name).string]).status == 0)
            #expect(scene.code() == code, "\(name) as a link")
            try scene.path(name).removeFile()
            #expect(try run(["mkfifo", scene.path(name).string]).status == 0)
            #expect(scene.code() == code, "\(name) as a pipe")
        }
    }

    @Test func `opens nothing through a folder that is a link`() throws {
        let scene = try Scene().withoutCopies()
        let outside = scene.place.appending("outside")
        #expect(try run(["mv", scene.path("trust").string, outside.string]).status == 0)
        #expect(try run(["ln", "-s", outside.string, scene.path("trust").string]).status == 0)
        #expect(scene.code() == .notTrusted)
    }

    @Test func `shows all faults and lets the worst decide`() throws {
        let scene = try Scene().withoutCopies()
        try flip(scene.path("index"), at: 60)
        try flip(scene.path("rescue.py"), at: 0)
        try put([1], scene.path("kit/evil"))
        let error = try #require(scene.refusal() as? BundleFaults)
        #expect(error.failure == .refused)
        #expect(error.faults.map(\.failure) == [.refused, .damaged, .damaged])
        for name in ["kit/evil", "index", "rescue.py"] { #expect(error.description.contains(name)) }
    }

    // MARK: Documents that contradict one another

    @Test func `refuses sums that leave out, add or change a file`() throws {
        let digest = Digest(of: [7])
        for edit in [
            { $0["rescue.py"] = nil }, { $0["more"] = digest }, { $0["index"] = digest },
            { $0["volumes/palette-enterprise-1.2.3.001.tar.zst"] = digest }, { $0["trust/timestamp.json"] = digest },
            { $0["trust/7.root.json"] = digest }, { $0["trust/1.root.json"] = digest },
        ] as [@Sendable (inout [String: Digest]) -> Void] {
            let scene = try Scene(editSums: edit)
            #expect(scene.code() == .damaged)
        }
    }

    @Test func `refuses a release of another product or version than the targets`() throws {
        for (old, new) in [("palette-enterprise", "palette-vertex-x"), ("1.2.3", "1.2.4"), ("palette\"", "vertex\"")] {
            let scene = try Scene { files in
                let text = String(decoding: files["release.json"] ?? [], as: UTF8.self)
                files["release.json"] = Array(text.split(separator: old).joined(separator: new).utf8)
            }
            #expect(scene.code() == .refused)
        }
    }

    @Test func `refuses a release that names another index`() throws {
        var other = try Draft.tiny()
        other.archive("more.tar.zst")
        let release = other.release(other.index()).encoded
        #expect(try Scene { $0["release.json"] = release }.code() == .damaged)
    }

    @Test func `refuses an index whose volumes are not the targets'`() throws {
        var other = try Draft.tiny()
        other.archive("more.tar.zst")
        try other.whole(noise(10))
        let index = other.index()
        let release = other.release(index).encoded
        let scene = try Scene {
            $0["index"] = index
            $0["release.json"] = release
        }
        #expect(scene.code() == .damaged)
        #expect(scene.refusal()?.description.contains("not those of the targets") == true)
    }

    @Test(arguments: [
        ("\"features\":[]", "\"features\":[\"gzip\"]", Failure.refused), ("\"format\":1", "\"format\":2", .refused),
        ("\"features\":[]", "\"features\":[\"delta\"]", .damaged),
        ("\"format\":1", "\"format\":\"1\"", .damaged), ("\"files\":[]", "\"files\":{}", .damaged),
        ("\"volumeSize\":0", "\"volumeSize\":-1", .damaged), ("{\"base\"", "{\"base\":1,\"base\"", .damaged),
    ]) func `refuses a signed release.json that it can't use`(_ old: String, _ new: String, _ code: Failure) throws {
        let scene = try Scene { files in
            let text = String(decoding: files["release.json"] ?? [], as: UTF8.self)
            precondition(text.contains(old))
            files["release.json"] = Array(
                text.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false).joined(separator: new).utf8)
        }
        #expect(scene.code() == code)
    }

    @Test func `refuses a signed index that breaks a rule`() throws {
        let scene = try Scene { files in
            guard var index = files["index"] else { return }
            index[0] ^= 1
            files["index"] = index
            var release = try? Release(parsing: files["release.json"] ?? [])
            release?.index = Release.IndexFile(
                length: UInt64(index.count), sha256: Digest(of: index),
                sha512: Hasher.hash(index, .sha512).lowercaseHex)
            files["release.json"] = release?.encoded
        }
        #expect(scene.refusal() as? IndexError == .malformed("it does not begin with DRAYIDX1"))
    }

    @Test func `refuses expired media, and takes the time of signing from them`() throws {
        let scene = try Scene()
        #expect(scene.code(now: Publisher.now.adding(days: 501)) == .expired)
        #expect(scene.code(now: UTCTime(secondsSince1970: 0)) == nil)
    }
}

extension String {
    fileprivate var fileName: String { FilePath(self).lastComponent?.string ?? self }
}
