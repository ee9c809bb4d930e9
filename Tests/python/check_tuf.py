# SPDX-License-Identifier: Apache-2.0
"""Judges a medium with python-tuf, the TUF reference client.

check_tuf.py STATE MEDIUM PINNED_ROOT [TARGET...]
STATE keeps what was accepted; MEDIUM holds trust/ and the targets. Prints "ok <root> <timestamp> <snapshot> <targets>",
or the name of the exception that refused it.
"""
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


def main(state, medium, pinned, *targets):
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
    updater.refresh()
    for name in targets:
        info = updater.get_targetinfo(name)
        if info is None:
            raise KeyError(name)
        updater.download_target(info)
    trusted = updater._trusted_set
    print("ok", trusted.root.version, trusted.timestamp.version, trusted.snapshot.version, trusted.targets.version)


try:
    main(*sys.argv[1:])
except Exception as error:  # the name of whatever refused it is the result
    print(type(error).__name__, error)
