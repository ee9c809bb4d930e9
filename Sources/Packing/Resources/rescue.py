#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rebuilds what a Dray bundle delivers without Dray: Python 3.6 or later and the `zstd` command are enough.

rescue.py list [FOLDER...]                              what is in the bundle, and which volumes are here
rescue.py extract (sha256:HEX|NAME) OUT [FOLDER...]     write one object: a file, a tag's manifest, any blob
rescue.py check [FOLDER...]                             compare every 1 MiB block of the volumes that are here

FOLDER: bundle folders or media, with all or some of the volumes; without one, the folder that this file stands in.
A delta leaves out what its base has: name the base's folders too, and with --seed FILE files that hold the rest (an old
ISO image or vendor archive, a blob that was fetched from the registry); `list` says what is needed.
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


def bundle(given, seeds):
    """The bundle that was meant: of several releases the one that is nobody's base; the others give what it leaves out."""
    below = [os.path.join(g, n) for g in given if os.path.isdir(g) for n in sorted(os.listdir(g))]
    folders = [f for f in given + below
               if any(os.path.exists(os.path.join(f, n)) for n in ("release.json", "copies", "volumes"))]
    found = {}  # index digest -> release.json and index that belong together, from any medium or its copies/
    for path in [os.path.join(f, copy) for f in folders for copy in ("", "copies")]:
        index = os.path.join(path, "index")
        try:
            with open(os.path.join(path, "release.json"), "rb") as file:
                release = json.loads(file.read().decode())
            if sha256(read(index, 0, os.path.getsize(index))) == release["index"]["sha256"]:
                found[release["index"]["sha256"]] = release, index
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a damaged or absent copy: the next one may be whole
    bases = {base["index"] for release, _ in found.values() for base in (release["base"] or {}).get("releases", [])}
    meant = [key for key in found if key not in bases] if len(found) > 1 else list(found)
    if len(meant) != 1:
        raise Problem(64, "%d releases found in %s; name folders of one, and of its bases" % (len(found), folders or given))
    files = {sha256(read(path, 0, os.path.getsize(path))): path for path in seeds}
    everything = []
    everything += [Bundle(*found[key], folders, files, everything) for key in meant + [k for k in found if k != meant[0]]]
    return everything[0]


