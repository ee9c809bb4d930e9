# SPDX-License-Identifier: Apache-2.0
"""run.py DRAY_TUF_CLIENT [SECTION]: runs every scenario with both clients; prints one JSON object a row."""
import importlib.metadata
import json
import sys
from concurrent.futures import ThreadPoolExecutor

import scenarios_files  # noqa: F401  each of the three fills the table
import scenarios_roles  # noqa: F401
import scenarios_root  # noqa: F401
from clients import Dray, Reference
from harness import SCENARIOS, judge
from repository import Server

Dray.program = sys.argv[1]
chosen = [entry for entry in SCENARIOS if entry["section"].startswith(sys.argv[2] if len(sys.argv) > 2 else "")]
server = Server()
with ThreadPoolExecutor(4) as pool:
    ours = [pool.submit(judge, entry, server, Dray) for entry in chosen]
    theirs = [pool.submit(judge, entry, server, Reference) if entry["reference"] else None for entry in chosen]
    for entry, our, their in zip(chosen, ours, theirs):
        row = {key: entry[key] for key in ("section", "name", "expected")}
        print(json.dumps({**row, "dray": our.result(), "reference": their.result() if their else "not asked"}))
print(json.dumps({"versions": {name: importlib.metadata.version(name) for name in ("tuf", "securesystemslib", "cryptography")}}))
