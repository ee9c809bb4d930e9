#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists what a registry has below a path, without Dray: a line for each tag, manifest and blob, sorted. Every manifest
is hashed; every blob is asked for by HEAD, or with --deep fetched and hashed too. Anything that is wrong ends it with 1.

list_registry.py http://127.0.0.1:5000/base [--deep]"""
import hashlib, json, sys, urllib.error, urllib.parse, urllib.request

TYPES = ", ".join("application/vnd." + t for t in (
    "oci.image.manifest.v1+json", "oci.image.index.v1+json", "docker.distribution.manifest.v2+json",
    "docker.distribution.manifest.list.v2+json"))
address, deep = urllib.parse.urlsplit(sys.argv[1]), "--deep" in sys.argv
server, base = "%s://%s" % (address.scheme, address.netloc), address.path.strip("/") + "/"
lines = set()


def ask(path, method="GET"):
    request = urllib.request.Request(server + path, method=method, headers={"Accept": TYPES})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read(), answer.headers


def pages(path, key):
    while path:
        body, headers = ask(path)
        yield from json.loads(body)[key] or []
        link = headers.get("Link", "")
        path = urllib.parse.urlsplit(urllib.parse.urljoin(server, link.split(";")[0].strip("<> "))) if link else None
        path = path and path.path + "?" + path.query


def blob(repository, descriptor):
    line = "%s blob %s %d" % (repository[len(base):], descriptor["digest"], descriptor["size"])
    if line not in lines and descriptor["size"] == 0:
        lines.add(line)  # Zot before 2.1.19 denies a blob of no bytes that it has
    elif line not in lines:
        body, headers = ask("/v2/%s/blobs/%s" % (repository, descriptor["digest"]), "GET" if deep else "HEAD")
        size = len(body) if deep else int(headers["Content-Length"])
        if size != descriptor["size"] or deep and "sha256:" + hashlib.sha256(body).hexdigest() != descriptor["digest"]:
            sys.exit("list_registry: %s is another blob there" % line)
        lines.add(line)


def manifest(repository, reference):
    body, _ = ask("/v2/%s/manifests/%s" % (repository, reference))
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    if ":" in reference and digest != reference:
        sys.exit("list_registry: %s %s holds other bytes" % (repository, reference))
    line = "%s manifest %s" % (repository[len(base):], digest)
    if line not in lines:
        lines.add(line)
        document = json.loads(body)
        for child in document.get("manifests", []):
            manifest(repository, child["digest"])
        for descriptor in ([document["config"]] if "config" in document else []) + document.get("layers", []):
            blob(repository, descriptor)
        for referrer in referrers(repository, digest):
            manifest(repository, referrer["digest"])
    return digest


def referrers(repository, digest):
    try:
        return json.loads(ask("/v2/%s/referrers/%s" % (repository, digest))[0]).get("manifests", [])
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return []  # a registry without the interface; its referrers hang on the tag sha256-<hex>


for repository in pages("/v2/_catalog?n=1000", "repositories"):
    if repository.startswith(base) and repository != base + "dray/site":  # where the site keeps its own evidence
        for tag in pages("/v2/%s/tags/list?n=1000" % repository, "tags"):
            lines.add("%s tag %s %s" % (repository[len(base):], tag, manifest(repository, tag)))
print("\n".join(sorted(lines)))
