#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Packs, verifies and loads releases of 1, 10 and 100 GB on a simulated disk (scripts/scale-fs.c): time and peak memory by size.

usage: bench_scale.py --tools DIR [--size GB...] [--registry] [--work DIR]

The release: 80 % of its bytes are blobs of an OCI layout (sizes log-normal, median 2 MB, at most 2 GB; five layers an image, the first
shared by four images; 0.5 % of the bytes compress), 15 % are an appliance ISO that xorriso makes, delivered as it is, half of it blobs of the
layout; 5 % a second ISO that is cut by content. All but the 0.5 % is noise that zstd can't shrink.
--registry loads into Debian's docker-registry on that disk too, beside an OCI layout."""
import argparse
import concurrent.futures
import hashlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
OCI = "application/vnd.oci.image."


class Maker:
    """Blobs by number, each with its digest; digests are kept, as making one reads it all."""

    def __init__(self, program, cache):
        self.program, self.cache, self.next = program, cache, 1
        self.known = json.load(open(cache)) if os.path.exists(cache) else {}

    def digest(self, number, size):
        key = f"{number} {size}"
        if key not in self.known:
            made = subprocess.Popen([self.program, "make", str(number), str(size)], stdout=subprocess.PIPE, bufsize=0)
            digest = hashlib.sha256()
            while piece := made.stdout.read(1 << 20):
                digest.update(piece)
            if made.wait() != 0:
                raise SystemExit(f"scale-fs make {key} failed")
            self.known[key] = digest.hexdigest()
        return self.known[key]

    def keep(self):
        json.dump(self.known, open(self.cache, "w"))


def make_file(path, number, size):
    open(path, "wb").close()
    os.setxattr(path, "user.blob", f"{number} {size}".encode())


def sizes(total, rng):
    """Sizes of layers that sum up to about `total`."""
    found = []
    while total > 0:
        size = max(200, min(2_000_000_000, int(rng.lognormvariate(14.5, 2.2)), total))
        found.append(size)
        total -= size
    return found


def text(size, rng):
    """Bytes that zstd shrinks to about a fifth."""
    words = [rng.randbytes(rng.randint(4, 24)).hex().encode() for _ in range(3000)]
    out = bytearray()
    while len(out) < size:
        out += b" ".join(rng.choices(words, k=4000)) + b"\n"
    return bytes(out[:size])


