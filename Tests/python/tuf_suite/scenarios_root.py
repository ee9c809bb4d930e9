# SPDX-License-Identifier: Apache-2.0
"""Sections 4 (formats, as far as root shows them), 5.1, 5.2 and 5.3."""
import json

from harness import scenario
from repository import Repository, key, soon


@scenario("5.1", "the time is the system's, taken once", "refused when expired by it")
def _(t):
    repository, client = t.fresh()
    client.refuses(days=400, root=1, timestamp=1)
    client.accepts(days=20)


@scenario("5.1", "a clock that is a year behind", "accepted, nothing has expired by it")
def _(t):
    client = t.start(Repository())
    client.accepts(days=-365, root=1, targets=1)


@scenario("5.2", "a first refresh asks for each file once, in order", "accepted")
def _(t):
    client = t.start(Repository())
    client.accepts(root=1, timestamp=1, snapshot=1, targets=1)
    client.asked("2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json")


@scenario("5.2", "an expired trusted root that a newer one follows", "accepted")
def _(t):
    repository = Repository()
    repository.root.version, repository.root.expires = 0, soon(-1)
    repository.publish_root()
    repository.root.expires = soon()
    repository.publish_root()
    t.start(repository).accepts(root=2, targets=1)


def spoilt(name, change):
    @scenario("5.2", "a trusted root " + name, "refused, nothing asked")
    def _(t):
        repository = Repository()
        document = json.loads(repository.metadata["1.root.json"])
        data = change(document) or json.dumps(document).encode()
        client = t.start(repository, data)
        assert client.refresh(0) is not None
        client.asked()


spoilt("without a version", lambda root: root["signed"].pop("version") and None)
spoilt("without signatures", lambda root: root["signatures"].clear())
spoilt("with the signature of another file", lambda root: root["signatures"][0].update(sig="30450221" + "00" * 60))
spoilt("that was changed after it was signed", lambda root: root["signed"].update(version=7))
spoilt("that is no JSON", lambda root: b"{")
spoilt("that is empty", lambda root: b" ")
spoilt("of another type", lambda root: root["signed"].update(_type="snapshot"))
spoilt("with a threshold of 0", lambda root: root["signed"]["roles"]["root"].update(threshold=0))
spoilt("of version 2 of the specification", lambda root: root["signed"].update(spec_version="2.0.0"))


@scenario("5.2", "a trusted root that is a timestamp", "refused, nothing asked")
def _(t):
    repository = Repository()
    client = t.start(repository, repository.metadata["timestamp.json"])
    assert client.refresh(0) is not None
    client.asked()


@scenario("5.3.3", "all roots up to the newest in one refresh", "accepted")
def _(t):
    repository = Repository()
    for _ in range(3):
        repository.publish_root()
    client = t.start(repository)
    client.accepts(root=4)
    assert repository.asked[:4] == ["2.root.json", "3.root.json", "4.root.json", "5.root.json"]


@scenario("5.3.3", "the answer 403 in place of the next root", "accepted as the end of the chain")
def _(t):
    repository = Repository()
    repository.metadata["2.root.json"] = 403
    t.start(repository).accepts(root=1, targets=1)


@scenario("5.3.3", "the answer 500 in place of the next root", "refused")
def _(t):
    repository = Repository()
    repository.metadata["2.root.json"] = 500
    t.start(repository).refuses(root=1, timestamp=None)


@scenario("5.3.3", "a next root above the limit of 512,000 bytes", "refused")
def _(t):
    repository = Repository()
    repository.metadata["2.root.json"] = repository.publish_root() + b" " * 512_000
    t.start(repository).refuses(root=1, timestamp=None)


@scenario("5.3.3", "260 roots: 256 in one refresh, the rest in the next", "accepted")
def _(t):
    repository = Repository()
    for _ in range(259):
        repository.publish_root()
    client = t.start(repository)
    client.accepts(root=257)
    client.accepts(root=260)


