# SPDX-License-Identifier: Apache-2.0
"""Small releases that each have one thing wrong: OUT/wrong/<name>/release.yaml with its inputs. What Dray must say of
each stands in Tests/EndToEndTests/WrongShapes.swift."""
import hashlib, io, json, os, shutil, subprocess, tarfile

from vendor_key import Key
from vendor_layout import INDEX, LAYER, MANIFEST, NAME, Layout, content, packed, write

REFERENCE = "us-docker.pkg.dev/palette-images/palette/web:1.0"
BUNDLE = "web-bundle-1.0.tar.zst"
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def tar_of(members):
    """A tar of (name, bytes) or (name, type, link) in this order."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for member in members:
            info = tarfile.TarInfo(member[0])
            if len(member) == 3:
                info.type, info.linkname = member[1], member[2]
                tar.addfile(info)
            else:
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return raw.getvalue()


def zstd(data, *options):
    return subprocess.run(["zstd", "-q", "-3", "-c"] + list(options), input=data, stdout=subprocess.PIPE, check=True).stdout


class Case:
    """One release in the making: a right one until something is changed."""

    def __init__(self, vendor, name, folder):
        self.vendor, self.name, self.folder, self.contents = vendor, name, folder, None
        self.edition, self.extra, self.key = "palette", "", vendor.key
        self.references = {REFERENCE: self.layout("plain", REFERENCE)}

    def at(self, *names):
        return os.path.join(self.folder, *names)

    def layout(self, seed, reference, kind=None):
        """A one-image layout as {member: bytes}."""
        path = self.at("made-" + seed)
        shutil.rmtree(path, ignore_errors=True)
        layout = Layout(path, self.vendor.store)
        layer = self.vendor.store.layer(("wrong", seed), [("bin/web", lambda: content("wrong/" + seed, 20_000))])
        layout.tag(reference, layout.image([layer], component=seed), kind)
        layout.close()
        members = {}
        for base, _, files in os.walk(path):
            for file in files:
                with open(os.path.join(base, file), "rb") as data:
                    members[os.path.relpath(os.path.join(base, file), path)] = data.read()
        shutil.rmtree(path)
        return members

    @property
    def members(self):
        return self.references[REFERENCE]

    def document(self, members=None):
        """(index.json, the image's manifest, its member's name)."""
        members = self.members if members is None else members
        index = json.loads(members["index.json"])
        name = "blobs/sha256/" + index["manifests"][0]["digest"][7:]
        return index, json.loads(members[name]), name

    def replace_manifest(self, manifest):
        """Puts another manifest in the image's place, under its own digest."""
        index, _, name = self.document()
        del self.members[name]
        data = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        digest = hashlib.sha256(data).hexdigest()
        self.members["blobs/sha256/" + digest] = data
        index["manifests"][0].update(digest="sha256:" + digest, size=len(data))
        self.members["index.json"] = json.dumps(index).encode()

    def layer_name(self):
        return "blobs/sha256/" + self.document()[1]["layers"][0]["digest"][7:]

    def archive(self, name=BUNDLE, members=None, prefix="bundle-pkg/", last=("index.json",), sign=True, data=None, extra=()):
        members = self.members if members is None else members
        order = sorted(n for n in members if n not in last) + [n for n in last if n in members]
        data = zstd(tar_of([(prefix + n, members[n]) for n in order] + list(extra))) if data is None else data
        write(self.at(name), data)
        if sign:
            self.sign(name)

    def sign(self, name, to=None):
        to = to or (name[:-4] if name.endswith(".zst") else name) + ".sig.bin"
        write(self.at(to), self.key.sign(self.at(name)))

    def close(self):
        listed = self.contents or "  - bundle: %s\n" % BUNDLE
        write(self.at("release.yaml"), "format: 1\nrelease: { product: %s-enterprise, version: 1.0.0, edition: %s }\n"
              "vendorKeys: [../../spectro_public_key.pem]\n%scontents:\n%s" % (self.edition, self.edition, self.extra, listed))


def whole(name):
    def change(case):
        case.archive()
        with open(case.at(BUNDLE), "rb") as file:
            data = file.read()
        case.archive(data=name(data))
    return change


def signature(make):
    def change(case):
        case.archive(sign=False)
        make(case)
    return change


