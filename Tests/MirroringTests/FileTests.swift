// SPDX-License-Identifier: Apache-2.0

import Files
import Mirroring
import OCI
import PaletteSources
import Support
import SystemPackage
import Testing

/// Files over HTTP, pinned by digest or by a vendor's signature.
struct FileTests {
    private let site: SourceSite

    init() throws { site = try SourceSite("http://127.0.0.1:1") }

    private func file(_ name: String) throws -> String {
        String(decoding: try contents(of: site.to.appending("files/\(name)")), as: UTF8.self)
    }

    private func lockText() throws -> String { String(decoding: try contents(of: site.lock), as: UTF8.self) }

    @Test func `a file is pinned by its SHA-256, and is not asked for again`() throws {
        let server = ScriptedServer { asked in
            asked.target == "/a/x.iso" ? .answer(200, [:], "the image") : .answer(404)
        }
        let text = "files:\n  - {url: '\(server.url)/a/x.iso', sha256: \(digest("the image".utf8).hex)}\n"
        #expect(try site.mirror(text).failures.isEmpty)
        #expect(try file("x.iso") == "the image")
        let again = try site.mirror(text)
        #expect(server.lines == ["GET /a/x.iso"] && again.requests == 0)
        // Touched by somebody: it is fetched again.
        try write(Array("another".utf8), to: site.to.appending("files/x.iso"))
        #expect(try site.mirror(text).failures.isEmpty)
        #expect(try file("x.iso") == "the image")
    }

    @Test func `other bytes than pinned are refused and not kept`() throws {
        let server = ScriptedServer { _ in .answer(200, [:], "others") }
        let text = "files:\n  - {url: '\(server.url)/x.iso', sha256: \(digest("the image".utf8).hex)}\n"
        let result = try site.mirror(text)
        #expect(result.failure == .damaged)
        #expect(try !site.to.appending("files/x.iso").exists())
        #expect(try site.to.appending(".mirror/partial").entries().isEmpty)
    }

    /// A vendor's key pair, `key.pem` and `vendor.pem` in the site's folder, and its signature over a text.
    private func signature(of text: String) throws -> [UInt8] {
        try write(Array(text.utf8), to: site.place.appending("signed"))
        let result = try run([
            "bash", "-ec",
            """
            cd \(site.place.path); test -f key.pem || openssl ecparam -name prime256v1 -genkey -noout -out key.pem
            openssl ec -in key.pem -pubout -out vendor.pem; openssl dgst -sha256 -sign key.pem -out signed.sig signed
            """,
        ])
        #expect(result.status == 0, "\(result.errorOutput)")
        return try contents(of: site.place.appending("signed.sig"))
    }

    @Test func `signed addresses are matched by name, checked by signature, and shown nowhere`() throws {
        let folder = site.place.appending("web")
        try folder.createDirectories()
        try write(Array("the bundle".utf8), to: folder.appending("pack-1.zst"))
        try write(try signature(of: "the bundle"), to: folder.appending("pack-1.sig.bin"))
        try write(Array("other".utf8), to: folder.appending("pack-2.zst"))
        try write(try signature(of: "not that"), to: folder.appending("pack-2.sig.bin"))
        let web = try WebFolder(folder)
        let list = ["pack-1.zst", "pack-1.sig.bin", "pack-2.zst", "pack-2.sig.bin", "unused.txt"]
        try write(
            Array("# a list\n\n".utf8) + list.flatMap { Array("\(web.url)/\($0)?X-Signature=SECRET&e=1\n".utf8) },
            to: site.place.appending("urls"))
        let text = "vendorKeys: [vendor.pem]\nfiles:\n  - {name: 'pack-*', signature: vendor}\n"
        let result = try site.mirror(text) { $0.urls = site.place.appending("urls") }
        #expect(result.failures.map(\.what) == ["pack-2.zst"] && result.failure == .notTrusted, "\(result.failures)")
        #expect(try site.to.appending("files").entries() == ["pack-1.sig.bin", "pack-1.zst"])
        #expect(result.warnings.contains { $0.contains("unused.txt") })
        let shown = "\(result)" + (try lockText())
        #expect(!shown.contains("SECRET") && shown.contains("pack-1.zst"))
        // Nothing in the folder holds it either.
        let found = try run(["grep", "-r", "SECRET", site.to.string])
        #expect(found.status == 1)
    }

    @Test func `an expired signed address fails without its query`() throws {
        let server = ScriptedServer { _ in .answer(403, [:], "<StringToSign>SECRET</StringToSign>") }
        try write(Array("\(server.url)/x.iso?X-Signature=SECRET\n".utf8), to: site.place.appending("urls"))
        let text = "files:\n  - {name: x.iso, sha256: \(digest("x".utf8).hex)}\n"
        let result = try site.mirror(text) { $0.urls = site.place.appending("urls") }
        #expect(result.failures.count == 1 && result.failure == .registryRefused)
        #expect(!"\(result)".contains("SECRET"))
    }

