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
    var shown: String { (media + (release.map { ["--release", $0] } ?? [])).joined(separator: " ") }

    func unverified() throws -> UnverifiedBundle { try MediaSet(media.map { FilePath($0) }).bundle(release) }

    /// The bundle after every check that needs no volume; later roots of its chain are kept.
    func verified() throws -> VerifiedBundle {
        let site = state.site
        let bundle = try unverified().verified(by: site.pinnedRoots(), now: .now)
        try site.keepRoots(of: bundle.metadata)
        return bundle
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

    func validate() throws {
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs takes 1 to 64") }
        let hasPassword = passwordFile != nil || passwordStdin
        guard (username != nil) == hasPassword, !(passwordFile != nil && passwordStdin) else {
            throw ValidationError("--username goes with one of --password-file and --password-stdin")
        }
        guard clientKey == nil || clientCert != nil else { throw ValidationError("--client-key needs --client-cert") }
    }

    /// The target; a password is read here and nowhere else.
    func target() throws -> any LoadTarget {
        if to.hasPrefix("oci:") {
            guard to.utf8.count > 4 else { throw UsageError("--to oci: needs a folder, for example oci:mirror") }
            return LayoutTarget(FilePath(String(to.dropFirst(4))))
        }
        let endpoint = try Endpoint(parsing: to)
        var options = RegistryOptions()
        (options.caCertificate, options.clientCertificate, options.clientKey) = (caCert, clientCert, clientKey)
        (options.skipTLSVerify, options.plainHTTP) = (insecureSkipTlsVerify, plainHttp)
        options.credentials = try credentials(for: endpoint)
        options.isCancelled = { Interruption.isRequested }
        return RegistryTarget(try Registry(endpoint, options))
    }

    private func credentials(for endpoint: Endpoint) throws -> Credentials? {
        if let username { return Credentials(username: username, password: try password()) }
        let file = dockerConfig.map { FilePath($0) } ?? TargetOptions.standardDockerConfig
        guard try dockerConfig != nil || file.exists() else { return nil }
        return try DockerConfig.credentials(for: endpoint, configJSON: Data(file.contents(limit: 1 << 20)))
    }

    private func password() throws -> String {
        guard let passwordFile else {
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

extension Outcome {
    /// What a workflow reported, as this command's outcome.
    init(_ report: Report) {
        self.init(
            text: report.text, data: report.json, warnings: report.warnings, next: report.next, failure: report.failure)
    }
}
