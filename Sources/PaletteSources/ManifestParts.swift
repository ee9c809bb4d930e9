// SPDX-License-Identifier: Apache-2.0

internal import Files
internal import SystemPackage

/// A file or folder that an item names; a file may be there in parts.
struct InputPath {
    let path: FilePath
    var parts: [FilePath] = []
}

extension ManifestResolver {
    /// Puts the parts among `found` together to the files that they were cut from, each once. Throws `ManifestError` for parts
    /// that make no file.
    func joiningParts(_ found: [FilePath], at place: ManifestPlace) throws -> (whole: [FilePath], sets: [InputPath]) {
        var whole: [FilePath] = []
        var sets: [InputPath] = []
        for path in found {
            do {
                guard let set = try PartSet(at: path) else {
                    whole.append(path)
                    continue
                }
                if !sets.contains(where: { $0.path == set.whole }) {
                    sets.append(InputPath(path: set.whole, parts: set.parts))
                }
            } catch let error as PartSetError {
                throw failure(.parts(error), at: place)
            }
        }
        return (whole, sets)
    }

    /// Makeself archives carry programs; `pack` takes nothing out of them.
    func checkNotSelfExtracting(_ found: InputPath, at place: ManifestPlace) throws {
        let file = try OpenFile.reading(found.parts.first ?? found.path)
        let start = try file.bytes(at: 0, length: Int(min(file.status().size, UInt64(Makeself.beginning))))
        guard Makeself.begins(start) else { return }
        throw failure(.selfExtracting(found.path), at: place)
    }
}
