// SPDX-License-Identifier: Apache-2.0

import Files
import Importing
import RegistryClient
import Support
import SystemPackage
import Testing

/// Space that runs out, here and in the registry.
struct FullDiskTests {
    private let site: Site

    init() throws { site = try Site() }

    /// Makes a small file system at a folder for the time of `body`, which may grow it.
    private func withSmallDisk(_ path: FilePath, megabytes: Int, _ body: ((Int) throws -> Void) throws -> Void) throws {
        let size = "size=\(megabytes)m"
        guard try run(["bash", "-c", "mkdir -p \(path) && mount -t tmpfs -o \(size) tmpfs \(path)"]).status == 0 else {
            try Test.cancel("this machine lets nobody mount a tmpfs")
        }
        defer { _ = try? run(["umount", "-l", path.string]) }
        try body { megabytes in
            let result = try run(["mount", "-o", "remount,size=\(megabytes)m", path.string])
            #expect(result.status == 0)
        }
    }

    @Test func `a layout without room for all is refused before anything is sent, with all that is missing`() throws {
        let folder = site.folder.appending("layout")
        try withSmallDisk(folder, megabytes: 4) { grow in
            let error = try site.failure(of: LayoutTarget(folder))
            #expect(error.failure == .noSpace)
            guard case .noSpace(_, let needed, let free) = error.cause as? LoadError else {
                Issue.record("\(error)")
                return
            }
            #expect(error.missingBytes == needed - free)
            #expect(error.description.contains("\(ByteSize(bytes: needed - free)) more are needed"))
            #expect(try folder.entries().isEmpty)
            let target = LayoutTarget(folder.appending("below/it"))
            let load = try Load(try site.verified(), to: target, jobs: 1, progress: Progress())
            let given = GivenArguments(media: ["MEDIA"], target: ["--to", target.address])
            #expect(try load.plan().report(load, missing: [], given: given).failure == .noSpace)
            try grow(Int(needed >> 20) + 2)
            let receipt = try site.load(LayoutTarget(folder))
            #expect(receipt.counts.readBack.isComplete)
        }
    }

    @Test func `a disk that fills up under a layout ends with 16, and the load goes on once there is room`() throws {
        let folder = site.folder.appending("layout")
        try withSmallDisk(folder, megabytes: 4) { grow in
            // a target that doesn't say how much is free
            let error = try site.failure(of: MeddlingTarget(LayoutTarget(folder)))
            #expect(error.failure == .noSpace)
            let missing = try #require(error.missingBytes)
            #expect((1_000_000..<5_400_000).contains(missing))
            try grow(100)
            let receipt = try site.load(LayoutTarget(folder))
            #expect(receipt.counts.readBack.isComplete)
            #expect(receipt.counts.skipped.blobs > 0)
        }
    }

    @Test func `a full disk under the registry ends with 16, and the load goes on once there is room`() throws {
        let server = try RegistryServer()
        try withSmallDisk(server.folder.appending("store"), megabytes: 4) { grow in
            let target = try registryTarget(server.url, attempts: 4)
            // one connection: docker-registry keeps a manifest that it stores at that moment as an empty file, for ever
            let error = try site.failure(of: target, jobs: 1)
            #expect(error.failure == .noSpace, "\(error)")
            #expect(error.missingBytes.map { $0 > 0 } == true)
            #expect(try server.stored("/_manifests/tags/").isEmpty)
            try grow(100)
            #expect(try site.load(target).counts.readBack.isComplete)
        }
    }

    @Test func `an extract that has no room says how much it lacks before it writes`() throws {
        let folder = site.folder.appending("disk")
        try withSmallDisk(folder, megabytes: 2) { grow in
            let extraction = try Extraction("appliance.iso", from: try site.verified(), to: folder)
            let free = try folder.freeSpace()
            let error = try #require(throws: FileError.self) { try extraction.run(Progress()) }
            #expect(error.failure == .noSpace)
            #expect(error.missingBytes == extraction.wanted.size - free)
            #expect(try folder.freeSpace() == free)
            try grow(100)
            #expect(try extraction.run(Progress()) == .written)
        }
    }

    @Test func `an extract goes on where its room is set aside already`() throws {
        let folder = site.folder.appending("disk")
        try withSmallDisk(folder, megabytes: 8) { _ in
            let extraction = try Extraction("appliance.iso", from: try site.verified(), to: folder)
            let staged = folder.appending(".appliance.iso.partial")
            do {
                let file = try OpenFile.writing(staged)
                file.reserve(from: 0, length: extraction.wanted.size)
            }
            let free = try folder.freeSpace()
            #expect(free < extraction.wanted.size)
            #expect(try extraction.run(Progress()) == .written)
        }
    }

    @Test func `what is mounted read-only is refused before the first byte`() throws {
        let folder = site.folder.appending("disk")
        let made = try run(["bash", "-c", "mkdir -p \(folder) && mount -t tmpfs -o ro,size=64m tmpfs \(folder)"])
        guard made.status == 0 else { try Test.cancel("this machine lets nobody mount a tmpfs") }
        defer { _ = try? run(["umount", "-l", folder.string]) }
        let extraction = try Extraction("appliance.iso", from: try site.verified(), to: folder)
        let error = try #require(throws: FileError.self) { try extraction.run(Progress()) }
        #expect(error.errno == .readOnlyFileSystem && error.failure == .failed)
        let load = try Load(try site.verified(), to: LayoutTarget(folder.appending("x")), jobs: 1, progress: Progress())
        let plan = try load.plan()
        let refused = try #require(throws: FileError.self) { try load.objections(to: plan) }
        #expect(refused.errno == .readOnlyFileSystem)
        #expect(throws: FileError.self) { try SiteState(folder.appending("state")).lock() }
    }
}