    @Test func `a partial file goes on by range while its entity tag holds, and begins anew when it doesn't`() throws {
        let server = ScriptedServer { asked in
            guard asked.headers["range"] == "bytes=4-" else { return .answer(200, ["ETag": "\"2\""], "new file!") }
            guard asked.headers["if-range"] == "\"1\"" else { return .answer(200, ["ETag": "\"2\""], "new file!") }
            return .answer(206, ["Content-Range": "bytes 4-7/8", "ETag": "\"1\""], "file")
        }
        let partial = site.to.appending(".mirror/partial/file-\(digest("x.iso".utf8).hex)")
        for (tag, body) in [("\"1\"", "old file"), ("\"0\"", "new file!")] {
            try partial.removingLastComponent().createDirectories()
            try site.to.removeTree(keeping: [".mirror"])
            try write(Array("old ".utf8), to: partial)
            try write(Array(tag.utf8), to: FilePath(partial.string + ".tag"))
            let text = "files:\n  - {url: '\(server.url)/x.iso', sha256: \(digest(body.utf8).hex)}\n"
            let result = try site.mirror(text)
            #expect(result.failures.isEmpty, "\(result.failures)")
            #expect(try file("x.iso") == body)
        }
    }

    @Test func `a partial file that is whole already costs a 416`() throws {
        let server = ScriptedServer { asked in
            asked.headers["range"] == nil
                ? .answer(200, [:], "whole") : .answer(416, ["Content-Range": "bytes */5"])
        }
        let partial = site.to.appending(".mirror/partial/file-\(digest("x.iso".utf8).hex)")
        try partial.removingLastComponent().createDirectories()
        for held in ["whole", "whole and more"] {
            try write(Array(held.utf8), to: partial)
            let text = "files:\n  - {url: '\(server.url)/x.iso', sha256: \(digest("whole".utf8).hex)}\n"
            let result = try site.mirror(text) { $0.rechecks = true }
            #expect(result.failures.isEmpty, "\(result.failures)")
            #expect(try file("x.iso") == "whole")
            try site.to.appending("files/x.iso").removeFile()
        }
    }

    @Test func `a file that a signature pins costs one conditional request while it stays`() throws {
        let server = ScriptedServer { asked in
            if asked.headers["if-none-match"] == "\"1\"" { return .answer(304) }
            return asked.target == "/x.iso" ? .answer(200, ["ETag": "\"1\""], "the image") : .answer(404)
        }
        let signature = try signature(of: "the image")
        let beside = site.place.appending("web")
        try beside.createDirectories()
        try write(signature, to: beside.appending("x.sig"))
        let web = try WebFolder(beside)
        let text =
            "vendorKeys: [vendor.pem]\nfiles:\n  - {url: '\(server.url)/x.iso', signature: '\(web.url)/x.sig'}\n"
        #expect(try site.mirror(text).failures.isEmpty)
        let again = try site.mirror(text)
        #expect(again.failures.isEmpty && again.requests == 1)
        #expect(try file("x.iso") == "the image" && site.to.appending("files/x.iso.sig.bin").exists())
        // Locked, it needs nobody.
        #expect(try site.mirror(text) { $0.isLocked = true }.requests == 0)
    }

    @Test(arguments: ["..%2F..%2Fetc%2Fpasswd", "a%00b", ".hidden", "x%2Fy", ""])
    func `a name that would be a path is refused`(_ name: String) throws {
        let text = "files:\n  - {url: 'http://127.0.0.1:1/\(name)', sha256: \(digest("x".utf8).hex)}\n"
        #expect(throws: MirrorError.self) { try site.mirror(text) }
    }

    @Test func `a redirect to plain HTTP elsewhere is not followed`() throws {
        let server = ScriptedServer { _ in .answer(302, ["Location": "http://192.0.2.1/x.iso?k=SECRET"]) }
        let text = "files:\n  - {url: '\(server.url)/x.iso', sha256: \(digest("x".utf8).hex)}\n"
        let result = try site.mirror(text)
        #expect(result.failures.first?.reason.contains("not https") == true)
        #expect(!"\(result)".contains("SECRET"))
    }

    @Test func `a locked run refuses another file under the same address`() throws {
        let web = site.place.appending("web")
        try web.createDirectories()
        for (body, expected) in [("one", nil), ("two", Failure.refused)] {
            try write(Array(body.utf8), to: web.appending("x.iso"))
            try write(try signature(of: body), to: web.appending("x.iso.sig.bin"))
            let server = try WebFolder(web, port: port)
            let text = "vendorKeys: [vendor.pem]\nfiles:\n  - {url: '\(server.url)/x.iso', signature: vendor}\n"
            if expected != nil { try site.to.removeTree() }
            let result = try site.mirror(text) { $0.isLocked = expected != nil }
            #expect(result.failure == expected, "\(result.failures)")
        }
    }

    private let port = Loopback.freePort()
}

/// Python's own web server over a folder; ended with its owner.
final class WebFolder {
    let url: String
    private let process: ChildProcess

    init(_ folder: FilePath, port: UInt16 = Loopback.freePort()) throws {
        url = "http://127.0.0.1:\(port)"
        process = try ChildProcess(
            ["python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", folder.string, "\(port)"],
            output: "/dev/null", errorOutput: "/dev/null")
        for _ in 0..<1000 {
            if Loopback.accepts(port) { break }
            _ = process.wait(seconds: 0.01)
        }
    }
}