def index(edit):
    """Another index.json."""
    def change(case):
        document = case.document()[0]
        made = edit(document)
        case.members["index.json"] = made if isinstance(made, bytes) else json.dumps(made or document).encode()
        case.archive()
    return change


def manifest(edit):
    """Another manifest, under its own digest."""
    def change(case):
        document = case.document()[1]
        made = edit(document)
        case.replace_manifest(made if isinstance(made, bytes) else made or document)
        case.archive()
    return change


def members(edit):
    def change(case):
        edit(case)
        case.archive()
    return change


def extra(*more):
    return lambda case: case.archive(extra=more)


def pack(edit):
    def change(case):
        pack_folder(case.at("folders/hello-1.0.0"))
        edit(case.at("folders/hello-1.0.0"))
        case.contents = "  - packs: folders/*\n"
    return change


def pack_folder(folder, **more):
    write(folder + "/pack.json", json.dumps({"name": "hello", "version": "1.0.0", "displayName": "Hello", "layer": "addon", **more}))
    write(folder + "/values.yaml", "pack:\n  content:\n    images:\n      - image: %s\n" % REFERENCE)
    write(folder + "/README.md", "# Hello\n")
    write(folder + "/logo.png", b"\x89PNG\r\n\x1a\n")


def two_flavours(case):
    """FIPS and other build of one pack, in two bundles, under one tag."""
    for flavour in ("plain", "fips"):
        file = "cni-calico-3.30.2%s.zst" % ("" if flavour == "plain" else "-fips")
        reference = "spectro-packs/archive/cni-calico:3.30.2"
        case.archive(file, case.layout(flavour, reference))
    case.contents = "  - bundle: cni-calico-*.zst\n"


def another_flavour(case):
    case.edition = "vertex"
    case.archive()


def disc(volume, name, make):
    def change(case):
        tree = case.at("tree")
        make(tree)
        subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-V", volume, "-o", case.at(name), tree], check=True,
                       stderr=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"})
        shutil.rmtree(tree)
        case.sign(name)
        case.contents = "  - iso: %s\n" % name
    return change


def kernel(tree):
    write(tree + "/boot/kernel", content("kernel", 90_000))


def cut_disc(case):
    disc("PALETTE", "appliance-1.0.0.iso", kernel)(case)
    with open(case.at("appliance-1.0.0.iso"), "r+b") as file:
        file.truncate(150_000)
    case.sign("appliance-1.0.0.iso")


def no_disc(case):
    write(case.at("appliance-1.0.0.iso"), content("no disc", 60_000))
    case.sign("appliance-1.0.0.iso")
    case.contents = "  - iso: appliance-1.0.0.iso\n"


def two_versions(case):
    """An image of one version beside the content bundle of another."""
    disc("PALETTE_4_7_3", "palette-enterprise-appliance-4.7.3.iso", kernel)(case)
    case.archive("palette-enterprise-appliance-4.7.15.tar.zst")
    case.contents = "  - iso: palette-enterprise-appliance-4.7.3.iso\n  - bundle: palette-enterprise-appliance-4.7.15.tar.zst\n"


def parts(*numbers, damage=None):
    """The bundle cut into four, of which these are there; signed as a whole."""
    def change(case):
        case.archive()
        with open(case.at(BUNDLE), "rb") as file:
            data = file.read()
        size = len(data) // 4 + 1
        for number in numbers:
            piece = data[number * size:(number + 1) * size]
            write(case.at("%s_part%02d" % (BUNDLE, number)), damage(number, piece) if damage else piece)
        os.remove(case.at(BUNDLE))
        case.contents = "  - bundle: %s_part*\n" % BUNDLE
    return change


def makeself(case):
    write(case.at("airgap-v1.0.bin"), b"#!/bin/sh\n# This script was generated using Makeself 2.4.5\ntouch ran\nexit 1\n" +
          packed_members(case))
    case.sign("airgap-v1.0.bin")
    case.contents = "  - bundle: airgap-v1.0.bin\n"


def packed_members(case):
    write(case.at("made/bin/functions.sh"), "echo functions\n")
    data = packed(case.at("made"))
    shutil.rmtree(case.at("made"))
    return data


def zero_blob(case):
    case.members[case.layer_name()] = b""


