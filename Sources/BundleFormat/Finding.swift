// SPDX-License-Identifier: Apache-2.0

package import Files
package import SystemPackage
package import Trust

/// Something about a medium that the user should know and that does not stop `load`.
package enum Finding: Sendable, Equatable {
    /// A signed small file is damaged or missing; a good copy was used instead.
    case replaced(FilePath, by: FilePath)
    /// A second copy is damaged or missing; its original is good.
    case copyDamaged(FilePath)
    /// A name that nothing signs; it was not opened.
    case unsignedName(FilePath)
    /// A volume that is on none of the media.
    case volumeMissing(String)
    /// A volume file that can't be right: another length than signed, or no regular file.
    case volumeUnusable(FilePath, String)
    /// A volume under another name than it was signed with.
    case renamed(FilePath, volume: String)
    /// A file that was given and is no volume of this bundle.
    case noVolume(FilePath)
    /// Something among the media that was passed over; why, in words.
    case notRead(FilePath, String)
    /// A file of blocks that is of no use; why, in words.
    case blocksUnusable(FilePath, String)
    /// The clock is behind what was signed, or behind this tool; the time that was taken instead.
    case clockBehind(UTCTime, taken: UTCTime)
    /// A file's time was over, and two people have agreed to that.
    case expired(FilePath, at: UTCTime)

    /// Whether it is about second copies only, which media with trust alone don't have.
    package var isAboutCopies: Bool {
        if case .copyDamaged = self { true } else { false }
    }

    /// What `verify` returns because of it; `nil` for what is only reported. `load` goes by what it needs instead.
    package var failure: Failure? {
        switch self {
        case .replaced, .copyDamaged, .volumeUnusable: .damaged
        case .volumeMissing: .incomplete
        case .unsignedName, .renamed, .noVolume, .notRead, .blocksUnusable, .clockBehind, .expired: nil
        }
    }
}

extension Finding: CustomStringConvertible {
    package var description: String {
        switch self {
        case .replaced(let path, let copy):
            "\(path.printable) is damaged or missing; \(copy.printable) was used; copy it to its place"
        case .copyDamaged(let path): "the second copy \(path.printable) is damaged or missing; copy its original there"
        case .unsignedName(let path): "nothing signs \(path.printable); it was not opened"
        case .renamed(let path, let volume): "\(path.printable) is volume \(volume), and was used as that"
        case .noVolume(let path): "\(path.printable) is no volume of this bundle; it was not used"
        case .notRead(let path, let why): "\(path.printable) was passed over: \(why)"
        case .blocksUnusable(let path, let why): "\(path.printable) was not used: \(why)"
        case .volumeMissing(let name): "volume \(name) is on none of the media given"
        case .clockBehind(let clock, let taken):
            "this machine's clock says \(clock), and it is \(taken) at least; that was taken. Set the clock"
        case .expired(let path, let moment):
            "\(path.printable) expired at \(moment); it is accepted all the same where a second person approves the plan"
        case .volumeUnusable(let path, let why): "\(path.printable) is damaged: \(why); copy this volume again"
        }
    }
}

extension Finding {
    /// A file that could not be looked into.
    static func unreadable(_ fault: BundleError) -> Finding {
        if case .fileUnusable(let path, let why) = fault { return .notRead(path, why) }
        return .notRead("", fault.description)
    }
}
