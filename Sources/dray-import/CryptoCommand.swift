// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Cryptography
import Files
import Importing
import OCI
import SystemPackage

struct CryptoCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crypto", abstract: "Set up a FIPS module, and say what computes.",
        subcommands: [InstallCrypto.self, CryptoStatus.self])
}

struct InstallCrypto: Command {
    static let configuration = CommandConfiguration(
        commandName: "install",
        abstract: "Write the configuration for a FIPS module.",
        discussion: """
            Writes crypto/fips.cnf into the state folder: libcrypto then loads this module alone, with fips=yes, for every \
            command that has --fips, and for all of them where policy.json says "fips": true. The module is loaded once here and \
            tests itself. With --from it is taken from media of a trusted publisher, after the check of its signatures, into \
            the state folder; before that, nothing can compute but libcrypto itself.

            \(exitCodeHelp([.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused, .noSpace]))
            """)
    static let followsCryptoPolicy = false

    @Option(
        help: ArgumentHelp(
            "The module, any OpenSSL 3 fips.so; it stays where it is. The policy's fipsModule unless given.",
            valueName: "file"), completion: .file())
    var fipsModule: String?

    @Option(
        help: ArgumentHelp("Media that carry the module, signed, instead.", valueName: "media"),
        completion: .directory)
    var from: [String] = []

    @Option(help: ArgumentHelp("The bundle's folder name, where the media hold several.", valueName: "name"))
    var release: String?

    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard fipsModule == nil || from.isEmpty else { throw ValidationError("give --fips-module or --from") }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let site = state.site
        let installation = FIPSInstallation(site)
        let module = try install(installation, site)
        return Outcome(
            text: "module:        \(module.name) \(module.version)\npath:          \(module.path)\n"
                + "configuration: \(installation.file)",
            data: [
                "name": module.name, "version": module.version, "path": module.path,
                "configuration": installation.file.string,
            ],
            next: [
                (["dray-import", "crypto", "status", "--fips"] + state.words).shellLine,
                "# to demand it for every command, write {\"fips\": true} to \(site.policyFile)",
            ])
    }

    private func install(_ installation: FIPSInstallation, _ site: SiteState) throws -> FIPSModule {
        guard from.isEmpty else {
            for folder in from { try folder.mustExist(as: "the media folder") }
            let media = try MediaSet(from.map { FilePath($0) }).bundle(release)
            return try installation.install(from: media, media.verified(by: site.pinnedRoots(), now: .now))
        }
        let policy = try site.policy()
        guard let path = fipsModule.map({ FilePath($0) }) ?? policy.fipsModule else {
            throw UsageError("give --fips-module FILE or --from MEDIA")
        }
        try path.string.mustExist(as: "--fips-module")
        return try installation.install(module: path)
    }
}

struct CryptoStatus: Command {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Say what computes: libcrypto itself or a FIPS module, and which.",
        discussion: """
            Starts libcrypto as every command does, by --fips and the site's policy; changes nothing. The certificate's number \
            is what the site's policy says ("fipsCertificate"): no program can tell whether a module is validated.

            \(exitCodeHelp([.refused]))
            """)

    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let site = state.site
        let status = try CryptoReport(LibCrypto.fipsModule, site.policy(), FIPSInstallation(site).configuration())
        return Outcome(text: status.text, data: status, next: status.next(state.words))
    }
}

/// What `crypto status` says.
private struct CryptoReport: Encodable {
    static let disclaimer =
        "This program is not itself validated: only a module can be, and only as its certificate says."
    /// What the FIPS profile refuses, whether the module would or not.
    static let refused = [
        "Ed25519", "curves other than P-384 and P-256", "RSA below 3072 bits", "MD5, SHA-1 signatures",
        "ChaCha20 and X25519 in TLS", "TLS below 1.2",
    ]

    let fips: Bool
    let demandedByPolicy: Bool
    let provider: String
    let version: String
    let library: String
    let module: String?
    let moduleSHA256: String?
    let certificate: String?
    let configured: String?
    let refused = CryptoReport.refused
    let statement = CryptoReport.disclaimer

    init(_ inForce: FIPSModule?, _ policy: SitePolicy, _ configuration: FIPSConfiguration?) throws {
        (fips, demandedByPolicy, library) = (inForce != nil, policy.fips, LibCrypto.version)
        (provider, version) = (inForce?.name ?? "OpenSSL Default Provider", inForce?.version ?? LibCrypto.version)
        (module, configured, certificate) = (inForce?.path, configuration?.modulePath, policy.fipsCertificate)
        moduleSHA256 = try inForce.map {
            Digest(of: try FilePath($0.path).contents(limit: FIPSConfiguration.moduleLimit)).hex
        }
    }

    var text: String {
        guard fips else {
            return """
                FIPS:      not in force\(configured.map { "; \($0) is set up for --fips" } ?? "")
                provider:  \(provider)
                libcrypto: \(library)
                """
        }
        return """
            FIPS:        in force for everything\(demandedByPolicy ? ", by the site's policy" : ", by --fips")
            provider:    \(provider) \(version)
            module:      \(module ?? "")
            SHA-256:     \(moduleSHA256 ?? "")
            certificate: \(certificate.map { "\($0), as the site's policy says" } ?? "none named in the site's policy")
            libcrypto:   \(library)
            refused:     \(refused.joined(separator: "; "))
            \(statement)
            """
    }

    func next(_ words: [String]) -> [String] {
        guard !fips else { return [] }
        let command =
            ["dray-import", "crypto"]
            + (configured == nil ? ["install", "--fips-module", "FILE"] : ["status", "--fips"])
        return [(command + words).shellLine]
    }
}
