// SPDX-License-Identifier: Apache-2.0

internal import FoundationEssentials
internal import Glibc

/// Runs the programs that keep Docker logins (docker-credential-helpers: `docker-credential-<name> get`, the server's key on
/// standard input, a JSON object with `Username` and `Secret` on standard output).
package enum CredentialHelper {
    /// Seconds that a helper may take: some ask a person.
    static let patience = 60.0
    private static let outputLimit = 64 << 10
    /// What a helper needs of our environment; nothing else reaches it.
    private static let variables = [
        "HOME", "PATH", "USER", "LANG", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME",
        "PASSWORD_STORE_DIR",
    ]

    /// The login that the helper `name` keeps under `key`; `nil` when it has none. Throws `DockerConfigError.helper`, which
    /// holds nothing of what the program printed.
    /// `isCancelled` is asked while the program runs.
    package static func credentials(
        _ name: String, for key: String, isCancelled: () -> Bool = { false }
    ) throws(DockerConfigError) -> Credentials? {
        let program = "docker-credential-" + name
        do throws(HelperFault) {
            guard name.wholeMatch(of: /[A-Za-z0-9._-]{1,100}/) != nil else { throw .badName }
            guard let path = path(of: program) else { throw .notFound }
            let (status, output) = try run(path, key: key, isCancelled)
            guard status == 0 else {
                if String(decoding: output, as: UTF8.self).contains("credentials not found") { return nil }
                throw .failed(status: status)
            }
            guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(output)) else { throw .unreadable }
            return Credentials(username: answer.Username, password: answer.Secret)
        } catch {
            throw .helper(Fault.printable(program), for: key, why: error)
        }
    }

    private struct Answer: Decodable {
        let Username: String
        let Secret: String
    }

    // Only absolute folders: the current one is anybody's.
    private static func path(of program: String) -> String? {
        let folders = (variable("PATH") ?? "").split(separator: ":").filter { $0.hasPrefix("/") }
        return folders.map { "\($0)/\(program)" }.first { unsafe access($0, X_OK) == 0 }
    }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }

    private static func run(
        _ path: String, key: String, _ isCancelled: () -> Bool
    ) throws(HelperFault) -> (status: Int32, output: [UInt8]) {
        // The key fits into the pipe, so that nothing waits for a helper that doesn't read it.
        guard key.utf8.count <= 4096, let input = Pipe(), let output = Pipe() else { throw .notStarted }
        input.write(Array(key.utf8))
        let child = try start(path, input: input.reading, output: output.writing)
        input.closeBoth()
        output.closeWriting()
        defer { output.closeBoth() }
        let end = ContinuousClock.now + .seconds(patience)
        return try child.finish(reading: output.reading) { (count: Int) throws(HelperFault) in
            guard count <= outputLimit else { throw .tooMuch }
            guard .now < end else { throw .tookTooLong }
            guard !isCancelled() else { throw .interrupted }
        }
    }

    private static func start(_ path: String, input: Int32, output: Int32) throws(HelperFault) -> HelperProcess {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, input, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
        unsafe posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        // A group of its own: it goes with whatever it starts.
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        let environment = variables.compactMap { name in variable(name).map { "\(name)=\($0)" } }
        let arguments = unsafe [path, "get"].map { (text: String) in unsafe strdup(text) } + [nil]
        let values = unsafe environment.map { (text: String) in unsafe strdup(text) } + [nil]
        defer { unsafe (arguments + values).forEach { text in unsafe free(text) } }
        var id: pid_t = 0
        guard unsafe posix_spawn(&id, path, &actions, &attributes, arguments, values) == 0 else { throw .notStarted }
        return HelperProcess(id: id)
    }
}

/// Why a credential helper gave no login.
package enum HelperFault: Error, Equatable {
    case badName
    /// It stands in no folder of PATH.
    case notFound
    case notStarted
    case failed(status: Int32)
    case tookTooLong
    case tooMuch
    case interrupted
    case unreadable
}

extension HelperFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .badName: "has a name that isn't run"
        case .notFound: "is not in PATH"
        case .notStarted: "could not be started"
        case .failed(let status): "failed with status \(status)"
        case .tookTooLong: "gave no answer in \(Int(CredentialHelper.patience)) seconds"
        case .tooMuch: "gave too long an answer"
        case .interrupted: "was ended with this command"
        case .unreadable: "gave an answer that can't be read"
        }
    }
}

/// A helper that runs; waited for by `finish`.
private struct HelperProcess {
    let id: pid_t

    /// Reads until the helper's end. `check` is given the number of bytes so far, after each piece and each wait; where it
    /// throws, the helper is killed, with what it has started.
    func finish(
        reading output: Int32, _ check: (Int) throws(HelperFault) -> Void
    ) throws(HelperFault) -> (status: Int32, output: [UInt8]) {
        var bytes: [UInt8] = []
        do throws(HelperFault) {
            while true {
                let status = self.status()
                while let piece = HelperProcess.piece(of: output) {  // what is there now
                    bytes += piece
                    try check(bytes.count)
                }
                if let status { return (status, bytes) }
                try check(bytes.count)
                usleep(5000)
            }
        } catch {
            end()
            throw error
        }
    }

    private func end() {
        _ = kill(-id, SIGKILL)
        var raw: Int32 = 0
        _ = unsafe waitpid(id, &raw, 0)
    }

    private func status() -> Int32? {
        var raw: Int32 = 0
        guard unsafe waitpid(id, &raw, WNOHANG) == id else { return nil }
        return raw & 0x7F == 0 ? raw >> 8 & 0xFF : 128 + raw & 0x7F
    }

    private static func piece(of output: Int32) -> [UInt8]? {
        var input = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&input, 1, 0) == 1 else { return nil }
        var piece = [UInt8](repeating: 0, count: 4096)
        let count = unsafe piece.withUnsafeMutableBytes { unsafe read(output, $0.baseAddress, $0.count) }
        return count > 0 ? Array(piece[..<count]) : nil
    }
}

/// Two ends of a pipe, which no other child inherits.
private final class Pipe {
    private(set) var reading: Int32
    private(set) var writing: Int32

    init?() {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        (reading, writing) = (ends[0], ends[1])
    }

    deinit { closeBoth() }

    func write(_ bytes: [UInt8]) {
        _ = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(writing, $0.baseAddress, $0.count) }
    }

    func closeWriting() {
        if writing >= 0 { close(writing) }
        writing = -1
    }

    func closeBoth() {
        closeWriting()
        if reading >= 0 { close(reading) }
        reading = -1
    }
}
