# SPDX-License-Identifier: Apache-2.0
"""The table of scenarios. Section numbers are those of the TUF specification 1.0.34."""
import tempfile
import traceback

from repository import Repository

SCENARIOS = []


def scenario(section, name, expected, reference=True):
    """Adds a scenario, a function of a Trial that raises AssertionError where a client does something else than is
    expected; `reference` says whether python-tuf's client is held to it too."""
    def add(body):
        SCENARIOS.append({"section": section, "name": name, "expected": expected, "reference": reference, "body": body})
        return body
    return add


class Trial:
    """One scenario with one client."""

    def __init__(self, server, kind, folder):
        self.server, self.kind, self.folder = server, kind, folder

    def start(self, repository, root=None):
        """A client that trusts the repository's first root, or these bytes; nothing was asked for yet."""
        url = self.server.add(repository)
        client = self.kind(self.folder, url, repository, repository.metadata["1.root.json"] if root is None else root)
        client.asked()
        return client

    def fresh(self, **options):
        """A repository and a client that has refreshed from it."""
        repository = Repository(**options)
        client = self.start(repository)
        client.accepts(root=1, timestamp=1, snapshot=1, targets=1)
        repository.asked.clear()
        return repository, client


def judge(entry, server, kind):
    """"as expected", or what went wrong."""
    with tempfile.TemporaryDirectory(prefix="dray-tuf-") as folder:
        try:
            entry["body"](Trial(server, kind, folder))
            return "as expected"
        except AssertionError as error:
            return str(error) or traceback.format_exc(limit=-2)
        except Exception:  # a scenario that breaks is a failure of this row, not of the whole table
            return traceback.format_exc(limit=-3)
