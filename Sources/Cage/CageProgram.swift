// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc
package import SystemPackage

/// The program that is started as a caged child.
package struct CageProgram: Sendable {
    /// Absolute, or relative to where this process started.
    package let path: FilePath
    /// After the program's name.
    package let arguments: [String]

    package init(_ path: FilePath, arguments: [String] = [CagedProcess.argument]) {
        (self.path, self.arguments) = (path, arguments)
    }

    /// This very program. In the kit, where the process is the loader's, it is what the kit's launcher names: itself.
    package static var own: CageProgram {
        if let launcher = variable("DRAY_KIT_LAUNCHER").map({ FilePath($0) }), isKit(of: launcher) {
            return CageProgram(launcher)
        }
        let link = "/proc/self/exe"  // the file that runs, were another put in its place meanwhile
        if unsafe access(link, X_OK) == 0 { return CageProgram(FilePath(link)) }
        return CageProgram(FilePath(unsafe dray_started_as().map { unsafe String(cString: $0) } ?? link))
    }

    /// Whether this process runs from the kit that the launcher belongs to; a variable alone must not choose the program. Without
    /// /proc the variable is all there is.
    private static func isKit(of launcher: FilePath) -> Bool {
        var bytes = [CChar](repeating: 0, count: 4096)
        let count = unsafe readlink("/proc/self/exe", &bytes, bytes.count)
        guard count > 0 else { return true }
        let program = FilePath(String(decoding: bytes[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self))
        return program.removingLastComponent() == launcher.removingLastComponent().appending("lib")
    }

    private static func variable(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    /// Starts it with `stream` as descriptor 0, `memory` as 1, no environment and no signal blocked; its id. Every other
    /// descriptor of ours is closed by the exec, and what is not, by the child.
    func start(stream: Int32, memory: Int32) throws(CageError) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, stream, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, memory, 1)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let words = unsafe (["dray-import"] + arguments).map { (text: String) in unsafe strdup(text) } + [nil]
        defer { unsafe words.forEach { text in unsafe free(text) } }
        var environment: [UnsafeMutablePointer<CChar>?] = unsafe [nil]
        var id: pid_t = 0
        let code = unsafe posix_spawn(&id, path.string, &actions, &attributes, words, &environment)
        guard code == 0 else { throw .notStarted(path, Errno(rawValue: code)) }
        return id
    }
}
