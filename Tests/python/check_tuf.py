# SPDX-License-Identifier: Apache-2.0
"""Judges media with python-tuf, the TUF reference client.

check_tuf.py STATE MEDIUM PINNED_ROOT [TARGET...]
STATE keeps what was accepted; MEDIUM holds trust/ and the targets. Prints "ok <root> <timestamp> <snapshot> <targets>",
or the name of the exception that refused it. A target written NAME=FILE is a file that stands elsewhere on the medium.

check_tuf.py - reads such arguments from the standard input, a line each, and prints a line for each; a first word "@N"
sets the time to N seconds after 1970.
"""
import datetime
import os
import sys
import tempfile

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig


class FolderFetcher(FetcherInterface):
    def _fetch(self, url):
        try:
            with open(url.removeprefix("file://"), "rb") as file:
                return iter([file.read()])
        except FileNotFoundError as error:
            raise DownloadHTTPError(str(error), 404) from error


def judged(state, medium, pinned, *targets, now=None):
    os.makedirs(state, exist_ok=True)
    medium = os.path.abspath(medium)
    with open(pinned, "rb") as file:
        root = file.read()
    updater = Updater(
        metadata_dir=state,
        metadata_base_url=f"file://{medium}/trust/",
        target_dir=tempfile.mkdtemp(dir=state),
        target_base_url=f"file://{medium}/",
        fetcher=FolderFetcher(),
        config=UpdaterConfig(prefix_targets_with_hash=False),
        bootstrap=root,
    )
    if now is not None:
        updater._trusted_set.reference_time = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
    updater.refresh()
    for name in targets:
        name, _, elsewhere = name.partition("=")
        info = updater.get_targetinfo(name)
        if info is None:
            raise KeyError(name)
        if elsewhere:
            with open(os.path.join(medium, elsewhere), "rb") as file:
                info.verify_length_and_hashes(file)
        else:
            updater.download_target(info)
    trusted = updater._trusted_set
    return "ok %d %d %d %d" % (
        trusted.root.version, trusted.timestamp.version, trusted.snapshot.version, trusted.targets.version)


def verdict(words):
    try:
        now = int(words.pop(0)[1:]) if words[0].startswith("@") else None
        return judged(*words, now=now)
    except Exception as error:  # the name of whatever refused it is the result
        return "%s %s" % (type(error).__name__, str(error).replace("\n", " "))


if sys.argv[1:] == ["-"]:
    for line in sys.stdin:
        print(verdict(line.split()))
else:
    print(verdict(sys.argv[1:]))
