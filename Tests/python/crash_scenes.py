# SPDX-License-Identifier: Apache-2.0
"""The commands that crash_sweep.py disturbs: each with what it starts from, and what must hold after a cut and in the end."""
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
NAME = "palette-enterprise-1.0.0"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as source:
        while piece := source.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def tree(folder, passed_over=()):
    """Digest of each file below a folder, by its relative path."""
    found = {}
    for path, folders, files in os.walk(folder):
        for name in files:
            place = os.path.join(path, name)
            relative = os.path.relpath(place, folder)
            if not any(relative == x or relative.startswith(x + "/") for x in passed_over):
                found[relative] = sha256(place)
    return found


def differences(expected, found):
    names = [f"{n} is missing" for n in expected if n not in found] + [f"{n} is new" for n in found if n not in expected]
    return names + [f"{n} differs" for n in expected if n in found and found[n] != expected[n]]


class Ground:
    """Keys, a packed bundle and a site that trusts it, made once; nothing in it is changed afterwards."""

    def __init__(self, folder, tools):
        self.folder, self.tools = folder, tools
        self.inputs, self.media = self.at("inputs"), self.at("bundles", NAME)
        subprocess.run([sys.executable, os.path.join(HERE, "sample_release.py"), self.inputs], check=True)
        self.run("dray", "key", "generate", "--out", "root.pem")
        self.run("dray", "key", "generate", "--out", "release.pem")
        self.run("dray", "trust", "init", "--product", "palette-enterprise", "--root-key", "root.pem",
                 "--release-key", "release.pub.pem", "--out", "trust0")
        shutil.copytree(self.at("trust0"), self.at("trust"))
        self.run("dray", "pack", "inputs/release.yaml", "--trust", "trust", "--key", "release.pem", "--out", "bundles",
                 "--state", "publisher", "--volume-size", "3MiB")
        self.run("dray-import", "trust", "add", self.media, "--fingerprint", sha256(self.at("trust0/1.root.json")),
                 "--state", "site")

    def at(self, *names):
        return os.path.join(self.folder, *names)

    def tool(self, name):
        return os.path.join(self.tools, name)

    def run(self, tool, *words):
        result = subprocess.run([self.tool(tool), *words], cwd=self.folder, capture_output=True, text=True, timeout=120)
        if result.returncode != 0:
            raise SystemExit(f"{tool} {' '.join(words)} ended with {result.returncode}: {result.stderr}")


class Scene:
    """`live` is the folder that the command changes; everything else stays."""

    #: Further folders whose reads may fail.
    media = ()
    #: Exit code of an undisturbed run.
    code = 0

    def __init__(self, ground, live):
        self.ground, self.live, self.expected = ground, live, None

    def at(self, *names):
        return os.path.join(self.live, *names)

    def prepare(self):
        """Fills the empty `live`."""

    def reset(self):
        """Undoes what an earlier run did outside of `live`."""

    def close(self):
        """Ends what was started."""

    def lose(self, number):
        """What else may have gone with the power at this point."""

    def whole(self):
        """What is wrong with anything that has its final name, at any moment."""
        return []

    def state(self):
        """What the command has made, to be equal after every history."""
        raise NotImplementedError

    def site_faults(self):
        """A document of the site's state that isn't whole."""
        faults = []
        for path, _, files in os.walk(self.at("site")):
            for name in files:
                if name.endswith(".json") and not name.startswith("."):
                    try:
                        json.load(open(os.path.join(path, name), "rb"))
                    except ValueError as error:
                        faults.append(f"{os.path.join(path, name)}: {error}")
        return faults

    def site_files(self):
        """The names of the site's state, those of receipts counted as one each kind: they hold the time."""
        names = {os.path.relpath(os.path.join(p, n), self.at("site")) for p, _, f in os.walk(self.at("site")) for n in f}
        names = {n for n in names if not n.startswith("receipts/") or n.split("/")[1].startswith(".")}
        # An upload that could be gone on with is a hint: the registry is asked. A ".new" of a fixed name is written over next time.
        names = {n for n in names if not n.startswith("uploads/") and not (n.endswith(".new") and "receipts/" not in n)}
        receipts = os.listdir(self.at("site/receipts")) if os.path.isdir(self.at("site/receipts")) else []
        return sorted(names) + (["receipt"] if receipts else [])


