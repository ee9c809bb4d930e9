// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
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
        var bundle = try MediaSet(media.map { FilePath($0) }).bundle(release)
        bundle.decoders = try state.site.frameDecoders()
        return bundle
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
        } catch BundleError.unknownRoot(let root, let claims, let trusted) {
            let folder = root.removingLastComponent().removingLastComponent()
            throw UntrustedMedia(
                reason: BundleError.unknownRoot(root, claims: claims, trusted: trusted),
                command: ["dray-import", "trust", "add", folder.isEmpty ? "." : folder.string] + state.words)
        }
    }
}

/// Where a release goes and how a registry there is spoken to.
struct TargetOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "https://host:30003/spectro-content, http://127.0.0.1:5000/base, the name of a target (see target add), or "
                + "oci:DIR, an OCI image layout.", valueName: "target"))
    var to: String

    @OptionGroup var connection: ConnectionOptions

    @Flag(help: "Accept any certificate of the registry; the receipt records it.")
    var insecureSkipTlsVerify = false

    @Option(
        help: ArgumentHelp(
            "Send no more than this in a second, all connections together: 20M, 500kB.", valueName: "size"))
    var limitRate: ByteSize?

    @Option(
        help: ArgumentHelp(
            "Seconds after which the registry collects what nothing names; Zot's default is 3600.", valueName: "seconds"
        ))
    var gcDelay: Int?

    @Option(help: "Connections to the target, 1 to 64.")
    var jobs = 4

    @Option(
        help: ArgumentHelp(
            "The largest part of a blob that is sent in one request, at least 64KiB: 8MiB. Without it, parts follow the "
                + "measured speed.", valueName: "size"))
    var chunkSize: ByteSize?

    /// The options again, for the next command.
    var words: [String] {
        ["--to", to] + connection.words + (insecureSkipTlsVerify ? ["--insecure-skip-tls-verify"] : [])
            + (limitRate.map { ["--limit-rate", "\($0.bytes)"] } ?? [])
            + (gcDelay.map { ["--gc-delay", "\($0)"] } ?? [])
            + (chunkSize.map { ["--chunk-size", "\($0.bytes)"] } ?? [])
            + (jobs == 4 ? [] : ["--jobs", "\(jobs)"])
    }

    func validate() throws {
        guard (1...64).contains(jobs) else { throw ValidationError("--jobs takes 1 to 64") }
        guard gcDelay.map({ $0 > 0 }) ?? true else { throw ValidationError("--gc-delay takes 1 second or more") }
        guard limitRate.map({ $0.bytes > 0 }) ?? true else {
            throw ValidationError("--limit-rate takes 1 byte or more")
        }
        guard chunkSize.map({ $0.bytes >= 64 << 10 }) ?? true else {
            throw ValidationError("--chunk-size takes 64KiB or more")
        }
    }

    /// The address that `--to` gives or names, and how it is reached; what is on the command line wins.
    func access(_ state: SiteState) throws -> (address: String, access: TargetAccess) {
        try connection.access(to: to, state, gcDelay: gcDelay)
    }

    /// The address that the target will have: that of a registry without credentials, or the folder's. Throws for what is none.
    func address(_ state: SiteState) throws -> String {
        to.hasPrefix("oci:") ? try layout().address : "\(try Endpoint(parsing: access(state).address))"
    }

    private func layout() throws -> LayoutTarget {
        guard to.utf8.count > 4 else { throw UsageError("--to oci: needs a folder, for example oci:mirror") }
        return LayoutTarget(FilePath(String(to.dropFirst(4))))
    }

    /// The target; a password is read here and nowhere else.
    func target(_ state: SiteState) throws -> any LoadTarget {
        if to.hasPrefix("oci:") { return try layout() }
        let (address, access) = try self.access(state)
        let endpoint = try Endpoint(parsing: address)
        var options = try connection.options(access, for: endpoint)
        if insecureSkipTlsVerify {
            StandardError.print("warning: the registry's certificate is not checked (--insecure-skip-tls-verify)")
        }
        options.skipTLSVerify = insecureSkipTlsVerify
        (options.limitRate, options.connections) = (limitRate.map { Int64($0.bytes) }, jobs)
        options.upload.largestRequest = chunkSize.map { Int64($0.bytes) }
        var target = try RegistryTarget(endpoint, options, state: state)
        if let delay = access.gcDelay { target.gcDelay = Double(delay) }
        target.capacity = access.capacity
        return target
    }
}

/// No root on the media is trusted here.
private struct UntrustedMedia: ClassifiedError {
    let reason: String
    let command: [String]

    var failure: Failure { .notTrusted }
    var description: String {
        "\(reason). Compare its fingerprint with the one that its sender gave you by another way (--fingerprint HEX, required "
            + "without a terminal), then add it:\n  \(command.shellLine)"
    }
}

extension ConnectionOptions {
    /// The address that is given or named, and how it is reached; what is on the command line wins.
    func access(
        to address: String, _ state: SiteState, gcDelay: Int? = nil
    ) throws -> (address: String, access: TargetAccess) {
        var given = access
        given.gcDelay = gcDelay
        guard !address.contains("://"), SavedTarget.isName(address) else { return (address, given) }
        let saved = try state.target(address)
        return (saved.address, given.over(saved.access))
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

extension String {
    /// Adds a name and a value below lines of such, in their columns.
    mutating func appendRow(_ name: String, _ value: String) {
        let last = split(separator: "\n").last ?? ""
        let label = last.prefix { $0 != ":" }.count + 1
        let column = label + last.dropFirst(label).prefix { $0 == " " }.count
        self += "\n" + name + ":" + String(repeating: " ", count: max(1, column - name.count - 1)) + value
    }
}

extension Outcome {
    /// What a workflow reported, as this command's outcome.
    init(_ report: Report) {
        self.init(
            text: report.text, data: report.json, warnings: report.warnings, next: report.next, failure: report.failure)
    }
}
