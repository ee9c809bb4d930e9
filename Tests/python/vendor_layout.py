# SPDX-License-Identifier: Apache-2.0
"""OCI image layouts with real layers, written as a stream: a layer of any size takes one file's memory."""
import hashlib, io, json, os, random, tarfile, zlib

OCI = "application/vnd.oci.image."
MANIFEST, INDEX = OCI + "manifest.v1+json", OCI + "index.v1+json"
LAYER, CONFIG = OCI + "layer.v1.tar+gzip", OCI + "config.v1+json"
KIND = "io.image.ref.spectrocloud.type"
NAME = "org.opencontainers.image.ref.name"
TITLE = "org.opencontainers.image.title"


def write(path, data):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def content(seed, size):
    """Bytes that follow from the seed: every other file is text that gzip halves, as in an image."""
    rnd = random.Random(seed)
    return rnd.randbytes((size + 1) // 2).hex().encode()[:size] if rnd.random() < 0.5 else rnd.randbytes(size)


def revised(seed, size, revision):
    """The same file some revisions later: of 16 regions, two have changed in each."""
    data = bytearray(content(seed, size))
    step = max(1, size // 16)
    for number in range(1, revision + 1):
        for region in (number * 5 % 16, number * 11 % 16):
            piece = content("%s+%d.%d" % (seed, number, region), step)
            data[region * step:region * step + step] = piece
    return bytes(data[:size])


class Squeeze:
    """Takes a tar, writes gzip to a file, hashes both."""

    def __init__(self, file):
        self.file, self.coder = file, zlib.compressobj(6, zlib.DEFLATED, 31)
        self.plain, self.packed, self.size = hashlib.sha256(), hashlib.sha256(), 0

    def write(self, data):
        self.plain.update(data)
        self.put(self.coder.compress(data))
        return len(data)

    def put(self, data):
        self.packed.update(data)
        self.size += len(data)
        self.file.write(data)

    def close(self):
        self.put(self.coder.flush())


class Store:
    """Blobs by digest, made once each; layouts are hard links to them."""

    def __init__(self, path):
        self.path, self.layers = path, {}
        os.makedirs(path, exist_ok=True)

    def layer(self, key, files):
        """A gzip tar of (name, function that gives the bytes); the key names what is in it."""
        if key not in self.layers:
            part = os.path.join(self.path, "part")
            with open(part, "wb") as file:
                squeeze = Squeeze(file)
                with tarfile.open(fileobj=squeeze, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
                    for name, make in files:
                        data, info = make(), tarfile.TarInfo(name)
                        info.size, info.mode, info.mtime = len(data), 0o755, 1767225600
                        tar.addfile(info, io.BytesIO(data))
                squeeze.close()
            name = squeeze.packed.hexdigest()
            os.replace(part, os.path.join(self.path, name))
            descriptor = {"mediaType": LAYER, "digest": "sha256:" + name, "size": squeeze.size}
            self.layers[key] = descriptor, "sha256:" + squeeze.plain.hexdigest()
        return self.layers[key]

    def blob(self, kind, data, **more):
        name = hashlib.sha256(data).hexdigest()
        write(os.path.join(self.path, name), data)
        return {"mediaType": kind, "digest": "sha256:" + name, "size": len(data), **more}


class Layout:
    """An OCI image layout that takes its blobs from a store."""

    def __init__(self, path, store):
        self.path, self.store, self.entries = path, store, []
        write(os.path.join(path, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}')
        os.makedirs(os.path.join(path, "blobs/sha256"))

    def take(self, descriptor):
        name = descriptor["digest"].split(":")[1]
        there = os.path.join(self.path, "blobs/sha256", name)
        if not os.path.exists(there):
            os.link(os.path.join(self.store.path, name), there)
        return descriptor

    def blob(self, kind, data, **more):
        return self.take(self.store.blob(kind, data, **more))

    def manifest(self, document):
        return self.blob(MANIFEST, json.dumps(document, separators=(",", ":")).encode())

    def image(self, layers, architecture="amd64", **labels):
        for descriptor, _ in layers:
            self.take(descriptor)
        config = {"architecture": architecture, "os": "linux", "created": "2026-01-01T00:00:00Z",
                  "config": {"Labels": labels}, "rootfs": {"type": "layers", "diff_ids": [plain for _, plain in layers]}}
        return self.manifest({"schemaVersion": 2, "mediaType": MANIFEST, "config": self.blob(
            CONFIG, json.dumps(config).encode()), "layers": [descriptor for descriptor, _ in layers]})

    def index(self, children):
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {**child, "platform": {"os": "linux", "architecture": architecture}} for architecture, child in children]}
        return self.blob(INDEX, json.dumps(document).encode())

    def artifact(self, title, data, layer, config="application/vnd.unknown.config.v1+json", settings=b"{}"):
        """What `oras push` makes of one file."""
        return self.manifest({"schemaVersion": 2, "mediaType": MANIFEST, "config": self.blob(config, settings),
                              "layers": [self.blob(layer, data, annotations={TITLE: title})]})

    def signature(self, subject):
        """A Cosign signature as a referrer: its payload names the subject's digest."""
        payload = json.dumps({"critical": {"image": {"docker-manifest-digest": subject["digest"]},
                                           "type": "cosign container image signature"}, "optional": None}).encode()
        kind = "application/vnd.dev.cosign.simplesigning.v1+json"
        layer = self.blob(kind, payload, annotations={"dev.cosignproject.cosign/signature": "MEUCIQ=="})
        return self.manifest({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.dev.cosign.artifact.sig.v1+json",
            "config": self.blob("application/vnd.oci.empty.v1+json", b"{}"), "layers": [layer],
            "subject": {name: subject[name] for name in ("mediaType", "digest", "size")}})

    def tag(self, reference, descriptor, kind=None, **notes):
        notes = {**({NAME: reference} if reference else {}), **({KIND: kind} if kind else {}), **notes}
        self.entries.append({**descriptor, "annotations": notes} if notes else descriptor)
        return descriptor

    def close(self):
        write(os.path.join(self.path, "index.json"),
              json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": self.entries}))


def packed(folder):
    """A folder as a reproducible gzip tar, as `tar -czf` makes one."""
    raw = io.BytesIO()
    squeeze = Squeeze(raw)
    with tarfile.open(fileobj=squeeze, mode="w|", format=tarfile.USTAR_FORMAT) as tar:
        for base, folders, files in os.walk(folder):
            folders.sort()
            for name in sorted(files):
                path = os.path.join(base, name)
                info = tar.gettarinfo(path, os.path.relpath(path, os.path.dirname(folder)))
                info.uid = info.gid = info.mtime = 0
                info.uname = info.gname = ""
                info.mode = 0o644
                with open(path, "rb") as file:
                    tar.addfile(info, file)
    squeeze.close()
    return raw.getvalue()