def rotation(name, *steps, fails=False):
    """Each step is (keys of the root, threshold, keys that sign it)."""
    @scenario("5.3.4", name, "refused" if fails else "accepted")
    def _(t):
        repository = Repository()
        repository.root.version = 0
        for keys, threshold, signers in steps:
            repository.keys("root", keys, threshold, signers)
            repository.publish_root()
        client = t.start(repository)
        if fails:
            client.refuses(root=len(steps) - 1, timestamp=None)
        else:
            client.accepts(root=len(steps))
        assert client.read("root") == repository.metadata["%d.root.json" % client.version("root")]


rotation("a new key, signed by old and new", ([0], 1, [0]), ([1], 1, [0, 1]))
rotation("a new key, and the next root signed by it alone", ([0], 1, [0]), ([1], 1, [0, 1]), ([1], 1, [1]))
rotation("a new key, signed by the new one alone", ([0], 1, [0]), ([1], 1, [1]), fails=True)
rotation("a new key, signed by the old one alone", ([0], 1, [0]), ([1], 1, [0]), fails=True)
rotation("a new key, signed by strangers too", ([0], 1, [0, 5]), ([1], 1, [6, 0, 1, 7]))
rotation("a new key, signed by strangers and one side", ([0], 1, [0]), ([1], 1, [5, 6, 1]), fails=True)
rotation("2 of 3, other two sign each time", ([0, 1, 2], 2, [0, 1]), ([0, 1, 2], 2, [1, 2]), ([0, 1, 2], 2, [2, 0]))
rotation("2 of 3, one signs", ([0, 1, 2], 2, [0, 1]), ([0, 1, 2], 2, [1]), fails=True)
rotation("3 of 5, one key replaced, three of both sign", ([0, 1, 2, 3, 4], 3, [0, 1, 2]), ([0, 1, 2, 3, 5], 3, [0, 1, 2]))
rotation("3 of 5, one key replaced, three of the new alone",
         ([0, 1, 2, 3, 4], 3, [0, 1, 2]), ([0, 1, 2, 3, 5], 3, [0, 1, 5]), fails=True)
rotation("3 of 5, one key replaced, three of the old alone",
         ([0, 1, 2, 3, 4], 3, [0, 1, 2]), ([0, 1, 2, 3, 5], 3, [0, 1, 4]), fails=True)
rotation("3 of 5, all keys replaced", ([0, 1, 2, 3, 4], 3, [0, 1, 2]), ([5, 6, 7, 8, 9], 3, [0, 1, 2, 5, 6, 7]),
         ([5, 6, 7, 8, 9], 3, [7, 8, 9]))
rotation("the threshold raised and met", ([0, 1], 1, [0]), ([0, 1], 2, [0, 1]))
rotation("the threshold raised and not met", ([0, 1], 1, [0]), ([0, 1], 2, [1]), fails=True)
rotation("the threshold lowered, the old one met", ([0, 1], 2, [0, 1]), ([0, 1], 1, [0, 1]), ([0, 1], 1, [1]))
rotation("the threshold lowered, the old one not met", ([0, 1], 2, [0, 1]), ([0, 1], 1, [0]), fails=True)


@scenario("5.3.4", "a root after one that is refused", "refused, the last good one stays")
def _(t):
    repository = Repository()
    repository.publish_root(signers=[key(30)])
    repository.publish_root()
    t.start(repository).refuses(root=1)


@scenario("5.3.4", "the refused root repaired by the repository", "accepted at the next refresh")
def _(t):
    repository = Repository()
    repository.publish_root(signers=[key(30)])
    client = t.start(repository)
    client.refuses(root=1)
    repository.publish_root(bump=0)
    client.accepts(root=2)


for bump, name in ((0, "of the same version"), (2, "that skips a version"), (-1, "of version 0")):
    @scenario("5.3.5", "a next root " + name, "refused")
    def _(t, bump=bump):
        repository = Repository()
        repository.root.version = 1 + bump
        repository.metadata["2.root.json"] = repository.signed(repository.root, repository.signers["root"])
        t.start(repository).refuses(root=1, timestamp=None)


