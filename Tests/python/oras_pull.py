#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pulls an artifact with the oras package, as `oras pull` does, into a folder; prints the tags of its repository and the
files that came.

oras_pull.py 127.0.0.1:5000/base/name:tag FOLDER"""
import os, sys

import oras.client

target, folder = sys.argv[1:3]
client = oras.client.OrasClient(insecure=True)
print("tags", " ".join(sorted(client.get_tags(target))))
for path in sorted(client.pull(target=target, outdir=folder)):
    print("file", os.path.basename(path))
