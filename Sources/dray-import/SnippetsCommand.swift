// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import RegistryClient
import SystemPackage

struct TargetSnippets: Command {
    static let configuration = CommandConfiguration(
        commandName: "snippets",
        abstract: "Say what clusters and hosts must be told to pull images from a target.",
        discussion: """
            Writes Palette's image swap rules, registryMappingRules for Edge user data, and containerd's hosts.toml, as the target's \
            mapping has it. With media, the hosts and the names of that release are used too. Connects to nothing.

            \(exitCodeHelp([.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused, .noSpace]))
            """)

    @Argument(help: "The target's name or address.") var target: String
    @Option(
        help: ArgumentHelp("Bundle folders of a release; may be repeated.", valueName: "folder"), completion: .directory
    )
    var media: [String] = []
    @Option(help: ArgumentHelp("As for load; else what target add was told.", valueName: "src=dst")) var map: [String] =
        []
    @Option(help: ArgumentHelp("Write the files below this folder.", valueName: "folder"), completion: .directory)
    var out: String?
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        guard !target.isFolderAddress else { throw UsageError("snippets are about a registry's address") }
        let words = ["--to", target] + map.flatMap { ["--map", $0] }
        let (address, access) = try TargetOptions.parse(words).access(state.site)
        let endpoint = try Endpoint(parsing: address)
        var references: [ReleaseReference] = []
        if !media.isEmpty { references = try MediaOptions.parse(media + state.words).verified().release.references }
        let snippets = SiteSnippets(
            try RegistryMapping(access.map), authority: endpoint.authority, scheme: endpoint.scheme.rawValue,
            base: endpoint.base, references: references, hasAuthority: access.caCertificate != nil)
        var outcome = Outcome(text: snippets.text, data: snippets.json, warnings: snippets.warnings)
        if let out {
            try snippets.write(to: FilePath(out))
            outcome.text = snippets.files.map { "\(out)/\($0.name)" }.joined(separator: "\n")
        }
        return outcome
    }
}
