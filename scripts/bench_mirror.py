#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures `dray mirror` against `skopeo sync` and prints the table of docs/benchmarks.md, "Mirror".

scripts/bench_mirror.py [--dray FILE] [--images 50] [--runs 3] [--jobs 4]

Pushes the images into docker-registry on loopback: four layers each, the first of them one of five that images share. Each
tool then mirrors all of them into an empty folder, and dray once more into the same, which skopeo sync refuses. Runs alternate; figures are medians;
requests are the lines of the registry's access log; memory is the peak that time(1) tells."""
import argparse, collections, gzip, hashlib, http.client, json, os, random, re, shutil, signal, socket, statistics
import subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--dray", default=os.path.join(ROOT, ".build/release/dray"))
parser.add_argument("--images", type=int, default=50)
parser.add_argument("--runs", type=int, default=3)
parser.add_argument("--jobs", default="4")
options = parser.parse_args()
Run = collections.namedtuple("Run", "wall cpu memory requests size")
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Registry:
    """docker-registry with an access log, ended with the block that it is made for."""

    def __init__(self, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.log = folder + "/registry.log"
        with open(folder + "/registry.yml", "w") as file:
            file.write("version: 0.1\nlog: { level: error, accesslog: { disabled: false } }\n"
                       "storage: { filesystem: { rootdirectory: %s/store }, cache: { blobdescriptor: inmemory } }\n"
                       "http: { addr: \"127.0.0.1:%d\" }\n" % (folder, self.port))
        self.process = subprocess.Popen(["docker-registry", "serve", folder + "/registry.yml"],
                                        stdout=open(self.log, "wb"), stderr=subprocess.DEVNULL)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.02)
        sys.exit("bench: docker-registry does not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def requests(self):
        with open(self.log) as file:
            return sum(' HTTP/1.1" ' in line for line in file)


class Pusher:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def ask(self, method, path, body=b"", **headers):
        self.connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = self.connection.getresponse()
        answer.read()
        if answer.status not in (200, 201, 202):
            sys.exit("bench: %s %s: %d" % (method, path, answer.status))
        return answer

    def blob(self, repository, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        place = self.ask("POST", "/v2/%s/blobs/uploads/" % repository).getheader("Location")
        path = place[place.index("/v2/"):]
        self.ask("PUT", path + ("&" if "?" in path else "?") + "digest=" + digest, data,
                 Content_Type="application/octet-stream")
        return {"digest": digest, "size": len(data)}

    def image(self, repository, tag, layers):
        config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
                             "name": repository}).encode()
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "config": dict(self.blob(repository, config), mediaType="application/vnd.oci.image.config.v1+json"),
                    "layers": [dict(self.blob(repository, data), mediaType=LAYER) for data in layers]}
        self.ask("PUT", "/v2/%s/manifests/%s" % (repository, tag), json.dumps(manifest).encode(),
                 Content_Type=manifest["mediaType"])


def make_images(port):
    """Names of images of 4 layers: a shared base of 12 MB (of five), and 3 of their own of 0.5 to 3 MB."""
    chance, pusher = random.Random(5), Pusher(port)
    bases = [gzip.compress(chance.randbytes(12_000_000), 1, mtime=0) for _ in range(5)]
    names = []
    for number in range(options.images):
        own = [gzip.compress(chance.randbytes(chance.randrange(500_000, 3_000_000)), 1, mtime=0) for _ in range(3)]
        names.append("team%d/image%02d" % (number % 7, number))
        pusher.image(names[-1], "1.%d" % number, [bases[number % 5]] + own)
    return ["%s:1.%d" % (name, number) for number, name in enumerate(names)]


def measure(command, registry, folder, out):
    os.sync()
    before = registry.requests()
    with open(folder + "/log", "wb") as log:
        start = time.time()
        child = subprocess.Popen(["/usr/bin/time", "-f", "%M", "-o", folder + "/memory"] + command, stdout=log, stderr=log)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.time() - start
    if status:
        sys.exit("bench: %s failed:\n%s" % (command, open(folder + "/log").read()[-3000:]))
    size = int(subprocess.run(["du", "-sb", out], stdout=subprocess.PIPE, check=True).stdout.split()[0])
    return Run(wall, usage.ru_utime + usage.ru_stime, int(open(folder + "/memory").read()) / 1024,
               registry.requests() - before, size / 1e6)


def main():
    with tempfile.TemporaryDirectory(prefix="bench-mirror-") as folder, Registry(folder) as registry:
        host = "127.0.0.1:%d" % registry.port
        images = make_images(registry.port)
        with open(folder + "/mirror.yaml", "w") as file:
            file.write("format: 1\nimages:\n" + "".join("  - %s/%s\n" % (host, name) for name in images))
        with open(folder + "/sync.yaml", "w") as file:
            file.write("%s:\n  tls-verify: false\n  images:\n" % host)
            file.write("".join("    %s: [\"%s\"]\n" % tuple(name.split(":")) for name in images))
        out, dray = folder + "/out", [options.dray, "mirror", folder + "/mirror.yaml", "--to", folder + "/out", "--quiet"]
        cases = {
            "dray mirror": dray + ["--jobs", options.jobs],
            "dray mirror --jobs 1": dray + ["--jobs", "1"],
            "skopeo sync": ["skopeo", "--insecure-policy", "sync", "--src", "yaml", "--dest", "dir", "--all",
                            folder + "/sync.yaml", out],
        }
        runs = {name: ([], []) for name in cases}
        for number in range(options.runs):
            for name, command in cases.items():
                shutil.rmtree(out, ignore_errors=True)
                if os.path.exists(folder + "/mirror.lock.json"):
                    os.remove(folder + "/mirror.lock.json")
                if name.startswith("skopeo"):
                    os.makedirs(out)
                for again in (0,) if name.startswith("skopeo") else (0, 1):
                    run = measure(command, registry, folder, out)
                    runs[name][again].append(run)
                    print("bench: %d %s%s %s" % (number + 1, name, " again" * again, run), file=sys.stderr, flush=True)
        print_table(runs)


def print_table(runs):
    for again, title in ((0, "%d images into an empty folder" % options.images), (1, "the same again")):
        print("\n| %s | wall s | CPU s | peak MiB | requests | MB on disk | of skopeo's time |\n|---|---:|---:|---:|---:|---:|---:|" % title)
        # skopeo has to begin anew: what it took the first time.
        medians = {name: Run(*(statistics.median(c) for c in zip(*(found[again] or found[0]))))
                   for name, found in runs.items()}
        for name, run in medians.items():
            print("| %s | %.2f | %.2f | %.0f | %d | %.1f | %.2f |"
                  % (name, run.wall, run.cpu, run.memory, run.requests, run.size, run.wall / medians["skopeo sync"].wall))


main()
