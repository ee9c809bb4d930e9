// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Mirroring
import PaletteSources
import SystemPackage

struct MirrorCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "mirror",
        abstract: "Fetch images, charts and files into a folder that pack takes, and lock what they are.",
        discussion: """
            Fills DIR with an OCI image layout (blobs shared, manifests byte for byte, signatures and SBOMs with their images) \
            and DIR/files, and pins every reference to its digest in a lock file. Interrupted or killed: the same command goes \
            on, inside a blob too; what is there is not fetched again. What fails is listed at the end, and the rest is done. \
            In a release's manifest, "layout: DIR" then takes it in.

            \(exitCodeHelp(
                [.notTrusted, .damaged, .refused, .registryRefused, .noSpace],
                meaning: [
                    .failed: "something could not be mirrored; where all failures are of one kind, that kind's code",
                    .refused: "refused: not what the lock file says, no TLS, a type that registries don't take",
                    .damaged: "bytes that are not what their digest says",
                    .notTrusted: "a vendor's signature is missing or wrong",
                    .noSpace: "no space here",
                ]))
            """)

    @Argument(
        help: "What to mirror (YAML; manifests/README.md describes it). Not needed with --from-packs.",
        completion: .file())
    var manifest: String?

    @Option(help: ArgumentHelp("The folder to fill.", valueName: "folder"), completion: .directory)
    var to: String

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Mirror all images and charts that these pack folders ask for, or the packs directly below them.",
            valueName: "folder"), completion: .directory)
    var fromPacks: [String] = []

    @Option(
        help: ArgumentHelp(
            "The lock file; unless given, NAME.lock.json beside the manifest NAME.yaml, and mirror.lock.json in DIR without one.",
            valueName: "file"), completion: .file())
    var lock: String?

    @Flag(help: "Fetch exactly what the lock file says, by digest, or fail; tags are not asked for.")
    var locked = false

    @Flag(help: "Say what would be fetched, and stop. Nothing is written.")
    var dryRun = false

    @Option(
        help: ArgumentHelp(
            "A file with an address a line, signed ones too, for entries of files. Queries are shown nowhere.",
            valueName: "file"), completion: .file())
    var urls: String?

    @Flag(help: "Hash what is in the folder, and fetch again what is damaged.")
    var recheck = false

    @Flag(help: "Look again for signatures and SBOMs of images that have not changed.")
    var refresh = false

    @Flag(help: "Remove blobs from the folder that nothing in the manifest needs any more.")
    var prune = false

    @OptionGroup var connection: MirrorConnectionOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard manifest != nil || !fromPacks.isEmpty else {
            throw ValidationError("a manifest is needed, or --from-packs: what to mirror")
        }
    }

    func perform(_ progress: Progress) throws -> Outcome {
        var options = try mirrorOptions()
        let notes = try options.document.addWishes(ofPacks: fromPacks.map { FilePath($0) })
        options.network = try connection.network()
        options.urls = urls.map { FilePath($0) }
        (options.isLocked, options.isDryRun, options.rechecks) = (locked, dryRun, recheck)
        (options.refreshes, options.prunes) = (refresh, prune)
        return MirrorOutcome(try mirror(options, progress: progress), options, notes).outcome
    }

    private func mirrorOptions() throws -> MirrorOptions {
        let folder = FilePath(to)
        guard let manifest else {
            return MirrorOptions(
                MirrorDocument(file: "--from-packs"), base: FilePath("."), to: folder,
                lock: lock.map { FilePath($0) } ?? folder.appending("mirror.lock.json"))
        }
        let path = FilePath(manifest)
        let beside = path.removingLastComponent().appending("\(path.stem ?? "mirror").lock.json")
        return MirrorOptions(
            try mirrorDocument(reading: path), base: path.removingLastComponent(), to: folder,
            lock: lock.map { FilePath($0) } ?? beside)
    }
}
