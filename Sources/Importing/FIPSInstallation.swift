// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Cryptography
package import Files
package import SystemPackage

/// The FIPS module of a site: its configuration in the state folder, written once and used by every start.
package struct FIPSInstallation: Sendable {
    /// The name of the module on media that carry one (`dray pack --kit DIR --fips-module FILE`); it is a signed target.
    package static let mediaName = "kit/fips/fips.so"

    private let folder: FilePath

    package init(_ state: SiteState) { folder = state.path.appending("crypto") }

    /// libcrypto's configuration.
    package var file: FilePath { folder.appending("fips.cnf") }

    /// Makes the configuration of a module that stays where it is. Throws `FIPSError`, `FileError`.
    package func install(module path: FilePath) throws -> FIPSModule {
        let path = try path.absolute()
        return try install(path.contents(limit: FIPSConfiguration.moduleLimit), path)
    }

    /// Takes over a module from media, which `verified` says are genuine. Throws `BundleError`, `FIPSError`, `FileError`.
    package func install(from media: UnverifiedBundle, _ verified: VerifiedBundle) throws -> FIPSModule {
        let name = FIPSInstallation.mediaName
        guard let bytes = try verified.signedFile(name, on: media, limit: FIPSConfiguration.moduleLimit) else {
            throw NoModuleOnMedia(bundle: verified.name)
        }
        try folder.createDirectories()
        let path = try folder.appending("fips.so").absolute()
        try path.replaceContents(with: bytes)
        return try install(bytes, path)
    }

    /// Tries the module with its configuration before that one counts.
    private func install(_ bytes: [UInt8], _ path: FilePath) throws -> FIPSModule {
        let configuration = try FIPSConfiguration(module: bytes, path: path.string)
        try folder.createDirectories()
        let trial = folder.appending("fips.cnf.trial")
        try trial.replaceContents(with: Array(configuration.text.utf8))
        let module = Result { () throws(FIPSError) in try configuration.probe(file: trial.string) }
        try trial.removeFile()
        try file.replaceContents(with: Array(configuration.text.utf8))
        do {
            return try module.get()
        } catch {
            try file.removeFile()
            throw error
        }
    }

    /// What is installed; `nil` where nothing is. Throws `FIPSError.configurationChanged`, `FileError`.
    package func configuration() throws -> FIPSConfiguration? {
        guard try file.exists() else { return nil }
        return try FIPSConfiguration(
            parsing: file.contents(limit: FIPSConfiguration.sizeLimit), file: file.string)
    }

    /// Puts the module in force for the whole process, or throws (`FIPSError`). Before anything is computed.
    package func start(_ policy: SitePolicy) throws {
        guard let configuration = try configuration() else { throw FIPSError.notInstalled(file.string) }
        if let wanted = policy.fipsModule, wanted.string != configuration.modulePath {
            throw FIPSError.otherModule(configuration.modulePath, wanted: wanted.string)
        }
        try LibCrypto.startFIPS(configuration, file: file.absolute().string)
    }

    /// Starts libcrypto as an option and the site's policy say, whichever is stricter: the first thing that a command does.
    package static func startLibCrypto(fips isAsked: Bool, _ state: SiteState) throws {
        LibCrypto.ignoreEnvironment()
        let policy = try state.policy()
        if isAsked || policy.fips { try FIPSInstallation(state).start(policy) }
    }
}

extension FIPSError: ClassifiedError {
    package var failure: Failure { .refused }
}

/// The media carry no FIPS module.
private struct NoModuleOnMedia: ClassifiedError {
    let bundle: String
    var failure: Failure { .refused }
    var description: String {
        "\(bundle) carries no FIPS module; name the customer's own with --fips-module FILE, or ask the sender to pack it "
            + "(dray pack --kit DIR --fips-module FILE)"
    }
}
