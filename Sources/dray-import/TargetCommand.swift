// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Cryptography
import Files
import Importing
import OCI
import RegistryClient
import SystemPackage

struct TargetCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "target", abstract: "Give registries names, with whom to trust and how to log in.",
        subcommands: [
            AddTarget.self, ListTargets.self, ShowTarget.self, RemoveTarget.self, BindTarget.self,
            TargetSnippets.self,
        ])
}

struct AddTarget: Command {
    static let configuration = CommandConfiguration(
        commandName: "add",
        abstract: "Check a registry and give it a name that --to takes.",
        discussion: """
            Shows the certificates of an https registry and asks whether the topmost is the one that its administrator \
            named; with --fingerprint, which is required without a terminal, the comparison is done here, and the \
            certificate of that fingerprint is trusted. With --ca-cert or --system-ca nothing is asked. Then connects, \
            logs in and asks what the login may do, without a change; says which of certificate, login and permission \
            fails (15). Keeps where the password is, never the password.

            \(exitCodeHelp([.refused, .registryRefused, .noSpace]))
            """)

    @Argument(help: "The name: letters, digits and . _ -") var name: String
    @Argument(help: "The registry: https://host:30003/spectro-content.") var address: String
    @Option(
        help: ArgumentHelp(
            "The SHA-256 of the certificate to trust; case, spaces and colons don't matter.", valueName: "hex"))
    var fingerprint: String?
    @Flag(help: "Trust the system's authorities, and compare nothing.") var systemCa = false
    @OptionGroup var connection: ConnectionOptions
    @Option(
        help: ArgumentHelp(
            "Seconds after which the registry collects what nothing names; Zot's default is 3600.", valueName: "seconds"
        ))
    var gcDelay: Int?
    @Option(
        help: ArgumentHelp(
            "Put repositories elsewhere, as load --map; kept for every later command.", valueName: "src=dst"))
    var map: [String] = []
    @Option(
        help: ArgumentHelp(
            "What the registry's storage holds in all, which can't be asked: 250GiB. A load that can't fit beside what receipts "
                + "tell of is refused.", valueName: "size"))
    var capacity: ByteSize?
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard [fingerprint != nil, connection.caCert != nil, systemCa].count(where: { $0 }) <= 1 else {
            throw ValidationError("--fingerprint, --ca-cert and --system-ca each say whom to trust: give one")
        }
        guard gcDelay.map({ $0 > 0 }) ?? true else { throw ValidationError("--gc-delay takes 1 second or more") }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let site = state.site
        let endpoint = try Endpoint(parsing: address)
        guard SavedTarget.isName(name) else { throw TargetError.badName(name) }
        guard try !site.hasTarget(name) else { throw TargetError.exists(name) }
        var access = connection.access
        (access.gcDelay, access.capacity) = (gcDelay, capacity?.bytes)
        access.map = try RegistryMapping(map).texts
        let options = try connection.options(access, for: endpoint)
        if options.credentials != nil, access.username == nil, access.dockerConfig == nil {
            access.dockerConfig = ConnectionOptions.standardDockerConfig.string
        }
        let pin = try pin(endpoint, options)
        let lock = try site.lock()
        defer { withExtendedLifetime(lock) {} }
        guard try !site.hasTarget(name) else { throw TargetError.exists(name) }  // another may have added it meanwhile
        do {
            return try add(endpoint, access.withAbsolutePaths(), options, pin)
        } catch {
            try site.removeTarget(name)
            throw error
        }
    }

    private func add(
        _ endpoint: Endpoint, _ given: TargetAccess, _ givenOptions: RegistryOptions, _ pin: Pin?
    ) throws -> Outcome {
        let site = state.site
        var (access, options) = (given, givenOptions)
        if let pin {
            try site.keepAuthority(pin.pem, of: name)
            access.caCertificate = try site.authorityFile(of: name).absolute().string
            access.pinsRegistry = !pin.isGiven
            options.caCertificate = access.caCertificate
        }
        let check = try TargetCheck(try Registry(endpoint, options))
        if connection.passwordStdin { access.username = nil }
        let target = try SavedTarget(
            name, address: endpoint.description, access, pinsServer: pin?.isServers ?? false)
        try site.keep(target)
        return outcome(target, check)
    }

    /// The login again, where it can't be kept.
    private var login: [String] {
        guard connection.passwordStdin, let username = connection.username else { return [] }
        return ["--username", username, "--password-stdin"]
    }

    private func outcome(_ target: SavedTarget, _ check: TargetCheck) -> Outcome {
        var report = target.report(check)
        report.warnings = check.warnings
        if connection.passwordStdin {
            report.warnings.append(
                "a password from standard input can't be kept: give --username and --password-stdin with each command, or "
                    + "add the target with --password-file")
        }
        if target.pinsServer {
            report.warnings.append(
                "the registry's own certificate is trusted, no authority: when it is renewed, remove the target and add it "
                    + "again, or give the authority with --ca-cert")
        }
        report.next = [
            "# put the media's folder for MEDIA:",
            (["dray-import", "plan", "MEDIA", "--to", name] + login + state.words).shellLine,
        ]
        return Outcome(report)
    }

    // MARK: Whom to trust

    private struct Pin {
        let pem: [UInt8]
        /// Whether it is the server's own certificate, no authority.
        var isServers = false
        /// Whether it came with --ca-cert, and not from the registry.
        var isGiven = false
    }

    /// What is trusted from now on; `nil` without TLS, and where the system's authorities are.
    private func pin(_ endpoint: Endpoint, _ options: RegistryOptions) throws -> Pin? {
        guard endpoint.scheme == .https else {
            guard fingerprint == nil, connection.caCert == nil, !systemCa else {
                throw UsageError(
                    "an http: registry shows no certificate; leave --fingerprint, --ca-cert and --system-ca out")
            }
            return nil
        }
        guard !systemCa else { return nil }
        if let file = connection.caCert {
            return Pin(pem: try FilePath(file).contents(limit: 1 << 20), isGiven: true)
        }
        var typed: Digest?
        if let fingerprint {
            typed = RootCandidate.fingerprint(typed: fingerprint)
            guard typed != nil else {
                throw UsageError("--fingerprint takes 64 hex digits, \"\(fingerprint.prefix(100))\" is something else")
            }
        }
        let chain = try shownChain(endpoint, options)
        show(chain)
        if typed == nil { try ask() }
        guard let place = typed.map({ digest in chain.firstIndex { $0.sha256 == digest } }) ?? chain.indices.last else {
            throw TargetError.otherCertificate(host: endpoint.description)
        }
        return Pin(pem: Array(chain[place].pem.utf8), isServers: place == 0)
    }

    private func shownChain(_ endpoint: Endpoint, _ options: RegistryOptions) throws -> [ShownCertificate] {
        do throws(RegistryError) {
            return try CertificateChain.shown(by: endpoint, options)
        } catch {
            throw error.kind == .access ? TargetError.access(.certificate, error) : error
        }
    }

    private func show(_ chain: [ShownCertificate]) {
        guard !output.quiet || fingerprint == nil else { return }
        for (number, certificate) in chain.enumerated() {
            StandardError.print(
                """
                certificate \(number + 1) of \(chain.count)\(number == 0 ? ", the server's own" : "")
                  subject:     \(certificate.subject)
                  issuer:      \(certificate.issuer)\(certificate.isSelfSigned ? " (itself)" : "")
                  valid until: \(certificate.notAfter)\(certificate.isExpired(at: .now) ? "  EXPIRED" : "")
                  SHA-256:     \(RootCandidate.grouped(certificate.sha256.hex))
                """)
        }
    }

    private func ask() throws {
        guard StandardInput.isTerminal, output.output == .text else {
            throw UsageError(
                "there is no terminal to ask on: give the SHA-256 of the certificate that the registry's administrator named, "
                    + "with --fingerprint HEX, or the authority with --ca-cert FILE, or --system-ca")
        }
        StandardError.print(
            """
            Compare every digit of the last one with what the registry's administrator gave you by another way.
            Is it the same? Type yes to trust it from now on:
            """)
        guard StandardInput.line()?.lowercased() == "yes" else { throw TargetError.notConfirmed }
    }
}

