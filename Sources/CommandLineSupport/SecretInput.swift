// SPDX-License-Identifier: Apache-2.0

package import Cryptography
package import Files
internal import Glibc
package import SystemPackage

/// A password or PIN is needed, and nothing gives it.
package enum QuestionError: ClassifiedError {
    /// What would have been asked, and the option that answers.
    case nobodyToAsk(String, option: String)
    /// What was typed the second time isn't what was typed the first time.
    case different
    case empty(String)
    case tooLong(String)

    package var failure: Failure { .usage }

    package var description: String {
        switch self {
        case .nobodyToAsk(let question, let option):
            "\(question) is needed, and there is no terminal to ask at; give \(option)"
        case .different: "the two passwords differ; nothing was made"
        case .empty(let question): "\(question) is empty: the first line counts"
        case .tooLong(let question): "\(question) is longer than \(Secret.capacity) bytes"
        }
    }
}

extension Secret {
    /// The first line of a file, without its line end. Throws `FileError`, `QuestionError`.
    package convenience init(firstLineOf file: FilePath) throws {
        self.init()
        let descriptor = unsafe open(file.string, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw FileError("open", file, Errno(rawValue: errno)) }
        defer { close(descriptor) }
        guard try fill(from: descriptor, "\(file)") else { throw Interrupted() }
    }

    /// Adds the bytes up to a line's end; `false` when a signal asked the process to stop while it waited.
    fileprivate func fill(from descriptor: Int32, _ name: String) throws -> Bool {
        while true {
            var input = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            if Interruption.isRequested { return false }
            guard unsafe poll(&input, 1, -1) > 0 else { continue }
            var byte: UInt8 = 0
            let got = unsafe read(descriptor, &byte, 1)
            if got < 0 && errno == EINTR { continue }
            guard got >= 0 else { throw FileError("read", FilePath(name), Errno(rawValue: errno)) }
            if got == 0 || byte == UInt8(ascii: "\n") { break }
            if byte == UInt8(ascii: "\r") { continue }
            guard append(byte) else { throw QuestionError.tooLong(name) }
        }
        guard count > 0 else { throw QuestionError.empty(name) }
        return true
    }
}

extension Terminal {
    /// Asks for a secret at the terminal of the process, without showing what is typed. Throws `QuestionError` where there is
    /// none, `Interrupted` on Ctrl-C.
    package static func secret(_ question: String, option: String) throws -> Secret {
        try Interruption.check()
        let terminal = unsafe open("/dev/tty", O_RDWR | O_CLOEXEC)
        guard terminal >= 0 else { throw QuestionError.nobodyToAsk(question, option: option) }
        defer { close(terminal) }
        var before = termios()
        guard unsafe tcgetattr(terminal, &before) == 0 else {
            throw QuestionError.nobodyToAsk(question, option: option)
        }
        var quiet = before
        quiet.c_lflag &= ~tcflag_t(ECHO)
        // Only Ctrl-C ends the question, and it does so here: whatever else stopped the process would leave the echo off.
        quiet.c_cc.10 = 0  // VSUSP
        quiet.c_cc.1 = 0  // VQUIT
        unsafe tcsetattr(terminal, TCSAFLUSH, &quiet)
        defer {
            unsafe tcsetattr(terminal, TCSAFLUSH, &before)
            say("\n", to: terminal)
        }
        say("\(question): ", to: terminal)  // now that nothing typed shows
        let secret = Secret()
        guard try secret.fill(from: terminal, question) else { throw Interrupted() }
        return secret
    }

    /// A new password, typed twice.
    package static func newSecret(_ question: String, option: String) throws -> Secret {
        let first = try secret(question, option: option)
        let second = try secret("\(question), again", option: option)
        guard first == second else { throw QuestionError.different }
        return first
    }

    private static func say(_ text: String, to terminal: Int32) {
        let bytes = Array(text.utf8)
        _ = unsafe write(terminal, bytes, bytes.count)
    }
}
