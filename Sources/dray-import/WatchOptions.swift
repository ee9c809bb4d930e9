// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import CommandLineSupport
import Files
import Importing
import SystemPackage

/// Whether the media are folders in which files arrive, and for how long they are looked at.
struct WatchOptions: ParsableArguments {
    @Flag(
        help: ArgumentHelp(
            "The media are drop folders, as behind a data diode: files of any names, still growing or not, of several bundles. Each "
                + "is handled as its volumes become complete, until Ctrl-C. Nothing is written or removed there."))
    var watch = false

    @Option(
        help: ArgumentHelp(
            "With --watch: end when every bundle that was seen is done or refused, and nothing has changed for so long.",
            valueName: "seconds"))
    var idle: Double?

    @Flag(help: "With --watch: look once, at all files as they are.") var once = false

    func validate() throws {
        guard watch || (idle == nil && !once) else { throw ValidationError("--idle and --once belong to --watch") }
        guard idle.map({ $0 >= 0 && $0 <= 1e9 }) ?? true else {
            throw ValidationError("--idle takes seconds, 0 or more")
        }
    }

    /// Watches the media given; events go to standard error.
    func watch(
        _ media: MediaOptions, _ output: OutputOptions, _ handle: (LooseBundle) throws -> Watch.Handled
    ) throws -> Report {
        for folder in media.media { try folder.mustExist(as: "the drop folder") }
        var watch = Watch(DropFolder(media.media.map { FilePath($0) }), state: media.state.site)
        (watch.idle, watch.isOnce) = (idle, once)
        return try watch.run(handle: handle) { line in if !output.quiet { StandardError.print(line) } }
    }
}
