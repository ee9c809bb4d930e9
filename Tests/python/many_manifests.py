#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A registry of any number of manifests, made as they are asked for: how much memory does an inventory take?

usage: many_manifests.py COUNT [PER_REPOSITORY] -- COMMAND...   runs the command with {url} replaced and says what it took

Each manifest has a tag of its own and names 12 blobs: 4 that all share, 4 of its repository, 4 of its own.
"""
import hashlib, http.server, json, resource, subprocess, sys, threading, time

TYPE = "application/vnd.oci.image.manifest.v1+json"


def blob(name):
    return {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "size": 1000,
            "digest": "sha256:" + hashlib.sha256(name.encode()).hexdigest()}


class Registry(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    repositories, each = 0, 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, _, query = self.path.partition("?")
        parts = path.split("/")
        kind, link = "application/json", None
        if path == "/v2/":
            body = b"{}"
        elif path == "/v2/_catalog":
            first = int(query.rpartition("last=r")[2]) + 1 if "last=" in query else 0
            last = min(first + 100, self.repositories)
            body = json.dumps({"repositories": ["r%06d" % n for n in range(first, last)]}).encode()
            link = '</v2/_catalog?last=r%06d>; rel="next"' % (last - 1) if last < self.repositories else None
        elif parts[-1] == "list":
            body = json.dumps({"name": parts[2], "tags": ["t%d" % n for n in range(self.each)]}).encode()
        else:
            repository, tag = parts[2], parts[-1]
            blobs = [blob("all %d" % n) for n in range(4)] + [blob(repository + " %d" % n) for n in range(4)]
            blobs += [blob(repository + tag + " %d" % n) for n in range(4)]
            body = json.dumps({"schemaVersion": 2, "mediaType": TYPE, "config": blobs[-1], "layers": blobs[:-1]}).encode()
            kind = TYPE
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if link:
            self.send_header("Link", link)
        self.end_headers()
        self.wfile.write(body)


def main():
    split = sys.argv.index("--")
    counts, command = [int(x) for x in sys.argv[1:split]], sys.argv[split + 1:]
    Registry.each = counts[1] if len(counts) > 1 else 40
    Registry.repositories = counts[0] // Registry.each
    Registry.wbufsize = 1 << 16  # headers and body in one packet
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d" % server.server_address[1]
    begin = time.monotonic()
    status = subprocess.run([word.replace("{url}", url) for word in command]).returncode
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print("%d manifests: exit %d, %.1f s, peak %.1f MiB" % (
        Registry.repositories * Registry.each, status, time.monotonic() - begin, peak / 1024))


if __name__ == "__main__":
    main()
