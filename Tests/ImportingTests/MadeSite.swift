// SPDX-License-Identifier: Apache-2.0

import BundleFormat
import Files
import OCI
import Support
import SystemPackage
import Testing

@testable import Importing

extension MadePublisher {
    /// A release of one small image, which says of itself what `change` sets.
    mutating func release(_ version: String, _ change: (inout Release) -> Void) throws -> FilePath {
        try edit(try release(version), version, change)
    }

    /// Changes what a bundle's release says of itself, and signs it again.
    mutating func edit(_ bundle: FilePath, _ version: String, _ change: (inout Release) -> Void) throws -> FilePath {
        var release = try Release(parsing: bundle.appending("release.json").contents(limit: 1 << 20))
        change(&release)
        for file in ["release.json", "copies/release.json"] { try write(release.encoded, to: bundle.appending(file)) }
        supported[version] = nil
        try sign(bundle, version)
        return bundle
    }
}

/// A receipt of a load into `address` that ended well, as a file.
func receiptFile(
    _ product: String, _ version: String, at address: String = "https://zot:30003/spectro-content",
    finished: String = "2026-11-21T03:00:00Z", _ change: (inout Receipt) -> Void = { _ in }
) throws -> ReceiptFile {
    var receipt = Receipt()
    (receipt.product, receipt.version, receipt.edition) = (product, version, "palette")
    receipt.release = Digest(of: Array("\(product)-\(version)".utf8)).hex
    (receipt.target, receipt.finished) = (address, finished)
    change(&receipt)
    return try ReceiptFile(parsing: receipt.encoded, path: FilePath(receipt.fileName))
}

/// A release of which nothing but its name and what `change` sets is known.
func madeRelease(_ product: String, _ version: String, _ change: (inout Release) -> Void = { _ in }) -> Release {
    let index = Release.IndexFile(length: 0, sha256: Digest(of: []), sha512: "")
    var release = Release(product: product, version: version, edition: "palette", index: index, volumeSize: 0)
    change(&release)
    return release
}
