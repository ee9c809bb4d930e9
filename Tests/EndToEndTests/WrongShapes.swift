// SPDX-License-Identifier: Apache-2.0

import Testing

/// What `dray pack` makes of an input that has one thing wrong (`Tests/python/vendor_wrong.py` makes each, by name).
struct WrongShape: Sendable, CustomTestStringConvertible {
    let name: String
    let code: Int32
    /// What standard error says, each of it; nothing at all where this is empty and the code is 0.
    let words: [String]
    var testDescription: String { name }

    init(_ name: String, _ code: Int32, _ words: String...) { (self.name, self.code, self.words) = (name, code, words) }

    /// The folder that the vendor made for it.
    var folder: String { String(name.map { $0 == " " ? "-" : $0 }.filter { $0 != "," && $0 != "'" }) }

    static let all = archives + signatures + blobs + indexes + members + parts + others + packs

    private static let archives = [
        WrongShape("right", 0), WrongShape("no prefix", 0), WrongShape("deep prefix", 0), WrongShape("index first", 0),
        WrongShape("two zstd frames", 0), WrongShape("plain tar called zst", 0),
        WrongShape("empty archive file", 13, "web-bundle-1.0.tar.zst", "can't be read"),
        WrongShape("archive cut short, signed so", 13, "web-bundle-1.0.tar.zst", "Truncated", "fetch it again"),
        WrongShape("archive cut short after it was signed", 13, "web-bundle-1.0.tar.zst", "Truncated"),
        WrongShape("archive with a changed byte", 13, "web-bundle-1.0.tar.zst", "check it against its signature"),
        WrongShape("bytes after the archive", 13, "web-bundle-1.0.tar.zst", "can't be read"),
        WrongShape("gzip called zst", 13, "web-bundle-1.0.tar.zst", "can't be read"),
        WrongShape("window of 2 GiB", 13, "web-bundle-1.0.tar.zst", "memory"),
        WrongShape("random bytes called zst", 13, "web-bundle-1.0.tar.zst", "can't be read"),
        WrongShape("tar cut short inside whole zstd", 13, "web-bundle-1.0.tar.zst", "Truncated tar"),
    ]
    private static let signatures = [
        WrongShape("no signature", 10, "web-bundle-1.0.tar.sig.bin is not there"),
        WrongShape("signature called .zst.sig.bin", 10, "web-bundle-1.0.tar.sig.bin is not there"),
        WrongShape("signature of another file", 10, "web-bundle-1.0.tar.zst is not valid under any of vendorKeys"),
        WrongShape("signature by another key", 10, "web-bundle-1.0.tar.zst is not valid under any of vendorKeys"),
        WrongShape("empty signature", 10, "web-bundle-1.0.tar.zst is not valid"),
        WrongShape("signature in text", 10, "web-bundle-1.0.tar.zst is not valid"),
        WrongShape("signature with bytes after it", 10, "web-bundle-1.0.tar.zst is not valid"),
    ]
    private static let blobs = [
        WrongShape("blob of zero bytes", 13, "the blob sha256:", "holds other bytes than its name says"),
        WrongShape("layer of zero bytes, rightly named", 0),
        WrongShape("blob with a changed byte", 13, "the blob sha256:", "holds other bytes than its name says"),
        WrongShape("blob missing", 13, "lacks sha256:", "fetch the whole image"),
        // The first bytes fit the digest; no others are ever delivered under it.
        WrongShape("blob there twice, differently", 0),
        WrongShape("manifest missing", 13, "lacks sha256:", "index.json"),
        WrongShape("size off by one", 13, "sha256:", "holds other bytes"),
        WrongShape("digest of another algorithm", 13, "sha512", "expected sha256:"),
        WrongShape("manifest is no JSON", 13, "sha256:", "no readable JSON"),
        WrongShape("manifest nested 5,000 deep", 13, "sha256:", "no readable JSON"),
    ]
    private static let indexes = [
        WrongShape("no index.json", 64, "web-bundle-1.0.tar.zst", "no index.json"),
        WrongShape("index.json is no JSON", 64, "web-bundle-1.0.tar.zst", "index.json can't be read"),
        WrongShape("index.json without manifests", 64, "web-bundle-1.0.tar.zst", "manifests"),
        WrongShape("index.json empty list", 0, "warning"),
        WrongShape("entry without a name", 0, "warning", "has no reference name", "not delivered"),
        WrongShape("name that climbs", 64, "../../etc/passwd:1", "web-bundle-1.0.tar.zst"),
        WrongShape("name in capitals", 64, "us-docker.pkg.dev/Palette/Web:1.0", "lower case", "web-bundle-1.0.tar.zst"),
        WrongShape("name with a space", 64, "web image:1.0", "web-bundle-1.0.tar.zst"),
        WrongShape("one name, two digests", 13, "lacks sha256:1111"),
        WrongShape("two layouts in one archive", 64, "index.json", "second"),
    ]
    private static let members = [
        WrongShape("member that climbs", 0, "warning", "no registry content"),
        WrongShape("absolute member", 0, "warning", "no registry content"),
        WrongShape("symbolic link", 0, "warning", "no registry content"),
        WrongShape("hard link", 0, "warning", "no registry content"),
        WrongShape("device", 0, "warning", "no registry content"),
    ]
    private static let parts: [WrongShape] = [
        WrongShape("all parts", 0),
        WrongShape("first part missing", 3, "web-bundle-1.0.tar.zst_part00 is missing"),
        WrongShape("middle part missing", 3, "web-bundle-1.0.tar.zst_part02 is missing"),
        WrongShape("last part missing", 13, "web-bundle-1.0.tar.zst", "Truncated"),
        WrongShape("part cut short", 3, "web-bundle-1.0.tar.zst_part01 has", "cut short"),
        WrongShape("part of zero bytes", 3, "web-bundle-1.0.tar.zst_part02 has 0 bytes"),
        WrongShape("part that is another's", 13, "web-bundle-1.0.tar.zst", "check it against its signature"),
    ]
    private static let others = [
        WrongShape("makeself as a bundle", 64, "airgap-v1.0.bin is a self-extracting archive", "never runs"),
        WrongShape("image that is none", 0, "warning: appliance-1.0.0.iso: no ISO 9660 image"),
        WrongShape("image cut short, signed so", 0, "warning: appliance-1.0.0.iso"),
        WrongShape("image and bundle of two versions", 0, "4.7.3.iso is of version 4.7.3", "tar.zst of 4.7.15"),
        WrongShape("FIPS and other flavour under one tag", 14, "spectro-packs/archive/cni-calico:3.30.2 stands for"),
        WrongShape("other flavour in a VerteX release", 14, "not (only) of the vendor's FIPS build", "palette/web:1.0"),
    ]
    private static let packs = [
        WrongShape("pack without pack.json", 64, "hello-1.0.0 has no pack.json"),
        WrongShape("pack.json is no JSON", 64, "hello-1.0.0/pack.json", "no JSON"),
        WrongShape("pack version with a v", 0, "us-docker.pkg.dev/palette-images/palette/web:1.0"),
        WrongShape("pack name that climbs", 64, "../../x"),
        WrongShape("pack with a symbolic link", 64, "hello-1.0.0/passwd is a symbolic link"),
        WrongShape("pack with a pipe", 64, "hello-1.0.0/pipe"),
    ]
}
