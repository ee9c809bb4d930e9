// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import FoundationEssentials
import Glibc
import Importing
import RegistryClient
import SystemPackage

/// Where the site's state is.
struct StateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The site's trusted roots and receipts; /var/lib/dray for root, else $XDG_STATE_HOME/dray.",
            valueName: "folder"), completion: .directory)
    var state: String?

    /// The option again, for the next command.
    var words: [String] { state.map { ["--state", $0] } ?? [] }

    var site: SiteState { SiteState(state.map { FilePath($0) } ?? StateFolder.standard()) }
}

/// Which bundle a command is about.
struct MediaOptions: ParsableArguments {
    @Argument(
        help: ArgumentHelp("Bundle folders, or folders with bundles directly below.", valueName: "media"),
        completion: .directory)
    var media: [String]

    @Option(help: ArgumentHelp("The bundle's folder name, where the media hold several.", valueName: "name"))
    var release: String?

    @OptionGroup var state: StateOptions

    /// The arguments again, for the next command.
    var words: [String] { media + (release.map { ["--release", $0] } ?? []) + state.words }
    var shown: String { words.shellLine }

    func unverified() throws -> UnverifiedBundle {
        for folder in media { try folder.mustExist(as: "the media folder") }
        return try MediaSet(media.map { FilePath($0) }).bundle(release)
    }

    /// The bundle after every check that needs no volume; later roots of its chain are kept.
    func verified() throws -> VerifiedBundle {
        let site = state.site
        let unverified = try unverified()
        return try sayingHowToTrust {
            let bundle = try unverified.verified(by: site.pinnedRoots(), now: .now)
            try site.keepRoots(of: bundle.metadata)
            return bundle
        }
    }

    /// Where no root of the media is trusted, the error ends with the command that adds it.
    func sayingHowToTrust<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch BundleError.unknownRoot(let root) {
            let folder = root.removingLastComponent().removingLastComponent()
            throw UntrustedMedia(
                root: root,
                command: ["dray-import", "trust", "add", folder.isEmpty ? "." : folder.string] + state.words)
        }
    }
}

