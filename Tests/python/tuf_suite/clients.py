# SPDX-License-Identifier: Apache-2.0
"""The two clients that run each scenario: dray-tuf-client as a program, and python-tuf's ngclient."""
import datetime
import json
import os
import subprocess

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import Updater


class Client:
    """A client's state folder and what a scenario may ask of it."""

    def __init__(self, folder, url, repository, root):
        self.state, self.store = os.path.join(folder, "metadata"), os.path.join(folder, "targets")
        os.makedirs(self.state)
        os.makedirs(self.store)
        self.url, self.repository = url, repository
        self.trusted = os.path.join(folder, "trusted-root.json")
        with open(self.trusted, "wb") as file:
            file.write(root)
        self.initialise()

    def read(self, role):
        try:
            with open(os.path.join(self.state, role + ".json"), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def version(self, role):
        data = self.read(role)
        return None if data is None else json.loads(data)["signed"]["version"]

    def check(self, versions):
        found = {role: self.version(role) for role in versions}
        assert found == versions, "the client holds %s instead of %s" % (found, versions)

    def accepts(self, days=0, **versions):
        why = self.refresh(days)
        assert why is None, "refused: %s" % why
        self.check(versions)

    def refuses(self, days=0, **versions):
        assert self.refresh(days) is not None, "accepted"
        self.check(versions)

    def fetches(self, *names, days=0):
        why = self.download(names, days)
        assert why is None, "refused: %s" % why

    def fails_to_fetch(self, *names):
        why = self.download(names, 0)
        assert why is not None, "fetched"
        return why

    def stored(self):
        found = []
        for folder, _, names in os.walk(self.store):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    found.append(file.read())
        return sorted(found)

    def holds(self, *contents):
        assert self.stored() == sorted(contents), "the target folder holds %r" % self.stored()
        outside = sorted(os.listdir(os.path.dirname(self.state)))
        assert outside == ["metadata", "targets", "trusted-root.json"], "files outside of the folders: %s" % outside

    def asked(self, *names):
        assert self.repository.asked == list(names), "asked for %s" % self.repository.asked


class Dray(Client):
    program = None

    def run(self, days, *words):
        command = [self.program, "--metadata-dir", self.state, *words]
        if days:
            command = ["faketime", "-f", "%+dd" % days, *command]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        assert done.returncode in (0, 1), "exit code %d: %r" % (done.returncode, done.stderr)
        assert bool(done.stderr) == bool(done.returncode), "a failure has its reason, success none: %r" % done.stderr
        return done.stderr.decode().strip() if done.returncode else None

    def initialise(self):
        assert self.run(0, "init", self.trusted) is None

    def refresh(self, days):
        return self.run(days, "--metadata-url", self.url + "/metadata", "refresh")

    def download(self, names, days):
        options = [word for name in names for word in ("--target-name", name)]
        return self.run(days, "--metadata-url", self.url + "/metadata", *options, "--target-base-url",
                        self.url + "/targets", "--target-dir", self.store, "download")


class Reference(Client):
    def initialise(self):
        os.link(self.trusted, os.path.join(self.state, "root.json"))

    def updater(self, days):
        updater = Updater(self.state, self.url + "/metadata", self.store, self.url + "/targets", bootstrap=None)
        updater._trusted_set.reference_time += datetime.timedelta(days=days)
        return updater

    def refresh(self, days):
        try:
            self.updater(days).refresh()
        except (RepositoryError, DownloadError, ValueError) as error:
            return "%s: %s" % (type(error).__name__, error)
        return None

    def download(self, names, days):
        try:
            updater = self.updater(days)
            updater.refresh()
            for name in names:
                info = updater.get_targetinfo(name)
                if info is None:
                    return "no such target"
                if updater.find_cached_target(info) is None:
                    updater.download_target(info)
        except (RepositoryError, DownloadError, ValueError) as error:
            return "%s: %s" % (type(error).__name__, error)
        return None
