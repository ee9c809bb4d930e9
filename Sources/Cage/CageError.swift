// SPDX-License-Identifier: Apache-2.0

package import Files
internal import Glibc
package import SystemPackage

/// Why the cage, not libzstd, gave no decoded bytes.
package enum CageError: Error, Equatable {
    /// The part of the cage that this system refuses.
    package enum Part: String, Sendable {
        case privileges = "giving up privileges"
        case limits = "resource limits"
        case landlock = "Landlock"
        case seccomp = "seccomp"
    }

    /// The child's program can't be run.
    case notStarted(FilePath, Errno)
    /// The child ran and told that it can't cage itself.
    case notApplied(Part, Errno)
    /// The child ended before it was caged; what it ended with.
    case endedAtStart(ChildEnd)
    /// Memory or the connection for a child could not be had.
    case noMeans(Errno)
    /// The child ended while it decoded a frame.
    case ended(ChildEnd)
    /// No answer in so many seconds.
    case silent(seconds: Double)
    /// An answer that no decoder gives.
    case nonsense

    /// Whether the frame that was being decoded is at fault: it made the decoder do what it never does.
    package var blamesFrame: Bool {
        switch self {
        case .nonsense, .ended(.crashed), .ended(.forbidden), .ended(.exited): true
        default: false
        }
    }
}

/// How a child ended.
package enum ChildEnd: Sendable, Equatable {
    case exited(Int32)
    /// It called what the cage forbids.
    case forbidden
    /// A fault of its own, by signal.
    case crashed(Int32)
    /// Somebody ended it: a user, the kernel for want of memory.
    case killed(Int32)

    /// Reads what `waitpid` gave.
    init(waitStatus: Int32) {
        let signal = waitStatus & 0x7F
        self =
            switch signal {
            case 0: .exited(waitStatus >> 8 & 0xFF)
            case SIGSYS: .forbidden
            case SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTRAP: .crashed(signal)
            default: .killed(signal)
            }
    }
}

extension CageError: ClassifiedError {
    package var failure: Failure {
        switch self {
        case .notStarted(_, .resourceTemporarilyUnavailable), .notStarted(_, .noMemory): .failed
        case .notStarted, .notApplied, .endedAtStart: .refused
        case .noMeans, .silent: .failed
        case .ended, .nonsense: blamesFrame ? .damaged : .failed
        }
    }

    package var description: String {
        switch self {
        case .notStarted(let program, let why):
            "the parser's cage can't be started: \(program): \(why). Start dray-import by its whole path. \(CageError.waiver)"
        case .notApplied(let part, let why):
            "this system does not let the parser be caged: \(part.rawValue): \(why). The kernel must have seccomp filters "
                + "and, in a container, its profile must allow the call. \(CageError.waiver)"
        case .endedAtStart(let end): "the parser's cage ended at its start: \(end). \(CageError.waiver)"
        case .noMeans(let why):
            "no memory for the parser's cage: \(why); end other programs and run the same command again"
        case .ended(let end): "decoding it ended the caged decoder: \(end)" + (blamesFrame ? "" : CageError.again)
        case .silent(let seconds): "the caged decoder gave no answer in \(Int(seconds)) seconds" + CageError.again
        case .nonsense: "decoding it made the caged decoder answer nonsense"
        }
    }

    private static let again = "; run the same command again"
    private static let waiver =
        "A site may do without a cage by \"sandbox\": \"none\" in its policy.json; receipts then say so"
}

extension ChildEnd: CustomStringConvertible {
    package var description: String {
        switch self {
        case .exited(let code): "it exited with \(code)"
        case .forbidden: "it made a system call that the cage forbids"
        case .crashed(let signal): "it crashed (signal \(signal))"
        case .killed(let signal): "it was killed (signal \(signal))"
        }
    }
}
