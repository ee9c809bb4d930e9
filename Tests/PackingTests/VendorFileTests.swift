// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Packing
import PaletteSources
import Support
import SystemPackage
import Testing

/// A vendor's file looked at without packing it.
struct VendorFileTests {
    private func inspect(_ fixture: PackFixture, _ name: String, signed: Bool = false) throws -> VendorFile {
        let inputs = fixture.sample.inputs
        return try inspectVendorFile(
            inputs.appending(name), keys: signed ? [inputs.appending("spectro_public_key.pem")] : [],
            progress: Progress())
    }

    @Test func `an archive tells what it holds and lacks, its parts as one, its signature checked`() throws {
        let fixture = try PackFixture()
        try fixture.archive(
            "palette-thirdparty-bundle-4.7.3.zst",
            """
            "images": {"velero/velero:v1.14": 10, "sonobuoy/sonobuoy:v1": 10}, "part": 300,
            "packs": {"velero:1.1.0": {"layer": "addon", "images": ["velero/velero:v1.14"]}}
            """)
        let file = try inspect(fixture, "palette-thirdparty-bundle-4.7.3.zst_part01", signed: true)
        guard case .archive(let archive) = file.content else { throw SampleError.failed("\(file.content)") }
        #expect(file.name == "palette-thirdparty-bundle-4.7.3.zst" && file.parts > 1 && file.digest != nil)
        #expect(archive.facts.version == "4.7.3" && archive.facts.packs.map(\.name) == ["velero"])
        #expect(archive.facts.capabilities == ["backup-restore", "conformance-testing"] && archive.missing == [])
        #expect(archive.references.count == 3 && archive.otherMembers == 0)
        guard case .valid = file.signature else { throw SampleError.failed("\(file.signature)") }
        let inputs = fixture.sample.inputs
        try sh(
            "cp \(inputs)/palette-enterprise-appliance-1.0.0.tar.sig.bin \(inputs)/palette-thirdparty-bundle-4.7.3.sig.bin"
        )
        let error = #expect(throws: PackError.self) {
            try inspect(fixture, "palette-thirdparty-bundle-4.7.3.zst", signed: true)
        }
        #expect(error?.failure == .notTrusted)
    }

    @Test func `what manifests name and an archive lacks is listed`() throws {
        let fixture = try PackFixture()
        try sh(
            """
            cd \(fixture.sample.inputs) && rm $(ls -S bundle-pkg/blobs/sha256/* | head -1)
            tar -c bundle-pkg | zstd -q > lacking.zst
            """)
        let file = try inspect(fixture, "lacking.zst")
        guard case .archive(let archive) = file.content else { throw SampleError.failed("\(file.content)") }
        #expect(archive.missing.count == 1 && file.signature == .unchecked)
    }

    @Test(arguments: ["gzip -n", "zstd -q", "cat"]) func `a makeself archive is listed and not run`(_ pack: String)
        throws
    {
        let fixture = try PackFixture()
        try sh(
            """
            cd \(fixture.sample.inputs) && mkdir -p m/bin && printf 'touch ran\\n' > m/bin/functions.sh && ln -s / m/link
            printf '%s\\n' '#!/bin/sh' '# This script was generated using Makeself 2.4.5' 'MD5="5ce1"' 'label="Airgap Setup"' \
              'script="./bin/functions.sh"' 'skip="8"' 'touch ran' 'exit 1' > airgap-v4.9.18.bin
            (cd m && tar -c ./bin/functions.sh ./link) | \(pack) >> airgap-v4.9.18.bin
            """)
        let file = try inspect(fixture, "airgap-v4.9.18.bin")
        guard case .makeself(let makeself, let listing) = file.content else {
            throw SampleError.failed("\(file.content)")
        }
        #expect(makeself.label == "Airgap Setup" && makeself.checksums == ["MD5"] && listing.fault == nil)
        #expect(listing.members.map(\.name) == ["./bin/functions.sh", "./link"])
        #expect(listing.members.map(\.isFile) == [true, false])
        #expect(try !fixture.sample.inputs.appending("ran").exists())
    }

    @Test func `a makeself archive that can't be listed says why`() throws {
        let fixture = try PackFixture()
        let inputs = fixture.sample.inputs
        try sh("cd \(inputs) && printf '#!/bin/sh\\n# Makeself 2\\nskip=\"3\"\\n\\375\\067zXZ' > x.bin")
        guard case .makeself(_, let listing) = try inspect(fixture, "x.bin").content else {
            throw SampleError.failed("no makeself archive")
        }
        #expect(listing.members == [] && listing.fault == "its archive is neither gzip nor zstd nor a plain tar")
    }

    @Test func `another file is said to be none of these`() throws {
        let fixture = try PackFixture()
        let error = #expect(throws: PackError.self) { try inspect(fixture, "tools/tool") }
        #expect(error?.failure == .usage && error?.description.contains("no ISO image, no makeself archive") == true)
        try sh("cd \(fixture.sample.inputs) && head -c 3000000 palette-enterprise-appliance-1.0.0.tar.zst > cut.zst")
        let cut = #expect(throws: (any Error).self) { try inspect(fixture, "cut.zst") }
        #expect((cut as? any ClassifiedError)?.failure == .damaged)
    }

    @Test func `the tool shows it, and takes --root for bundles alone`() throws {
        let fixture = try PackFixture()
        let tool = SourceTree.tool("dray").string
        let text = try sh("\(tool) inspect \(fixture.sample.inputs)/appliance.iso --quiet").output
        #expect(text.contains("volume id APPLIANCE") && text.contains("no bundle among its files"))
        let json = try sh(
            """
            \(tool) inspect \(fixture.sample.inputs)/palette-enterprise-appliance-1.0.0.tar.zst --output json \
              --vendor-key \(fixture.sample.inputs)/spectro_public_key.pem | jq -r '.result.bundle.agent, .result.bytes'
            """
        ).output
        #expect(json.hasPrefix("16.1\n"))
        let refused = try run(
            ["\(tool)", "inspect", "\(fixture.sample.inputs)/appliance.iso", "--root", "x"], timeout: 30)
        #expect(refused.status == 64 && refused.errorOutput.contains("without --root"))
    }
}
