# SPDX-License-Identifier: Apache-2.0
"""Sections 5.4, 5.5 and 5.6: timestamp, snapshot and top-level targets."""
import json

from harness import scenario
from repository import KINDS, Repository, key, soon
from tuf.api.metadata import DelegatedRole, Delegations, MetaFile

SIGNATURES = {"timestamp": "5.4.2", "snapshot": "5.5.3", "targets": "5.6.3"}
FREEZE = {"timestamp": "5.4.4", "snapshot": "5.5.6", "targets": "5.6.5"}


def content(repository, role):
    return getattr(repository, role)


def resigned(repository, role, change):
    """Changes the newest file of a role, as JSON, after it was signed; no link names its bytes."""
    name = "timestamp.json" if role == "timestamp" else repository.name(content(repository, role))
    document = json.loads(repository.metadata[name])
    change(document)
    repository.metadata[name] = json.dumps(document).encode()


def threshold(name, keys, needed, signers, fails=False):
    for role in SIGNATURES:
        @scenario(SIGNATURES[role], "%s: %s" % (role, name), "refused" if fails else "accepted")
        def _(t, role=role):
            repository, client = t.fresh()
            repository.keys(role, keys, needed, signers)
            repository.publish_root()
            repository.release()
            if fails:
                client.refuses(root=2, **{role: 1})
            else:
                client.accepts(root=2, **{role: 2})


threshold("another key, signed by it", [1], 1, [1])
threshold("another key, signed by the old one", [1], 1, [12], fails=True)
threshold("2 of 3, first and last sign", [1, 2, 3], 2, [1, 3])
threshold("2 of 3, two sign beside a stranger", [1, 2, 3], 2, [7, 3, 2])
threshold("2 of 3, one signs beside strangers", [1, 2, 3], 2, [7, 8, 2], fails=True)
threshold("2 of 3, none signs", [1, 2, 3], 2, [], fails=True)
threshold("3 of 2, both sign", [1, 2], 3, [1, 2], fails=True)

for role in SIGNATURES:
    @scenario(SIGNATURES[role], role + ": one signature counted twice under its key id", "refused")
    def _(t, role=role):
        repository, client = t.fresh(hashes=())
        repository.keys(role, [1, 2], 2, [1])
        repository.publish_root()
        repository.release()
        resigned(repository, role, lambda file: file["signatures"].append(file["signatures"][0]))
        client.refuses(**{role: 1})

    @scenario(SIGNATURES[role], role + ": a broken signature of one key beside enough good ones", "accepted")
    def _(t, role=role):
        repository, client = t.fresh(hashes=())
        repository.keys(role, [1, 2, 3], 2)
        repository.publish_root()
        repository.release()
        resigned(repository, role, lambda file: file["signatures"][0].update(sig="ab" * 64))
        client.accepts(**{role: 2})

    @scenario(SIGNATURES[role], role + ": changed after it was signed", "refused")
    def _(t, role=role):
        repository, client = t.fresh(hashes=())
        repository.release()
        resigned(repository, role, lambda file: file["signed"].update(expires="2090-01-01T00:00:00Z"))
        client.refuses(**{role: 1})

    @scenario(SIGNATURES[role], role + ": another role's file, genuine", "refused")
    def _(t, role=role):
        repository, client = t.fresh(hashes=())
        repository.release()
        name = "timestamp.json" if role == "timestamp" else "2.%s.json" % role
        repository.metadata[name] = repository.metadata["2.targets.json" if role != "targets" else "2.snapshot.json"]
        client.refuses(**{role: 1})

    @scenario(SIGNATURES[role], role + ": laid out anew, the content the same", "accepted")
    def _(t, role=role):
        repository, client = t.fresh(hashes=())
        repository.release()
        resigned(repository, role, lambda file: file.update(signed=dict(reversed(file["signed"].items()))))
        client.accepts(**{role: 2})

    @scenario(FREEZE[role], role + ": expired", "refused, the old file stays")
    def _(t, role=role):
        repository, client = t.fresh()
        content(repository, role).expires = soon(-1)
        repository.release()
        client.refuses(**{role: 1})

    @scenario(FREEZE[role], role + ": the one at hand expired since, a newer one is there", "accepted")
    def _(t, role=role):
        repository = Repository()
        content(repository, role).expires = soon(7)
        repository.release()
        client = t.start(repository)
        client.accepts(**{role: 2})
        content(repository, role).expires = soon(25)
        repository.release()
        client.accepts(days=18, **{role: 3})

    @scenario(FREEZE[role], role + ": the one at hand expired since, no newer one is there", "refused")
    def _(t, role=role):
        repository = Repository()
        content(repository, role).expires = soon(7)
        repository.release()
        client = t.start(repository)
        client.accepts(**{role: 2})
        client.refuses(days=18, **{role: 2})

