// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
internal import OCI
internal import SystemPackage
internal import Trust

/// Finds the good copy of each small file among the media of one bundle and their `copies/`, and notes the bad ones.
struct SmallFiles {
    let media: [MediaFolder]
    private(set) var findings: [Finding] = []

    init(_ media: [MediaFolder]) { self.media = media }

    mutating func note(_ finding: Finding) { findings.append(finding) }

    /// One place where a file should be.
    private struct Place {
        let folder: MediaFolder
        let name: String
        let isCopy: Bool
        var path: FilePath { folder.path(of: name) }
    }

    private func places(of name: String) -> [Place] {
        let all =
            media.map { Place(folder: $0, name: name, isCopy: false) }
            + media.map { Place(folder: $0, name: "copies/\(name)", isCopy: true) }
        // files that were gathered by name or content are no medium that should have each small file
        let there = all.filter { place in place.folder.files.map { $0[place.name] != nil } ?? true }
        return there.isEmpty ? all : there
    }

    /// Where a file stands on the first medium, for messages.
    func path(_ name: String) -> FilePath { media.first?.path(of: name) ?? FilePath(name) }

    /// Whether any medium has the file, good or bad.
    func isPresent(_ name: String) throws -> Bool {
        try places(of: name).contains { try $0.folder.status(of: $0.name) != nil }
    }

    // MARK: Files that are checked by what they say

    /// The first copy that passes `check`, which must be deterministic. Other files of that name must be equal to it or
    /// bad: two good ones that differ are media of two sets.
    ///
    /// Throws `BundleError.unsigned` when there is none at all, else what is wrong with the one that counts.
    mutating func taken<Value>(
        _ name: String, limit: Int, _ check: ([UInt8]) throws -> Value
    ) throws -> (value: Value, bytes: [UInt8]) {
        var good: (place: Place, bytes: [UInt8], value: Value)?
        var bad: [(place: Place, fault: (any Error)?)] = []
        for place in places(of: name) {
            do {
                guard let bytes = try SmallFiles.trustBytes(place, limit: limit) else {
                    bad.append((place, nil))
                    continue
                }
                if let good, good.bytes == bytes { continue }
                let value = try check(bytes)
                if let good {
                    if !place.isCopy { throw BundleError.differentMedia(good.place.path, place.path) }
                    bad.append((place, BundleError.fileDamaged(place.path)))
                } else {
                    good = (place, bytes, value)
                }
            } catch let error as BundleError where error.isDifference {
                throw error
            } catch {
                bad.append((place, error))
            }
        }
        guard let good else { throw SmallFiles.decisive(bad.map(\.fault)) ?? BundleError.unsigned(path(name)) }
        note(bad.map(\.place), instead: good.place)
        return (good.value, good.bytes)
    }

    /// What stands at all places of a file, each content once; what can't be read is left out, unless it is all there is.
    func candidates(_ name: String, limit: Int) throws -> [[UInt8]] {
        var contents: [[UInt8]] = []
        var unreadable: FileError?
        for place in places(of: name) {
            do throws(FileError) {
                guard let bytes = try place.folder.contents(of: place.name, limit: limit) else { continue }
                if !contents.contains(bytes) { contents.append(bytes) }
            } catch  where error.isMediumUnreadable {
                unreadable = error
            } catch { continue }  // `taken` says what is wrong with it
        }
        if contents.isEmpty, let unreadable { throw unreadable }
        return contents
    }

    private static func trustBytes(_ place: Place, limit: Int) throws -> [UInt8]? {
        do {
            return try place.folder.contents(of: place.name, limit: limit)
        } catch  where error.errno == .fileTooLarge {
            throw TrustError.tooLarge(file: place.name, limit: limit)
        } catch  where error.isMediumUnreadable {
            throw error  // says nothing about whom to trust
        } catch {
            throw BundleError.trustUnusable(place.path, "\(error.errno)")
        }
    }

    /// Of what is wrong with all copies: a verdict on genuine bytes (expired, replaced, other product) before damage.
    private static func decisive(_ faults: [(any Error)?]) -> (any Error)? {
        let faults = faults.compactMap(\.self)
        return faults.first { error in
            guard let failure = (error as? any ClassifiedError)?.failure else { return true }
            return failure != .notTrusted && failure != .damaged && failure != .failed
        } ?? faults.first
    }

