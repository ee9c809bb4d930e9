// SPDX-License-Identifier: Apache-2.0

internal import Glibc
package import SystemPackage

/// A process that works in a folder.
package struct FolderUser: Sendable, Equatable {
    package let process: Int32
    /// The program's name as the kernel has it, at most 15 characters.
    package let program: String
    /// What of the folder it has open.
    package let path: String
}

extension FilePath {
    /// The first process beside this one that has this folder, or something below it, open or as its current folder; `nil` where
    /// none is seen. `files`: files below it that are known by what they are, as a process in a container sees other paths.
    ///
    /// Only root sees the processes of others (proc(5)). The current folder of the shell that we were started from counts for
    /// nothing.
    package func firstUser(files: Set<FileIdentity>) throws(FileError) -> FolderUser? {
        let folder = try resolved()
        let known = files.union([folder.identityIfSeen()].compactMap(\.self))
        let own = getpid()
        let ancestors = ancestorsOfThisProcess()
        for name in try FilePath("/proc").entries() {
            guard let process = Int32(name), process != own else { continue }
            let place = FilePath("/proc").appending(name)
            if !ancestors.contains(process), place.appending("cwd").leads(into: folder, known) {
                return FolderUser(process: process, program: place.programName, path: folder.string)
            }
            for number in place.appending("fd").entriesIfSeen() {
                let open = place.appending("fd").appending(number)
                guard open.leads(into: folder, known) else { continue }
                return FolderUser(
                    process: process, program: place.programName, path: open.linkTarget() ?? folder.string)
            }
        }
        return nil
    }

    /// Whether this link of /proc leads to the folder, below it, or to one of the files.
    private func leads(into folder: FilePath, _ known: Set<FileIdentity>) -> Bool {
        guard let target = linkTarget(), target.hasPrefix("/") else { return false }
        if target == folder.string || target.hasPrefix(folder.string + "/") { return true }
        return identityIfSeen().map(known.contains) ?? false
    }

    // A process may end at any moment, and others' can't be looked at.
    private func entriesIfSeen() -> [String] { (try? entries()) ?? [] }

    private var programName: String {
        guard let bytes = try? appending("comm").shortText() else { return "a program" }
        return bytes.filter { !$0.isNewline }
    }
}

extension FilePath {
    /// The beginning of a file of /proc, whose size the kernel doesn't say.
    fileprivate func shortText() throws(FileError) -> String {
        let buffer = Buffer(capacity: 4096)
        try OpenFile.reading(self).read(into: buffer, at: 0, length: buffer.capacity)
        return buffer.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
        }
    }
}

/// This process's parents, up to the first.
private func ancestorsOfThisProcess() -> Set<Int32> {
    var found: Set<Int32> = []
    var process = getppid()
    while process > 1, found.insert(process).inserted {
        // pid (name) state parent ...; the name may hold anything but is followed by the last parenthesis
        guard let line = try? FilePath("/proc/\(process)/stat").shortText(),
            let end = line.lastIndex(of: ")"),
            let parent = line[line.index(after: end)...].split(separator: " ").dropFirst().first.flatMap({ Int32($0) })
        else { break }
        process = parent
    }
    return found
}