for kind in KINDS:
    @scenario("5.4.2", "keys and signatures of the kind " + kind, "accepted")
    def _(t, kind=kind):
        repository, client = t.fresh(kind=kind)
        repository.publish_root()
        repository.release()
        client.accepts(root=2, timestamp=2, snapshot=2, targets=2)

    @scenario("5.4.2", "a false signature of the kind " + kind, "refused")
    def _(t, kind=kind):
        repository, client = t.fresh(kind=kind)
        repository.release()
        resigned(repository, "timestamp", lambda file: file["signed"].update(version=3))
        client.refuses(timestamp=1)


def same_key_twice(t, needed):
    """One key under two ids."""
    repository, client = t.fresh(hashes=())
    repository.keys("timestamp", [1], needed)
    first = key(1).public_key
    entry = first.to_dict()
    twin = type(first).from_dict("e" * 64, entry)
    repository.root.add_key(twin, "timestamp")
    repository.publish_root()
    repository.release()
    resigned(repository, "timestamp", lambda file: file["signatures"].append(
        {"keyid": "e" * 64, "sig": file["signatures"][0]["sig"]}))
    return repository, client


@scenario("5.4.2", "one key under two ids counted twice", "refused (python-tuf counts ids)", reference=False)
def _(t):
    _, client = same_key_twice(t, 2)
    client.refuses(timestamp=1)


@scenario("5.4.2", "one key under two ids counted once", "accepted")
def _(t):
    _, client = same_key_twice(t, 1)
    client.accepts(timestamp=2)


for status in (404, 500):
    @scenario("5.4.1", "the answer %d in place of the timestamp" % status, "refused")
    def _(t, status=status):
        repository, client = t.fresh()
        repository.metadata["timestamp.json"] = status
        client.refuses(timestamp=1)


@scenario("5.4.1", "a timestamp above the limit of 16,384 bytes", "refused")
def _(t):
    repository, client = t.fresh()
    repository.release()
    repository.metadata["timestamp.json"] += b" " * 16_384
    client.refuses(timestamp=1)


for name, text in (("no JSON", b"{]"), ("a list", b"[]"), ("empty", b""), ("no UTF-8", b'{"signatures":[],"signed":"\xff"}')):
    @scenario("5.4.2", "a timestamp that is " + name, "refused")
    def _(t, text=text):
        repository, client = t.fresh()
        repository.metadata["timestamp.json"] = text
        client.refuses(timestamp=1)


@scenario("5.4.3", "an older timestamp", "refused")
def _(t):
    repository, client = t.fresh()
    old = repository.metadata["timestamp.json"]
    repository.publish_timestamp()
    client.accepts(timestamp=2)
    repository.metadata["timestamp.json"] = old
    client.refuses(timestamp=2)


@scenario("5.4.3", "a timestamp of the same version with another content", "the one at hand stays, no error")
def _(t):
    repository, client = t.fresh()
    before = client.read("timestamp")
    repository.timestamp.snapshot_meta = MetaFile(100)
    repository.publish_timestamp(0)
    client.accepts(timestamp=1, snapshot=1)
    assert client.read("timestamp") == before


for hashes in ((), ("sha256",)):
    @scenario("5.4.3", "a newer timestamp that names an older snapshot" + (", by digest" if hashes else ""), "refused")
    def _(t, hashes=hashes):
        repository, client = t.fresh(hashes=hashes)
        repository.publish_snapshot()
        client.accepts(snapshot=2)
        repository.publish_snapshot(-1)
        client.refuses(timestamp=2, snapshot=2)


@scenario("5.4.5", "a good timestamp before a bad snapshot", "refused, the timestamp is kept")
def _(t):
    repository = Repository()
    del repository.metadata["1.snapshot.json"]
    t.start(repository).refuses(root=1, timestamp=1, snapshot=None)


