// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import OCI
internal import SystemPackage
internal import Trust

/// What a run couldn't write yet, as the volumes that have it are not at hand.
package struct ExtractLack: Sendable, Equatable {
    package struct Volume: Sendable, Equatable {
        package let name: String
        /// Bytes that are taken from it.
        package let bytes: UInt64
    }

    /// Bytes of the file that are there and durable.
    package let done: UInt64
    /// Bytes of the file.
    package let size: UInt64
    /// In the order of the bundle; what the next medium should have.
    package let volumes: [Volume]

    init(done: UInt64, size: UInt64, volumes: [(name: String, bytes: UInt64)]) {
        (self.done, self.size) = (done, size)
        self.volumes = volumes.map { Volume(name: $0.name, bytes: $0.bytes) }
    }

    /// `missing`: bytes by the volume's number.
    init(_ missing: [Int: UInt64], of size: UInt64, _ bundle: VerifiedBundle) {
        self.init(
            done: size - missing.values.reduce(0, +), size: size,
            volumes: missing.sorted { $0.key < $1.key }.map { (bundle.index.volumes[$0.key].name, $0.value) })
    }

    func joined(with other: ExtractLack?) -> ExtractLack {
        let more = other?.volumes.filter { volume in !volumes.contains { $0.name == volume.name } } ?? []
        return ExtractLack(done: done, size: size, volumes: (volumes + more).map { ($0.name, $0.bytes) })
    }

    var json: JSONValue {
        [
            "done": .int(Int64(done)),
            "volumes": .array(volumes.map { ["name": .string($0.name), "bytes": .int(Int64($0.bytes))] }),
        ]
    }

    /// What to do, for `next`.
    var step: String {
        "# the same command with the next medium goes on; wanted: "
            + volumes.map { "\($0.name) (\($0.bytes.asSize))" }.joined(separator: ", ")
    }
}

extension Extraction {
    /// What a run came to.
    package enum Result: Sendable, Equatable {
        case written
        /// It was there already, the same.
        case present
        case partial(ExtractLack)
    }

    /// What was written, and what it is for.
    package func report(_ result: Result) -> Report {
        if case .partial(let lack) = result { return partialReport(lack) }
        var rows = [("file", destination.string), ("size", wanted.size.asSize), ("sha256", wanted.digest.hex)]
        if let signatureDestination { rows.append(("signature", signatureDestination.string)) }
        if result == .present { rows.append(("note", "it was there already, the same")) }
        var json = json
        json["new"] = .bool(result == .written)
        json["platforms"] = wanted.kind == "iso" ? PlatformSteps(image: destination).json : nil
        return Report(text: rows.aligned, json: .object(json), next: next)
    }

    private var json: [String: JSONValue] {
        [
            "file": .string(destination.string), "sha256": .string(wanted.digest.hex),
            "bytes": .int(Int64(wanted.size)),
            "signature": signatureDestination.map { .string($0.string) } ?? .null,
        ]
    }

    private func partialReport(_ lack: ExtractLack) -> Report {
        let rows = [
            ("file", "\(destination.string), not there yet: \(lack.done.asSize) of \(lack.size.asSize) are written"),
            ("sha256", wanted.digest.hex),
        ]
        var json = json
        (json["new"], json["wanted"]) = (false, lack.json)
        return Report(text: rows.aligned, json: .object(json), next: [lack.step], failure: .incomplete)
    }

    private var next: [String] {
        switch wanted.kind {
        case "iso":
            ["sha256sum \(destination.string.shellWord)  # \(wanted.digest.hex)"]
                + PlatformSteps(image: destination).lines
        case "bundle": Delivery.steps(afterExtracting: destination.string, kind: wanted.kind)
        default: ["sha256sum \(destination.string.shellWord)"]
        }
    }
}
