# SPDX-License-Identifier: Apache-2.0
"""Pulls an artifact with oras (Python), an OCI client of other people's.

check_oras.py HOST:PORT/REPOSITORY:TAG FOLDER
Writes the artifact's files into FOLDER, which must be empty. Prints a line for the manifest, "<sha256> <media type>", and one for
each file, "<sha256> <name>", as read back from the disk."""
import hashlib
import os
import sys

import oras.client


def main(target, folder):
    client = oras.client.OrasClient(hostname=target.split("/")[0], insecure=True)
    manifest = client.get_manifest(target)
    raw = client.do_request(
        f"{client.prefix}://{client.get_container(target).manifest_url()}",
        headers={"Accept": manifest["mediaType"]},
    )
    raw.raise_for_status()
    print(hashlib.sha256(raw.content).hexdigest(), manifest["mediaType"])
    for path in client.pull(target=target, outdir=folder):
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        print(digest, os.path.relpath(path, folder))


main(*sys.argv[1:])
