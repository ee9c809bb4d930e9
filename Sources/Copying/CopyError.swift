// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
package import SystemPackage

/// Why a bundle can't be copied to media, or not wholly.
package enum CopyError: Error, Equatable {
    /// The source itself lacks these volumes.
    case sourceIncomplete([String])
    /// A file of the source changed, or no place has it as it was signed.
    case sourceDamaged(String)
    /// The medium is the source, or inside of it.
    case sourceInside(FilePath)
    /// Two media that are one file system.
    case oneFileSystem(FilePath, FilePath)
    /// A file system that nothing can be written to; its kind.
    case readOnly(FilePath, String)
    /// A folder of the bundle's name holds another release.
    case otherRelease(FilePath)
    /// A name of the bundle is taken by something that isn't it; what, in words.
    case otherFile(FilePath, String)
    /// A name in `trust/` or `kit/` there that nothing signs: the site would refuse the medium.
    case foreignName(FilePath)
    /// A volume is larger than a file may be there.
    case volumeTooLarge(String, length: UInt64, system: String, limit: UInt64)
    /// A name that the file system doesn't take; why, in words.
    case impossibleName(String, FilePath, String)
    /// Two names of the bundle would be one.
    case sameName(String, String)
    case noRoom(NoRoom)
    /// What was written can't be read back as it was, twice.
    case mediumUnreliable(FilePath, block: Int)
    /// Another process copies to the same place.
    case busy(FilePath)
    /// No other medium came in time.
    case noMedium(FilePath, seconds: Int)
    case noProgram(String, package: String)
    /// What a program said last.
    case programFailed(String, status: Int32, String)
    /// An image has more bytes than the disc.
    case imageTooLarge(FilePath, size: UInt64, capacity: UInt64)
    /// Nothing is asked for.
    case nothingAsked
}

/// Why media are too small.
package struct NoRoom: Error, Equatable {
    /// Bytes that no medium has room for.
    package let missing: UInt64
    /// What the media take without these: files and bytes.
    package let fitting: Int
    package let fittingBytes: UInt64
    package let all: Int
    /// Where more media of this size (the largest given) would do: how many altogether.
    package let mediaNeeded: Int?
    package let mediumSize: UInt64
}

extension CopyError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .sourceIncomplete, .noMedium: .incomplete
        case .sourceDamaged: .damaged
        case .sourceInside, .oneFileSystem, .nothingAsked: .usage
        case .readOnly, .otherRelease, .otherFile, .foreignName, .volumeTooLarge, .impossibleName, .sameName: .refused
        case .noRoom, .imageTooLarge: .noSpace
        case .mediumUnreliable, .busy, .noProgram, .programFailed: .failed
        }
    }

    package var missingBytes: UInt64? { if case .noRoom(let room) = self { room.missing } else { nil } }
}

extension CopyError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .sourceIncomplete(let names):
            "the bundle given lacks \(names.map(\.printable).joined(separator: ", ")); give the folder that has it, too"
        case .sourceDamaged(let name):
            "\(name.printable) of the bundle given isn't what was signed; run dray verify, and pack or fetch it again"
        case .sourceInside(let path):
            "\(path.printable) is the bundle itself, or inside of it; give another place with --to"
        case .oneFileSystem(let one, let other):
            "\(one.printable) and \(other.printable) are on one file system; give each medium once"
        case .readOnly(let path, let kind):
            "\(path.printable) is \(kind), which can't be written to; for discs use --read-only-media"
        case .otherRelease(let path):
            "\(path.printable) holds another release or other bytes under this name; remove it, or use another medium"
        case .otherFile(let path, let what):
            "\(path.printable) is \(what) and was not made by this copy; move it away, then the same command again"
        case .foreignName(let path):
            "nothing signs \(path.printable), and a site would refuse the medium because of it; remove it, then again"
        case .volumeTooLarge(let name, let length, let system, let limit):
            "\(name.printable) has \(length) bytes, a file on \(system) at most \(limit); use a medium with exFAT or ext4, "
                + "or pack with --volume-size fat32"
        case .impossibleName(let name, let place, let why):
            "\(name.printable) can't be written to \(place.printable): \(why)"
        case .sameName(let one, let other):
            "\(one.printable) and \(other.printable) would be one file there; use a medium with another file system, "
                + "without --flat"
        case .noRoom(let room): room.description
        case .mediumUnreliable(let path, let block):
            "\(path.printable) doesn't keep what is written to it (block \(block), written twice); use another medium"
        case .busy(let path): "another copy to \(path.printable) is under way; wait for its end"
        case .noMedium(let path, let seconds):
            "no other medium came to \(path.printable) in \(seconds) s; the same command goes on with the next one"
        case .noProgram(let name, let package): "\(name) isn't installed; apt-get install \(package), then again"
        case .programFailed(let name, let status, let line):
            "\(name) failed with status \(status): \(line.printable); the same command again begins this image anew"
        case .imageTooLarge(let path, let size, let capacity):
            "\(path.printable) would have \(size) bytes and the disc has \(capacity); give a smaller --capacity"
        case .nothingAsked: "the report asks for no block; nothing to copy"
        }
    }
}

extension NoRoom: CustomStringConvertible {
    package var description: String {
        let more =
            mediaNeeded.map { "\($0) media of \(ByteSize(bytes: mediumSize)) would do" }
            ?? "no number of media of \(ByteSize(bytes: mediumSize)) would do: a volume is larger than that"
        return
            "the media lack \(missing) bytes: \(fitting) of \(all) files (\(ByteSize(bytes: fittingBytes))) would fit; "
            + "\(more), or make room, or add a medium with another --to"
    }
}
