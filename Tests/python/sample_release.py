#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a small release of every kind of input: real tar, gzip, zstd, ISO and openssl signatures, the same bytes each time.

usage: sample_release.py OUT [SEED [FORMER]]   with FORMER: the release that follows that seed's, with a new web layer, pack and
                                               part of the ISO, the rest unchanged
OUT/mirror           an image layout: two images with a shared base, an index over both, one image by digest alone
OUT/appliance.iso    holds the base layer and a file of its own; appliance.iso.sig.bin
OUT/packs/hello      a pack folder whose name is not name-version
OUT/palette-enterprise-appliance-1.0.0.tar.zst, .tar.sig.bin   a content bundle with the base layer and a bundle definition
OUT/tools/tool       a file
OUT/release.yaml     the manifest
"""
import gzip, hashlib, io, json, os, random, subprocess, sys, tarfile

OCI = "application/vnd.oci.image."


def sh(*command, **more):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more).stdout


class Layout:
    def __init__(self, path):
        self.path, self.entries = path, []
        os.makedirs(os.path.join(path, "blobs/sha256"))
        self.write("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')

    def write(self, name, data):
        with open(os.path.join(self.path, name), "wb") as f:
            f.write(data)

    def blob(self, data, kind):
        name = hashlib.sha256(data).hexdigest()
        self.write("blobs/sha256/" + name, data)
        return {"mediaType": kind, "digest": "sha256:" + name, "size": len(data)}

    def image(self, layers, reference=None, labels=None, annotations=None):
        config = self.blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": labels or {}},
                                       "rootfs": {"type": "layers", "diff_ids": []}}).encode(), OCI + "config.v1+json")
        document = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config,
                    "layers": [self.blob(x, OCI + "layer.v1.tar+gzip") for x in layers]}
        return self.add(self.blob(json.dumps(document, indent=1).encode(), OCI + "manifest.v1+json"), reference, annotations)

    def add(self, descriptor, reference, annotations=None):
        if reference:
            notes = {"org.opencontainers.image.ref.name": reference, **(annotations or {})}
            self.entries.append({**descriptor, "annotations": notes})
        return descriptor

    def index(self, children, reference):
        document = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [
            {**c, "platform": {"os": "linux", "architecture": a}} for c, a in zip(children, ["amd64", "arm64"])]}
        return self.add(self.blob(json.dumps(document).encode(), OCI + "index.v1+json"), reference)

    def close(self):
        self.write("index.json", json.dumps({"schemaVersion": 2, "manifests": self.entries}).encode())


def layer(rnd, size, name):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as t:
        info = tarfile.TarInfo(name)
        info.size = size
        t.addfile(info, io.BytesIO(rnd.randbytes(size)))
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as z:
        z.write(raw.getvalue())
    return out.getvalue()


def main(out, seed, former):
    rnd = random.Random(former)
    new = random.Random(seed) if seed != former else rnd
    os.makedirs(out)
    os.chdir(out)
    base, web, db, tiny = (layer(rnd, n, f"file{n}") for n in (3_000_000, 700_000, 1_500_000, 20_000))
    if new is not rnd:
        web = layer(new, 700_000, "file700000")
    sh("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "vendor.key")
    sh("openssl", "pkey", "-in", "vendor.key", "-pubout", "-out", "spectro_public_key.pem")

    def sign(name, signature):
        sh("openssl", "dgst", "-sha256", "-sign", "vendor.key", "-out", signature, name)

    mirror = Layout("mirror")
    first = mirror.image([base, web], "us-docker.pkg.dev/palette-images/web:1.2.3")
    second = mirror.image([base, db], "docker.io/library/db:16")
    mirror.index([first, second], "quay.io/multi/both:v2")
    pinned = mirror.image([tiny])
    mirror.add(pinned, "ghcr.io/spegel-org/spegel@" + pinned["digest"])
    mirror.image([tiny], "sonobuoy/sonobuoy", labels={"a": "b"})
    mirror.close()

    bundle = Layout("bundle-pkg")
    bundle.image([base, db], "us-docker.pkg.dev/palette-images/db:16.1", annotations={"io.image.ref.spectrocloud.type": "stylus"})
    bundle.image([tiny], "bundle-definition:palette-enterprise-appliance-1.0.0")
    bundle.close()
    name = "palette-enterprise-appliance-1.0.0"
    sh("tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-cf", name + ".tar", "bundle-pkg")
    sh("zstd", "-q", "-3", "--rm", name + ".tar", "-o", name + ".tar.zst")
    sign(name + ".tar.zst", name + ".tar.sig.bin")

    os.makedirs("iso/content/blobs/sha256")
    with open("iso/content/blobs/sha256/" + hashlib.sha256(base).hexdigest(), "wb") as f:
        f.write(base)
    os.makedirs("iso/live")
    with open("iso/live/rootfs.squashfs", "wb") as f:
        root = rnd.randbytes(2_500_001)
        f.write(root if new is rnd else root[:1_000_000] + new.randbytes(200_003) + root[1_000_000:])
    with open("iso/readme.txt", "wb") as f:
        f.write(b"hello " * 20000)
    sh("xorriso", "-as", "mkisofs", "-quiet", "-R", "-J", "-V", "APPLIANCE", "-o", "appliance.iso", "iso",
       env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
    sign("appliance.iso", "appliance.iso.sig.bin")

    os.makedirs("packs/hello/charts")
    for path, data in {"pack.json": json.dumps({"name": "hello-universe", "version": "1.3.1", "displayName": "Hello",
                                                "layer": "addon", "charts": []}).encode(),
                       "values.yaml": b"pack:\n  content:\n    images: []\n", "README.md": b"# Hello\n",
                       "logo.png": rnd.randbytes(5000), "charts/x.tgz": new.randbytes(90000)}.items():
        with open("packs/hello/" + path, "wb") as f:
            f.write(data)
    os.makedirs("tools")
    with open("tools/tool", "wb") as f:
        f.write(b"#!/bin/sh\necho tool\n" * 30000)
    with open("release.yaml", "w") as f:
        f.write(f"""format: 1
release: {{ product: palette-enterprise, version: 1.0.{seed}, edition: palette }}
vendorKeys: [spectro_public_key.pem]
contents:
  - iso: appliance.iso
  - bundle: {name}.tar.zst
    deliver: [file, registry]
  - layout: mirror
  - packs: packs/*
  - file: tools/tool
""")


seeds = [int(x) for x in sys.argv[2:4]] or [0]
main(sys.argv[1], seeds[0], seeds[-1])
