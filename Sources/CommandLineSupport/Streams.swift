// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import Glibc

/// Standard output: results only. A reader that has gone away (`| head`) is no error.
package enum StandardOutput {
    /// Writes text and a newline; `false`, said on standard error, where the system refuses it, as a full disk does.
    @discardableResult
    package static func print(_ text: String) -> Bool {
        guard let fault = Descriptor.write(text + "\n", to: STDOUT_FILENO), fault != EPIPE else { return true }
        let why = unsafe String(cString: strerror(fault))
        StandardError.print("error: can't write the result to standard output: \(why)")
        return false
    }
}

/// Standard error: progress, warnings, advice and errors.
package enum StandardError {
    /// Writes text and a newline.
    package static func print(_ text: String) { Descriptor.write(text + "\n", to: STDERR_FILENO) }

    static func write(_ text: String) { Descriptor.write(text, to: STDERR_FILENO) }
}

/// Standard input, for what a person types or pipes in.
package enum StandardInput {
    package static var isTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    /// Shows the text on standard error and waits for a `yes`; anything else is a no.
    package static func isConfirmed(_ text: String) -> Bool {
        StandardError.print(text)
        return line()?.lowercased() == "yes"
    }

    /// The next line without its newline, at most 64 KiB; `nil` at the end.
    package static func line() -> String? {
        var bytes: [UInt8] = []
        while bytes.count < 64 << 10 {
            // a signal ends the wait here, and not in `read`
            var input = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
            if unsafe poll(&input, 1, -1) < 0 && errno == EINTR {
                if Interruption.isRequested { return nil }
                continue
            }
            var byte: UInt8 = 0
            let count = unsafe read(STDIN_FILENO, &byte, 1)
            if count < 0 && errno == EINTR { continue }
            guard count == 1 else { return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self) }
            guard byte != UInt8(ascii: "\n") else { break }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

private enum Descriptor {
    /// The number of the error that ended it; `nil` when all was written.
    @discardableResult
    static func write(_ text: String, to descriptor: Int32) -> Int32? {
        let bytes = Array(text.utf8)
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes[done...].withUnsafeBytes { memory in
                unsafe Glibc.write(descriptor, memory.baseAddress, memory.count)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return count < 0 ? errno : EIO }
            done += count
        }
        return nil
    }
}
