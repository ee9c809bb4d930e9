// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// How a command speaks; every command has these.
package struct OutputOptions: ParsableArguments, Sendable {
    package enum Format: String, ExpressibleByArgument, CaseIterable, Sendable { case text, json }

    @Option(help: "Results as text for people or as one JSON object, on standard output.")
    package var output = Format.text

    @Flag(help: "Print no progress and no advice; results and errors only.")
    package var quiet = false

    @Flag(
        help: "Compute with the FIPS module alone (dray-import crypto install), as a site's policy may demand anyway.")
    package var fips = false

    package init() {}
}
