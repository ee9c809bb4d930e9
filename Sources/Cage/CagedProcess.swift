// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Compression
internal import Files
internal import Glibc

/// The process inside: a decoder that can reach nothing but its memory and one end of a stream.
package enum CagedProcess {
    /// The first and only argument that makes a program this.
    package static let argument = "--parser-cage"

    /// Decodes frames until the parent goes, where the process was started for that; its exit code then. To be called
    /// first of all in `main`, while the process has one thread.
    ///
    /// Descriptor 0 is the stream, 1 the memory. Without a stream the argument is an unknown one like any other.
    package static func runIfAsked() -> Int32? {
        guard ProcessArguments.all.dropFirst() == [argument], isStream(0) else { return nil }
        // Ctrl-C reaches the whole group; the parent still wants its frame. Its end is the stream's end.
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE] { _ = Glibc.signal(signal, SIG_IGN) }
        // A crash is told by its signal; Swift's report of it needs what the cage forbids.
        for signal in [SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP] { _ = Glibc.signal(signal, SIG_DFL) }
        dray_close_from(2)
        guard let memory = FrameMemory(mapping: 1) else { return 1 }
        _ = close(1)
        let decoder = FrameDecoder()
        var landlock: Int32 = 0
        let step = unsafe dray_enter_cage(&landlock)
        let why = errno
        guard step == 0 else {
            _ = CageMessage.notApplied(step: UInt32(step), errno: UInt32(why)).write(to: 0)
            return 1
        }
        guard CageMessage.ready(landlock: UInt32(landlock)).write(to: 0) else { return 0 }
        while let request = request() {
            guard let answer = answer(request, memory, decoder), answer.write(to: 0) else { return 1 }
        }
        return 0
    }

    private static func isStream(_ descriptor: Int32) -> Bool {
        var status = stat()
        return unsafe fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFSOCK
    }

    /// The next request; `nil` when the parent is gone.
    private static func request() -> CageMessage? {
        var (message, done) = (CageMessage(), 0)
        while done < CageMessage.length {
            guard let count = message.read(from: 0, after: done) else { return nil }
            done = count
        }
        return message
    }

    /// `nil` for a request that no parent makes.
    private static func answer(
        _ request: CageMessage, _ memory: borrowing FrameMemory, _ decoder: FrameDecoder
    ) -> CageMessage? {
        let (stored, raw) = (Int(request.first), Int(request.second))
        guard request == .decode(stored: request.first, raw: request.second), stored <= FrameMemory.storedCapacity,
            raw <= FrameMemory.rawCapacity
        else { return nil }
        return unsafe memory.withPlaces(stored: stored, raw: raw) { frame, target in
            do throws(FrameError) {
                try unsafe decoder.decode(frame, into: target)
                return .done
            } catch {
                return CageMessage(error)
            }
        }
    }
}

extension CageMessage {
    fileprivate init(_ error: FrameError) {
        self =
            switch error {
            case .wrongLength: .wrongLength
            case .notOneFrame: .notOneFrame
            case .damaged(let code): .damaged(code: code)
            case .notReproduced: .damaged(code: 1)  // a decoder never finds that
            }
    }
}
