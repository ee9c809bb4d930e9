// SPDX-License-Identifier: Apache-2.0

package import Compression
internal import Synchronization

/// Where frames are decoded: here, or in children that can reach nothing.
package enum FrameDecoders: Sendable {
    case inProcess
    case caged(Cage)

    /// A decoder for one lane. Nothing is started before the first frame.
    package func decoder() -> LaneDecoder {
        switch self {
        case .inProcess: LaneDecoder(.inProcess(FrameDecoder()))
        case .caged(let cage): LaneDecoder(.caged(cage, nil))
        }
    }

    /// What is in force; starts a child where none runs. Throws `CageError` where frames could not be decoded.
    package func status() throws(CageError) -> CageStatus {
        switch self {
        case .inProcess: .uncaged
        case .caged(let cage): try cage.status()
        }
    }
}

/// Why a frame was not decoded.
package enum DecodeError: Error, Equatable {
    case frame(FrameError)
    case cage(CageError)
}

/// Opens zstd frames for one lane. One thread at a time.
package final class LaneDecoder {
    fileprivate enum Place {
        case inProcess(FrameDecoder)
        case caged(Cage, CageChild?)
    }

    private var place: Place

    fileprivate init(_ place: Place) { self.place = place }

    deinit {
        if case .caged(let cage, let child?) = place { cage.giveBack(child) }
    }

    /// Decodes exactly one frame into `target`, whose count is exactly the length that the frame must give; it holds
    /// private bytes then, which nobody else changes. Limits and faults are those of `FrameDecoder.decode`.
    ///
    /// A child that failed, or a frame that is damaged, costs the child: the next frame gets a new one.
    @unsafe package func decode(_ frame: RawSpan, into target: UnsafeMutableRawBufferPointer) throws(DecodeError) {
        switch place {
        case .inProcess(let decoder):
            do throws(FrameError) {
                try unsafe decoder.decode(frame, into: target)
            } catch {
                throw .frame(error)
            }
        case .caged(let cage, let child):
            place = .caged(cage, nil)
            let running: CageChild
            if let child { running = child } else { running = try started(cage) }
            try unsafe running.decode(frame, into: target)
            place = .caged(cage, running)
        }
    }

    private func started(_ cage: Cage) throws(DecodeError) -> CageChild {
        do throws(CageError) {
            return try cage.child()
        } catch {
            throw .cage(error)
        }
    }
}

/// The children of one command, as many as lanes decode at a time.
package final class Cage: Sendable {
    private let program: CageProgram
    private let patience: Double
    private let idle = Mutex<[CageChild]>([])

    /// `patience`: seconds that a frame of at most 4 MiB, or a child's start, may take.
    package init(_ program: CageProgram = .own, patience: Double = 60) {
        (self.program, self.patience) = (program, patience)
    }

    /// What is in force. Throws `CageError` where no child can be caged.
    func status() throws(CageError) -> CageStatus {
        let child = try child()
        giveBack(child)
        return child.status
    }

    func child() throws(CageError) -> CageChild {
        if let child = idle.withLock({ $0.popLast() }) { return child }
        return try CageChild(program, patience: patience)
    }

    func giveBack(_ child: CageChild) { idle.withLock { $0.append(child) } }
}
