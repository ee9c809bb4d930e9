// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CommandLineSupport
import Files
import Importing
import SystemPackage

struct ExtractCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "extract",
        abstract: "Write a delivered file out, with the vendor's signature beside it.",
        discussion: """
            The file is checked against its digest before it appears under its name. Stopped anywhere, the same command goes \
            on. dray-import list shows the names. A file that is there already and the same is fine (0); another one is not \
            touched (14). The signature goes beside it: under the vendor's name, or, where --to gives the file another name, \
            under that name and .sig.bin.

            \(exitCodeHelp([.incomplete, .notTrusted, .expired, .replaced, .damaged, .refused, .noSpace]))
            """)

    @Argument(help: "The file's name, or the sha256: digest of anything in the bundle.")
    var name: String
    @OptionGroup var media: MediaOptions
    @Option(
        help: ArgumentHelp("The file to write, or the folder it goes into.", valueName: "file"), completion: .file())
    var to: String
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        let bundle = try media.verified()
        let extraction = try Extraction(name, from: bundle, to: FilePath(to), intoFolder: to.hasSuffix("/"))
        return Outcome(extraction.report(isNew: try extraction.run(progress)))
    }
}
