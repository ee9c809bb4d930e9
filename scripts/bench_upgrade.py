#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the upgrade story: a site at 4.7.3 that goes to 4.7.15 and to 4.7.27, by full bundles and by deltas.

scripts/bench_upgrade.py [--size MIB] [--editions palette,vertex] [--tools FOLDER] [--work FOLDER]

Makes the releases of Tests/python/synthetic_vendor.py, packs each full and as a delta against what the site says it has
(an inventory for the first hop, the load's receipt for the second), and loads both ways into two docker-registries on
loopback. After each hop both registries are listed by Tests/python/list_registry.py, every blob fetched and hashed, and must be
the same. Prints the rows of docs/benchmarks.md. --tools holds dray and dray-import, .build/release by default."""
import argparse, glob, hashlib, json, os, shutil, signal, socket, subprocess, sys, time

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RELEASES = ["4.7.3", "4.7.15", "4.7.27"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1024, metavar="MIB")
    parser.add_argument("--editions", default="palette,vertex")
    parser.add_argument("--tools", default=os.path.join(ROOT, ".build/release"))
    parser.add_argument("--work", default=os.path.join(ROOT, ".build/bench-upgrade"))
    return parser.parse_args()


def measure(command, folder):
    """Seconds and peak MiB of a command; it must succeed."""
    start = time.time()
    with open(os.path.join(folder, "log"), "wb") as log:
        child = subprocess.Popen(["/usr/bin/time", "-f", "%M", "-o", "memory"] + command, cwd=folder, stdout=log, stderr=log)
    if child.wait():
        sys.exit("bench_upgrade: %s\n%s" % (" ".join(command), open(os.path.join(folder, "log")).read()[-3000:]))
    return time.time() - start, int(open(os.path.join(folder, "memory")).read()) / 1024


class Registry:
    def __init__(self, folder):
        os.makedirs(folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        with open(folder + "/config.yml", "w") as file:
            file.write("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s/store}, "
                       "delete: {enabled: true}}\nhttp: {addr: '127.0.0.1:%d', secret: x}\n" % (folder, self.port))
        self.child = subprocess.Popen(["docker-registry", "serve", folder + "/config.yml"], stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        sys.exit("bench_upgrade: docker-registry does not answer")

    def address(self):
        return "http://127.0.0.1:%d/spectro-content" % self.port

    def lines(self):
        script = os.path.join(ROOT, "Tests/python/list_registry.py")
        return subprocess.run(["python3", script, self.address(), "--deep"], stdout=subprocess.PIPE, check=True).stdout


def size(folder):
    return sum(os.path.getsize(os.path.join(base, name)) for base, _, names in os.walk(folder) for name in names)


class Story:
    def __init__(self, options, edition):
        self.options, self.edition = options, edition
        self.work = os.path.join(os.path.abspath(options.work), edition)
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        self.tool("dray", "key", "generate", "--out", "root.pem")
        self.tool("dray", "key", "generate", "--out", "release.pem")
        self.tool("dray", "trust", "init", "--product", edition + "-enterprise", "--root-key", "root.pem", "--release-key",
                  "release.pub.pem", "--out", "trust")
        root = hashlib.sha256(open(self.work + "/trust/1.root.json", "rb").read()).hexdigest()
        for site in ("by-delta", "by-full"):
            self.tool("dray-import", "trust", "add", "trust/1.root.json", "--fingerprint", root, "--state", site)

    def tool(self, name, *line):
        return measure([os.path.join(os.path.abspath(self.options.tools), name)] + list(line), self.work)

    def vendor(self, version):
        subprocess.run(["python3", os.path.join(ROOT, "Tests/python/synthetic_vendor.py"), self.work + "/vendor", "--size",
                        str(self.options.size), "--editions", self.edition, "--releases", ",".join(RELEASES)], check=True)

    def pack(self, version, out, *more):
        took = self.tool("dray", "pack", "vendor/%s/%s/release.yaml" % (self.edition, version), "--trust", "trust", "--key",
                         "release.pem", "--out", out, "--state", "publisher", *more)
        found = glob.glob("%s/%s/*-%s*" % (self.work, out, version))
        if len(found) != 1:
            sys.exit("bench_upgrade: pack left %s" % found)
        return found[0], size(found[0]), took

    def load(self, bundle, site, registry):
        took = self.tool("dray-import", "load", bundle, "--to", registry.address(), "--state", site)
        self.tool("dray-import", "check", "--to", registry.address(), "--state", site)
        return took

    def have(self, hop, registry):
        """What is carried out: an inventory the first time, then the receipt of the load before."""
        if hop == 1:
            self.tool("dray-import", "inventory", "--to", registry.address(), "--state", "by-delta", "--out", "site.jsonl")
            return "site.jsonl"
        found = [f for f in glob.glob(self.work + "/by-delta/receipts/*-%s.json" % RELEASES[hop - 1])]
        return sorted(found)[-1]

    def run(self):
        self.vendor(None)
        one, other = Registry(self.work + "/one"), Registry(self.work + "/other")
        try:
            for hop, version in enumerate(RELEASES):
                full, bytes_full, packed = self.pack(version, "full")
                loaded = self.load(full, "by-full", other)
                if hop == 0:
                    self.load(full, "by-delta", one)
                    self.row(version, "full", bytes_full, bytes_full, packed, loaded)
                    continue
                self.row(version, "full", bytes_full, bytes_full, packed, loaded)
                delta, carried, packed = self.pack(version, "delta", "--have", self.have(hop, one))
                loaded = self.load(delta, "by-delta", one)
                if one.lines() != other.lines():
                    sys.exit("bench_upgrade: after %s the site by delta is not the site by full bundles" % version)
                self.row(version, "delta", carried, bytes_full, packed, loaded)
        finally:
            for registry in (one, other):
                registry.child.send_signal(signal.SIGTERM)
                registry.child.wait()

    def row(self, version, kind, carried, full, packed, loaded):
        print("| %s %s | %s | %.1f | %.1f %% | %.1f | %.0f | %.1f | %.0f |" % (
            self.edition, version, kind, carried / 1e6, 100 * carried / full, packed[0], packed[1], loaded[0], loaded[1]), flush=True)


def main():
    options = arguments()
    print("| release | bundle | MB carried | of the full bundle | pack s | pack MiB | load s | load MiB |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for edition in options.editions.split(","):
        Story(options, edition).run()


main()