class Pack(Scene):
    name = "pack"
    manifest = "inputs/release.yaml"

    def prepare(self):
        shutil.copytree(self.ground.at("trust0"), self.at("trust"))

    def command(self):
        g = self.ground
        return [g.tool("dray"), "pack", g.at(self.manifest), "--trust", self.at("trust"), "--key", g.at("release.pem"),
                "--out", self.at("out"), "--state", self.at("state"), "--volume-size", "3MiB", "--quiet"]

    def whole(self):
        faults, bundle = [], self.at("out", NAME)
        if os.path.isdir(bundle):
            faults += self.sums(bundle)
            if self.expected is not None:
                faults += differences(self.expected["bundle"], self.signed(bundle))
        return faults + self.trust_faults(self.at("trust"))

    @staticmethod
    def sums(bundle):
        """Lines of SHA256SUMS that don't hold, and copies that aren't."""
        try:
            lines = open(os.path.join(bundle, "SHA256SUMS")).read().splitlines()
        except OSError as error:
            return [str(error)]
        faults = []
        for line in lines:
            digest, name = line[:64], line[66:]
            place = os.path.join(bundle, name)
            if not os.path.isfile(place) or sha256(place) != digest:
                faults.append(f"{name} isn't what SHA256SUMS says")
        copies = os.path.join(bundle, "copies")
        return faults + [f"copies/{n} differs" for n, d in tree(copies).items() if sha256(os.path.join(bundle, n)) != d]

    @staticmethod
    def trust_faults(folder):
        """The timestamp leads to a snapshot, that to targets, and all are what is said of them."""
        if not os.path.exists(os.path.join(folder, "timestamp.json")):
            return []
        try:
            name, metas = "timestamp.json", 0
            while name:
                meta = json.load(open(os.path.join(folder, name), "rb"))["signed"].get("meta", {})
                name = None
                for role, facts in meta.items():
                    name, metas = f"{facts['version']}.{role}", metas + 1
                    if sha256(os.path.join(folder, name)) != facts["hashes"]["sha256"]:
                        return [f"trust/{name} isn't what is signed"]
            return [] if metas == 2 else [f"trust: {metas} links instead of 2"]
        except (OSError, ValueError, KeyError) as error:
            return [f"trust: {error}"]

    @staticmethod
    def signed(bundle):
        """What doesn't hold the time: volumes, index, release, kit, readme."""
        return tree(bundle, ("trust", "copies", "SHA256SUMS", "SHA256SUMS.sig"))

    def state(self):
        left = [n for n in os.listdir(self.at("state/pack")) if not n.endswith(".done")]
        return {"bundle": self.signed(self.at("out", NAME)), "out": sorted(os.listdir(self.at("out"))), "left": left}


class PackLarge(Pack):
    """300 MB that don't compress, so that what a stop costs shows: not more than a group is written again."""

    name = "pack of 300 MB"
    is_large = True

    def __init__(self, ground, live):
        super().__init__(ground, live)
        self.folder = live + ".inputs"
        os.makedirs(self.folder)
        with open(os.path.join(self.folder, "tool"), "wb") as out:
            for number in range(300):
                out.write(random.Random(number).randbytes(1_000_000))
        with open(os.path.join(self.folder, "release.yaml"), "w") as out:
            out.write("format: 1\nrelease: { product: palette-enterprise, version: 1.0.0, edition: palette }\ncontents:\n  - file: tool\n    plain: false\n")
        self.manifest = os.path.join(self.folder, "release.yaml")

    def close(self):
        shutil.rmtree(self.folder)

    def command(self):
        return [w if w != "3MiB" else "none" for w in super().command()]


class AtBundle(Scene):
    """Works on a copy of the bundle, which is whole again at the end: with parity for two volumes."""

    def prepare(self):
        shutil.copytree(self.ground.media, self.at("bundle"))

    def volumes(self):
        return sorted(os.listdir(self.ground.at("bundles", NAME, "volumes")),
                      key=lambda name: (-os.path.getsize(self.ground.at("bundles", NAME, "volumes", name)), name))

    def whole(self):
        """No volume of its right length has a block that is worse than before; nothing but what is signed has changed."""
        faults = []
        for name, damaged in self.damaged.items():
            place, good = self.at("bundle", name), open(os.path.join(self.ground.media, name), "rb").read()
            if not os.path.exists(place):
                faults += [] if damaged is None else [f"{name} is gone"]
                continue
            found = open(place, "rb").read()
            old = damaged or b""
            for start in range(0, len(good), 1 << 20):
                end = min(start + (1 << 20), len(good))
                if found[start:end] != good[start:end] and (damaged is None or old[start:end] == good[start:end]):
                    faults.append(f"{name}: block {start >> 20} was good")
        return faults

    def state(self):
        return {"all": tree(self.at("bundle"))}