/// Where a release goes and how a registry there is spoken to.
struct TargetOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "https://host:30003/spectro-content, http://127.0.0.1:5000/base, or oci:DIR, an OCI image layout.",
            valueName: "target"))
    var to: String

    @Option(help: ArgumentHelp("Trust only these authorities.", valueName: "pem file"), completion: .file())
    var caCert: String?

    @Option(help: ArgumentHelp("Show the registry this certificate.", valueName: "pem file"), completion: .file())
    var clientCert: String?

    @Option(help: ArgumentHelp("The key of --client-cert.", valueName: "pem file"), completion: .file())
    var clientKey: String?

    @Option(help: "Log in as this user; needs --password-file or --password-stdin.")
    var username: String?

    @Option(
        help: ArgumentHelp("Read the password from the first line of a file.", valueName: "file"), completion: .file())
    var passwordFile: String?

    @Flag(help: "Read the password from standard input.")
    var passwordStdin = false

    @Option(
        help: ArgumentHelp(
            "Logins as docker login leaves them; $DOCKER_CONFIG/config.json or ~/.docker/config.json unless given.",
            valueName: "file"), completion: .file())
    var dockerConfig: String?

    @Flag(help: "Allow credentials over http: to another machine.")
    var plainHttp = false

    @Flag(help: "Accept any certificate of the registry; the receipt records it.")
    var insecureSkipTlsVerify = false

    @Option(help: "Connections to the target, 1 to 64.")
    var jobs = 4

    @Option(
        help: ArgumentHelp(
            "The largest part of a blob that is sent in one request, at least 64KiB: 8MiB. Without it, parts follow the "
                + "measured speed.", valueName: "size"))
    var chunkSize: ByteSize?

    /// The options again, for the next command.
    var words: [String] {
        let options = [
            ("--to", to), ("--ca-cert", caCert), ("--client-cert", clientCert), ("--client-key", clientKey),
            ("--username", username), ("--password-file", passwordFile), ("--docker-config", dockerConfig),
            ("--chunk-size", chunkSize.map { "\($0.bytes)" }),
        ]
        let flags = [
            ("--password-stdin", passwordStdin), ("--plain-http", plainHttp),
            ("--insecure-skip-tls-verify", insecureSkipTlsVerify),
        ]
        return options.flatMap { name, value in value.map { [name, $0] } ?? [] }
            + flags.filter(\.1).map(\.0) + (jobs == 4 ? [] : ["--jobs", "\(jobs)"])
    }

    func validate() throws {
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs takes 1 to 64") }
        guard chunkSize.map({ $0.bytes >= 64 << 10 }) ?? true else {
            throw ValidationError("--chunk-size takes 64KiB or more")
        }
        let hasPassword = passwordFile != nil || passwordStdin
        guard (username != nil) == hasPassword, !(passwordFile != nil && passwordStdin) else {
            throw ValidationError("--username goes with one of --password-file and --password-stdin")
        }
        guard clientKey == nil || clientCert != nil else { throw ValidationError("--client-key needs --client-cert") }
    }

    /// The target, with what `state` remembers of it; a password is read here and nowhere else.
    func target(_ state: SiteState? = nil) throws -> any LoadTarget {
        if to.hasPrefix("oci:") {
            guard to.utf8.count > 4 else { throw UsageError("--to oci: needs a folder, for example oci:mirror") }
            return LayoutTarget(FilePath(String(to.dropFirst(4))))
        }
        let endpoint = try Endpoint(parsing: to)
        let files = [
            ("--ca-cert", caCert), ("--client-cert", clientCert), ("--client-key", clientKey),
            ("--password-file", passwordFile), ("--docker-config", dockerConfig),
        ]
        for (option, file) in files { try file?.mustExist(as: option) }
        if insecureSkipTlsVerify {
            StandardError.print("warning: the registry's certificate is not checked (--insecure-skip-tls-verify)")
        }
        var options = RegistryOptions()
        (options.caCertificate, options.clientCertificate, options.clientKey) = (caCert, clientCert, clientKey)
        (options.skipTLSVerify, options.plainHTTP) = (insecureSkipTlsVerify, plainHttp)
        options.credentials = try credentials(for: endpoint)
        options.isCancelled = { Interruption.isRequested }
        options.upload.largestRequest = chunkSize.map { Int64($0.bytes) }
        guard let state else { return RegistryTarget(try Registry(endpoint, options)) }
        return try RegistryTarget(endpoint, options, state: state)
    }

    private func credentials(for endpoint: Endpoint) throws -> Credentials? {
        if let username { return Credentials(username: username, password: try password()) }
        let file = dockerConfig.map { FilePath($0) } ?? TargetOptions.standardDockerConfig
        guard try dockerConfig != nil || file.exists() else { return nil }
        return try DockerConfig.credentials(for: endpoint, configJSON: Data(file.contents(limit: 1 << 20)))
    }

    private func password() throws -> String {
        guard let passwordFile else {
            guard !StandardInput.isTerminal else {
                throw UsageError(
                    "standard input is a terminal, which would show the password: pipe it in, or use --password-file FILE"
                )
            }
            guard let line = StandardInput.line() else { throw UsageError("no password came on standard input") }
            return line
        }
        let text = String(decoding: try FilePath(passwordFile).contents(limit: 64 << 10), as: UTF8.self)
        return String(text.prefix { $0 != "\n" && $0 != "\r\n" })
    }

    private static var standardDockerConfig: FilePath {
        let folder = variable("DOCKER_CONFIG").map { FilePath($0) }
        return (folder ?? FilePath(variable("HOME") ?? ".").appending(".docker")).appending("config.json")
    }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}

/// No root on the media is trusted here.
private struct UntrustedMedia: ClassifiedError {
    let root: FilePath
    let command: [String]

    var failure: Failure { .notTrusted }
    var description: String {
        "\(root.printable) is no root that is trusted here; compare its fingerprint with the one that its sender gave you by "
            + "another way (--fingerprint HEX, required without a terminal), then add it:\n  \(command.shellLine)"
    }
}

extension String {
    /// Refuses a name that the user gave for what isn't there. Throws `UsageError`.
    func mustExist(as what: String) throws {
        guard try !isEmpty && FilePath(self).exists() else {
            throw UsageError("\(what) \(printable) does not exist; check its name")
        }
    }
}

extension Outcome {
    /// What a workflow reported, as this command's outcome.
    init(_ report: Report) {
        self.init(
            text: report.text, data: report.json, warnings: report.warnings, next: report.next, failure: report.failure)
    }
}
