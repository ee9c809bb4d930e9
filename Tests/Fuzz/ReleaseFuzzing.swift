// SPDX-License-Identifier: Apache-2.0

@testable import BundleFormat
@testable import Trust

/// `release.json`: the JSON reader for full documents, and the document's rules.
enum ReleaseFuzzing {
    static func check(_ bytes: [UInt8]) {
        guard let value = accepted({ try JSONValue(parsing: bytes, .document(bytes: Release.maximumSize)) }) else {
            demand(accepted { try Release(parsing: bytes) } == nil, "what is no JSON is no release")
            return
        }
        let canonical = value.canonicalBytes
        let again = accepted { try JSONValue(parsing: canonical, .document(bytes: .max)) }
        demand(again == value, "a JSON value survives writing and reading")
        demand(again?.canonicalBytes == canonical, "there is one canonical form")
        checkRelease(bytes, canonical)
    }

    private static func checkRelease(_ bytes: [UInt8], _ canonical: [UInt8]) {
        let release = accepted { try Release(parsing: bytes) }
        demand(accepted { try Release(parsing: canonical) } == release, "white space and order don't matter")
        guard let release else { return }
        let encoded = release.encoded
        let again = accepted { try Release(parsing: encoded) }
        demand(again == release, "a release survives writing and reading")
        demand(again?.encoded == encoded, "a release is written in one way")
    }
}