@scenario("5.3.6", "an expired root between two that are not", "accepted")
def _(t):
    repository = Repository()
    repository.root.expires = soon(-5)
    repository.publish_root()
    repository.root.expires = soon()
    repository.publish_root()
    t.start(repository).accepts(root=3, targets=1)


@scenario("5.3.8", "a good root before a bad one", "refused, the good one is kept")
def _(t):
    repository = Repository()
    repository.publish_root()
    repository.publish_root(signers=[])
    t.start(repository).refuses(root=2, timestamp=None)


@scenario("5.3.8", "a root that was taken isn't asked for again", "accepted")
def _(t):
    repository, client = t.fresh()
    repository.publish_root()
    client.accepts(root=2)
    repository.asked.clear()
    client.accepts(root=2)
    client.asked("3.root.json", "timestamp.json")


@scenario("5.3.8", "members that nobody knows", "accepted and kept")
def _(t):
    repository, client = t.fresh()
    repository.root.unrecognized_fields["x-own"] = {"text": "a \"quoted\" \\ and \u00fc, \n\t", "list": [1, None, True, -3]}
    repository.root.roles["root"].unrecognized_fields["x-own"] = "role"
    next(iter(repository.root.keys.values())).unrecognized_fields["x-own"] = ["key"]
    repository.publish_root()
    client.accepts(root=2)
    assert client.read("root") == repository.metadata["2.root.json"]


@scenario("5.3.10", "the newest root has expired", "refused; root goes forward, nothing else does")
def _(t):
    repository, client = t.fresh()
    repository.root.expires = soon(-1)
    repository.publish_root()
    repository.release()
    client.refuses(root=2, timestamp=1, snapshot=1, targets=1)


@scenario("5.3.10", "the only root has expired", "refused")
def _(t):
    client = t.start(Repository())
    client.refuses(days=40, root=1, timestamp=None)


@scenario("5.3.11", "the timestamp's key replaced, its version restarts", "accepted")
def _(t):
    repository, client = t.fresh()
    repository.release(targets=0, snapshot=0, timestamp=98)
    client.accepts(timestamp=99)
    repository.keys("timestamp", [20])
    repository.publish_root()
    repository.publish_timestamp(-98)
    client.accepts(root=2, timestamp=1)


@scenario("5.3.11", "keys of timestamp and snapshot replaced, all versions restart", "accepted")
def _(t):
    repository, client = t.fresh()
    repository.release(targets=98, snapshot=98, timestamp=98)
    client.accepts(timestamp=99, snapshot=99, targets=99)
    repository.keys("timestamp", [20])
    repository.keys("snapshot", [21])
    repository.publish_root()
    repository.release(targets=-98, snapshot=-98, timestamp=-98)
    client.accepts(root=2, timestamp=1, snapshot=1, targets=1)


@scenario("5.3.11", "the snapshot's key replaced, the targets' version restarts", "accepted")
def _(t):
    repository, client = t.fresh()
    repository.release(targets=98)
    client.accepts(targets=99)
    repository.keys("snapshot", [21])
    repository.publish_root()
    repository.release(targets=-98)
    client.accepts(root=2, targets=1)


@scenario("5.3.11", "a newer root with the same keys, the timestamp's version restarts", "refused")
def _(t):
    repository, client = t.fresh()
    repository.publish_timestamp(98)
    client.accepts(timestamp=99)
    repository.publish_root()
    repository.publish_timestamp(-98)
    client.refuses(root=2, timestamp=99)


for before in (False, True):
    @scenario("5.3.12", "consistent snapshots switched %s" % ("off" if before else "on"), "accepted, names follow")
    def _(t, before=before):
        repository, client = t.fresh(consistent=before)
        repository.root.consistent_snapshot = not before
        repository.publish_root()
        repository.metadata = {name: data for name, data in repository.metadata.items() if name.endswith("root.json")}
        repository.release()
        client.accepts(root=2, snapshot=2, targets=2)
        prefix = "" if before else "2."
        client.asked("2.root.json", "3.root.json", "timestamp.json", prefix + "snapshot.json", prefix + "targets.json")
