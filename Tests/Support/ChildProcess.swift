// SPDX-License-Identifier: Apache-2.0

package import Glibc
import Synchronization
package import SystemPackage

/// A program that runs beside the test; killed, by its own id, when its owner goes.
package final class ChildProcess: Sendable {
    package let id: pid_t
    private let status = Mutex<Int32?>(nil)

    /// Starts a program, found in PATH, with its output in files. `environment` adds to ours.
    package init(
        _ program: [String], input: FilePath = "/dev/null", output: FilePath, errorOutput: FilePath,
        environment: [String: String] = [:]
    ) throws {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, input.string, O_RDONLY, 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 1, output.string, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, errorOutput.string, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        // Whatever else the tests have open is theirs alone: a server would keep their connections alive.
        for descriptor: Int32 in 3..<1024 { unsafe posix_spawn_file_actions_addclose(&actions, descriptor) }
        let arguments = unsafe program.map { unsafe strdup($0) } + [nil]
        let variables = unsafe ChildProcess.variables(environment).map { unsafe strdup($0) } + [nil]
        defer { unsafe (arguments + variables).forEach { text in unsafe free(text) } }
        // The threads that run tests block signals; a child must not inherit that.
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var id: pid_t = 0
        let code = unsafe posix_spawnp(&id, program[0], &actions, &attributes, arguments, variables)
        guard code == 0 else { throw CommandError.notStarted(program[0], errno: code) }
        self.id = id
    }

    deinit { kill() }

    private static func variables(_ added: [String: String]) -> [String] {
        var variables = added.map { "\($0.key)=\($0.value)" }
        var next = unsafe environ
        while let text = unsafe next.pointee {
            let variable = unsafe String(cString: text)
            if added[String(variable.prefix { $0 != "=" })] == nil { variables.append(variable) }
            unsafe next += 1
        }
        return variables
    }

    /// The exit status if the process has ended (128 and the signal's number for one that was killed).
    package var exitStatus: Int32? {
        status.withLock { known in
            guard known == nil else { return known }
            var raw: Int32 = 0
            guard unsafe waitpid(id, &raw, WNOHANG) == id else { return nil }
            known = raw & 0x7F == 0 ? raw >> 8 & 0xFF : 128 + raw & 0x7F
            return known
        }
    }

    /// Waits for the end, at most this long; `nil` when it still runs.
    package func wait(seconds: Double) -> Int32? {
        let limit = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < limit {
            if let status = exitStatus { return status }
            usleep(5000)
        }
        return exitStatus
    }

    /// Sends a signal, unless the process has ended.
    package func signal(_ number: Int32) {
        guard exitStatus == nil else { return }
        _ = Glibc.kill(id, number)
    }

    /// Kills the process at once and waits until it is gone.
    package func kill() {
        signal(SIGKILL)
        _ = wait(seconds: 10)
    }
}