def make_release(disk, total, maker):
    """The inputs and release.yaml below `disk`; the bytes of all inputs."""
    rng, inputs = random.Random(7), os.path.join(disk, "inputs")
    blobs = os.path.join(inputs, "mirror/blobs/sha256")
    os.makedirs(blobs)
    layers = [(n, s) for n, s in enumerate(sizes(int(total * 0.795), rng), 1)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        digests = list(pool.map(lambda layer: maker.digest(*layer), layers))
    maker.keep()
    entries, descriptors = [], []
    for (number, size), digest in zip(layers, digests):
        make_file(os.path.join(blobs, digest), number, size)
        descriptors.append({"mediaType": OCI + "layer.v1.tar+gzip", "digest": "sha256:" + digest, "size": size})

    def put(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(blobs, digest), "wb") as out:
            out.write(data)
        return {"mediaType": OCI + kind, "digest": "sha256:" + digest, "size": len(data)}

    for left in range(int(total * 0.005), 0, -50_000_000):
        descriptors.append(put(text(min(left, 50_000_000), rng), "layer.v1.tar"))
    bases, rest = descriptors[::17], [d for i, d in enumerate(descriptors) if i % 17]
    for image, start in enumerate(range(0, len(rest), 4)):
        config = put(json.dumps({"architecture": "amd64", "os": "linux", "n": image, "pad": rng.randbytes(1500).hex()}).encode(), "config.v1+json")
        manifest = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": config,
                    "layers": [bases[image // 4 % len(bases)], *rest[start : start + 4]]}
        entry = put(json.dumps(manifest).encode(), "manifest.v1+json")
        entries.append({**entry, "annotations": {"org.opencontainers.image.ref.name": f"registry.example.com/scale/image{image % 97}:v{image}"}})
    for name, data in (("index.json", {"schemaVersion": 2, "manifests": entries}), ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(inputs, "mirror", name), "w") as out:
            json.dump(data, out)
    make_isos(inputs, blobs, total, list(zip(layers, digests)))
    with open(os.path.join(inputs, "release.yaml"), "w") as out:
        out.write("format: 1\nrelease: { product: palette-enterprise, version: 9.0.0, edition: palette }\ncontents:\n"
                  "  - iso: appliance.iso\n    signature: none\n  - layout: mirror\n  - iso: other.iso\n    signature: none\n    plain: false\n")
    return sum(os.path.getsize(os.path.join(p, f)) for p, _, files in os.walk(inputs) for f in files)


def make_isos(inputs, blobs, total, layers):
    tree = os.path.join(inputs, "tree")
    os.makedirs(os.path.join(tree, "content/blobs/sha256"))
    left = total * 0.075
    for (number, size), digest in layers:
        if size <= min(left, 1_900_000_000):
            make_file(os.path.join(tree, "content/blobs/sha256", digest), number, size)
            left -= size
    for part in range(max(1, int(total * 0.075 / 3e9))):
        make_file(os.path.join(tree, f"rootfs{part}.squashfs"), 60_000 + part, int(min(total * 0.075, 3e9)))
    iso = ["xorriso", "-as", "mkisofs", "-quiet", "-iso-level", "3", "-R", "-V", "SCALE", "-o"]
    subprocess.run([*iso, os.path.join(inputs, "appliance.iso"), tree], check=True, capture_output=True)
    shutil.rmtree(tree)
    os.makedirs(tree)
    for part in range(max(1, int(total * 0.05 / 2.5e9))):
        make_file(os.path.join(tree, f"data{part}.img"), 61_000 + part, int(min(total * 0.05, 2.5e9)))
    subprocess.run([*iso, os.path.join(inputs, "other.iso"), tree], check=True, capture_output=True)
    shutil.rmtree(tree)


def measured(command, log):
    """Runs a command; seconds, CPU seconds and peak MiB. Through time(1): a child's peak begins at what its parent had."""
    figures = log + ".time"
    with open(log, "a") as out:
        out.write(f"\n$ {' '.join(command)}\n")
        out.flush()
        done = subprocess.run(["/usr/bin/time", "-f", "%e %U %S %M", "-o", figures, *command], stdout=out, stderr=out)
    if done.returncode != 0:
        raise SystemExit(f"{command[:2]} ended with {done.returncode}; see {log}: {open(log).read()[-600:]}")
    wall, user, system, peak = (float(x) for x in open(figures).read().split()[-4:])
    return wall, user + system, peak / 1024


def registry(disk, work):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = os.path.join(work, "registry.yml")
    with open(config, "w") as out:
        out.write(f"version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {disk}/registry}}\n"
                  f"  delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:{port}\n  secret: dray\n")
    server = subprocess.Popen(["docker-registry", "serve", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        if socket.socket().connect_ex(("127.0.0.1", port)) == 0:
            return server, f"http://127.0.0.1:{port}/base"
        time.sleep(0.05)
    raise SystemExit("docker-registry doesn't answer")


def one_size(gigabytes, options, work, program, maker):
    disk, log = os.path.join(work, "disk"), os.path.join(work, f"log-{gigabytes}")
    os.makedirs(disk)
    server = subprocess.Popen([program, disk], stderr=subprocess.DEVNULL)
    while not os.path.ismount(disk):
        time.sleep(0.05)
        if server.poll() is not None:
            raise SystemExit("the simulated disk can't be mounted")
    tools = {name: os.path.join(options.tools, name) for name in ("dray", "dray-import")}
    state = os.path.join(work, f"state-{gigabytes}")
    os.makedirs(state)
    rows = {}
    try:
        total = make_release(disk, int(gigabytes * 1e9), maker)

        def run(name, tool, *words):
            rows[name] = measured([tools[tool], *words], log)
            print(f"{gigabytes} GB, {name}: %.0f s, %.0f CPU s, %.0f MiB" % rows[name], file=sys.stderr, flush=True)

        def at(name):
            return os.path.join(state, name)
        for key in ("root", "release"):
            measured([tools["dray"], "key", "generate", "--out", at(key + ".pem")], log)
        measured([tools["dray"], "trust", "init", "--product", "palette-enterprise", "--root-key", at("root.pem"), "--release-key", at("release.pub.pem"),
                  "--out", at("trust")], log)
        run("pack", "dray", "pack", os.path.join(disk, "inputs/release.yaml"), "--trust", at("trust"), "--key", at("release.pem"), "--out", os.path.join(disk, "bundles"),
            "--state", at("publisher"), "--volume-size", "bd25", "--quiet")
        media = os.path.join(disk, "bundles/palette-enterprise-9.0.0")
        volumes = sum(os.path.getsize(os.path.join(media, "volumes", f)) for f in os.listdir(os.path.join(media, "volumes")))
        fingerprint = hashlib.sha256(open(at("trust/1.root.json"), "rb").read()).hexdigest()
        measured([tools["dray-import"], "trust", "add", media, "--fingerprint", fingerprint, "--state", at("site")], log)
        run("verify", "dray-import", "verify", media, "--state", at("site"), "--quiet")
        run("load, layout", "dray-import", "load", media, "--to", f"oci:{disk}/layout", "--state", at("site"), "--quiet")
        if options.registry:
            daemon, url = registry(disk, work)
            try:
                run("load, registry", "dray-import", "load", media, "--to", url, "--state", at("site"), "--quiet")
            finally:
                daemon.terminate()
                daemon.wait()
        run("extract", "dray-import", "extract", "appliance.iso", media, "--to", os.path.join(disk, "out.iso"), "--state", at("site"), "--quiet")
        index = os.path.getsize(os.path.join(media, "index"))
        return {"gigabytes": gigabytes, "in": total, "volumes": volumes, "index": index, "rows": rows}
    finally:
        subprocess.run(["umount", "-l", disk], check=False)
        server.terminate()
        server.wait()
        os.rmdir(disk)
        shutil.rmtree(state, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", default=os.path.join(HERE, "../.build/release"))
    parser.add_argument("--size", type=float, action="append", help="GB; 1, 10 and 100 without it")
    parser.add_argument("--registry", action="store_true")
    parser.add_argument("--work", help="folder for keys, state and logs; a temporary one without it")
    options = parser.parse_args()
    work = options.work or tempfile.mkdtemp(prefix="dray-scale-")
    os.makedirs(work, exist_ok=True)
    program = os.path.join(work, "scale-fs")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], check=True, capture_output=True, text=True).stdout.split()
    subprocess.run(["cc", "-O3", "-march=native", os.path.join(HERE, "scale-fs.c"), "-o", program, *flags, "-lpthread"], check=True)
    maker, results = Maker(program, os.path.join(work, "digests.json")), []
    for size in options.size or [1, 10, 100]:
        results.append(one_size(size, options, work, program, maker))
        print(json.dumps(results[-1]), flush=True)
    names = list(results[0]["rows"])
    print("\n| GB in | MB on media | index MB |" + "".join(f" {n} s (CPU s), MiB |" for n in names))
    print("|---:" * (3 + len(names)) + "|")
    for r in results:
        cells = "".join(" %.0f (%.0f), %.0f |" % tuple(r["rows"][n]) for n in names)
        print(f"| {r['in'] / 1e9:.1f} | {r['volumes'] / 1e6:,.0f} | {r['index'] / 1e6:.1f} |{cells}")


main()
