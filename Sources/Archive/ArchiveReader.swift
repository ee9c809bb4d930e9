// SPDX-License-Identifier: Apache-2.0

internal import CLibArchive
package import Files

/// What an archive says about the entry whose bytes follow.
package struct ArchiveEntry: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case file, directory, symlink
        /// Hard links, devices, pipes.
        case other
    }

    /// As the archive has it, bytes that are no UTF-8 replaced. Never a path to write to.
    package let name: String
    /// Bytes of data; 0 for anything but a file.
    package let size: UInt64
    package let kind: Kind

    package init(name: String, size: UInt64, kind: Kind) { (self.name, self.size, self.kind) = (name, size, kind) }
}

/// A compression that an archive may have around its tar.
package enum ArchiveFilter: Sendable { case zstd, gzip }

/// Reads a tar, plain or compressed, front to back, from pieces that the caller hands in.
///
/// Only what is asked for of libarchive is switched on: all other formats are refused, not recognised. The caller's
/// closure sees every raw byte of the input exactly once and in order when `finish` is called, also those after the
/// archive's end, so it can hash what it hands in. One thread at a time.
@safe
package final class ArchiveReader {
    private let handle: OpaquePointer
    private let source: Source
    private var entries = 0
    private var current: (name: String, size: UInt64, read: UInt64)?

    /// `pull` gives the next raw bytes and `nil` at the end; a buffer stays unchanged until the
    /// next call. What it throws comes out of `next`, `read` or `finish` unchanged, and it is not called again then.
    /// `filter` is what the tar may be compressed with; a plain one is always read.
    package init(_ pull: @escaping () throws -> Buffer?, filter: ArchiveFilter = .zstd) throws {
        guard let handle = unsafe archive_read_new() else { throw ArchiveError.outOfMemory }
        unsafe self.handle = handle
        source = Source(pull)
        try check(
            unsafe filter == .zstd
                ? archive_read_support_filter_zstd(handle) : archive_read_support_filter_gzip(handle))
        try check(unsafe archive_read_support_format_tar(handle))
        let context = unsafe Unmanaged.passUnretained(source).toOpaque()
        // The source outlives the handle: both go in `deinit`, the handle first.
        try check(
            unsafe archive_read_open(
                handle, context, nil,
                { _, context, bytes in
                    guard let context = unsafe context, let bytes = unsafe bytes else { return -1 }
                    let source = unsafe Unmanaged<Source>.fromOpaque(context).takeUnretainedValue()
                    return unsafe source.next(bytes)
                }, nil))
    }

    deinit { unsafe archive_read_free(handle) }

    /// The next entry, or `nil` at the archive's end; skips what was not read of the entry before.
    package func next() throws -> ArchiveEntry? {
        current = nil
        var entry: OpaquePointer?
        let status = unsafe archive_read_next_header(handle, &entry)
        if status == ARCHIVE_EOF && source.failure == nil { return nil }
        try check(status)
        guard let entry = unsafe entry else { throw ArchiveError.unreadable("no header") }
        entries += 1
        guard entries <= ArchiveLimits.entries else { throw ArchiveError.tooManyEntries }
        let value = try unsafe ArchiveReader.value(of: entry)
        current = (value.name, value.size, 0)
        return value
    }

    /// Where in the tar, its compression undone, the entry that `next` gave last begins; only before anything of it is read.
    package var position: UInt64 { UInt64(max(unsafe archive_filter_bytes(handle, 0), 0)) }

    /// Fills `buffer` with the next bytes of the current entry and sets its `count`; fewer than its capacity only at
    /// the entry's end. Returns the count, 0 when there are no more.
    package func read(into buffer: Buffer) throws -> Int {
        buffer.count = 0
        guard let entry = current else { return 0 }
        while buffer.count < buffer.capacity {
            let filled = buffer.count
            let count = unsafe buffer.withMemory { memory in
                unsafe archive_read_data(handle, memory.baseAddress.map { unsafe $0 + filled }, memory.count - filled)
            }
            guard count >= 0 else { throw error() }
            if count == 0 { break }
            buffer.count = filled + Int(count)
        }
        let total = entry.read + UInt64(buffer.count)
        guard buffer.count == buffer.capacity ? total <= entry.size : total == entry.size else {
            throw ArchiveError.short(entry.name, expected: entry.size, got: total)
        }
        current?.read = total
        return buffer.count
    }

    /// Takes the rest of the raw bytes from the closure, whatever they are. Call it last, also when `next` was not
    /// called until its `nil`.
    package func finish() throws {
        current = nil
        try source.drain()
    }

    private func check(_ status: Int32) throws {
        // A warning is about a name's character set or an unknown attribute: the entry is whole.
        guard status == ARCHIVE_OK || status == ARCHIVE_WARN, source.failure == nil else { throw error() }
    }

    private func error() -> any Error {
        if let failure = source.failure { return failure }
        guard let text = unsafe archive_error_string(handle) else { return ArchiveError.unreadable("unknown reason") }
        return ArchiveError.unreadable(unsafe String(cString: text))
    }

    private static func value(of entry: OpaquePointer) throws -> ArchiveEntry {
        let name = try unsafe name(of: entry)
        guard unsafe archive_entry_sparse_count(entry) == 0 else { throw ArchiveError.sparse(name) }
        let isHardLink = unsafe archive_entry_hardlink(entry) != nil
        let kind: ArchiveEntry.Kind
        switch unsafe archive_entry_filetype(entry) {
        case 0o100000: kind = isHardLink ? .other : .file
        case 0o040000: kind = .directory
        case 0o120000: kind = .symlink
        default: kind = .other
        }
        let size = unsafe archive_entry_size(entry)
        let hasSize = unsafe archive_entry_size_is_set(entry) != 0
        guard kind != .file || hasSize && size >= 0 else {
            throw ArchiveError.badSize(name)
        }
        return ArchiveEntry(name: name, size: kind == .file ? UInt64(size) : 0, kind: kind)
    }

    // The locale is "C" here: names that pax gives in UTF-8 have no other form, raw names of other headers no UTF-8.
    private static func name(of entry: OpaquePointer) throws -> String {
        guard let text = unsafe archive_entry_pathname_utf8(entry) ?? archive_entry_pathname(entry) else {
            throw ArchiveError.badName("")
        }
        let name = unsafe String(cString: text)
        guard (1...ArchiveLimits.name).contains(name.utf8.count) else {
            throw ArchiveError.badName(String(name.prefix(100)))
        }
        return name
    }
}

/// The caller's closure, as libarchive's read callback sees it.
private final class Source {
    private let pull: () throws -> Buffer?
    private var isAtEnd = false
    private(set) var failure: (any Error)?
    /// Held until the next call: libarchive reads from it.
    private var buffer: Buffer?

    init(_ pull: @escaping () throws -> Buffer?) { self.pull = pull }

    func next(_ bytes: UnsafeMutablePointer<UnsafeRawPointer?>) -> Int {
        do {
            guard let buffer = try nextBuffer() else { return 0 }
            unsafe buffer.withMemory { memory in unsafe bytes.pointee = UnsafeRawPointer(memory.baseAddress) }
            return buffer.count
        } catch {
            return -1  // libarchive stops; the caller gets `failure`
        }
    }

    func drain() throws {
        if let failure { throw failure }
        while try nextBuffer() != nil {}
    }

    private func nextBuffer() throws -> Buffer? {
        guard failure == nil, !isAtEnd else { return nil }
        do {
            repeat { buffer = try pull() } while buffer?.count == 0  // an empty piece would mean the end
        } catch {
            failure = error
            throw error
        }
        isAtEnd = buffer == nil
        return buffer
    }
}
