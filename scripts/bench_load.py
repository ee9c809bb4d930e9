# SPDX-License-Identifier: Apache-2.0
"""The part of scripts/bench that measures loading, into docker-registry and the stand-in of Zot (Tests/StandIn).

`bench` is the module of scripts/bench: its folders, its measure, its tables."""
import contextlib, glob, hashlib, json, os, random, re, shutil, signal, socket, subprocess, sys, time
import urllib.error, urllib.request

USER, PASSWORD = "bench", "bench-password"
TICKS = os.sysconf("SC_CLK_TCK")
REGISTRIES = ("docker-registry", "Zot's stand-in")


class Server:
    """A registry that runs: its address, and what it used so far."""

    def __init__(self, process, port, log):
        self.pid, self.port, self.log = process.pid, port, log
        self.address = "127.0.0.1:%d" % port

    def cpu(self):
        with open("/proc/%d/stat" % self.pid) as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak(self):
        with open("/proc/%d/status" % self.pid) as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) / 1024

    def requests(self):
        """Lines of docker-registry's access log; the stand-in has none."""
        with open(self.log) as file:
            return sum(" HTTP/1.1\" " in line for line in file)


@contextlib.contextmanager
def registry(bench, kind, auth=False):
    """An empty registry on a free port of loopback; with `auth` each request costs a check of the password."""
    store, log = bench.fresh("registry"), bench.WORK + "/registry.log"
    with open(bench.WORK + "/password", "w") as file:
        file.write(PASSWORD + "\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if kind == REGISTRIES[0]:
        command = ["docker-registry", "serve", configuration(bench, store, port, auth)]
    else:
        command = ["zot-stand-in", "--folder", store, "--port", str(port)]
        command += ["--user", USER, "--password-file", bench.WORK + "/password", "--auth-ms", "120"] if auth else []
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        wait(port)
        yield Server(process, port, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        shutil.rmtree(store)


def configuration(bench, store, port, auth):
    login = ""
    if auth:
        lines = bench.output(["htpasswd", "-nbB", "-C", "10", USER, PASSWORD])
        with open(bench.WORK + "/htpasswd", "w") as file:
            file.write(lines.strip() + "\n")
        login = "auth: { htpasswd: { realm: bench, path: %s/htpasswd } }\n" % bench.WORK
    path = bench.WORK + "/registry.yml"
    with open(path, "w") as file:
        file.write("version: 0.1\nlog: { level: error }\nstorage:\n"
                   "  filesystem: { rootdirectory: %s }\n  delete: { enabled: true }\n"
                   "  cache: { blobdescriptor: inmemory }\nhttp: { addr: \"127.0.0.1:%d\" }\n%s" % (store, port, login))
    return path


def wait(port):
    for _ in range(200):
        try:
            return urllib.request.urlopen("http://127.0.0.1:%d/v2/" % port).close()
        except urllib.error.HTTPError:
            return None  # it asks for a login
        except OSError:
            time.sleep(0.05)
    sys.exit("bench: no registry answers")


class Release:
    """A layout and the bundle that is packed from it."""

    def __init__(self, bench, layout):
        name = os.path.basename(layout)
        self.layout = layout
        with open(layout + "/index.json") as file:
            index = json.load(file)["manifests"]
        self.images = [(m["annotations"]["org.opencontainers.image.ref.name"], m["digest"]) for m in index]
        bench.pack(bench.manifest("%s/%s.yaml" % (bench.WORK, name), "  - layout: %s\n" % layout), name + "-packed")
        self.bundle = "%s/%s-packed/bundles/bench-1.0.0" % (bench.WORK, name)
        self.state = bench.site(self.bundle)
        shutil.rmtree(layout + "-state", ignore_errors=True)
        os.rename(self.state, layout + "-state")
        self.state = layout + "-state"

    def load(self, server, auth=False):
        login = ["--username", USER, "--password-file", os.path.dirname(self.layout) + "/password"] if auth else []
        return ["dray-import", "load", self.bundle, "--to", "http://%s/dray" % server.address, "--state", self.state,
                "--quiet"] + login

    def efforts(self):
        """Requests that the newest receipt says were planned and done."""
        newest = max(glob.glob(self.state + "/receipts/*.json"), key=os.path.getmtime)
        with open(newest) as file:
            text = file.read()
        receipt = json.loads(text)
        return receipt["planned"]["requests"], receipt["done"]["requests"]

    def skopeo(self, server, auth=False, debug=False):
        words = "skopeo --insecure-policy %s copy %s --all --dest-tls-verify=false %s" % (
            "--debug" if debug else "", "" if debug else "-q", "--dest-creds %s:%s" % (USER, PASSWORD) if auth else "")
        return "".join("%s oci:%s:%s docker://%s/skopeo/%s:v1 || exit 1\n" % (words, self.layout, name, server.address, name)
                       for name, _ in self.images)


def asked(bench):
    """Requests in the last command's log, as `skopeo --debug` writes them."""
    with open(bench.WORK + "/log", errors="replace") as file:
        return len(re.findall(r'msg="(?:GET|HEAD|POST|PUT|PATCH|DELETE) http', file.read()))


def on(bench, kind, command, auth=False, before=None):
    """Measures one command against an empty registry, or one that `before` has filled. Its requests are in `size`."""
    with registry(bench, kind, auth) as server:
        if before:
            bench.measure(before(server))
        cpu, requests = server.cpu(), server.requests()
        run = bench.measure(command(server))
        return run._replace(registry_cpu=server.cpu() - cpu, registry_memory=server.peak(),
                            size=server.requests() - requests)


def rows(bench, found, requests, base):
    table = []
    for name, run in found.items():
        ratios = ["%.2f" % (run.wall / found[other].wall) for other in base]
        table.append([name, "%.2f" % run.wall, "%.2f" % run.cpu, "%.0f" % run.memory, "%.2f" % run.registry_cpu,
                      "%.0f" % run.registry_memory, str(requests[name])] + ratios)
    return table


HEAD = ["wall s", "CPU s", "peak MiB", "registry CPU s", "registry peak MiB", "requests"]


def large(bench, kind, release):
    """525 MB in five images."""
    raw, skopeo = "push_raw.py, 4 connections (hashes nothing)", "skopeo copy --all, in turn"
    requests = {}

    def dray():
        run = on(bench, kind, release.load)
        requests["dray-import load"] = release.efforts()[1]
        return run

    def push():
        run = on(bench, kind, lambda server: [sys.executable, bench.options.material + "/push_raw.py", server.address,
                                              release.layout, "--jobs", "4", "--mount"])
        with open(bench.WORK + "/log") as file:
            requests[raw] = json.loads(file.read().splitlines()[-1])["requests"]
        return run

    on(bench, kind, lambda server: release.skopeo(server, debug=True))
    requests[skopeo] = asked(bench)
    found = bench.alternate({"dray-import load": dray, raw: push, skopeo: lambda: on(bench, kind, release.skopeo)}, 5)
    table = [["%d images, %.1f MB" % (len(release.images), bench.size(release.layout) / 1e6)] + HEAD +
             ["of push_raw's time", "of skopeo's time"]]
    return "### %s\n\n%s" % (kind, bench.markdown(table + rows(bench, found, requests, (raw, skopeo))))


# Many small blobs

def make_small(layout, images=40, layers=49):
    """Images of `layers` small layers of their own: 2,000 blobs with the configurations."""
    rnd = random.Random(7)
    os.makedirs(layout + "/blobs/sha256", exist_ok=True)

    def put(data, media):
        digest = hashlib.sha256(data).hexdigest()
        with open("%s/blobs/sha256/%s" % (layout, digest), "wb") as file:
            file.write(data)
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}

    index = []
    for number in range(images):
        parts = [put(rnd.randbytes(rnd.randint(500, 8000)), "application/vnd.bench.layer") for _ in range(layers)]
        image = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": parts,
                 "config": put(b'{"number":%d}' % number, "application/vnd.bench.config")}
        index.append(dict(put(json.dumps(image).encode(), image["mediaType"]),
                          annotations={"org.opencontainers.image.ref.name": "small%d" % number}))
    for name, content in (("index", {"schemaVersion": 2, "manifests": index}), ("", {"imageLayoutVersion": "1.0.0"})):
        with open("%s/%s" % (layout, name + ".json" if name else "oci-layout"), "w") as file:
            json.dump(content, file)


