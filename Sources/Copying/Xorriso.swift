// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import Glibc
internal import SystemPackage

/// Runs `xorriso`, which writes an ISO image straight from the files that it is to hold.
struct Xorriso {
    private let program: FilePath

    /// Throws `CopyError.noProgram` where it is in no folder of PATH.
    init() throws(CopyError) {
        guard let value = unsafe getenv("PATH") else { throw .noProgram("xorriso", package: "xorriso") }
        let path = unsafe String(cString: value)
        // only absolute folders: the current one is anybody's
        let folders = path.split(separator: ":").filter { $0.hasPrefix("/") }
        let found = folders.map { (folder: Substring) -> String in "\(folder)/xorriso" }.first { (path: String) in
            unsafe access(path, X_OK) == 0
        }
        guard let found else { throw .noProgram("xorriso", package: "xorriso") }
        program = FilePath(found)
    }

    /// The arguments for an image of these files (name in the image, file): ISO 9660 level 3, as files may have 4 GiB and more,
    /// with Rock Ridge and Joliet names.
    ///
    /// The list goes through a file: names are no words of a command line, and there may be more than one takes.
    private func arguments(_ list: FilePath, _ label: String, _ target: [String]) -> [String] {
        [
            program.string, "-as", "mkisofs", "-quiet", "-iso-level", "3", "-r", "-J", "-joliet-long", "-V", label,
        ] + target + ["-graft-points", "-path-list", list.string]
    }

    /// A line of the list; `=` and `\` are escaped in what stands before the equals sign.
    static func line(_ name: String, _ file: FilePath) -> String {
        func escaped(_ text: String) -> String {
            text.reduce(into: "") { $0 += $1 == "=" || $1 == "\\" ? "\\\($1)" : String($1) }
        }
        return "/\(escaped(name))=\(escaped(file.string))\n"
    }

    /// The bytes that the image will have.
    func size(of list: FilePath, label: String, log: FilePath) throws -> UInt64 {
        let output = try run(arguments(list, label, ["-print-size"]), log) {}
        let sectors = output.split(separator: "\n").compactMap { UInt64($0.trimmingBlanks) }.last
        guard let sectors else { throw CopyError.programFailed("xorriso", status: 0, "it gave no size") }
        return sectors * 2048
    }

    /// Writes the image; `tick` is called while it runs.
    func write(_ list: FilePath, label: String, to image: FilePath, log: FilePath, _ tick: () throws -> Void) throws {
        _ = try run(arguments(list, label, ["-o", image.string]), log, tick)
    }

    /// Runs it, with what it prints in `log`; killed where `tick` throws.
    private func run(_ words: [String], _ log: FilePath, _ tick: () throws -> Void) throws -> String {
        try log.removeFile()
        let child = try start(words, log)
        var raw: Int32 = 0
        do {
            while unsafe waitpid(child, &raw, WNOHANG) == 0 {
                try Interruption.check()
                try tick()
                usleep(20_000)
            }
        } catch {
            _ = kill(child, SIGKILL)
            _ = unsafe waitpid(child, &raw, 0)
            throw error
        }
        let output = String(decoding: try log.contents(limit: 1 << 20), as: UTF8.self)
        let status = raw & 0x7F == 0 ? raw >> 8 & 0xFF : 128 + raw & 0x7F
        guard status == 0 else {
            let last = output.split(separator: "\n").last { !$0.isEmpty } ?? ""
            throw CopyError.programFailed("xorriso", status: status, String(last.prefix(300)))
        }
        try log.removeFile()
        return output
    }

    private func start(_ words: [String], _ log: FilePath) throws -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 1, log.string, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        unsafe posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        // a group of its own: Ctrl-C is for us, who then end it
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP))
        let arguments = unsafe words.map { (text: String) in unsafe strdup(text) } + [nil]
        let values =
            unsafe ["LC_ALL=C.UTF-8", "PATH=/usr/bin:/bin"].map { (text: String) in unsafe strdup(text) } + [nil]
        defer { unsafe (arguments + values).forEach { text in unsafe free(text) } }
        var id: pid_t = 0
        let code = unsafe posix_spawn(&id, program.string, &actions, &attributes, arguments, values)
        guard code == 0 else { throw FileError("start", program, Errno(rawValue: code)) }
        return id
    }
}

extension Substring {
    fileprivate var trimmingBlanks: Substring {
        var text = self
        while text.last?.isWhitespace == true { text = text.dropLast() }
        return text.drop { $0.isWhitespace }
    }
}
