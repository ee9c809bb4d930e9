// SPDX-License-Identifier: Apache-2.0

package import BundleFormat
package import Files
internal import Glibc
internal import OCI
internal import Synchronization
internal import SystemPackage
package import Trust

/// Handles bundles whose files arrive in a drop folder, each as far as it has come: docs/media.md, "A drop folder".
///
/// Each round looks at the folder; what changed since the round before is still being written and is left alone. A bundle is handled
/// when a volume of it has become complete, several one after another. What is done is known by the state that `handle` keeps, so a
/// watch that was stopped goes on.
package struct Watch: Sendable {
    /// How one handling of a bundle ended.
    package struct Handled: Sendable {
        /// `nil`: done, and not looked at again unless a file of it changes.
        package var failure: Failure?
        /// For people, a line.
        package var text: String
        package var json: JSONValue

        package init(failure: Failure?, text: String, json: JSONValue) {
            (self.failure, self.text, self.json) = (failure, text, json)
        }

        /// Whether the same again, without another file, may end otherwise.
        fileprivate var mayPass: Bool {
            switch failure {
            case .failed, .registryRefused, .noSpace: true
            default: false
            }
        }
    }

    let folder: DropFolder
    let state: SiteState
    /// Seconds between two looks.
    package var interval = 2.0
    /// Seconds without a change after which it ends, once all bundles that it saw have come to an end; `nil`: never.
    package var idle: Double?
    /// Whether it looks once, and takes all files as they are.
    package var isOnce = false
    /// Seconds before a bundle is tried again that failed for a reason which may pass; they double up to ten times as much.
    package var patience = 30.0

    package init(_ folder: DropFolder, state: SiteState) { (self.folder, self.state) = (folder, state) }

    /// Watches; `handle` is called for each bundle that has something new, `say` gets a line for each event.
    ///
    /// Ends as `idle` and `isOnce` say. Throws `Interrupted`, and `FileError` for a folder that goes away or the state's.
    package func run(
        handle: (LooseBundle) throws -> Handled, say: (String) -> Void
    ) throws -> Report {
        var tracks = Tracks()
        var (before, changed): (Set<LooseFile>?, ContinuousClock.Instant) = (nil, .now)
        while true {
            try Interruption.check()
            let (files, faults) = try folder.look()
            tracks.say(once: faults, say)
            let seen = Set(files)
            if seen != before { changed = .now }
            let still = isOnce ? files : files.filter { before?.contains($0) ?? false }
            before = seen
            if try tracks.take(still, folder, state, patience, handle, say) { changed = .now }
            if isOnce { break }
            let quiet = (ContinuousClock.now - changed) / .seconds(1)
            if let idle, quiet >= idle, still.count == files.count, tracks.allEnded { break }
            try pause()
        }
        return tracks.report
    }

    private func pause() throws {
        let end = ContinuousClock.now + .seconds(interval)
        while ContinuousClock.now < end {
            try Interruption.check()
            usleep(useconds_t(min(0.1, interval) * 1_000_000))
        }
    }
}

/// What a watch knows of the bundles that it saw.
private struct Tracks {
    private struct Track {
        let name: String
        var complete: Set<String> = []
        /// The files that it was handled with last.
        var files: Set<LooseFile>?
        var ending: Watch.Handled?
        var tries = 0
        var next = ContinuousClock.now
        var wantsMore = true
    }

    private var tracks: [Digest: Track] = [:]
    private var said: Set<String> = []
    private var looked: [LooseFile]?
    private var found: [LooseBundle] = []

    /// Says each line once.
    mutating func say(once lines: some Sequence<String>, _ say: (String) -> Void) {
        for line in lines where said.count < 100_000 && said.insert(line).inserted { say(line) }
    }

