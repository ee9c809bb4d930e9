#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pushes an OCI image layout to a registry, without Dray: each entry to ADDRESS/<its reference, host and all>, entries
without a name to where their subject went.

push_layout.py LAYOUT http://127.0.0.1:5000"""
import json, os, sys, urllib.parse, urllib.request

layout, server = sys.argv[1], sys.argv[2]


def read(digest):
    with open(os.path.join(layout, "blobs/sha256", digest[7:]), "rb") as file:
        return file.read()


def send(method, url, data=b"", kind="application/octet-stream"):
    request = urllib.request.Request(urllib.parse.urljoin(server, url), data=data, method=method, headers={"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.headers


def blob(repository, digest):
    place = send("POST", "/v2/%s/blobs/uploads/" % repository)["Location"]
    send("PUT", place + ("&" if "?" in place else "?") + "digest=" + digest, read(digest))


def manifest(repository, descriptor, tag):
    document = json.loads(read(descriptor["digest"]))
    for child in document.get("manifests", []):
        manifest(repository, child, child["digest"])
    for part in ([document["config"]] if "config" in document else []) + document.get("layers", []):
        blob(repository, part["digest"])
    send("PUT", "/v2/%s/manifests/%s" % (repository, tag), read(descriptor["digest"]), descriptor["mediaType"])


def place(name):
    """Repository and tag or digest of a reference; without a host it is Docker Hub's."""
    host = name.split("/")[0]
    name = name if "." in host or ":" in host and "/" in name else "docker.io/" + name
    if "@" in name:
        return name.split("@")
    last = name.rsplit("/", 1)[-1]
    return name.rsplit(":", 1) if ":" in last else (name, "latest")


entries, homes = json.load(open(os.path.join(layout, "index.json")))["manifests"], {}
for entry in entries:
    name = entry.get("annotations", {}).get("org.opencontainers.image.ref.name")
    if name:
        repository, tag = place(name)
        manifest(repository, entry, tag)
        homes[entry["digest"]] = repository
for entry in entries:
    if "annotations" not in entry:
        manifest(homes[json.loads(read(entry["digest"]))["subject"]["digest"]], entry, entry["digest"])
