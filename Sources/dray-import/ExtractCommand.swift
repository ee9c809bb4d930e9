// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import RegistryClient
import SystemPackage
import Trust

struct ExtractCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "extract",
        abstract: "Write delivered files out, with the vendor's signatures beside them.",
        usage: """
            dray-import extract NAME MEDIA ... --to FILE
            dray-import extract --all MEDIA ... --to FOLDER
            dray-import extract NAME MEDIA ... --to /dev/sdX --yes-erase /dev/sdX
            """,
        discussion: """
            A file is checked against its digest before it appears under its name. Stopped anywhere, the same command goes on. \
            dray-import list shows the names; NAME may be a pattern ('*.iso'), --all means all files, --originals those that the \
            vendor has signed. A file that is there already and the same is fine (0); another one is not touched (14). The \
            signature goes beside it: under the vendor's name, or, where --to gives the file another name, under that name and \
            .sig.bin. Where the media at hand have only some of it, as much as they have is written and kept, and the command ends with 3 and \
            what is wanted next: the same command with the next medium goes on.

            --to a block device writes the image to the whole device, its first MiB last, reads it back past the page cache and compares. \
            Everything on the device is lost: --yes-erase repeats its name. One that is mounted, or says that it isn't removable, is \
            refused (14) without --force; one in use, and the disk that holds this system, the state folder or the media, always.

            A delta is completed from --base, --seed and --registry, bit for bit; what is nowhere is listed first (3).

            \(exitCodeHelp(
                [.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused, .registryRefused, .noSpace]))
            """)

    @Argument(
        help: ArgumentHelp(
            "The file's name, a pattern of names, or the sha256: digest of anything in the bundle (not with --all and "
                + "--originals); then bundle folders, or folders with bundles directly below.",
            valueName: "name-and-media"),
        completion: .directory)
    var words: [String]
    @Flag(help: "Write all files of the release.") var all = false
    @Flag(help: "Write all files of the release that have the vendor's signature.") var originals = false
    @Option(help: ArgumentHelp("The bundle's folder name, where the media hold several.", valueName: "name"))
    var release: String?
    @OptionGroup var state: StateOptions
    @Option(
        help: ArgumentHelp(
            "The file to write, the folder it goes into, or a block device.", valueName: "file"), completion: .file())
    var to: String
    @Option(
        help: ArgumentHelp(
            "The name of the device in --to, once more: everything on it is lost.", valueName: "device"))
    var yesErase: String?
    @Flag(help: "For a device: unmount what is mounted from it, and write to one that says it isn't removable.")
    var force = false
    @OptionGroup var healing: HealingOptions
    @OptionGroup(title: "Delta") var places: PlacesOptions
    @Option(
        help: ArgumentHelp(
            "For a delta: take what it leaves out from this registry too: an address, the name of a target, or oci:DIR.",
            valueName: "target"))
    var registry: String?
    @OptionGroup(title: "Registry") var connection: ConnectionOptions
    @OptionGroup var output: OutputOptions

    private var isSet: Bool { all || originals }

    func validate() throws {
        guard !(all && originals) else { throw ValidationError("--all and --originals exclude each other") }
        guard !isSet || yesErase == nil else { throw ValidationError("one image goes onto a device: give its name") }
        guard isSet || words.count > 1 else { throw ValidationError("give the file's name and the media's folders") }
    }

    private var media: MediaOptions {
        MediaOptions(media: isSet ? words : Array(words.dropFirst()), release: release, state: state)
    }

    func perform(_ progress: Progress) throws -> Outcome {
        let device = try chosenDevice()
        let bundle = try media.verified(repair: healing.repair)
        let sources = try places.given(media).sources(
            for: bundle, target: target(), state: state.site, now: .now)
        var report = try extract(bundle, device, sources, progress)
        report.warnings += sources?.findings ?? []
        return Outcome(report)
    }

    /// The device that `--to` names, checked before anything is read; `nil` where it names none.
    private func chosenDevice() throws -> ChosenDevice? {
        let path = FilePath(to)
        guard try ChosenDevice.isMeant(path) else {
            guard yesErase == nil else { throw UsageError("--yes-erase is for a block device, which \(to) isn't") }
            return nil
        }
        guard !isSet else { throw UsageError("\(to) is a device: give the name of the one image that goes onto it") }
        let chosen = try ChosenDevice(path, in: BlockDevices())
        let media = media.media.map { (what: "media", path: FilePath($0)) }
        try chosen.check(
            confirmed: yesErase, force: force,
            protected: [("this system", "/"), ("the state folder", state.site.path)] + media)
        return chosen
    }

    private func extract(
        _ bundle: VerifiedBundle, _ device: ChosenDevice?, _ sources: SiteSources?, _ progress: Progress
    ) throws -> Report {
        let name = words[0]
        let isName = bundle.release.files.contains { $0.name == name }
        if isSet || (!isName && name.contains { "*?".contains($0) }) {
            guard device == nil else { throw UsageError("one image goes onto a device: give its whole name") }
            let choice: ExtractionSet.Choice = all ? .all : originals ? .originals : .pattern(name)
            return try ExtractionSet(choice, from: bundle, to: FilePath(to), sources: sources).run(progress)
        }
        if let device {
            let extraction = try DeviceExtraction(name, from: bundle, to: device, state: state.site, sources: sources)
            return extraction.report(try extraction.run(progress))
        }
        let extraction = try Extraction(
            name, from: bundle, to: FilePath(to), intoFolder: to.hasSuffix("/"), sources: sources)
        return extraction.report(try extraction.run(progress))
    }

    /// The registry that has what a delta leaves out; a password is read here and nowhere else.
    private func target() throws -> (any LoadTarget)? {
        guard let registry else { return nil }
        if registry.hasPrefix("oci:") { return LayoutTarget(FilePath(String(registry.dropFirst(4)))) }
        let (address, access) = try connection.access(to: registry, state.site)
        let endpoint = try Endpoint(parsing: address)
        return try RegistryTarget(endpoint, connection.options(access, for: endpoint), state: state.site)
    }
}

extension MediaOptions {
    /// The options as if they were given.
    init(media: [String], release: String?, state: StateOptions) {
        self.init()
        (self.media, self.release, self.state) = (media, release, state)
    }
}
