// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BundleFormat
import Cage
import CommandLineSupport
import Files
import Importing

struct SandboxCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "sandbox",
        abstract: "Say what keeps the decoder of media away from everything else; change nothing.",
        discussion: """
            What decompresses volumes runs in children that can open no file, make no connection and start no program. Starts \
            one to see. Where this system can't do that, and the site's policy does not say "sandbox": "none", this command \
            and every other one that decompresses ends with 14.

            \(exitCodeHelp([.refused]))
            """)

    @OptionGroup var state: StateOptions
    @OptionGroup var output: OutputOptions

    func perform(_ progress: Progress) throws -> Outcome {
        Outcome(try state.site.frameDecoders().status().report)
    }
}
