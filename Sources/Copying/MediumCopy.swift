// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
package import Files
internal import Synchronization
package import SystemPackage

/// What came of one medium.
package struct MediumResult: Sendable {
    package let number: Int
    package let mount: FilePath
    /// Its kind of file system, as people write it.
    package let system: String
    /// The volumes and parity files that were meant for it, by name.
    package let planned: [String]
    /// Those of them that are on it and were read back.
    package internal(set) var good: [String] = []
    /// Those that an earlier run, cut short, had read back; not read again.
    package internal(set) var notReadAgain: [String] = []
    /// Bytes written, blocks that were written again included.
    package internal(set) var bytesWritten: UInt64 = 0
    /// Blocks of files that stood there under their names, and were bad.
    package internal(set) var repaired: [String: Int] = [:]
    package internal(set) var readBack = ReadBack.direct
    /// What stopped it, or kept a file away; the worst first. Empty when all is on it.
    package internal(set) var errors: [any ClassifiedError] = []

    package var isWhole: Bool { errors.isEmpty && good.count == planned.count }
}

/// The work on one medium: the common files, then volumes and parity, then its label.
struct MediumCopy {
    let source: CopySource
    let medium: Medium
    let items: [CopyItem]
    /// What of the set is elsewhere, for the label.
    let label: Label
    let journal: CopyJournal
    let rechecks: Bool
    let progress: Progress

    /// Does it; what fails is in the result. Throws `Interrupted` alone.
    func run() throws -> MediumResult {
        var result = MediumResult(
            number: medium.number, mount: medium.layout.mount, system: medium.system.limits.name,
            planned: items.map(\.name))
        do {
            try work(&result)
        } catch let error as Interrupted {
            throw error
        } catch let error as any ClassifiedError {
            result.errors.insert(error, at: 0)
        }
        return result
    }

    private func work(_ result: inout MediumResult) throws {
        let layout = medium.layout
        try layout.folder.createDirectories()
        let lock = try OpenFile.folder(layout.folder)
        defer { withExtendedLifetime(lock) {} }
        guard try lock.lock() else { throw CopyError.busy(layout.folder) }
        try journal.update(medium.number) { $0.planned = items.map(\.name) }
        result.bytesWritten += try SmallCopy(layout).run(source.common)
        progress.add(Int(clamping: medium.commonBytes))
        let hands = Hands(source)
        for item in items {
            do {
                try copy(item, hands, &result)
            } catch let error as any ClassifiedError where error.isOfSource {
                result.errors.append(error)  // the other files can be copied all the same
            }
        }
        guard result.errors.isEmpty else { return }
        try label.write(medium, items)
        try journal.update(medium.number) { $0.isDone = true }
    }

    private func copy(_ item: CopyItem, _ hands: Hands, _ result: inout MediumResult) throws {
        progress.label = "\(medium.layout.mount.lastComponent?.string ?? ""): \(item.name)"
        let path = medium.layout.path(of: item.name)
        try path.removingLastComponent().createDirectories()
        if !rechecks, let stamp = journal.entry(medium.number)?.verified[item.name],
            let status = try path.statusIfPresent(followingLinks: false), status.size == item.length,
            CopyJournal.Stamp(status) == stamp
        {
            result.notReadAgain.append(item.name)
            result.good.append(item.name)
            progress.add(Int(clamping: item.length))
            return
        }
        let copied = try BlockCopy(item: item, layout: medium.layout, hands: hands, progress: progress).run()
        result.bytesWritten += copied.bytesWritten
        if copied.wasThere, copied.written > 0 { result.repaired[item.name] = copied.written }
        result.readBack = medium.system.limits.isInMemory ? .memory : copied.readBack
        result.good.append(item.name)
        guard let status = try path.statusIfPresent(followingLinks: false) else { return }
        try journal.update(medium.number) { $0.verified[item.name] = CopyJournal.Stamp(status) }
    }
}

extension ClassifiedError {
    /// Whether it is about the bundle that is copied, not about the medium.
    fileprivate var isOfSource: Bool {
        if self is BundleError { return true }
        if case .sourceDamaged? = self as? CopyError { return true }
        return false
    }
}
