#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bytes to carry from release 4.7.3 to 4.7.15 of the synthetic vendor: Dray full and delta, against what peers would add.

scripts/bench_delta.py [--dray FILE] [--size MIB]     prints the table of docs/benchmarks.md, "Deltas"; needs restic, zstd, tar"""
import argparse, hashlib, os, subprocess, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--dray", default=os.path.join(ROOT, ".build/release/dray"))
parser.add_argument("--size", default="48")
options = parser.parse_args()
OLD, NEW = "4.7.3", "4.7.15"
INPUTS = ("packs", "folders", "upstream")


def run(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more)


def weight(path):
    return sum(os.path.getsize(os.path.join(r, f)) for r, _, files in os.walk(path) for f in files)


def inputs(version):
    name = "palette-enterprise-appliance-" + version
    return [f for f in sorted(os.listdir(version)) if f.startswith((name + ".iso", name + ".tar"))] + list(INPUTS)


def objects(version):
    """Every file among the inputs, layers of layouts among them, by digest."""
    paths = [os.path.join(version, i) for i in inputs(version)]
    files = [p for p in paths if os.path.isfile(p)]
    files += [os.path.join(r, f) for p in paths for r, _, names in os.walk(p) for f in names]
    found = {}
    for path in files:
        with open(path, "rb") as file:
            found[hashlib.sha256(file.read()).hexdigest()] = os.path.getsize(path)
    return found


def dray(version, *more):
    run(options.dray, "pack", "%s/release.yaml" % version, "--trust", "trust", "--key", "release.pem", "--out", "out",
        "--state", "state", "--volume-size", "none", *more)


def main():
    run("python3", ROOT + "/Tests/python/synthetic_vendor.py", "vendor", "--size", options.size, "--editions", "palette",
        "--releases", "%s,%s" % (OLD, NEW))
    for version in (OLD, NEW):
        os.symlink("vendor/palette/" + version, version)
    for key in ("root", "release"):
        run(options.dray, "key", "generate", "--out", key + ".pem")
    run(options.dray, "trust", "init", "--product", "palette-enterprise", "--root-key", "root.pem", "--release-key",
        "release.pub.pem", "--out", "trust")
    dray(OLD)
    dray(NEW)
    dray(NEW, "--base", "out/palette-enterprise-" + OLD)
    rows = [("Dray, full bundle", weight("out/palette-enterprise-" + NEW)),
            ("Dray, delta", weight("out/palette-enterprise-%s-delta-%s" % (NEW, OLD)))]
    known = objects(OLD)
    rows.append(("whole files and blobs that are new", sum(s for d, s in objects(NEW).items() if d not in known)))
    secret = {**os.environ, "RESTIC_PASSWORD": "x"}
    run("restic", "init", "-q", "-r", os.path.abspath("restic"), env=secret)
    sizes = []
    for version in (OLD, NEW):
        run("restic", "-r", os.path.abspath("restic"), "backup", "-q", *inputs(version), cwd=version, env=secret)
        sizes.append(weight("restic"))
        run("tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-cf", os.path.abspath(version + ".tar"),
            *inputs(version), cwd=version)
    rows.append(("restic, added by the second backup", sizes[1] - sizes[0]))
    run("zstd", "-q", "-3", "--long=31", "--patch-from=%s.tar" % OLD, NEW + ".tar", "-o", "patch.zst")
    rows.append(("zstd -3 --long=31 --patch-from over one tar", os.path.getsize("patch.zst")))
    full = os.path.getsize(NEW + ".tar")
    print("| %s of %s, %.1f MB of inputs | MB to carry | of the inputs |\n|---|---:|---:|" % (NEW, OLD, full / 1e6))
    for name, size in rows:
        print("| %s | %.1f | %.2f |" % (name, size / 1e6, size / full))


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    main()
    os.chdir("/")