def small(bench, kind, release):
    """2,000 small blobs, where each request costs a check of the password."""
    single = kind != REGISTRIES[0]
    blobs, manifests = 2000, len(release.images)
    least = blobs * (2 if single else 3) + 2 * manifests
    dray = on(bench, kind, lambda server: release.load(server, True), True)
    planned, done = release.efforts()
    skopeo = on(bench, kind, lambda server: release.skopeo(server, True, debug=True), True)
    bench.say("%s: dray %.1f s %d requests, skopeo %.1f s" % (kind, dray.wall, done, skopeo.wall))
    table = [["%s, password checked each time" % kind, "wall s", "CPU s", "peak MiB", "requests", "a blob", "of the least",
              "planned"]]
    for name, run, requests, plan in (("dray-import load", dray, done, str(planned)),
                                      ("skopeo copy, in turn", skopeo, asked(bench), "-")):
        table.append([name, "%.1f" % run.wall, "%.2f" % run.cpu, "%.0f" % run.memory, str(requests),
                      "%.2f" % (requests / blobs), "%.3f" % (requests / least), plan])
    return "%s\nThe least: %d.\n" % (bench.markdown(table), least)


# The same again

def again(bench, kind, release):
    """A load of what is there, beside `skopeo sync` of folders that skopeo made of the same images."""
    folder = os.path.dirname(release.layout) + "/synced"
    if not os.path.isdir(folder):
        for name, _ in release.images:
            os.makedirs("%s/%s" % (folder, name))
            bench.output(["skopeo", "--insecure-policy", "copy", "-q", "--all", "oci:%s:%s" % (release.layout, name),
                          "dir:%s/%s" % (folder, name)], env=bench.ENVIRONMENT)

    def sync(server, debug=False):
        return "skopeo --insecure-policy %s sync -a --src dir --dest docker --dest-tls-verify=false %s %s/skopeo" % (
            "--debug" if debug else "", folder, server.address)

    requests = {}

    def dray():
        run = on(bench, kind, release.load, before=release.load)
        requests["dray-import load"] = release.efforts()[1]
        return run

    on(bench, kind, lambda server: sync(server, True), before=sync)
    requests["skopeo sync --all"] = asked(bench)
    found = bench.alternate({"dray-import load": dray, "skopeo sync --all": lambda: on(bench, kind, sync, before=sync)}, 5)
    table = [["%s, nothing to send" % kind] + HEAD + ["of skopeo's time"]]
    return bench.markdown(table + rows(bench, found, requests, ("skopeo sync --all",)))


