// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import Packing
import Support
import SystemPackage

extension PackFixture {
    /// Makes a vendor's archive in the inputs by `Tests/python/vendor_archive.py`, whose keys `spec` has; signed.
    func archive(_ name: String, _ spec: String) throws {
        let script = SourceTree.root.appending("Tests/python/vendor_archive.py")
        let whole = "{\"key\": \"\(sample.inputs)/vendor.key\", \(spec)}"
        let result = try run(["python3", script.string, sample.inputs.appending(name).string, whole], timeout: 60)
        guard result.status == 0 else { throw SampleError.failed(result.errorOutput) }
    }

    /// Writes a manifest of these items; `release` has more keys of `release`.
    func manifest(edition: String = "palette", release: String = "", _ items: String...) throws {
        let text = """
            format: 1
            release: { product: palette-enterprise, version: 1.0.0, edition: \(edition)\(release) }
            vendorKeys: [spectro_public_key.pem]
            contents:

            """
        try write(Array((text + items.map { "  - \($0)\n" }.joined()).utf8), to: sample.manifest)
    }

    /// What a bundle says of itself.
    func release(_ result: PackResult) throws -> Release {
        try Release(parsing: result.folder.appending("release.json").contents(limit: 1 << 20))
    }

    func makeISO(_ name: String, files: String, volumeID: String = "COS_LIVE") throws {
        try sh(
            """
            cd \(sample.inputs) && rm -rf tree && mkdir tree && cd tree && \(files)
            cd .. && xorriso -as mkisofs -quiet -R -V \(volumeID) -o \(name) tree
            openssl dgst -sha256 -sign vendor.key -out \(name).sig.bin \(name)
            """)
    }
}
