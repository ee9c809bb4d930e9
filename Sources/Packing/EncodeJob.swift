// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Compression
internal import Dispatch
internal import Files
internal import Synchronization

/// Compresses frames on several threads; their order is the caller's business.
final class FrameCompressor: Sendable {
    /// Frames that may be under way at once.
    let width: Int
    private let lanes: [(lane: Lane, encoder: FrameEncoder)]
    private let contents: BufferPool
    private let results: BufferPool

    init(threads: Int, level: Int) {
        width = threads + 1
        lanes = (0..<threads).map { (Lane("compress-\($0)"), FrameEncoder(level: level)) }
        contents = BufferPool(count: width + 1, capacity: maximumFrameLength)
        results = BufferPool(count: width, capacity: RawFrame.size(of: maximumFrameLength))
    }

    /// An empty buffer for a frame's content.
    func content() -> Buffer { contents.take() }

    /// Gives back a content that is not stored.
    func discard(_ content: Buffer) { contents.put(content) }

    /// Begins to work on a content; the job belongs to the caller until `finish`.
    func start(_ content: Buffer, number: Int) -> EncodeJob {
        let job = EncodeJob(content: content, result: results.take())
        let (lane, encoder) = lanes[number % lanes.count]
        lane.addAlways { job.run(encoder) }
        return job
    }

    /// Writes the job's frame to `sink` and gives its buffers back; the number of bytes written.
    func finish(_ job: EncodeJob, _ sink: (RawSpan) throws -> Void) throws -> Int {
        defer {
            contents.put(job.content)
            results.put(job.result)
        }
        if try job.wait() {
            try job.result.withBytes { try sink($0) }
            return job.result.count
        }
        try job.content.withBytes { try RawFrame.write($0, sink) }
        return RawFrame.size(of: job.content.count)
    }
}

/// One frame on its way through a compression lane.
final class EncodeJob: Sendable {
    let content: Buffer
    let result: Buffer
    private let outcome = Mutex<Result<Bool, any Error>>(.success(false))
    private let done = DispatchSemaphore(value: 0)

    init(content: Buffer, result: Buffer) { (self.content, self.result) = (content, result) }

    func run(_ encoder: FrameEncoder) {
        let outcome = Result { [content, result] in
            try content.withBytes { bytes in try encoder.compress(bytes) { result.append($0) } }
        }
        self.outcome.withLock { $0 = outcome }
        done.signal()
    }

    /// Whether the frame was compressed, once that is known.
    func wait() throws -> Bool {
        done.wait()
        return try outcome.withLock { try $0.get() }
    }
}