for role, section, before in (("snapshot", "5.5", "timestamp"), ("targets", "5.6", "snapshot")):
    @scenario(section + ".1", role + ": names without versions where snapshots aren't consistent", "accepted")
    def _(t, role=role):
        client = t.start(Repository(consistent=False))
        client.accepts(**{role: 1})
        client.asked("2.root.json", "timestamp.json", "snapshot.json", "targets.json")

    @scenario(section + ".1", role + ": one that is at hand isn't asked for again", "accepted")
    def _(t, role=role):
        repository, client = t.fresh()
        repository.publish_timestamp()
        client.accepts(timestamp=2, **{role: 1})
        client.asked("2.root.json", "timestamp.json")

    @scenario(section + ".1", role + ": more bytes than the link names", "refused")
    def _(t, role=role):
        repository, client = t.fresh()
        repository.release()
        repository.metadata["2.%s.json" % role] += b" "
        client.refuses(**{role: 1})

    @scenario(section + ".2", role + ": a digest that isn't the link's", "refused")
    def _(t, role=role):
        repository, client = t.fresh()
        repository.release()
        data = repository.metadata["2.%s.json" % role]
        repository.metadata["2.%s.json" % role] = data.replace(b"\n ", b"\n\t", 1)
        client.refuses(**{role: 1})

    for hashes in ((), ("sha512",), ("sha256", "sha512")):
        @scenario(section + ".2", "%s: a link with %s" % (role, " and ".join(hashes) or "its version alone"), "accepted")
        def _(t, role=role, hashes=hashes):
            repository, client = t.fresh(hashes=hashes)
            repository.release()
            client.accepts(**{role: 2})

    @scenario(section + ".2", role + ": the second of two digests is wrong", "refused")
    def _(t, role=role):
        repository, client = t.fresh(hashes=("sha256", "sha512"))
        link = MetaFile.from_data
        repository.link = lambda content, data: broken(link(content.version, data, ["sha256", "sha512"]), content.type == role)
        repository.release()
        client.refuses(**{role: 1})

    @scenario(section + ".4", role + ": another version inside than the link names", "refused")
    def _(t, role=role, before=before):
        repository, client = t.fresh(hashes=())
        repository.release()
        content(repository, role).version = 7
        repository.metadata["2.%s.json" % role] = repository.signed(content(repository, role), repository.signers[role])
        client.refuses(**{role: 1, before: 2})


def broken(link, wrong):
    if wrong:
        link.hashes["sha512"] = "0" * 128
    return link


@scenario("5.5.5", "a newer snapshot that names older targets", "refused")
def _(t):
    repository, client = t.fresh()
    repository.release(targets=3)
    client.accepts(targets=4)
    repository.release(targets=-2)
    client.refuses(snapshot=2, targets=4)


@scenario("5.5.5", "a newer snapshot that no longer lists another role", "refused")
def _(t):
    repository = Repository()
    repository.snapshot.meta["other.json"] = MetaFile(3)
    repository.release()
    client = t.start(repository)
    client.accepts(snapshot=2)
    del repository.snapshot.meta["other.json"]
    repository.release()
    client.refuses(snapshot=2)


@scenario("5.5.5", "a newer snapshot that lists another role's older file", "refused")
def _(t):
    repository = Repository()
    repository.snapshot.meta["other.json"] = MetaFile(3)
    repository.release()
    client = t.start(repository)
    client.accepts(snapshot=2)
    repository.snapshot.meta["other.json"] = MetaFile(2)
    repository.release()
    client.refuses(snapshot=2)


@scenario("5.5.5", "a newer snapshot that lists one role more, and one newer", "accepted")
def _(t):
    repository = Repository()
    repository.snapshot.meta["other.json"] = MetaFile(3)
    repository.release()
    client = t.start(repository)
    client.accepts(snapshot=2)
    repository.snapshot.meta.update({"other.json": MetaFile(4), "more.json": MetaFile(1)})
    repository.release()
    client.accepts(snapshot=3)


@scenario("5.5.5", "a snapshot without targets", "refused")
def _(t):
    repository, client = t.fresh()
    repository.release()
    repository.snapshot.meta = {"other.json": MetaFile(1)}
    repository.publish_snapshot()
    client.refuses(snapshot=1, targets=1)


@scenario("5.5.7", "a good snapshot before bad targets", "refused, the snapshot is kept")
def _(t):
    repository = Repository()
    del repository.metadata["1.targets.json"]
    t.start(repository).refuses(timestamp=1, snapshot=1, targets=None)


@scenario("5.6.6", "a repository that repairs what was refused", "accepted at the next refresh")
def _(t):
    repository = Repository()
    kept = repository.metadata.pop("1.targets.json")
    client = t.start(repository)
    client.refuses(snapshot=1, targets=None)
    repository.metadata["1.targets.json"] = kept
    repository.asked.clear()
    client.accepts(targets=1)
    client.asked("2.root.json", "timestamp.json", "1.targets.json")


def delegating(t, paths=("*",)):
    repository = Repository()
    repository.add("own", b"of the top level")
    role = DelegatedRole("other", [], 1, False, list(paths))
    repository.targets.delegations = Delegations({}, {"other": role})
    repository.targets.add_key(key(1).public_key, "other")
    repository.snapshot.meta["other.json"] = MetaFile(1)
    repository.release()
    return repository, t.start(repository)


@scenario("5.6.7", "a target of the top level where there are delegations too", "accepted")
def _(t):
    _, client = delegating(t)
    client.fetches("own")
    client.holds(b"of the top level")


@scenario("5.6.7", "a target that only a delegated role may list", "unsupported: refused, the reason says so", reference=False)
def _(t):
    _, client = delegating(t)
    assert "delegated roles" in client.fails_to_fetch("elsewhere")
    client.check({"targets": 2})
