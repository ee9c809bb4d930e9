// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Importing

/// Who runs a command that changes something.
struct PersonOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Your name, for the receipt; it says the account and machine anyway.", valueName: "name"))
    var `operator`: String?

    func validate() throws {
        guard `operator`.map(SiteState.isShownName) ?? true else {
            throw ValidationError("--operator takes a name of 1 to 100 printable characters")
        }
    }
}