    /// Finds the bundles of these files and handles those with something new; whether any was handled.
    mutating func take(
        _ files: [LooseFile], _ folder: DropFolder, _ state: SiteState, _ patience: Double,
        _ handle: (LooseBundle) throws -> Watch.Handled, _ say: (String) -> Void
    ) throws -> Bool {
        if files != looked {
            let bundles = try folder.bundles(of: files, by: state)
            self.say(once: bundles.faults, say)
            self.say(once: try folder.strangers(among: files, for: state).values.sorted(), say)
            (looked, found) = (files, bundles.bundles)
        }
        let byPath = Dictionary(files.map { ($0.path, $0) }) { first, _ in first }
        var isHandled = false
        for bundle in found {
            let own = Set(bundle.files.compactMap { byPath[$0] })
            note(bundle, say)
            guard bundle.isReadable, isDue(bundle, own) else { continue }
            try Interruption.check()
            let handled = try handle(bundle)
            end(bundle, own, handled, patience)
            say("\(bundle.name): \(handled.text)")
            isHandled = true
        }
        return isHandled
    }

    private mutating func note(_ bundle: LooseBundle, _ say: (String) -> Void) {
        var track = tracks[bundle.release] ?? Track(name: bundle.name)
        let volumes = bundle.complete.filter { $0.hasPrefix("volumes/") }
        let count = volumes.count + (bundle.partial.map(\.name) + bundle.missing).count { $0.hasPrefix("volumes/") }
        for name in volumes.subtracting(track.complete).sorted() {
            track.complete.insert(name)
            say("\(bundle.name): \(name) is complete (\(track.complete.count) of \(count))")
        }
        self.say(
            once: bundle.partial.map { "\(bundle.name): \($0.name) is arriving, or cut short: \($0.file.printable)" },
            say)
        track.complete.formIntersection(volumes)
        track.wantsMore = volumes.count < count || !bundle.isReadable
        tracks[bundle.release] = track
    }

    private func isDue(_ bundle: LooseBundle, _ files: Set<LooseFile>) -> Bool {
        guard let track = tracks[bundle.release], track.files == files, let ending = track.ending else { return true }
        return ending.mayPass && ContinuousClock.now >= track.next
    }

    private mutating func end(
        _ bundle: LooseBundle, _ files: Set<LooseFile>, _ handled: Watch.Handled, _ patience: Double
    ) {
        guard var track = tracks[bundle.release] else { return }
        track.tries = track.files == files ? track.tries + 1 : 0
        let wait = min(patience * Double(1 << min(track.tries, 10)), patience * 10)
        (track.files, track.ending, track.next) = (files, handled, .now + .seconds(wait))
        tracks[bundle.release] = track
    }

    /// Whether nothing is awaited any more: each bundle is done, or refused for a reason that no further file mends.
    var allEnded: Bool {
        tracks.values.allSatisfy { track in
            guard let ending = track.ending else { return false }
            guard let failure = ending.failure else { return true }
            return failure != .incomplete && !ending.mayPass && !(failure == .damaged && track.wantsMore)
        }
    }

    var report: Report {
        let all = tracks.values.sorted { $0.name < $1.name }
        let failures = all.map { $0.ending.map(\.failure) ?? .incomplete }
        return Report(
            text: all.isEmpty
                ? "no bundle of a product that is trusted here has come"
                : all.map { "\($0.name): \($0.ending?.text ?? "not all of its small files have come")" }.joined(
                    separator: "\n"),
            json: [
                "bundles": .array(
                    all.map { track in
                        [
                            "name": .string(track.name),
                            "exitCode": .int(Int64((track.ending.map(\.failure) ?? .incomplete)?.rawValue ?? 0)),
                            "completeVolumes": .array(track.complete.sorted().map { .string(String($0.dropFirst(8))) }),
                            "result": track.ending?.json ?? .null,
                        ]
                    })
            ], failure: all.isEmpty ? .incomplete : failures.compactMap(\.self).min())
    }
}

extension LooseBundle {
    /// The bundle without files that are not whole: they may still be arriving.
    package var arrived: UnverifiedBundle {
        let arriving = Set(partial.map(\.file))
        let media = bundle.media.map { medium in
            MediaFolder(
                medium.path, files: (medium.files ?? [:]).filter { !arriving.contains(medium.path.appending($0.value)) }
            )
        }
        return UnverifiedBundle(name: name, media: media)
    }

    /// Where its whole files are.
    fileprivate var files: [FilePath] {
        arrived.media.flatMap { medium in (medium.files ?? [:]).values.map { medium.path.appending($0) } }
    }
}