TEXT = {
    "large": "\nAims: at most 1.20 of push_raw's time, below skopeo's (0.70), below 128 MiB.\n",
    "small": "\n### 2,000 small blobs behind a password\n\n"
             "40 images of 49 layers of 0.5 to 8 KB and a configuration. docker-registry checks htpasswd at bcrypt cost 10, the\n"
             "stand-in waits 120 ms, on each request. The least is what no client that proves its work can go below: for each blob\n"
             "its sending (one request where a single POST is taken, else two) and one question afterwards, for each manifest\n"
             "its PUT and its proof. One run each: the password's check is the time, and requests don't vary.\n\n",
    "again": "\n### The same release again\n\n",
}


def section(bench):
    layout, many = bench.WORK + "/images", bench.WORK + "/small"
    if not os.path.isdir(layout):
        bench.say(bench.output([sys.executable, bench.options.material + "/gen_layouts.py", layout]).strip())
    make_small(many)
    five, thousands = Release(bench, layout), Release(bench, many)
    parts = {"large": lambda kind: large(bench, kind, five), "small": lambda kind: small(bench, kind, thousands),
             "again": lambda kind: again(bench, kind, five)}
    text = {name: "\n".join(part(kind) for kind in REGISTRIES)
            for name, part in parts.items() if name in bench.options.load.split(",")}
    return "## Load\n\n" + "".join(
        text[n] + TEXT[n] if n == "large" else TEXT[n] + text[n] for n in ("large", "small", "again") if n in text)
