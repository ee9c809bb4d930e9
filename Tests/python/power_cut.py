# SPDX-License-Identifier: Apache-2.0
"""What a power cut may leave of a folder, from the operation log of Tests/FaultShim (docs/crash.md says what is assumed)."""
import os
import struct

KINDS = "create write length space sync rename link unlink mkdir rmdir symlink read".split()
HEAD = struct.Struct("<IIIIQqq")
PIECE = 4096
#: What becomes of what was not synced: nothing stays; all names stay and no data; names up to some moment, data by chance;
#: each name and each 4 KiB by chance.
MODES = ("least", "names", "ordered", "random")


def operations(path):
    """The log's records, in order: (kind, path, other path, inode, offset, length, data)."""
    with open(path, "rb") as log:
        while head := log.read(HEAD.size):
            kind, first, second, count, inode, offset, length = HEAD.unpack(head)
            names = log.read(first).decode(), log.read(second).decode()
            yield (KINDS[kind], *names, inode, offset, length, log.read(count))


class File:
    def __init__(self, data=b"", mode=0o644):
        self.durable, self.mode, self.pending = bytearray(data), mode, []

    def sync(self):
        self.durable, self.pending = self.content(lambda: True), []

    def content(self, stays):
        """The bytes where each pending 4 KiB, and each change of the length, stays if `stays()` says so."""
        data = bytearray(self.durable)
        for kind, offset, value in self.pending:
            if kind == "length":
                if stays():
                    data = data[:value] + bytes(max(0, value - len(data)))
                continue
            for start in range(0, len(value), PIECE):
                if not stays():
                    continue
                piece, place = value[start : start + PIECE], offset + start
                data += bytes(max(0, place - len(data)))
                data[place : place + len(piece)] = piece
        return data


class Folder:
    def __init__(self):
        self.durable, self.now = {}, {}


class Link:
    def __init__(self, text):
        self.text = text


class Disk:
    """A folder as it was, and what the log says was done to it since."""

    def __init__(self, root):
        self.root_path, self.files, self.pending = root, {}, []
        self.root = self._load(root)

    def _load(self, path):
        folder = Folder()
        for entry in os.scandir(path):
            if entry.is_symlink():
                node = Link(os.readlink(entry.path))
            elif entry.is_dir():
                node = self._load(entry.path)
            else:
                with open(entry.path, "rb") as source:
                    node = File(source.read(), entry.stat().st_mode & 0o7777)
                self.files[entry.inode()] = node
            folder.durable[entry.name] = folder.now[entry.name] = node
        return folder

    def _folder(self, path):
        node = self.root
        for name in os.path.relpath(path, self.root_path).split("/"):
            node = node if name == "." else node.now[name]
        return node

    def _place(self, path):
        return self._folder(os.path.dirname(path)), os.path.basename(path)

    def _change(self, *entries):
        """One atomic change of names: (folder, name, what it names or None, what it must have named or None)."""
        self.pending.append((entries, {id(entry[0]) for entry in entries}))  # durable when all its folders are synced
        for folder, name, node, _ in entries:
            if node is None:
                folder.now.pop(name, None)
            else:
                folder.now[name] = node

    def apply(self, operation):
        kind, path, other, inode, offset, length, data = operation
        if kind == "create":
            node = self.files[inode] = File(mode=offset)
            if path:
                self._change((*self._place(path), node, None))
        elif kind == "write":
            self.files[inode].pending.append(("write", offset, data))
        elif kind == "length":
            self.files[inode].pending.append(("length", 0, length))
        elif kind == "sync":
            self._sync(path, inode, is_folder=offset)
        elif kind == "rename":
            (source, old), (target, new) = self._place(path), self._place(other)
            node = source.now[old]
            if offset & 2:  # RENAME_EXCHANGE
                self._change((source, old, target.now[new], node), (target, new, node, None))
            else:
                self._change((source, old, None, node), (target, new, node, None))
        elif kind == "link":
            self._change((*self._place(path), self.files[inode], None))
        elif kind in ("unlink", "rmdir"):
            folder, name = self._place(path)
            self._change((folder, name, None, folder.now[name]))
        elif kind == "mkdir":
            self._change((*self._place(path), Folder(), None))
        elif kind == "symlink":
            self._change((*self._place(path), Link(other), None))

    def _sync(self, path, inode, is_folder):
        if not is_folder:
            self.files[inode].sync()
            return
        folder, left = self._folder(path), []
        for entries, unsynced in self.pending:
            unsynced.discard(id(folder))
            if unsynced:
                left.append((entries, unsynced))
            else:
                self._settle(entries)
        self.pending = left

    @staticmethod
    def _settle(entries, view=None):
        for folder, name, node, former in entries:
            names = folder.durable if view is None else view(folder)
            if node is not None:
                names[name] = node
            elif former is None or names.get(name) is former:
                names.pop(name, None)

    def materialize(self, target, mode, random):
        """Writes what a cut now may leave into the folder `target`, which is empty."""
        views = {}

        def view(folder):
            return views.setdefault(id(folder), dict(folder.durable))

        until = {"least": 0, "names": len(self.pending)}.get(mode, random.randint(0, len(self.pending)))
        for number, (entries, _) in enumerate(self.pending):
            if random.random() < 0.5 if mode == "random" else number < until:
                self._settle(entries, view)
        share = 0.0 if mode in ("least", "names") else random.choice((0.0, 0.5, 0.9, 1.0))
        self._write(self.root, target, view, lambda: random.random() < share)

    def _write(self, folder, path, view, stays):
        for name, node in view(folder).items():
            place = os.path.join(path, name)
            if isinstance(node, Folder):
                os.makedirs(place, exist_ok=True)
                self._write(node, place, view, stays)
            elif isinstance(node, Link):
                os.symlink(node.text, place)
            else:
                with open(place, "wb") as out:
                    out.write(node.content(stays))
                os.chmod(place, node.mode)