class ParityAdd(AtBundle):
    name = "parity add"

    def whole(self):
        faults, made = super().whole(), self.at("bundle/parity")
        if self.expected is None or not os.path.isdir(made):
            return faults
        names = [n for n in os.listdir(made) if not n.startswith(".")]
        return faults + [f"parity/{n} isn't whole" for n in names if sha256(os.path.join(made, n)) != self.expected["all"].get("parity/" + n)]

    def prepare(self):
        super().prepare()
        self.damaged = {"volumes/" + n: open(self.at("bundle/volumes", n), "rb").read() for n in self.volumes()}

    def command(self):
        return [self.ground.tool("dray"), "parity", "add", self.at("bundle"), "--parity", "2", "--quiet"]


class Repair(AtBundle):
    name = "repair"

    def prepare(self):
        super().prepare()
        subprocess.run([self.ground.tool("dray"), "parity", "add", self.at("bundle"), "--parity", "75%", "--quiet"], check=True,
                       capture_output=True)
        names = self.volumes()
        for name, offset in (("volumes/" + names[0], 1 << 20), ("index", 300), ("copies/trust/timestamp.json", 40)):
            with open(self.at("bundle", name), "r+b") as file:
                file.seek(offset)
                file.write(b"damaged")
        os.truncate(self.at("bundle/volumes", names[1]), 1000)
        os.remove(self.at("bundle/volumes", names[-1]))
        os.remove(self.at("bundle/copies/SHA256SUMS"))
        with open(self.at("bundle/parity", sorted(os.listdir(self.at("bundle/parity")))[0]), "r+b") as file:
            file.seek(20000 + (2 << 20))
            file.write(b"damaged")
        self.damaged = {}
        for name in names:
            place = self.at("bundle/volumes", name)
            self.damaged["volumes/" + name] = open(place, "rb").read() if os.path.exists(place) else None

    def command(self):
        return [self.ground.tool("dray"), "repair", self.at("bundle"), "--quiet"]


class AtSite(Scene):
    media = property(lambda self: (self.ground.media,))

    def prepare(self):
        shutil.copytree(self.ground.at("site"), self.at("site"))

    def command(self):
        return [self.ground.tool("dray-import"), *self.words(), "--state", self.at("site"), "--quiet"]

    def whole(self):
        return self.site_faults()


class Verify(AtSite):
    name = "verify"

    def words(self):
        return ["verify", self.ground.media]

    def state(self):
        return {"site": self.site_files()}


class Extract(AtSite):
    name = "extract"

    def words(self):
        return ["extract", "appliance.iso", self.ground.media, "--to", self.at("out/appliance.iso")]

    def whole(self):
        faults = self.site_faults()
        for name in ("appliance.iso", "appliance.iso.sig.bin"):
            if os.path.exists(self.at("out", name)) and sha256(self.at("out", name)) != sha256(self.ground.at("inputs", name)):
                faults.append(f"{name} isn't whole")
        return faults

    def state(self):
        return {"out": tree(self.at("out")), "site": self.site_files()}


class LoadLayout(AtSite):
    name = "load into a layout"

    def words(self):
        return ["load", self.ground.media, "--to", "oci:" + self.at("layout")]

    def whole(self):
        faults, blobs = self.site_faults(), self.at("layout/blobs/sha256")
        if os.path.isdir(blobs):
            faults += [f"blob {n} has other bytes" for n in os.listdir(blobs) if n[0] != "." and sha256(os.path.join(blobs, n)) != n]
        if os.path.exists(self.at("layout/index.json")):
            faults += self.graph_faults(blobs)
        return faults

    def graph_faults(self, blobs):
        """What index.json lists must be there with all that it needs."""
        try:
            wanted = [m["digest"] for m in json.load(open(self.at("layout/index.json")))["manifests"]]
            seen = set()
            while wanted:
                digest = wanted.pop()
                if digest in seen:
                    continue
                seen.add(digest)
                document = json.load(open(os.path.join(blobs, digest[7:])))
                wanted += [m["digest"] for m in document.get("manifests", [])]
                for part in [document.get("config")] + document.get("layers", []):
                    if part and os.path.getsize(os.path.join(blobs, part["digest"][7:])) != part["size"]:
                        return [f"{part['digest']} has another size"]
            return []
        except (OSError, ValueError, KeyError) as error:
            return [f"layout: {error}"]

    def state(self):
        return {"layout": tree(self.at("layout"), (".dray.lock",)), "site": self.site_files()}


