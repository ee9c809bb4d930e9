// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import SystemPackage
import Testing

/// The cage from inside: `cage-probe` enters it and tries.
struct ContainmentTests {
    private func probe(_ words: String...) throws -> Int32 {
        try run([SourceTree.tool("cage-probe").string] + words).status
    }

    @Test(arguments: ["nothing", "memory"]) func `what a decoder does goes on`(_ what: String) throws {
        #expect(try probe("try", what) == 0)
    }

    @Test(arguments: [
        "open", "create", "symlink", "unlink", "socket", "connect", "exec", "fork", "ptrace", "kill", "read-inherited",
        "write-inherited", "map-file", "map-code", "protect-code", "duplicate",
    ]) func `everything else ends the process`(_ what: String) throws {
        #expect(try probe("try", what) == 128 + SIGSYS)
    }

    #if arch(x86_64)
        @Test func `a system call by its x32 number ends the process`() throws {
            #expect(try probe("try", "x32") == 128 + SIGSYS)
        }
    #endif

    @Test(.enabled(if: hasLandlock), arguments: ["open", "create", "symlink", "exec"])
    func `Landlock alone keeps every file away`(_ what: String) throws {
        #expect(try probe("landlock", what) == EACCES)
    }

    @Test(.enabled(if: hasLandlock)) func `Landlock lets memory alone`() throws {
        #expect(try probe("landlock", "memory") == 0)
    }
}

/// Whether the kernel under the tests has Landlock.
let hasLandlock = (try? run([SourceTree.tool("cage-probe").string, "has-landlock"]).status) == 0
