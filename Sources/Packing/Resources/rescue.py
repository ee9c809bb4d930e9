#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rebuilds what a Dray bundle delivers without Dray: Python 3.6 or later and the `zstd` command are enough.

rescue.py list [FOLDER...]                              what is in the bundle, and which volumes are here
rescue.py extract (sha256:HEX|NAME) OUT [FOLDER...]     write one object: a file, a tag's manifest, any blob
rescue.py check [FOLDER...]                             compare every 1 MiB block of the volumes that are here

FOLDER: bundle folders or media, with all or some of the volumes; without one, the folder that this file stands in.
SHA-256 is compared for every object and block. SIGNATURES ARE NOT CHECKED: README-VERIFY.txt tells how to do that.
Exit codes: 0 done, 1 failed, 3 volumes missing, 13 damaged, 14 a newer rescue.py is needed, 64 usage."""
import hashlib, json, mmap, os, re, struct, subprocess, sys

BLOCK, BATCH = 1 << 20, 16 << 20


class Problem(Exception):
    pass  # (exit code, sentence)


def read(path, start, length):
    """A file's bytes, a little at a time."""
    with open(path, "rb") as file:
        file.seek(start)
        while length:
            data = file.read(min(length, 4 * BLOCK))
            if not data:
                raise Problem(13, path + " is damaged: it is too short")
            length -= len(data)
            yield data


