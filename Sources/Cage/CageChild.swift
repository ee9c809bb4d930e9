// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Compression
internal import Glibc
internal import SystemPackage

/// A child in its cage, as its parent sees it: ended when nobody holds it. One thread at a time.
@safe
final class CageChild: @unchecked Sendable {  // lanes pass it on, and never use it together
    let status: CageStatus
    private let memory: FrameMemory
    private let connection: CageConnection

    /// Starts a child and waits until it is in the cage.
    init(_ program: CageProgram, patience: Double) throws(CageError) {
        let shared = dray_sealed_memory(FrameMemory.size)
        guard shared >= 0 else { throw .noMeans(Errno(rawValue: errno)) }
        defer { close(shared) }
        guard let memory = FrameMemory(mapping: shared) else { throw .noMeans(Errno(rawValue: errno)) }
        let connection = try CageConnection(program, memory: shared, patience: patience)
        let first: CageMessage
        do throws(CageError) {
            first = try connection.receive()
        } catch {
            if case .ended(let end) = error { throw .endedAtStart(end) }
            throw error
        }
        if first == .notApplied(step: first.first, errno: first.second) {
            throw .notApplied(.init(step: first.first), Errno(rawValue: Int32(truncatingIfNeeded: first.second)))
        }
        guard first == .ready(landlock: first.first), first.first < 1000 else { throw .nonsense }
        status = CageStatus(cagedUnderLandlock: Int(first.first))
        self.connection = connection
        self.memory = memory
    }

    /// As `LaneDecoder.decode`. After an error the child is to be given up.
    @unsafe func decode(_ frame: RawSpan, into target: UnsafeMutableRawBufferPointer) throws(DecodeError) {
        guard frame.byteCount <= FrameMemory.storedCapacity, target.count <= FrameMemory.rawCapacity else {
            throw .frame(.wrongLength(expected: target.count))
        }
        memory.put(frame)
        let answer: CageMessage
        do throws(CageError) {
            answer = try connection.ask(.decode(stored: UInt32(frame.byteCount), raw: UInt32(target.count)))
        } catch {
            throw .cage(error)
        }
        switch answer {
        case .done: unsafe memory.copyRaw(to: target)
        case .wrongLength: throw .frame(.wrongLength(expected: target.count))
        case .notOneFrame: throw .frame(.notOneFrame)
        case .damaged(code: answer.first): throw .frame(.damaged(answer.first))
        default: throw .cage(.nonsense)
        }
    }
}

/// The process and our end of the stream.
private final class CageConnection {
    private let id: pid_t
    private let stream: Int32
    private let patience: Double
    private var isReaped = false

    init(_ program: CageProgram, memory: Int32, patience: Double) throws(CageError) {
        var (ours, theirs): (Int32, Int32) = (-1, -1)
        guard unsafe dray_stream_pair(&ours, &theirs) == 0 else { throw .noMeans(Errno(rawValue: errno)) }
        defer { close(theirs) }
        do throws(CageError) {
            id = try program.start(stream: theirs, memory: memory)
        } catch {
            close(ours)
            throw error
        }
        (stream, self.patience) = (ours, patience)
    }

    deinit {
        close(stream)
        guard !isReaped else { return }
        _ = kill(id, SIGKILL)  // it holds nothing that an end in order would save
        var raw: Int32 = 0
        while unsafe waitpid(id, &raw, 0) < 0 && errno == EINTR {}
    }

    func ask(_ message: CageMessage) throws(CageError) -> CageMessage {
        let isSent = unsafe withUnsafeBytes(of: message) { bytes in
            // sixteen bytes always have room: the child reads each before we send the next
            unsafe send(stream, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
        }
        guard isSent else { throw .ended(end()) }
        return try receive()
    }

    /// Waits for a whole message.
    func receive() throws(CageError) -> CageMessage {
        let limit = ContinuousClock.now + .seconds(patience)
        var (message, done) = (CageMessage(), 0)
        while done < CageMessage.length {
            let left = limit - ContinuousClock.now
            guard left > .zero else { throw .silent(seconds: patience) }
            var input = pollfd(fd: stream, events: Int16(POLLIN), revents: 0)
            let milliseconds = Int32(
                left.components.seconds * 1000 + left.components.attoseconds / 1_000_000_000_000_000)
            guard unsafe poll(&input, 1, milliseconds + 1) == 1 else { continue }
            guard let count = message.read(from: stream, after: done) else { throw .ended(end()) }
            done = count
        }
        return message
    }

    /// How the child ended, which has closed its end of the stream. One that lives on is killed.
    private func end() -> ChildEnd {
        var raw: Int32 = 0
        let limit = ContinuousClock.now + .seconds(1)
        while ContinuousClock.now < limit {
            if unsafe waitpid(id, &raw, WNOHANG) == id {
                isReaped = true
                return ChildEnd(waitStatus: raw)
            }
            usleep(1000)
        }
        return .exited(0)
    }
}

extension CageError.Part {
    /// The steps of `dray_enter_cage`; a child that names another is believed to have failed at the first.
    fileprivate init(step: UInt32) {
        let steps: [UInt32: CageError.Part] = [
            UInt32(dray_cage_limits): .limits, UInt32(dray_cage_landlock): .landlock,
            UInt32(dray_cage_seccomp): .seccomp,
        ]
        self = steps[step] ?? .privileges
    }
}