    private mutating func note(_ bad: [Place], instead good: Place) {
        for place in bad where place.isCopy { note(.copyDamaged(place.path)) }
        for place in bad where !place.isCopy { note(.replaced(place.path, by: good.path)) }
    }

    // MARK: Files that are checked by a signed digest

    /// The bytes of a file, of which length and digests are signed. Throws `BundleError.fileMissing`, `.fileDamaged` or
    /// `.fileUnusable` when no copy is right.
    mutating func bytes(of name: String, _ target: TargetFile, limit: Int) throws -> [UInt8] {
        guard target.length <= limit else { throw BundleError.malformed(path(name), "it has more than \(limit) bytes") }
        var good: (place: Place, bytes: [UInt8])?
        var bad: [(place: Place, fault: BundleError)] = []
        for place in places(of: name) {
            if good != nil {
                if let fault = try SmallFiles.fault(at: place, target) { bad.append((place, fault)) }
                continue
            }
            do {
                let bytes = try place.folder.contents(of: place.name, limit: Int(target.length))
                if let bytes, target.matches(bytes) {
                    good = (place, bytes)
                } else {
                    bad.append((place, bytes == nil ? .fileMissing(place.path) : .fileDamaged(place.path)))
                }
            } catch  where error.isMediumGone {
                throw error
            } catch {
                bad.append((place, BundleError(error)))
            }
        }
        guard let good else { throw SmallFiles.decisive(bad.map(\.fault), path(name)) }
        note(bad.map(\.place), instead: good.place)
        return good.bytes
    }

    /// Checks a file that is not needed for reading the bundle and has no second copy. Throws as `bytes` when no medium
    /// has it right.
    mutating func check(_ name: String, _ target: TargetFile) throws {
        var good: Place?
        var bad: [(place: Place, fault: BundleError)] = []
        for place in places(of: name) where !place.isCopy {
            if let fault = try SmallFiles.fault(at: place, target) {
                bad.append((place, fault))
            } else {
                good = good ?? place
            }
        }
        guard let good else { throw SmallFiles.decisive(bad.map(\.fault), path(name)) }
        note(bad.map(\.place), instead: good)
    }

    private static func decisive(_ faults: [BundleError], _ path: FilePath) -> BundleError {
        let present = faults.first { if case .fileMissing = $0 { false } else { true } }
        return present ?? .fileMissing(path)
    }

    /// What is wrong with a file; hashed piece by piece.
    private static func fault(at place: Place, _ target: TargetFile) throws -> BundleError? {
        do throws(FileError) {
            let file = try place.folder.open(place.name)
            guard try file.status().size == UInt64(target.length) else { return .fileDamaged(place.path) }
            return try file.sha256() == target.sha256 ? nil : .fileDamaged(place.path)
        } catch {
            return error.isMissing ? .fileMissing(place.path) : BundleError(error)
        }
    }
}

extension BundleError {
    fileprivate var isDifference: Bool { if case .differentMedia = self { true } else { false } }

    /// A file on a medium that the system can't open or read.
    init(_ error: FileError) {
        self = error.errno == .fileTooLarge ? .fileDamaged(error.path) : .fileUnusable(error.path, "\(error.errno)")
    }
}

extension TargetFile {
    /// Whether length and all digests are those of `bytes`.
    fileprivate func matches(_ bytes: [UInt8]) -> Bool {
        bytes.count == length && Hasher.hash(bytes) == sha256
            && sha512.map { $0 == Hasher.hash(bytes, .sha512) } ?? true
    }
}

extension OpenFile {
    /// The SHA-256 of the file from its first byte to its last.
    fileprivate func sha256() throws(FileError) -> [UInt8] {
        let buffer = Buffer(capacity: 256 << 10)
        let hasher = Hasher()
        var offset: UInt64 = 0
        repeat {
            try read(into: buffer, at: offset, length: buffer.capacity)
            buffer.withBytes { hasher.update($0) }
            offset += UInt64(buffer.count)
        } while buffer.count == buffer.capacity
        return hasher.finish()
    }
}