class LoadRegistry(AtSite):
    """Into Debian's docker-registry, which is a process of its own and isn't cut."""

    name = "load into docker-registry"

    def __init__(self, ground, live):
        super().__init__(ground, live)
        self.store = live + ".store"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        with open(live + ".yml", "w") as file:
            file.write(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {self.store}}}\n"
                       f"  delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:{self.port}\n  secret: dray\n")
        self.server = subprocess.Popen(["docker-registry", "serve", live + ".yml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            if socket.socket().connect_ex(("127.0.0.1", self.port)) == 0:
                return
            time.sleep(0.05)
        raise SystemExit("docker-registry doesn't answer")

    def close(self):
        self.server.send_signal(signal.SIGTERM)
        self.server.wait()
        shutil.rmtree(self.store, ignore_errors=True)

    def reset(self):
        shutil.rmtree(self.store, ignore_errors=True)

    def lose(self, number):
        if number % 2:  # the registry has forgotten what the client remembers
            self.reset()

    def words(self):
        return ["load", self.ground.media, "--to", f"http://127.0.0.1:{self.port}/base", "--chunk-size", "1MiB"]

    def state(self):
        links, tags, wrong = set(), {}, []
        root = os.path.join(self.store, "docker/registry/v2")
        for path, _, files in os.walk(os.path.join(root, "blobs")):
            wrong += [path for name in files if sha256(os.path.join(path, name)) != os.path.basename(path)]
        for path, _, files in os.walk(os.path.join(root, "repositories")):
            place = os.path.relpath(path, os.path.join(root, "repositories"))
            if "link" not in files or place.startswith("base/dray/"):
                continue  # what the registry keeps of the site holds the time
            digest = open(os.path.join(path, "link")).read()
            if place.endswith("/current"):
                tags[place] = digest
            elif "/_manifests/tags/" not in place:
                links.add(place)
                if not os.path.exists(os.path.join(root, "blobs/sha256", digest[7:9], digest[7:], "data")):
                    wrong.append(f"{place} leads nowhere")
        return {"links": sorted(links), "tags": tags, "wrong": wrong, "site": self.site_files()}


class Copy(Scene):
    """Onto a folder that stands for a stick; two must be two file systems."""

    name = "copy"
    needs = "copy"
    media = property(lambda self: (self.ground.media,))

    def prepare(self):
        os.makedirs(self.at("a"))

    def command(self):
        return [self.ground.tool("dray"), "copy", self.ground.media, "--to", self.at("a"), "--root", self.ground.at("trust0/1.root.json"),
                "--state", self.at("state"), "--quiet"]

    def copied(self, name):
        """What stands on a stick below its final names: labels hold the time, and count by name alone."""
        found = tree(self.at(name)) if os.path.isdir(self.at(name)) else {}
        found = {n: "label" if os.path.basename(n).startswith("MEDIUM") else d for n, d in found.items()}
        return {n: d for n, d in found.items() if not any(part.startswith(".") for part in n.split("/"))}

    def whole(self):
        right = tree(self.ground.media)
        return [f"{name}/{n} isn't whole" for name in ("a",) for n, d in self.copied(name).items()
                if d != "label" and right.get(n.removeprefix(NAME + "/")) != d]

    def state(self):
        return {name: {n: "label" if os.path.basename(n).startswith("MEDIUM") else d for n, d in tree(self.at(name)).items()} for name in ("a",)}


class Toy(Scene):
    """A tool of three lines, right or wrong in a known way: what shows that the sweep can tell them apart."""

    name = "toy"
    orders = {"sound": "new write sync name folder", "rename-first": "new write name sync folder", "in-place": "final write sync folder",
              "no-folder-sync": "new write sync name"}
    program = """
import os, sys
folder, data, fd = sys.argv[1], bytes(range(251)) * 80, None
for step in sys.argv[2:]:
    if step in ("new", "final"):
        fd = os.open(folder + "/" + step, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    elif step == "write":
        for start in range(0, len(data), 8192):
            os.pwrite(fd, data[start:start + 8192], start)
    elif step == "sync":
        os.fsync(fd)
    elif step == "name":
        os.rename(folder + "/new", folder + "/final")
    elif step == "folder":
        os.fsync(os.open(folder, os.O_RDONLY))
"""

    def __init__(self, order, live):
        super().__init__(None, live)
        self.order = order

    def command(self):
        return [sys.executable, "-c", self.program, self.live, *self.orders[self.order].split()]

    def whole(self):
        place = self.at("final")
        return [] if not os.path.exists(place) or open(place, "rb").read() == bytes(range(251)) * 80 else ["final isn't whole"]

    def state(self):
        return {"all": tree(self.live)}


SCENES = [Pack, PackLarge, Extract, Verify, LoadLayout, LoadRegistry, Copy, ParityAdd, Repair]