def empty_blob(document):
    """A layer of no bytes: what a hard reboot left behind, named by its right digest."""
    document["layers"].append({"mediaType": LAYER, "digest": "sha256:" + EMPTY, "size": 0})


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def change_blob(case):
    name = case.layer_name()
    case.members[name] = flip(case.members[name], 5000)


def deep(document):
    return b'{"schemaVersion":2,"layers":' + b"[" * 5000 + b"]" * 5000 + b"}"


def size_off(document):
    document["layers"][0]["size"] += 1


def sha512(document):
    document["layers"][0]["digest"] = "sha512:" + "ab" * 64


def no_name(document):
    del document["manifests"][0]["annotations"][NAME]


def name_is(text):
    def edit(document):
        document["manifests"][0]["annotations"][NAME] = text
    return edit


def two_of_a_name(document):
    """Two entries of one name and different digests."""
    second = dict(document["manifests"][0], digest="sha256:" + "11" * 32)
    document["manifests"].append(second)


def loose(case):
    """A blob that the index names and nobody delivered."""
    del case.members[case.layer_name()]


def no_manifest(case):
    del case.members[case.document()[2]]


def blob_twice(case):
    name = case.layer_name()
    case.archive(extra=[("bundle-pkg/" + name, b"other bytes under the same name")])


def second_layout(case):
    other = case.layout("second", "us-docker.pkg.dev/palette-images/palette/other:1.0")
    case.archive(extra=[("second/" + n, d) for n, d in sorted(other.items())])




def truncate(path):
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) - 7)


