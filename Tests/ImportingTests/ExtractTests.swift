// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Importing
import OCI
import Support
import SystemPackage
import Testing

struct ExtractTests {
    private let site: Site
    private let iso: [UInt8]
    private let destination: FilePath
    private var staged: FilePath { destination.removingLastComponent().appending(".a.iso.partial") }

    init() throws {
        site = try Site()
        iso = try site.packed.inputs.appending("appliance.iso").contents(limit: 1 << 30)
        destination = site.folder.appending("a.iso")
    }

    private func extraction(_ name: String = "appliance.iso", to path: FilePath? = nil) throws -> Extraction {
        try Extraction(name, from: try site.verified(), to: path ?? destination)
    }

    @Test(arguments: ["appliance.iso", "palette-enterprise-appliance-1.0.0.tar.zst", "tool"])
    func `a delivered file is the vendor's, bit for bit, with its signature`(_ name: String) throws {
        let extraction = try extraction(name, to: site.folder.path)
        #expect(try extraction.run(Progress()) == .written)
        let inputs = site.packed.inputs
        let original = name == "tool" ? inputs.appending("tools/tool") : inputs.appending(name)
        #expect(try site.folder.appending(name).contents(limit: 1 << 30) == original.contents(limit: 1 << 30))
        guard let signature = extraction.signatureDestination?.lastComponent?.string else { return }
        let wanted = try inputs.appending(signature).contents(limit: 1 << 20)
        #expect(try site.folder.appending(signature).contents(limit: 1 << 20) == wanted)
    }

    @Test func `openssl takes what was extracted`() throws {
        _ = try extraction(to: site.folder.path).run(Progress())
        let result = try run([
            "openssl", "dgst", "-sha256", "-verify",
            site.packed.inputs.appending("spectro_public_key.pem").string,
            "-signature", site.folder.appending("appliance.iso.sig.bin").string,
            site.folder.appending("appliance.iso").string,
        ])
        #expect(result.status == 0, "\(result.output)")
    }

    @Test(arguments: [
        ("a.iso", "a.iso.sig.bin"), ("b.tar.zst", "b.tar.sig.bin"), ("appliance.iso", "appliance.iso.sig.bin"),
    ])
    func `a signature has the name of its file`(_ file: String, _ signature: String) throws {
        let extraction = try extraction(to: site.folder.appending(file))
        #expect(extraction.signatureDestination == site.folder.appending(signature))
    }

    @Test func `any object can be had by its digest`() throws {
        let reference = try #require(try site.verified().release.references.first)
        _ = try extraction(reference.descriptor.digest.description).run(Progress())
        #expect(Digest(of: try destination.contents(limit: 1 << 20)) == reference.descriptor.digest)
    }

    @Test(arguments: [0, 1, 1_048_576, 3_000_000]) func `an interrupted extract goes on`(_ count: Int) throws {
        try staged.replaceContents(with: Array(iso[..<count]))
        #expect(try extraction().run(Progress()) == .written)
        #expect(try destination.contents(limit: 1 << 30) == iso)
        #expect(try !staged.exists())
    }

    @Test func `wrong bytes that were left behind are written anew`() throws {
        var left = Array(iso[..<2_500_000])
        left[1_200_000] ^= 0x10
        try staged.replaceContents(with: left + [UInt8](repeating: 7, count: iso.count))
        _ = try extraction().run(Progress())
        #expect(try destination.contents(limit: 1 << 30) == iso)
    }

    @Test func `a file that is there already is left as it is`() throws {
        _ = try extraction().run(Progress())
        #expect(try extraction().run(Progress()) == .present)
    }

    @Test func `another file is never replaced`() throws {
        try destination.replaceContents(with: [1])
        #expect(throws: ExtractError.differs(destination)) { try extraction().run(Progress()) }
        #expect(try destination.contents(limit: 10) == [1])
    }

    @Test func `an unknown name is answered with those that there are`() throws {
        let known = try site.verified().release.files.map(\.name)
        #expect(throws: LoadError.noSuchFile("nothing", known: known)) { try extraction("nothing") }
    }

    @Test func `a volume that is missing is named before anything is written`() throws {
        let medium = try site.medium("one", without: ["volumes/tool"])
        let bundle = try site.verified([medium])
        #expect(throws: LoadError.missingVolumes(["tool"])) {
            try Extraction("tool", from: bundle, to: destination).run(Progress())
        }
        #expect(try !destination.exists())
    }
}
