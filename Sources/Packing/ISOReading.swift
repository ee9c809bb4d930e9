// SPDX-License-Identifier: Apache-2.0

internal import BundleFormat
internal import Files
internal import Palette
internal import PaletteSources
internal import Splitting

/// Reads what an ISO image says of itself: names of its files and a few small ones. What a squashfs inside holds is not read.
struct ISOReading {
    /// What an `os-release` says.
    struct System: Sendable, Equatable {
        /// `NAME`, for example `Ubuntu`.
        let name: String
        let version: String
    }

    private(set) var facts: Release.ISOFacts
    private(set) var system: System?
    /// Bytes that the image gives itself; more than the file has where it was cut short.
    let volumeSize: UInt64

    /// Bytes of a small file that is looked into.
    private static let smallFile: UInt64 = 64 << 10

    /// `nil` where the file is no ISO image, or its folders can't be read. `name` is the file's. Throws `FileError`.
    init?(_ file: InputFile, name: String) throws {
        guard let image = try ISOReading.image(file) else { return nil }
        volumeSize = image.volumeSize
        facts = Release.ISOFacts(volumeID: VendorName.shown(image.volumeID) ?? "")
        let paths = image.extents.map(\.path)
        facts.bundles = ISOReading.bundles(paths)
        facts.kernel = try ISOReading.kernel(image.extents, file)
        if let release = try ISOReading.small(
            ["/etc/os-release", "/usr/lib/os-release", "/os-release"], image.extents, file)
        {
            let values = ISOReading.assignments(release)
            if let name = values["NAME"], let version = values["VERSION_ID"] {
                system = System(name: name, version: version)
            }
            facts.os = values["PRETTY_NAME"] ?? system.map { "\($0.name) \($0.version)" }
        }
        if facts.os == nil, let info = try ISOReading.small(["/.disk/info"], image.extents, file) {
            facts.os = VendorName.shown(String(info.prefix { !$0.isNewline }))
        }
        let names = [name] + facts.bundles + [facts.volumeID]
        facts.edition = names.lazy.compactMap(VendorName.edition(in:)).first?.rawValue
        facts.version = names.lazy.compactMap(VendorName.version(in:)).first
    }

    private static func image(_ file: InputFile) throws -> ISOImage? {
        guard file.size >= UInt64(ISOImage.headerLength),
            ISOImage.isISO(try file.bytes(at: 0, length: ISOImage.headerLength))
        else { return nil }
        do {
            return try ISOImage(size: file.size) { offset, length in try file.bytes(at: offset, length: length) }
        } catch is ISOError {
            return nil  // the caller says so
        }
    }

    /// Names of bundles among the files, those of a part set as one.
    private static func bundles(_ paths: [String]) -> [String] {
        var found: Set<String> = []
        for path in paths {
            guard var name = path.split(separator: "/").last.map(String.init) else { continue }
            if let part = PartName(name) { name = part.whole }
            guard name.hasSuffix(".zst") || name.hasSuffix(".tar"), let name = VendorName.shown(name) else { continue }
            found.insert(name)
        }
        return Array(found.sorted().prefix(1000))
    }

    /// The kernel's release: out of a file's name (`vmlinuz-5.15.0-91-generic`), else out of an x86 kernel's own header.
    private static func kernel(_ extents: [ISOExtent], _ file: InputFile) throws -> String? {
        var candidates: [ISOExtent] = []
        for extent in extents {
            let name = extent.path.split(separator: "/").last.map { $0.lowercased() } ?? ""
            if let match = name.wholeMatch(of: /(?:vmlinuz|bzimage|kernel|vmlinux)-([0-9][a-z0-9._+-]{2,62})/) {
                return String(match.1)
            }
            let isKernel = name.wholeMatch(of: /(?:vmlinuz|bzimage|kernel|linux)(?:\.[a-z]+)?/) != nil
            if isKernel, candidates.count < 16 { candidates.append(extent) }
        }
        for extent in candidates {
            let length = Int(min(extent.length, smallFile))
            if let release = linuxRelease(try file.bytes(at: extent.offset, length: length)) { return release }
        }
        return nil
    }

    /// The version in the setup header of a bzImage (Linux/x86 boot protocol: "HdrS" at 0x202, `kernel_version` at 0x20E).
    static func linuxRelease(_ bytes: [UInt8]) -> String? {
        guard bytes.count > 0x210, bytes[0x202..<0x206].elementsEqual(Array("HdrS".utf8)) else { return nil }
        let pointer = Int(bytes[0x20E]) | Int(bytes[0x20F]) << 8
        guard pointer > 0, 0x200 + pointer < bytes.count else { return nil }
        let text = bytes[(0x200 + pointer)...].prefix(200).prefix { $0 != 0 }
        let release = String(decoding: text.prefix { $0 != 0x20 }, as: UTF8.self)
        return VendorName.isVersion(release) ? release : nil
    }

    /// The text of the first of these files that is there, small and UTF-8.
    private static func small(_ paths: [String], _ extents: [ISOExtent], _ file: InputFile) throws -> String? {
        for path in paths {
            guard let extent = extents.first(where: { $0.path.lowercased() == path }), extent.length <= smallFile else {
                continue
            }
            let bytes = try file.bytes(at: extent.offset, length: Int(extent.length))
            if let text = String(validating: bytes, as: UTF8.self) { return text }
        }
        return nil
    }

    /// `KEY=value` lines with the quotes of os-release(5) taken off.
    private static func assignments(_ text: String) -> [String: String] {
        var values: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline).prefix(200) {
            let parts = line.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { continue }
            let bare = parts[1].trimmingPrefix { $0 == "\"" || $0 == "'" }.prefix { $0 != "\"" && $0 != "'" }
            values[String(parts[0])] = VendorName.shown(String(bare))
        }
        return values
    }
}
