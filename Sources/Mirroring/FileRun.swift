// SPDX-License-Identifier: Apache-2.0

internal import Cryptography
internal import Files
internal import FoundationEssentials
internal import OCI
internal import PaletteSources
internal import RegistryClient
internal import Synchronization
internal import SystemPackage

/// Mirrors files over HTTP(S): pinned by their SHA-256, or by the vendor's detached signature.
final class FileRun: Sendable {
    /// Bytes of a file and of a signature.
    private static let maximumFile: Int64 = 1 << 40
    private static let maximumSignature = 64 << 10

    private let run: MirrorRun
    private let wanted: [WantedFile]
    private let keys: [PublicKey]
    private let held: FileRecords
    private let locked: [String: LockFile.File]

    /// A file, its address found.
    private struct WantedFile: Sendable {
        let name: String
        let address: WebAddress
        let digest: Digest?
        /// Where its signature is; `nil` for a file that a digest pins.
        let signature: WebAddress?
    }

    /// Finds the addresses of all files. Throws `MirrorError`, `EndpointError`, `FileError`.
    init(_ run: MirrorRun) throws {
        self.run = run
        let document = run.options.document
        keys = try document.vendorKeys.map { try FileRun.key(run.options.base.pushing(FilePath($0.path))) }
        let list = try SignedURLs(run.options.urls)
        var wanted: [WantedFile] = []
        for file in document.files { wanted += try FileRun.addresses(of: file, list) }
        for (index, file) in wanted.enumerated() {
            guard !wanted[..<index].contains(where: { $0.name.lowercased() == file.name.lowercased() }) else {
                throw MirrorError.twice(file.name)
            }
            guard file.signature == nil || !keys.isEmpty else { throw MirrorError.noVendorKey(file.name) }
        }
        let used = Set(wanted.flatMap { [$0.address] + ($0.signature.map { [$0] } ?? []) })
        for address in list.addresses where !used.contains(address) {
            run.ledger.warn("\(address) is in the list of --urls, and no entry of files asks for it")
        }
        self.wanted = wanted
        held = try FileRecords(run.folder)
        locked = Dictionary(run.old.files.map { ($0.name, $0) }) { $1 }
    }

    private static func key(_ path: FilePath) throws -> PublicKey {
        let pem = try path.contents(limit: 1 << 20)
        do {
            return try PublicKey(pem: pem, for: .vendor)
        } catch {
            throw MirrorError.vendorKeyUnusable(path, why: "\(error)")
        }
    }

    private static func addresses(of file: MirrorFile, _ list: SignedURLs) throws -> [WantedFile] {
        let found: [WebAddress]
        if let url = file.url {
            let plain = try WebAddress(parsing: url)
            found = [list.addresses.first { "\($0)" == "\(plain)" } ?? plain]
        } else {
            found = list.matching(file.name ?? "")
            guard !found.isEmpty else { throw MirrorError.noAddress(file.name ?? "") }
        }
        return try found.compactMap { address in
            let name = file.url != nil ? file.name ?? address.fileName : address.fileName
            guard ManifestItem.isUsableName(name) else { throw MirrorError.unusableName(name) }
            switch file.pin {
            case .sha256(let digest): return WantedFile(name: name, address: address, digest: digest, signature: nil)
            case .signature(let place):
                // A pattern fits the signatures too.
                if found.count > 1, name.hasSuffix(".sig.bin") { return nil }
                let sign = try place.map { try WebAddress(parsing: $0) } ?? list.signature(of: address)
                return WantedFile(name: name, address: address, digest: nil, signature: sign)
            }
        }
    }

    // MARK: the plan

    /// What will be fetched.
    func planned() throws -> [MirrorPlan.File] {
        wanted.map { file in
            MirrorPlan.File(
                name: file.name, url: "\(file.address)", state: known(file) == nil ? "new" : "unchanged",
                size: held.record(of: file.name)?.size ?? locked[file.name]?.size)
        }
    }

    /// The file's digest, where it is in the folder, untouched since it was written there, and the one that is pinned.
    private func known(_ file: WantedFile) -> Digest? {
        guard let digest = held.record(of: file.name)?.digest else { return nil }
        if let pin = file.digest { return pin == digest ? digest : nil }
        return locked[file.name]?.digest == digest ? digest : nil
    }

    /// The files that are there and right.
    var done: [LockFile.File] { found.withLock { $0 }.sorted { $0.name < $1.name } }
    private let found = Mutex([LockFile.File]())

    // MARK: doing it

