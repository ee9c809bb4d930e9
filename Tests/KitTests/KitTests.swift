// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import SystemPackage
import Testing

/// The importer's kit, which `scripts/test` builds and names in DRAY_TEST_KIT.
private let kit = unsafe getenv("DRAY_TEST_KIT").map { unsafe FilePath(String(cString: $0)) }

/// A site's machine: a root file system with a medium and an empty state folder, and nothing else. Programs run in it as
/// an ordinary user; the loopback network is the host's.
private final class BareSite: Sendable {
    let folder = TemporaryFolder()
    let fingerprint: String
    static let bundle = "/media/palette-enterprise-1.0.0"

    init(kit: FilePath) throws {
        let sample = try SampleRelease()
        let place = sample.folder.path.string
        let dray = SourceTree.tool("dray").string
        let module = try FIPSModuleFile.path().string
        for command in [
            ["key", "generate", "--out", "\(place)/root.pem"],
            ["key", "generate", "--out", "\(place)/release.pem"],
            [
                "trust", "init", "--product", "palette-enterprise", "--root-key", "\(place)/root.pem", "--release-key",
                "\(place)/release.pub.pem", "--out", "\(place)/trust",
            ],
            [
                "pack", sample.manifest.string, "--trust", "\(place)/trust", "--key", "\(place)/release.pem", "--kit",
                kit.string, "--fips-module", module, "--out", folder.appending("media").string,
                "--state", "\(place)/state",
            ],
        ] {
            let result = try run([dray] + command)
            try #require(result.status == 0, "\(result.errorOutput)")
        }
        let sum = try run(["sha256sum", "\(place)/trust/1.root.json"])
        fingerprint = String(sum.output.prefix(64))
        try #require(run(["mkdir", "-m", "777", folder.appending("state").string]).status == 0)
    }

    /// Runs the kit's importer in the bare root, by its whole path or by one from there.
    func importer(_ arguments: [String], isRelative: Bool = false) throws -> CommandResult {
        let user =
            getuid() == 0 ? ["chroot", "--userspec=65534:65534"] : ["unshare", "-U", "-c", "--keep-caps", "chroot"]
        let path = "\(BareSite.bundle)/kit/dray-import"
        return try run(user + [folder.path.string, isRelative ? String(path.dropFirst()) : path] + arguments)
    }
}

@Suite(.enabled(if: kit != nil, "scripts/test builds the kit")) struct KitTests {
    @Test func `verifies and loads where there is nothing but the kit and the media`() throws {
        let site = try BareSite(kit: #require(kit))
        let registry = try RegistryServer()
        let media = [BareSite.bundle, "--state", "/state"]
        let added = try site.importer(["trust", "add"] + media + ["--fingerprint", site.fingerprint])
        #expect(added.status == 0, "\(added.errorOutput)")
        let verified = try site.importer(["verify"] + media)
        #expect(verified.status == 0, "\(verified.errorOutput)")
        #expect(verified.output.contains("all volumes are there and whole"))
        let loaded = try site.importer(["load"] + media + ["--to", "\(registry.url)/base"])
        #expect(loaded.status == 0, "\(loaded.errorOutput)")
        #expect(loaded.output.contains("seccomp"))
        let tags = "\(registry.url)/v2/base/spectro-packs/archive/hello-universe/tags/list"
        #expect(try run(["curl", "-s", tags]).output.contains("1.3.1"))
        #expect(try run(["ls", site.folder.path.string]).output == "media\nstate\n")
    }

    @Test(arguments: [false, true]) func `the cage needs no /proc, whatever path the kit is started by`(
        _ isRelative: Bool
    ) throws {
        let site = try BareSite(kit: #require(kit))
        let status = try site.importer(["sandbox", "--state", "/state"], isRelative: isRelative)
        #expect(status.status == 0, "\(status.errorOutput)")
        #expect(status.output.hasPrefix("seccomp:") && status.output.contains("yes: a short list"))
    }

    @Test func `computes with the FIPS module that travels beside it alone`() throws {
        let site = try BareSite(kit: #require(kit))
        let media = [BareSite.bundle, "--state", "/state"]
        try site.importer(["trust", "add"] + media + ["--fingerprint", site.fingerprint]).mustSucceed()
        try site.importer(["crypto", "install", "--from"] + media).mustSucceed()
        let status = try site.importer(["crypto", "status", "--fips", "--state", "/state"])
        #expect(
            status.status == 0 && status.output.contains("module:      /state/crypto/fips.so"), "\(status.errorOutput)")
        try site.importer(["verify", "--fips"] + media).mustSucceed()
    }

    @Test func `every library that the importer links is in the kit`() throws {
        let kit = try #require(kit)
        let loader = try run(["find", kit.appending("lib").string, "-name", "ld-linux*"]).output.split(separator: "\n")
        let library = kit.appending("lib").string
        let list = try run([
            String(#require(loader.first)), "--inhibit-cache", "--library-path", library, "--list",
            "\(library)/dray-import",
        ])
        let paths = list.output.split(separator: "\n").compactMap { $0.split(separator: " => ").last }
            .filter { $0.contains("/") }
        #expect(paths.count > 5)
        #expect(paths.allSatisfy { $0.drop { $0 == "\t" }.hasPrefix(library) })
    }

    @Test func `says how to go on where programs may not run from the medium`() throws {
        let kit = try #require(kit)
        let folder = TemporaryFolder()
        let script = "cp -r \(kit) \(folder.path)/kit && chmod a-x \(folder.path)/kit/lib/ld-linux*"
        try #require(run(["sh", "-c", script]).status == 0)
        let result = try run([folder.appending("kit/dray-import").string, "--version"])
        #expect(result.status == 1)
        #expect(result.errorOutput.contains("Copy the kit to a disk"))
    }

    @Test func `starts by a relative path and without PATH`() throws {
        let kit = try #require(kit)
        let result = try run(["sh", "-c", "cd \(kit) && exec env -i ./dray-import --version"])
        #expect(result.status == 0)
        #expect(result.output.split(separator: ".").count == 3)
    }
}