def sha256(parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


class Bundle:
    def __init__(self, given):
        below = [os.path.join(g, n) for g in given if os.path.isdir(g) for n in sorted(os.listdir(g))]
        self.folders = [f for f in given + below
                        if any(os.path.exists(os.path.join(f, n)) for n in ("release.json", "copies", "volumes"))]
        found = {}  # index digest -> release.json and index that belong together, from any medium or its copies/
        for path in [os.path.join(f, copy) for f in self.folders for copy in ("", "copies")]:
            index = os.path.join(path, "index")
            try:
                with open(os.path.join(path, "release.json"), "rb") as file:
                    release = json.loads(file.read().decode())
                if sha256(read(index, 0, os.path.getsize(index))) == release["index"]["sha256"]:
                    found[release["index"]["sha256"]] = release, index
            except (OSError, ValueError, KeyError, TypeError):
                continue  # a damaged or absent copy: the next one may be whole
        if len(found) != 1:
            raise Problem(64, "%d releases found in %s; name folders of one" % (len(found), self.folders or given))
        self.release, path = next(iter(found.values()))
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, v, f, p, c, o, s, n, m, b, e = struct.unpack_from("<8s8I2Q", self.data)
        if magic != b"DRAYIDX1" or e or self.release["format"] != 1 or self.release["features"]:
            raise Problem(14, "this is no full bundle of format 1")
        self.tables, start, name = {}, 56 + m + n, 56 + m
        rows = zip("vbfpcos", (v, b, f, p, c, o, s), ("Q32sIB3x", "32s", "IIQII", "IIQ", "32sQII", "32sQII", "IQQ"))
        for table, count, layout in rows:
            self.tables[table] = start, count, struct.Struct("<" + layout)
            start += count * self.tables[table][2].size
        self.volumes, block = [], 0  # name, length, first block, path or None
        for length, _, size, _ in (self.row("v", i) for i in range(v)):
            volume, name = self.data[name:name + size].decode("ascii", "replace"), name + size
            if not re.match(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}\Z", volume):
                raise Problem(13, "the index holds a volume name that is none")
            paths = [os.path.join(f, "volumes", volume) for f in self.folders]
            self.volumes.append((volume, length, block, next(filter(os.path.isfile, paths), None)))
            block += -(-length // BLOCK)

    def row(self, table, i):
        start, count, layout = self.tables[table]
        if i >= count:
            raise Problem(13, "the index is damaged: it points outside its tables")
        return layout.unpack_from(self.data, start + i * layout.size)

    def object(self, digest):
        start, count, layout = self.tables["o"]
        at = self.data.find(digest, start, start + count * layout.size)
        while at >= 0 and (at - start) % layout.size:
            at = self.data.find(digest, at + 1, start + count * layout.size)
        if at < 0:
            raise Problem(64, "sha256:%s is no object of this bundle" % digest.hex())
        return self.row("o", (at - start) // layout.size)

    def pieces(self, obj):
        """(frame, from, to): the object's bytes, in order, as ranges of decoded frames."""
        for chunk, low, length in (self.row("s", i) for i in range(obj[2], obj[2] + obj[3])):
            at = 0
            _, _, first, count = self.row("c", chunk)
            for frame, offset, run in (self.row("p", i) for i in range(first, first + count)):
                start, end = max(low, at), min(low + length, at + run)
                offset, left, at = offset + start - at, end - start, at + run
                while left > 0:
                    _, encoding, _, _, raw = self.row("f", frame)
                    take = left if encoding else min(left, raw - offset)
                    if take > 0:
                        yield frame, offset, offset + take
                        left, offset = left - take, offset + take
                    frame, offset = frame + 1, offset - raw

    def content(self, obj):
        """The object's bytes. Frames are decoded a batch at a time, by one zstd process for all of it."""
        batch, frames, size = [], {}, 0
        for piece in self.pieces(obj):
            volume, encoding, offset, stored, raw = self.row("f", piece[0])
            path = self.volumes[volume][3]
            if path is None:
                raise Problem(3, "volume %s is not here; name its medium's folder too" % self.volumes[volume][0])
            if encoding or size >= BATCH:
                yield from decoded(batch, frames)
                batch, frames, size = [], {}, 0
            if encoding:
                yield from read(path, piece[1], piece[2] - piece[1])
                continue
            batch.append(piece)
            size += 200 + (0 if piece[0] in frames else raw)
            frames[piece[0]] = path, offset, stored, raw
        yield from decoded(batch, frames)


def decoded(pieces, frames):
    stored = b"".join(part for path, offset, size, _ in frames.values() for part in read(path, offset, size))
    zstd = subprocess.run(["zstd", "-dcq"], input=stored, stdout=subprocess.PIPE) if frames else None
    starts, size = {}, 0
    for frame, (path, _, _, raw) in frames.items():
        starts[frame], size = size, size + raw
    if frames and (zstd.returncode or len(zstd.stdout) != size):
        raise Problem(13, "%s (or the next volume) is damaged; `check` names the blocks" % path)
    for frame, low, high in pieces:
        yield zstd.stdout[starts[frame] + low:starts[frame] + high]


def show(bundle):
    release = bundle.release
    print(release["product"], release["version"], release["edition"])
    for name, length, _, path in bundle.volumes:
        print("volume  %15d  %s%s" % (length, name, "" if path else "  NOT HERE"))
    for name, digest, size in names(release):
        print("%s  %15d  %s" % (digest, size, name))


def names(release):
    for item in release["files"]:
        for file in filter(None, (item, item["signature"])):
            yield file["name"], file["digest"], file["size"]
    for item in release["references"]:
        yield item["repository"] + ":" + item["tag"], item["digest"], item["size"]


def extract(bundle, name, out):
    wanted = next((digest for known, digest, _ in names(bundle.release) if known == name), name)
    if not re.match(r"sha256:[0-9a-f]{64}\Z", wanted):
        raise Problem(64, "no file or tag %s in this bundle; `list` shows what there is" % name)
    if os.path.lexists(out):
        raise Problem(64, out + " exists; it was not touched: choose another OUT")
    obj, digest = bundle.object(bytes.fromhex(wanted[7:])), hashlib.sha256()
    try:
        with open(out + ".partial", "wb") as file:
            for part in bundle.content(obj):
                digest.update(part)
                file.write(part)
        if digest.hexdigest() != wanted[7:]:
            raise Problem(13, "%s is damaged; `check` names the blocks" % name)
        os.rename(out + ".partial", out)
    finally:
        if os.path.exists(out + ".partial"):
            os.remove(out + ".partial")
    print("%s: %d bytes, %s" % (out, obj[1], wanted))


def check(bundle):
    code = 0
    for name, length, first, path in bundle.volumes:
        if path is None:
            code = code or 3
            print(name + ": not here")
            continue
        bad = ["length"] if os.path.getsize(path) != length else []
        with open(path, "rb") as file:
            for i in range(-(-length // BLOCK)):
                block = hashlib.sha256(file.read(min(BLOCK, length - i * BLOCK)))
                if block.digest() != bundle.row("b", first + i)[0]:
                    bad.append(i)
        code = 13 if bad else code
        print(path + ": " + ("damaged: %s" % bad if bad else "good"))
    return code


def main(args):
    command, count = {"list": (show, 0), "extract": (extract, 2), "check": (check, 0)}.get((args or [""])[0], (None, 0))
    if command is None or len(args) < 1 + count:
        print(__doc__)
        return 0 if args in (["-h"], ["--help"]) else 64
    print("rescue.py: signatures are NOT checked, see README-VERIFY.txt", file=sys.stderr)
    bundle = Bundle(args[1 + count:] or [os.path.dirname(os.path.abspath(__file__))])
    return command(bundle, *args[1:1 + count]) or 0


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except Problem as problem:
        print("rescue.py: %s" % problem.args[1], file=sys.stderr)
        sys.exit(problem.args[0])
    except OSError as problem:
        print("rescue.py: %s" % problem, file=sys.stderr)
        sys.exit(1)