    /// Fetches what isn't there; what the lock file says of all.
    func fetch() throws -> [LockFile.File] {
        guard !wanted.isEmpty else { return [] }
        try run.folder.files.createDirectories()
        try crew(run.sources, count: wanted.count) { [self] worker, index in
            let file = wanted[index]
            run.progress.label = file.name
            let entry = try run.ledger.attempt(file.name) { try mirror(file, worker) }
            if let entry { found.withLock { $0.append(entry) } }
        }
        try held.save()
        return done
    }

    private func mirror(_ file: WantedFile, _ worker: Worker) throws -> LockFile.File {
        let old = locked[file.name]
        if run.options.isLocked, old == nil || file.digest.map({ $0 != old?.digest }) == true {
            throw MirrorError.notInLock(file.name)
        }
        let pin = file.digest ?? (run.options.isLocked ? old?.digest : nil)
        let there = try here(file)
        if let there, pin == there { return entry(file, there, old?.entityTag) }
        var download = WebDownload(
            address: file.address,
            partial: run.folder.partials.appending("file-\(Digest(of: Array(file.name.utf8)).hex)"),
            limit: FileRun.maximumFile)
        if let there, pin == nil, there == old?.digest { download.knownTag = old?.entityTag }
        do {
            guard let whole = try download.ifChanged(worker, run.progress, expected: pin, name: file.name) else {
                return entry(file, there ?? Digest(of: []), old?.entityTag)
            }
            if let signature = file.signature { try check(signature, file, whole, download, worker) }
            try whole.file.commit(to: run.folder.files.appending(file.name))
            try held.note(file.name, whole.digest)
            return entry(file, whole.digest, whole.entityTag)
        } catch MirrorError.wrongBytes(_, let expected, let now) where run.options.isLocked {
            throw MirrorError.changed(file.name, locked: expected, now: now)
        }
    }

    /// The digest of the file that is there, hashed again where the run rechecks.
    private func here(_ file: WantedFile) throws -> Digest? {
        guard let record = held.record(of: file.name) else { return nil }
        guard run.options.rechecks else { return record.digest }
        return try PartialFile.digest(of: run.folder.files.appending(file.name))
    }

    private func entry(_ file: WantedFile, _ digest: Digest, _ tag: String?) -> LockFile.File {
        LockFile.File(
            name: file.name, url: "\(file.address)", digest: digest,
            size: held.record(of: file.name)?.size ?? 0, entityTag: tag)
    }

    /// Proves the vendor's signature, and keeps it beside the file under the name that `pack` looks for.
    private func check(
        _ signature: WebAddress, _ file: WantedFile, _ whole: WebDownload.Whole, _ download: WebDownload,
        _ worker: Worker
    ) throws {
        let bytes: [UInt8]
        do {
            bytes = try worker.small(signature, limit: FileRun.maximumSignature)
        } catch MirrorError.gone {
            throw MirrorError.signatureMissing(file.name)
        }
        let isRight = keys.contains { key in
            do {
                try key.verify(
                    signature: bytes, digest: whole.digest.bytes, hash: .sha256, padding: .openSSLDefault)
                return true
            } catch { return false }  // another of the keys may have made it
        }
        guard isRight else {
            try download.discard(whole.file)
            throw MirrorError.signatureWrong(file.name)
        }
        let name = ManifestItem.signatureName(for: file.name)
        try run.folder.files.appending(name).replaceContents(with: bytes)
    }
}

/// The addresses of `--urls`. Their queries open what they name: nothing prints them.
struct SignedURLs: Sendable {
    let addresses: [WebAddress]

    /// Reads a file with an address a line; blank lines and those that begin with `#` don't count. Throws
    /// `MirrorError.urlsUnreadable`.
    init(_ path: FilePath?) throws {
        guard let path else {
            addresses = []
            return
        }
        let text = String(decoding: try path.contents(limit: 1 << 20), as: UTF8.self)
        var addresses: [WebAddress] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let words = line.split { $0.isWhitespace }
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            do {
                guard words.count == 1 else { throw MirrorError.urlsUnreadable(path, line: number + 1) }
                addresses.append(try WebAddress(parsing: String(first)))
            } catch {
                throw MirrorError.urlsUnreadable(path, line: number + 1)
            }
        }
        self.addresses = addresses
    }

    /// Those whose file name a pattern fits.
    func matching(_ pattern: String) -> [WebAddress] { addresses.filter { PathPattern.fits($0.fileName, pattern) } }

    /// Where the signature of a file is: in the list by its name, else beside the file.
    func signature(of address: WebAddress) throws -> WebAddress {
        let name = ManifestItem.signatureName(for: address.fileName)
        if let listed = addresses.first(where: { $0.fileName == name }) { return listed }
        return try address.resolving(name)
    }
}
