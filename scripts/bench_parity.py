#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Parity against par2: the same volumes, the same share of parity, the same damage; seconds, speed and peak memory of each.

scripts/bench_parity.py [--dray FILE] [--size MIB] [--volumes N] [--rounds N]     prints the table of docs/benchmarks.md, "Parity";
needs par2. Both begin with files in the page cache; what is written is synced before the clock stops."""
import argparse, hashlib, os, resource, shutil, subprocess, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--dray", default=os.path.join(ROOT, ".build/release/dray"))
parser.add_argument("--size", type=int, default=2000, help="MiB of volumes")
parser.add_argument("--volumes", type=int, default=10)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--place", default=None, help="folder for the data")
options = parser.parse_args()
MIB = 1 << 20


def run(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def measured(*command):
    """Wall seconds until all is on the disk, processor seconds, peak memory in MiB."""
    os.sync()
    began = time.monotonic()
    child = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    os.sync()
    wall = time.monotonic() - began
    if status != 0:
        raise SystemExit("%s: %s" % (" ".join(map(str, command)), errors.decode(errors="replace")))
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def best(results):
    return min(results), max(r[2] for r in results)


def made():
    """A signed bundle whose volumes are plain files of random bytes."""
    os.makedirs("inputs")
    items = []
    for number in range(options.volumes):
        name = "data%02d.bin" % number
        with open("inputs/" + name, "wb") as file:
            for _ in range(options.size // options.volumes):
                file.write(os.urandom(MIB))
        items.append("  - file: inputs/%s\n" % name)
    with open("release.yaml", "w") as file:
        file.write("format: 1\nrelease: { product: palette-enterprise, version: 1.0.0, edition: palette }\ncontents:\n" + "".join(items))
    for key in ("root", "release"):
        run(options.dray, "key", "generate", "--out", key + ".pem")
    run(options.dray, "trust", "init", "--product", "palette-enterprise", "--root-key", "root.pem", "--release-key",
        "release.pub.pem", "--out", "trust")
    run(options.dray, "pack", "release.yaml", "--trust", "trust", "--key", "release.pem", "--out", "out", "--state", "state")
    shutil.rmtree("inputs")
    return "out/palette-enterprise-1.0.0"


def digests(folder):
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.startswith("data") and name.endswith(".bin"):
            with open(os.path.join(folder, name), "rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else \
                    hashlib.sha256(file.read()).hexdigest()
    return found


def damage(folder):
    """One volume gone, and a few bytes of up to 20 blocks of another: less than two blocks of any stripe."""
    names = sorted(n for n in os.listdir(folder) if n.startswith("data") and n.endswith(".bin"))
    os.remove(os.path.join(folder, names[3]))
    with open(os.path.join(folder, names[6]), "r+b") as file:
        for number in range(min(20, options.size // options.volumes // 7)):
            file.seek(number * 7 * MIB + 5000)
            file.write(b"damaged")


def weight(folder, part):
    return sum(os.path.getsize(os.path.join(folder, f)) for f in os.listdir(folder) if part in f)


def main():
    bundle = made()
    volumes = bundle + "/volumes"
    total = sum(os.path.getsize(os.path.join(volumes, f)) for f in os.listdir(volumes))
    before = digests(volumes)
    os.makedirs("peer")
    for name in before:
        os.link(os.path.join(volumes, name), "peer/" + name)
    percent = round(100 * 2 / options.volumes)
    files = [os.path.join("peer", n) for n in before]
    rows = {"Dray encode": [], "par2 encode": [], "Dray repair": [], "par2 repair": []}
    for _ in range(options.rounds):
        shutil.rmtree(bundle + "/parity", ignore_errors=True)
        rows["Dray encode"].append(measured(options.dray, "parity", "add", bundle, "--parity", "2", "--quiet"))
        for name in os.listdir("peer"):
            if "par2" in name:
                os.remove("peer/" + name)
        rows["par2 encode"].append(
            measured("par2", "create", "-q", "-q", "-s%d" % MIB, "-r%d" % percent, "-m200", "peer/set.par2", *files))
    dray_bytes, par2_bytes = weight(bundle + "/parity", ".p"), weight("peer", ".par2")
    for name in before:  # no longer one file with two names
        os.remove("peer/" + name)
        shutil.copyfile(os.path.join(volumes, name), "peer/" + name)
    for _ in range(options.rounds):
        damage(volumes)
        rows["Dray repair"].append(measured(options.dray, "repair", bundle, "--quiet"))
        assert digests(volumes) == before
        damage("peer")
        rows["par2 repair"].append(measured("par2", "repair", "-q", "-q", "-m200", "peer/set.par2"))
        assert digests("peer") == before
        for name in os.listdir("peer"):
            if name.endswith(".1"):
                os.remove("peer/" + name)
    print("%.0f MB in %d volumes; parity %.0f MB (Dray), %.0f MB (par2); best of %d runs\n" % (
        total / 1e6, len(before), dray_bytes / 1e6, par2_bytes / 1e6, options.rounds))
    print("| | s | CPU s | MB/s of volumes | peak MiB |\n|---|---:|---:|---:|---:|")
    for name, results in rows.items():
        (wall, cpu, _), memory = best(results)
        print("| %s | %.2f | %.2f | %.0f | %.0f |" % (name, wall, cpu, total / 1e6 / wall, memory))
    for what in ("encode", "repair"):
        print("\n%s: Dray is %.1f times as fast" % (
            what, best(rows["par2 " + what])[0][0] / best(rows["Dray " + what])[0][0]))


with tempfile.TemporaryDirectory(dir=options.place) as folder:
    os.chdir(folder)
    options.dray = os.path.abspath(options.dray) if os.path.isabs(options.dray) else os.path.join(ROOT, options.dray)
    main()