class Bundle:
    def __init__(self, release, path, folders, seeds, others):
        self.release, self.folders, self.seeds, self.others = release, folders, seeds, others
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        magic, v, f, p, c, o, s, n, m, b, e = struct.unpack_from("<8s8I2Q", self.data)
        if magic != b"DRAYIDX1" or self.release["format"] != 1 or set(self.release["features"]) - {"delta"}:
            raise Problem(14, "this is no bundle of format 1")
        self.tables, start, name = {}, 56 + m + n, 56 + m
        layouts = ("Q32sIB3x", "32s", "IIQII", "IIQ", "32sQII", "32sQII", "IQQ", "II32sQ")
        rows = zip("vbfpcose", (v, b, f, p, c, o, s, e), layouts)
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
        self.places = {}  # a chunk that is left out -> (number of a repository or ~0 for a file, digest, offset)
        for chunk, *place in (self.row("e", i) for i in range(e)):
            self.places.setdefault(chunk, []).append(place)

    def row(self, table, i):
        start, count, layout = self.tables[table]
        if i >= count:
            raise Problem(13, "the index is damaged: it points outside its tables")
        return layout.unpack_from(self.data, start + i * layout.size)

    def find(self, digest):
        start, count, layout = self.tables["o"]
        at = self.data.find(digest, start, start + count * layout.size)
        while at >= 0 and (at - start) % layout.size:
            at = self.data.find(digest, at + 1, start + count * layout.size)
        return None if at < 0 else self.row("o", (at - start) // layout.size)

    def object(self, digest):
        found = self.find(digest)
        if not found:
            raise Problem(64, "sha256:%s is no object of this bundle" % digest.hex())
        return found

    def pieces(self, obj, start=0, end=None):
        """(frame, from, to): the object's bytes from start to end, in order, as ranges of decoded frames; or of a chunk that
        is left out, with the frame -1 - chunk."""
        end, done = obj[1] if end is None else end, 0
        for chunk, low, length in (self.row("s", i) for i in range(obj[2], obj[2] + obj[3])):
            skip, stop, done = max(start - done, 0), min(end - done, length), done + length
            if skip >= stop:
                continue
            at, low, length = 0, low + skip, stop - skip
            _, _, first, count = self.row("c", chunk)
            if not count:
                yield -1 - chunk, low, low + length
            for frame, offset, run in (self.row("p", i) for i in range(first, first + count)):
                first_byte = max(low, at)
                offset, left, at = offset + first_byte - at, min(low + length, at + run) - first_byte, at + run
                while left > 0:
                    _, encoding, _, _, raw = self.row("f", frame)
                    take = left if encoding else min(left, raw - offset)
                    if take > 0:
                        yield frame, offset, offset + take
                        left, offset = left - take, offset + take
                    frame, offset = frame + 1, offset - raw

    def source(self, chunk):
        """(a seed file or a base that has the chunk, the object in that base, offset); None where nothing here has it."""
        for _, holder, offset in self.places.get(chunk, []):
            if holder.hex() in self.seeds:
                return self.seeds[holder.hex()], None, offset
            for base in self.others:
                obj = base is not self and base.find(holder)
                if obj and base.is_here(obj):
                    return base, obj, offset
        return None

    def is_here(self, obj):
        return all(self.source(-1 - frame) if frame < 0 else self.volumes[self.row("f", frame)[0]][3]
                   for frame, _, _ in self.pieces(obj))

    def missing(self, objects):
        """What holds the chunks that are left out and that nothing here has: (digest, repository or None) -> bytes."""
        wanted = {}
        for obj in objects:
            for frame, low, high in self.pieces(obj):
                if frame < 0 and not self.source(-1 - frame):
                    place, holder, _ = self.places.get(-1 - frame, [(~0, b"", 0)])[0]
                    names = self.release["base"]["repositories"]
                    key = "sha256:" + holder.hex(), names[place] if place < len(names) else None
                    wanted[key] = wanted.get(key, 0) + high - low
        return wanted

    def content(self, obj, start=0, end=None):
        """The object's bytes. Frames are decoded a batch at a time, by one zstd process for all of it."""
        batch, frames, size = [], {}, 0
        for piece in self.pieces(obj, start, end):
            if piece[0] < 0:
                yield from decoded(batch, frames)
                batch, frames, size = [], {}, 0
                found = self.source(-1 - piece[0])
                if not found:
                    raise Problem(3, "chunk %d is in no base and no seed that is here" % (-1 - piece[0]))
                source, inner, offset = found
                if inner:
                    yield from source.content(inner, offset + piece[1], offset + piece[2])
                else:
                    yield from read(source, offset + piece[1], piece[2] - piece[1])
                continue
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
    for base in (release["base"] or {}).get("releases", []):
        print("delta of", base["product"], base["version"])
    objects = [bundle.row("o", i) for i in range(bundle.tables["o"][1])] if bundle.places else []
    for (digest, repository), size in sorted(bundle.missing(objects).items(), key=lambda entry: -entry[1]):
        print("needs  %15d  of %s, %s" % (size, digest, "a blob of " + repository if repository else "a file"))
    for name, length, _, path in bundle.volumes:
        print("volume  %15d  %s%s" % (length, name, "" if path else "  NOT HERE"))
    for name, digest, size in names(release):
        print("%s  %15d  %s" % (digest, size, name))


def names(release):
    for item in release["files"]:
        for file in filter(None, (item, item["signature"])):
            yield file["name"], file["digest"], file["size"]
    for item in release["references"]:
        if "tag" in item:
            yield item["repository"] + ":" + item["tag"], item["digest"], item["size"]


def extract(bundle, name, out):
    wanted = next((digest for known, digest, _ in names(bundle.release) if known == name), name)
    if not re.match(r"sha256:[0-9a-f]{64}\Z", wanted):
        raise Problem(64, "no file or tag %s in this bundle; `list` shows what there is" % name)
    if os.path.lexists(out):
        raise Problem(64, out + " exists; it was not touched: choose another OUT")
    obj, digest = bundle.object(bytes.fromhex(wanted[7:])), hashlib.sha256()
    missing = bundle.missing([obj])
    if missing:
        lines = "".join("\n  %d bytes of %s%s" % (n, d, " in " + r if r else "") for (d, r), n in sorted(missing.items(), key=str))
        raise Problem(3, "%s needs what is not here; name the base's folders, or files with --seed:%s" % (name, lines))
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
    args, seeds = list(args), []
    while "--seed" in args[:-1]:
        at = args.index("--seed")
        seeds.append(args[at + 1])
        del args[at:at + 2]
    command, count = {"list": (show, 0), "extract": (extract, 2), "check": (check, 0)}.get((args or [""])[0], (None, 0))
    if command is None or len(args) < 1 + count:
        print(__doc__)
        return 0 if args in (["-h"], ["--help"]) else 64
    print("rescue.py: signatures are NOT checked, see README-VERIFY.txt", file=sys.stderr)
    return command(bundle(args[1 + count:] or [os.path.dirname(os.path.abspath(__file__))], seeds), *args[1:1 + count]) or 0


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
