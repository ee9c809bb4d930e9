// SPDX-License-Identifier: Apache-2.0

import Files
import Support
import Synchronization
import SystemPackage
import Testing

struct FilesTests {
    let folder = TemporaryFolder()

    @Test func `a replaced file has the old bytes or the new, and nothing is left beside it`() throws {
        let path = folder.appending("a")
        try path.replaceContents(with: [1, 2, 3])
        try path.replaceContents(with: [4])
        #expect(try path.contents(limit: 10) == [4])
        #expect(try folder.path.entries() == ["a"])
    }

    @Test func `a file over the limit is refused before it is read`() throws {
        let path = folder.appending("big")
        try path.replaceContents(with: [UInt8](repeating: 7, count: 100))
        #expect(throws: FileError("read", path, .fileTooLarge)) { try path.contents(limit: 99) }
        #expect(try path.contents(limit: 100).count == 100)
    }

    @Test func `errors say what, where and what next`() {
        let missing = folder.appending("nothing")
        #expect(throws: FileError("open", missing, .noSuchFileOrDirectory)) { try missing.contents(limit: 1) }
        let full = FileError("write", "/x", .noSpace, missingBytes: 5)
        #expect(full.failure == .noSpace)
        #expect(full.missingBytes == 5)
        #expect(full.description.contains("5 more bytes") && full.description.contains("run the same command again"))
        #expect(FileError("read", "/x", .ioError).description.contains("medium"))
    }

    @Test(arguments: ["link", "through/file", "fifo", "../outside", "sub"])
    func `below a medium no link, pipe, folder or way out is opened`(name: String) throws {
        let media = folder.appending("media")
        _ = try run([
            "bash", "-ec",
            """
            mkdir -p \(media)/sub \(folder.path)/real; cd \(media); echo x > sub/file; echo y > ../real/file
            echo z > ../outside; ln -s sub/file link; ln -s ../real through; mkfifo fifo
            """,
        ])
        #expect(throws: FileError.self) {
            _ = try MediaFolder(media).open(name).status()
        }
        #expect(try MediaFolder(media).contents(of: "sub/file", limit: 10) == Array("x\n".utf8))
        #expect(try MediaFolder(media).contents(of: "sub/other", limit: 10) == nil)
        let renamed = MediaFolder(media, files: ["trust/root": "sub/file"])
        #expect(try renamed.contents(of: "trust/root", limit: 10) == Array("x\n".utf8))
        #expect(try renamed.contents(of: "sub/file", limit: 10) == nil, "only what the table names is there")
        #expect(try renamed.status(of: "sub/file") == nil)
    }

    @Test func `a lock is held by one, and freed when its owner goes`() throws {
        let path = folder.appending("lock")
        do {
            let first = try OpenFile.writing(path)
            #expect(try first.lock())
            #expect(try !OpenFile.writing(path).lock())
        }
        #expect(try OpenFile.writing(path).lock())
    }

    @Test func `a buffer takes bytes, zeros and reads at any place`() throws {
        let path = folder.appending("data")
        try path.replaceContents(with: Array(0..<200))
        let buffer = Buffer(capacity: 100)
        #expect(buffer.capacity == 4096)
        buffer.append([9, 9])
        buffer.appendZeros(1)
        try OpenFile.reading(path).read(into: buffer, from: 3, at: 190, length: 50)
        #expect(buffer.count == 13)
        let bytes = buffer.withBytes { unsafe $0.withUnsafeBytes { unsafe Array($0) } }
        #expect(bytes == [9, 9, 0] + Array(190..<200))
    }

    @Test func `a pool gives no more buffers than it has`() {
        let pool = BufferPool(count: 2, capacity: 1)
        let (first, second) = (pool.take(), pool.take())
        first.count = 1
        let waited = Atomic(false)
        let lane = Lane("test")
        lane.add {
            let third = pool.take()
            waited.store(true, ordering: .relaxed)
            pool.put(third)
        }
        let early = waited.load(ordering: .relaxed)
        #expect(!early)
        pool.put(first)
        #expect(throws: Never.self) { try lane.wait() }
        let late = waited.load(ordering: .relaxed)
        #expect(late)
        pool.put(second)
    }

    @Test func `a lane stops at the first error and keeps order`() {
        struct Stop: Error {}
        let lane = Lane("test")
        let seen = Mutex<[Int]>([])
        for number in 0..<10 {
            lane.add {
                if number == 5 { throw Stop() }
                seen.withLock { $0.append(number) }
            }
        }
        lane.addAlways { seen.withLock { $0.append(100) } }
        #expect(throws: Stop.self) { try lane.wait() }
        #expect(seen.withLock(\.self) == [0, 1, 2, 3, 4, 100])
        #expect(throws: Stop.self) { try lane.check() }
    }

    @Test func `concurrent work runs every index once and rethrows`() throws {
        let done = Mutex<Set<Int>>([])
        try concurrently(width: 4, count: 100) { index in done.withLock { _ = $0.insert(index) } }
        #expect(done.withLock(\.count) == 100)
        #expect(throws: FileError.self) {
            try concurrently(width: 4, count: 100) { if $0 == 50 { throw FileError("read", "x", .ioError) } }
        }
    }

    @Test func `a folder's size counts files below it, links not followed`() throws {
        _ = try run(["bash", "-ec", "cd \(folder.path); mkdir -p a/b; head -c 10 /dev/zero > a/b/c; ln -s /usr a/u"])
        #expect(try folder.path.totalSize() == 10)
        #expect(try FilePath("a/../b").absolute().string.hasSuffix("/b"))
    }
}

struct FailureTests {
    @Test func `the exit codes are the documented ones`() {
        let codes = Failure.allCases.map(\.rawValue)
        #expect(codes == [1, 3, 10, 11, 12, 13, 14, 15, 16, 64, 130])
    }

    @Test func `of several faults the specification's order decides`() {
        let order: [Failure] = [.notTrusted, .replaced, .expired, .refused, .damaged, .incomplete]
        #expect(order.shuffled().sorted() == order)
    }
}
