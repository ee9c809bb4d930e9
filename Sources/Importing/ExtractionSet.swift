// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
internal import OCI
package import SystemPackage
internal import Trust

/// Writing several delivered files into one folder, under the names that the release has for them.
package struct ExtractionSet: Sendable {
    /// Which files.
    package enum Choice: Sendable, Equatable {
        case all
        /// Those with the vendor's signature.
        case originals
        /// Those whose names match: `*` for any characters, `?` for one.
        case pattern(String)
    }

    private let extractions: [Extraction]

    /// Throws `LoadError.noSuchFile` where the choice covers none, `ExtractError.clash` for names of which one would write over
    /// the other, and what one `Extraction` throws, before anything is written.
    package init(
        _ choice: Choice, from bundle: VerifiedBundle, to folder: FilePath, sources: SiteSources? = nil
    ) throws {
        let files = bundle.release.files.filter { choice.covers($0) }
        guard !files.isEmpty else {
            throw LoadError.noSuchFile(choice.text, known: bundle.release.files.map(\.name))
        }
        var taken: Set<String> = []
        for name in files.flatMap({ [$0.name] + [$0.signature?.name].compactMap(\.self) }) {
            guard taken.insert(name).inserted else { throw ExtractError.clash(name) }
        }
        extractions = try files.map { file in
            try Extraction(
                file.digest.description, named: file.name, from: bundle, to: folder, intoFolder: true, sources: sources)
        }
    }

    /// Writes them one after another; those that are there already and the same are left, and those of which nothing is at hand are
    /// named. Throws as `Extraction.run`: what was written before stays, and the same again goes on.
    package func run(_ progress: Progress) throws -> Report {
        var reports: [Report] = []
        var absent: [(file: String, volumes: [String])] = []
        for extraction in extractions {
            do {
                reports.append(extraction.report(try extraction.run(progress)))
            } catch LoadError.missingVolumes(let volumes) {
                absent.append((extraction.wanted.name, volumes))
            }
        }
        guard !reports.isEmpty else {
            throw LoadError.missingVolumes(Set(absent.flatMap(\.volumes)).sorted())
        }
        let texts = absent.map { "\($0.file.printable): not there yet, wanted: \($0.volumes.joined(separator: ", "))" }
        let waits = absent.map { file, volumes in
            JSONValue.object(["name": .string(file), "volumes": .array(volumes.map(JSONValue.string))])
        }
        let steps = absent.isEmpty ? [] : ["# the same command with the next medium goes on"]
        return Report(
            text: (reports.map(\.text) + texts).joined(separator: "\n\n"),
            json: ["files": .array(reports.map(\.json)), "waiting": .array(waits)],
            next: reports.flatMap(\.next) + steps,
            failure: absent.isEmpty ? reports.compactMap(\.failure).first : .incomplete)
    }
}

extension ExtractionSet.Choice {
    fileprivate func covers(_ file: Release.DeliveredFile) -> Bool {
        switch self {
        case .all: true
        case .originals: file.signature != nil
        case .pattern(let text): TagPattern(text).matches(file.name)
        }
    }

    fileprivate var text: String {
        switch self {
        case .all: "*"
        case .originals: "* with a vendor's signature"
        case .pattern(let text): text
        }
    }
}
