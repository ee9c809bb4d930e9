// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import Parity
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
        help: ArgumentHelp(
            "Bundle folders, folders or mount points with bundles up to three levels below, or files, whatever their names.",
            valueName: "media"), completion: .directory)
    var media: [String]

    @Option(help: ArgumentHelp("The bundle's folder name, where the media hold several.", valueName: "name"))
    var release: String?

    @OptionGroup var state: StateOptions

    /// The arguments again, for the next command.
    var words: [String] { media + (release.map { ["--release", $0] } ?? []) + state.words }
    var shown: String { words.shellLine }

    /// With `repair`, blocks that no medium has right come from parity.
    func unverified(repair: Bool = false) throws -> UnverifiedBundle {
        for folder in media { try folder.mustExist(as: "the media folder or file") }
        var bundle = try mediaSet().bundle(release)
        bundle.decoders = try state.site.frameDecoders()
        if repair { bundle.useParity() }
        return bundle
    }

    private func mediaSet() throws -> MediaSet {
        try MediaSet(media.map { FilePath($0) }, trust: state.site.pinnedRoots())
    }

    /// The other bundles on the same media.
    func others() throws -> [UnverifiedBundle] {
        let set = try mediaSet()
        let chosen = try set.bundle(release).name
        return try bundles(set.all.filter { $0.name != chosen && !$0.isTrustOnly })
    }

    fileprivate func bundles(_ all: [UnverifiedBundle]) throws -> [UnverifiedBundle] {
        let decoders = try state.site.frameDecoders()
        return all.map { bundle in
            var bundle = bundle
            bundle.decoders = decoders
            return bundle
        }
    }

    /// The bundle after every check that needs no volume; later roots of its chain are kept.
    func verified(repair: Bool = false) throws -> VerifiedBundle {
        let site = state.site
        let unverified = try unverified(repair: repair)
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

/// Whether parity is used.
struct HealingOptions: ParsableArguments {
    @Flag(
        help:
            "Take blocks that no medium has right from parity, in memory; a missing volume counts where parity is enough."
    )
    var repair = false

    /// The option again, for the next command.
    var words: [String] { repair ? ["--repair"] : [] }
}

/// From where a delta's left-out bytes may be taken.
struct PlacesOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "For a delta: take what it leaves out from this bundle too, an earlier release's. May be repeated; other bundles among "
                + "the media serve as well.", valueName: "folder"), completion: .directory)
    var base: [String] = []

    @Option(
        help: ArgumentHelp(
            "For a delta: take what it leaves out from this file too, the ISO image or archive of an earlier release. May be "
                + "repeated.", valueName: "file"), completion: .file())
    var seed: [String] = []

    /// The options again, for the next command.
    var words: [String] { base.flatMap { ["--base", $0] } + seed.flatMap { ["--seed", $0] } }

    func given(_ media: MediaOptions) throws -> GivenPlaces {
        for folder in base { try folder.mustExist(as: "the base bundle") }
        for file in seed { try file.mustExist(as: "the seed") }
        var places = GivenPlaces()
        if !base.isEmpty { places.bases = try media.bundles(MediaSet(base.map { FilePath($0) }).all) }
        (places.others, places.seeds) = (try media.others(), seed.map { FilePath($0) })
        return places
    }
}

/// Where a release goes and how a registry there is spoken to.
struct TargetOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "https://host:30003/spectro-content, http://127.0.0.1:5000/base, the name of a target (see target add), or "
                + "oci:DIR, an OCI image layout, or zot-root:DIR[:BASE], the storage of a Zot that is stopped.",
            valueName: "target"))
    var to: [String]

    @OptionGroup var connection: ConnectionOptions

    @Option(
        help: ArgumentHelp(
            "Put repositories elsewhere: 'quay.io/*=mirror/*', or '*={flat}' where paths may not be deep. May be repeated.",
            valueName: "src=dst"))
    var map: [String] = []

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
        to.flatMap { ["--to", $0] } + options
    }

    /// Everything beside `--to`.
    private var options: [String] {
        connection.words + map.flatMap { ["--map", $0] } + (insecureSkipTlsVerify ? ["--insecure-skip-tls-verify"] : [])
            + (limitRate.map { ["--limit-rate", "\($0.bytes)"] } ?? [])
            + (gcDelay.map { ["--gc-delay", "\($0)"] } ?? [])
            + (chunkSize.map { ["--chunk-size", "\($0.bytes)"] } ?? [])
            + (jobs == 4 ? [] : ["--jobs", "\(jobs)"])
    }

    func validate() throws {
        guard !to.isEmpty else { throw ValidationError("--to is needed") }
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
        var (address, access) = try connection.access(to: one(), state, gcDelay: gcDelay)
        access.map = map.isEmpty ? access.map : map
        return (address, access)
    }

    /// The target, where there may be but one.
    func one() throws -> String {
        guard let first = to.first, to.count == 1 else {
            throw UsageError("this takes one --to; give the command again for each of \(to.joined(separator: ", "))")
        }
        return first
    }

    /// The same options for each of several targets. Throws `UsageError` where logins were given: they would reach all of them.
    func each() throws -> [TargetOptions] {
        guard to.count > 1 else { return [self] }
        guard Set(to).count == to.count else { throw UsageError("one target is given twice with --to") }
        guard connection.words.isEmpty, !insecureSkipTlsVerify else {
            throw UsageError(
                "with several --to a login or certificate would go to each of them: give each a name with target add, and the names "
                    + "here")
        }
        return to.map { target in
            var single = self
            single.to = [target]
            return single
        }
    }

    /// The address that the target will have: that of a registry without credentials, or the folder's. Throws for what is none.
    func address(_ state: SiteState) throws -> String {
        try folder()?.address ?? "\(try Endpoint(parsing: access(state).address))"
    }

    /// A target that is a folder; `nil` where `--to` is a registry.
    private func folder() throws -> (any LoadTarget)? {
        let to = try one()
        let mapping = try RegistryMapping(map)
        if to.hasPrefix("zot-root:") {
            return ZotRootTarget(try ZotRoot(parsing: String(to.dropFirst(9))), mapping: mapping)
        }
        guard to.hasPrefix("oci:") else { return nil }
        guard to.utf8.count > 4 else { throw UsageError("--to oci: needs a folder, for example oci:mirror") }
        return LayoutTarget(FilePath(String(to.dropFirst(4))), mapping: mapping)
    }

    /// The target; a password is read here and nowhere else.
    func target(_ state: SiteState) throws -> any LoadTarget {
        if let folder = try folder() { return folder }
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
        target.mapping = try RegistryMapping(access.map)
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
    /// Whether it is the address of a target that is a folder, no registry.
    var isFolderAddress: Bool { hasPrefix("oci:") || hasPrefix("zot-root:") }

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