def damage(path):
    with open(path, "rb") as file:
        data = file.read()
    write(path, flip(data, len(data) // 2))


def append(path):
    with open(path, "ab") as file:
        file.write(b"\0")


def raw(case):
    return tar_of([("bundle-pkg/" + n, case.members[n]) for n in sorted(case.members)])


def frames(case):
    data = raw(case)
    return zstd(data[:7000]) + zstd(data[7000:])


def gzip(case):
    return subprocess.run(["gzip", "-nc"], input=raw(case), stdout=subprocess.PIPE, check=True).stdout


def wide(case):
    """A frame that asks its reader for 2 GiB: header with window descriptor 0xA8, then one raw block."""
    data = raw(case)
    blocks = b""
    for at in range(0, len(data), 65536):
        piece = data[at:at + 65536]
        last = at + 65536 >= len(data)
        blocks += (len(piece) << 3 | int(last)).to_bytes(3, "little") + piece
    return b"\x28\xb5\x2f\xfd\x00\xa8" + blocks


SHAPES = {
    "archives": {
        "right": lambda case: case.archive(),
        "no prefix": lambda case: case.archive(prefix=""),
        "deep prefix": lambda case: case.archive(prefix="./a/b/bundle-pkg/"),
        "index first": lambda case: case.archive(prefix="x/", last=sorted(case.members, reverse=True)),
        "empty archive file": whole(lambda data: b""),
        "archive cut short, signed so": whole(lambda data: data[:len(data) // 2]),
        "archive cut short after it was signed": lambda case: (case.archive(), truncate(case.at(BUNDLE))),
        "archive with a changed byte": lambda case: (case.archive(), damage(case.at(BUNDLE))),
        "bytes after the archive": whole(lambda data: data + b"trailing bytes"),
        "two zstd frames": lambda case: case.archive(data=frames(case)),
        "plain tar called zst": lambda case: case.archive(data=tar_of([("bundle-pkg/" + n, d) for n, d in case.members.items()])),
        "gzip called zst": lambda case: case.archive(data=gzip(case)),
        "window of 2 GiB": lambda case: case.archive(data=wide(case)),
        "random bytes called zst": lambda case: case.archive(data=content("noise", 9001)),
        "tar cut short inside whole zstd": lambda case: case.archive(data=zstd(tar_of([("bundle-pkg/" + n, d) for n, d in sorted(
            case.members.items())])[:9000])),
    },
    "signatures": {
        "no signature": signature(lambda case: None),
        "signature called .zst.sig.bin": signature(lambda case: case.sign(BUNDLE, BUNDLE + ".sig.bin")),
        "signature of another file": signature(lambda case: (write(case.at("other"), "other"), case.sign("other", "web-bundle-1.0.tar.sig.bin"))),
        "signature by another key": signature(lambda case: (setattr(case, "key", Key("another")), case.sign(BUNDLE))),
        "empty signature": signature(lambda case: write(case.at("web-bundle-1.0.tar.sig.bin"), "")),
        "signature in text": signature(lambda case: write(case.at("web-bundle-1.0.tar.sig.bin"), "Verified OK\n")),
        "signature with bytes after it": signature(lambda case: (case.sign(BUNDLE), append(case.at("web-bundle-1.0.tar.sig.bin")))),
    },
    "blobs": {
        "blob of zero bytes": members(zero_blob),
        "layer of zero bytes, rightly named": lambda case: (case.members.update({"blobs/sha256/" + EMPTY: b""}), manifest(empty_blob)(case)),
        "blob with a changed byte": members(change_blob),
        "blob missing": members(loose),
        "blob there twice, differently": blob_twice,
        "manifest missing": members(no_manifest),
        "size off by one": manifest(size_off),
        "digest of another algorithm": manifest(sha512),
        "manifest is no JSON": manifest(lambda document: b"{not json"),
        "manifest nested 5,000 deep": manifest(deep),
    },
    "indexes": {
        "no index.json": members(lambda case: case.members.pop("index.json")),
        "index.json is no JSON": index(lambda document: b"<html>login</html>"),
        "index.json without manifests": index(lambda document: {"schemaVersion": 2}),
        "index.json empty list": index(lambda document: {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}),
        "entry without a name": index(no_name),
        "name that climbs": index(name_is("../../etc/passwd:1")),
        "name in capitals": index(name_is("us-docker.pkg.dev/Palette/Web:1.0")),
        "name with a space": index(name_is("web image:1.0")),
        "one name, two digests": index(two_of_a_name),
        "two layouts in one archive": second_layout,
    },
    "members": {
        "member that climbs": extra(("../../../tmp/dray-climbed", b"x")),
        "absolute member": extra(("/tmp/dray-absolute", b"x")),
        "symbolic link": extra(("bundle-pkg/blobs/sha256/" + "22" * 32, tarfile.SYMTYPE, "/etc/passwd")),
        "hard link": extra(("bundle-pkg/blobs/sha256/" + "22" * 32, tarfile.LNKTYPE, "bundle-pkg/index.json")),
        "device": extra(("bundle-pkg/console", tarfile.CHRTYPE, "")),
    },
    "parts": {
        "all parts": parts(0, 1, 2, 3),
        "first part missing": parts(1, 2, 3),
        "middle part missing": parts(0, 1, 3),
        "last part missing": parts(0, 1, 2),
        "part cut short": parts(0, 1, 2, 3, damage=lambda number, data: data[:-1] if number == 1 else data),
        "part of zero bytes": parts(0, 1, 2, 3, damage=lambda number, data: b"" if number == 2 else data),
        "part that is another's": parts(0, 1, 2, 3, damage=lambda number, data: content("x", len(data)) if number == 2 else data),
    },
    "others": {
        "makeself as a bundle": makeself,
        "image that is none": no_disc,
        "image cut short, signed so": cut_disc,
        "image and bundle of two versions": two_versions,
        "FIPS and other flavour under one tag": two_flavours,
        "other flavour in a VerteX release": another_flavour,
    },
    "packs": {
        "pack without pack.json": pack(lambda folder: os.remove(folder + "/pack.json")),
        "pack.json is no JSON": pack(lambda folder: write(folder + "/pack.json", "name: hello")),
        "pack version with a v": pack(lambda folder: pack_folder(folder, version="v1.0.0")),
        "pack name that climbs": pack(lambda folder: pack_folder(folder, name="../../x")),
        "pack with a symbolic link": pack(lambda folder: os.symlink("/etc/passwd", folder + "/passwd")),
        "pack with a pipe": pack(lambda folder: os.mkfifo(folder + "/pipe")),
    },
}


def make(vendor, group):
    for name, change in SHAPES[group].items():
        folder = os.path.join(vendor.out, "wrong", name.replace(" ", "-").replace(",", "").replace("'", ""))
        os.makedirs(folder)
        case = Case(vendor, name, folder)
        change(case)
        case.close()
