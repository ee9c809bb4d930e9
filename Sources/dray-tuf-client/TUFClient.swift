// SPDX-License-Identifier: Apache-2.0

import Files
import Glibc
import RegistryClient
import SystemPackage
import Trust

/// `dray-tuf-client`: an ordinary TUF client over the importer's trust code, so that others' tests can judge that code.
@main
enum TUFClient {
    private static let help = """
        Usage: dray-tuf-client --metadata-dir D init TRUSTED_ROOT
               dray-tuf-client --metadata-dir D --metadata-url U refresh
               dray-tuf-client --metadata-dir D --metadata-url U --target-name PATH... --target-base-url T
                               --target-dir DIR download

        A client for ordinary TUF repositories over the trust code of dray-import, in the protocol of the TUF conformance
        suite. It is for tests; dray-import doesn't have it.

        init stores the trusted root in D and asks for nothing. refresh brings the metadata in D up to date. download
        does that too, then fetches the targets in order up to the first that fails; one that is there already isn't
        fetched again. Delegated roles aren't followed.

        Exit codes: 0 done; 1 anything else, with the reason on the error output.
        """

    static func main() {
        let words = ProcessArguments.all.dropFirst()
        guard !words.contains("--help"), !words.contains("-h") else {
            print(help)
            return
        }
        do {
            try run(Arguments(Array(words)))
        } catch {
            let line = "dray-tuf-client: \(error)\n"
            _ = unsafe line.withCString { text in unsafe write(2, text, strlen(text)) }
            exit(1)
        }
    }

    private static func run(_ arguments: Arguments) throws {
        let folder = FilePath(try arguments.value("--metadata-dir"))
        switch arguments.command {
        case .initialize(let root):
            try folder.createDirectories()
            try folder.appending("root.json").replaceContents(with: root.contents(limit: Role.root.byteLimit))
        case .refresh: _ = try refreshed(arguments, folder)
        case .download:
            let names = try arguments.targetNames()
            let target = FilePath(try arguments.value("--target-dir"))
            let files = try WebFiles(folder: arguments.value("--target-base-url"))
            let download = Download(metadata: try refreshed(arguments, folder), targets: files, folder: target)
            for name in names { try download.run(name) }
        case nil: throw ClientError.usage("init, refresh or download must be said")
        }
    }

    private static func refreshed(_ arguments: Arguments, _ folder: FilePath) throws -> TrustedMetadata {
        // The time is taken once, at the start (5.1), by the call that a test's library may replace.
        let now = UTCTime(secondsSince1970: Int64(time(nil)))
        let repository = try WebFiles(folder: arguments.value("--metadata-url"))
        return try Refresh(folder: folder, repository: repository, now: now).run()
    }
}
