// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Importing
import RegistryClient

struct SyncCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "sync",
        abstract: "Have Palette read its pack registry again, so that loaded packs show up.",
        discussion: """
            With --palette and --token-file starts the synchronisation of the registry at --to and waits for its end. \
            Without them prints how the console does it.

            \(exitCodeHelp([.refused, .registryRefused]))
            """)

    @Option(help: ArgumentHelp("Palette's console, https://host.", valueName: "url")) var palette: String?
    @Option(
        help: ArgumentHelp("Read the API key from the first line of a file.", valueName: "file"), completion: .file())
    var tokenFile: String?
    @Option(
        help: ArgumentHelp("The registry that was loaded: its address or a target's name.", valueName: "target"))
    var to: String?
    @Option(help: ArgumentHelp("The registry's identifier in Palette, in place of --to.", valueName: "uid"))
    var registryUid: String?
    @Option(
        help: ArgumentHelp("Trust only these authorities for the console.", valueName: "pem file"), completion: .file())
    var caCert: String?
    @Option(help: ArgumentHelp("Go through this HTTP proxy, https://host:port.", valueName: "url")) var proxy: String?
    @Option(help: ArgumentHelp("Minutes to wait for the end, 1 to 1440.", valueName: "minutes")) var timeout = 30
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (palette != nil) == (tokenFile != nil) else {
            throw ValidationError("--palette goes with --token-file, a file with an API key")
        }
        guard (1...1440).contains(timeout) else { throw ValidationError("--timeout takes 1 to 1440 minutes") }
        guard palette == nil || (to == nil) != (registryUid == nil) else {
            throw ValidationError("give one of --to and --registry-uid")
        }
        guard registryUid.map(PaletteSync.isUID) ?? true else {
            throw ValidationError("--registry-uid takes letters, digits, - and _")
        }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        guard let palette, let tokenFile else {
            return Outcome(text: Self.byHand(try registry()), data: ["synchronised": "no"])
        }
        try tokenFile.mustExist(as: "--token-file")
        try caCert?.mustExist(as: "--ca-cert")
        let token = try tokenFile.firstLine()
        guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw UsageError("the first line of --token-file is no API key: it is empty or holds blanks")
        }
        var options = RegistryOptions.ofSite
        options.caCertificate = caCert
        options.proxy = try proxy.map(ConnectionOptions.proxy)
        options.isCancelled = { Interruption.isRequested }
        var sync = try PaletteSync(Endpoint(parsing: palette), token: token, options)
        sync.timeout = .seconds(60 * timeout)
        return Outcome(try sync.run(try choice(), progress))
    }

    private func choice() throws -> PaletteSync.Choice {
        if let registryUid { return .uid(registryUid) }
        guard let registry = try registry() else { throw UsageError("give one of --to and --registry-uid") }
        return .address(registry)
    }

    /// What `--to` gives or names.
    private func registry() throws -> Endpoint? {
        guard let to else { return nil }
        let address = !to.contains("://") && SavedTarget.isName(to) ? try state.site.target(to).address : to
        return try Endpoint(parsing: address)
    }

    // The vendor's documentation, "Upload Packs" and "Validate".
    private static func byHand(_ registry: Endpoint?) -> String {
        let place = registry.map { "\($0.authority)/\($0.repository("REPOSITORY"))" }
        return """
            In Palette's system console:
              1. Open Administration, then Pack Registries.
              2. At the registry \(registry.map(\.description) ?? "that was loaded"), open the three dots and choose Sync.
            To look whether content is there: in the leader's Local UI, on the page Content, type its name into "Filter by name";
            in an external registry, one REPOSITORY at a time:
              palette content list --repo \(place ?? "HOST:PORT/spectro-content/REPOSITORY")
            To have it done here, give --palette URL, --token-file FILE with an API key, and --to TARGET.
            """
    }
}
