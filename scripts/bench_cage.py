#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the parser's cage costs: loads and extracts one made release with it and without, in turns.

scripts/bench_cage.py [--importer FILE] [--packer FILE] [--mib N] [--runs N]

FILE: dray-import and dray, by default those of the release build. The bundle has four layers of N/4 MiB each, all in
compressed frames, and one file of N/4 MiB. Prints medians of wall and CPU seconds, the importer's and its children's, their
ratios, and the peak memory of all of them together (PSS, every 10 ms, in runs of their own)."""
import argparse, ctypes, hashlib, json, os, random, shutil, statistics, subprocess, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--importer", default=os.path.join(ROOT, ".build/release/dray-import"))
parser.add_argument("--packer", default=os.path.join(ROOT, ".build/release/dray"))
parser.add_argument("--mib", type=int, default=1024)
parser.add_argument("--runs", type=int, default=5)
options = parser.parse_args()
work = tempfile.mkdtemp(prefix="dray-bench-cage-")


def tool(*words):
    subprocess.run([{"dray": options.packer, "dray-import": options.importer}[words[0]]] + list(words[1:]), check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def content(size, seed):
    """Lines that compress about as programs and logs do, to a third."""
    rnd = random.Random(seed)
    lines = ["%s=%d %s\n" % (rnd.choice(["open", "read", "close", "send"]), rnd.getrandbits(30), rnd.randbytes(6).hex())
             for _ in range(50_000)]
    parts, length = [], 0
    while length < size:
        part = "".join(rnd.choices(lines, k=50_000)).encode()
        parts.append(part)
        length += len(part)
    return b"".join(parts)[:size]


def make():
    layout = work + "/layout/blobs/sha256"
    os.makedirs(layout)

    def put(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        with open(layout + "/" + digest, "wb") as file:
            file.write(data)
        return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + digest, "size": len(data)}

    quarter = options.mib * (1 << 20) // 4
    entries = []
    for number in range(4):
        image = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                 "config": put(b'{"n":%d}' % number, "config.v1+json"),
                 "layers": [put(content(quarter, number), "layer.v1.tar")]}
        entries.append(dict(put(json.dumps(image).encode(), "manifest.v1+json"),
                            annotations={"org.opencontainers.image.ref.name": "bench/image%d:v1" % number}))
    with open(work + "/layout/oci-layout", "w") as file:
        file.write('{"imageLayoutVersion":"1.0.0"}')
    with open(work + "/layout/index.json", "w") as file:
        json.dump({"schemaVersion": 2, "manifests": entries}, file)
    with open(work + "/file", "wb") as file:
        file.write(content(quarter, 9))
    with open(work + "/release.yaml", "w") as file:
        file.write("format: 1\nrelease: { product: bench, version: 1.0.0, edition: palette }\ncontents:\n"
                   "  - layout: layout\n  - file: file\n")
    tool("dray", "key", "generate", "--out", work + "/root.pem")
    tool("dray", "key", "generate", "--out", work + "/release.pem")
    tool("dray", "trust", "init", "--product", "bench", "--root-key", work + "/root.pem", "--release-key",
         work + "/release.pub.pem", "--out", work + "/trust")
    tool("dray", "pack", work + "/release.yaml", "--trust", work + "/trust", "--key", work + "/release.pem", "--out",
         work + "/bundles", "--state", work + "/state")
    with open(work + "/trust/1.root.json", "rb") as file:
        fingerprint = hashlib.sha256(file.read()).hexdigest()
    for site in ("required", "none"):
        tool("dray-import", "trust", "add", work + "/bundles", "--state", work + "/" + site, "--fingerprint", fingerprint)
        with open("%s/%s/policy.json" % (work, site), "w") as file:
            json.dump({"sandbox": site}, file)


def command(name, site):
    """The words of one run, and where it writes."""
    out = work + "/out"
    shutil.rmtree(out, ignore_errors=True)
    rest = {"load": ["load", work + "/bundles", "--to", "oci:" + out],
            "extract": ["extract", "file", work + "/bundles", "--to", out]}[name]
    if name == "extract" and os.path.exists(out):
        os.remove(out)
    return [options.importer] + rest + ["--state", work + "/" + site, "--quiet"]


def start(name, site):
    words = command(name, site)
    os.sync()
    return subprocess.Popen(words, stdout=subprocess.DEVNULL)


def finish(process):
    if process.wait():
        raise SystemExit("bench_cage: the importer failed")
    if os.path.isfile(work + "/out"):
        os.remove(work + "/out")


def seconds(name, site):
    """Of the clock, and of the processor by the importer and its children, which come to us when it ends before them."""
    process = start(name, site)
    begin, wall, used = time.time(), 0, 0
    while True:
        try:
            found, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        used += usage.ru_utime + usage.ru_stime
        if found == process.pid:
            wall, process.returncode = time.time() - begin, status
    finish(process)
    return wall, used


def share(process):
    """PSS in MiB; 0 for one that has gone."""
    try:
        with open("/proc/%d/smaps_rollup" % process) as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024
    except OSError:
        return 0


def peak(name, site):
    process, most = start(name, site), 0
    while process.poll() is None:
        try:
            with open("/proc/%d/task/%d/children" % (process.pid, process.pid)) as file:
                children = set(map(int, file.read().split()))
            for task in os.listdir("/proc/%d/task" % process.pid):
                with open("/proc/%d/task/%s/children" % (process.pid, task)) as file:
                    children |= set(map(int, file.read().split()))
        except OSError:
            children = set()
        most = max(most, share(process.pid) + sum(map(share, children)))
        time.sleep(0.01)
    finish(process)
    return most


try:
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    make()
    for name in ("load", "extract"):
        times = {"required": [], "none": []}
        for _ in range(options.runs):
            for site in times:
                times[site].append(seconds(name, site))
        inside, outside = ([statistics.median(part) for part in zip(*times[site])] for site in ("required", "none"))
        memory = {site: peak(name, site) for site in times}
        print("%-8s %d MiB: wall %.2f s caged, %.2f s not, ratio %.3f; CPU %.2f s, %.2f s, ratio %.3f; memory %.0f, %.0f MiB"
              % (name, options.mib if name == "load" else options.mib // 4, inside[0], outside[0], inside[0] / outside[0],
                 inside[1], outside[1], inside[1] / outside[1], memory["required"], memory["none"]), flush=True)
finally:
    shutil.rmtree(work)