extension ShownCertificate {
    /// The digest of the certificate itself, which people compare.
    fileprivate var sha256: Digest {
        guard let digest = Digest(bytes: Hasher.hash([UInt8](der))) else { preconditionFailure("SHA-256 has 32 bytes") }
        return digest
    }
}

extension TargetAccess {
    /// The same, for commands that are run from another folder.
    fileprivate func withAbsolutePaths() throws -> TargetAccess {
        let absolute = { (path: String?) throws in try path.map { try FilePath($0).absolute().string } }
        var access = self
        access.caCertificate = try absolute(caCertificate)
        access.clientCertificate = try absolute(clientCertificate)
        access.clientKey = try absolute(clientKey)
        access.passwordFile = try absolute(passwordFile)
        access.dockerConfig = try absolute(dockerConfig)
        return access
    }
}

struct ListTargets: Command {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the targets that have names.", discussion: exitCodeHelp([]))

    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        Outcome(SavedTarget.listing(try state.site.targets(), state.words))
    }
}

struct ShowTarget: Command {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Say what is kept about a target; never a password.",
        discussion: exitCodeHelp([]))

    @Argument(help: "The target's name.") var name: String
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome { Outcome(try state.site.target(name).report()) }
}

struct RemoveTarget: Command {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Forget a target; the registry is not touched.", discussion: exitCodeHelp([]))

    @Argument(help: "The target's name.") var name: String
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let target = try state.site.target(name)
        let lock = try state.site.lock()
        defer { withExtendedLifetime(lock) {} }
        try state.site.removeTarget(name)
        return Outcome(text: "\(target.name) (\(target.address)) is forgotten", data: ["removed": target.name])
    }
}

struct BindTarget: Command {
    static let configuration = CommandConfiguration(
        commandName: "bind",
        abstract: "Let a target take one more product.",
        discussion: """
            The first load binds a target to its product, and media of another one are refused (14) although their root is \
            trusted here. This lets it take that product too; the target itself learns it with the next load.

            \(exitCodeHelp([.refused, .noSpace]))
            """)

    @Argument(help: "The target's name or address, as --to takes it.") var to: String
    @Option(help: "The product, as its root names it (see trust status).") var product: String
    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let target = try TargetOptions.parse(["--to", to])
        return Outcome(try state.site.bind(target.address(state.site), product: product))
    }
}
