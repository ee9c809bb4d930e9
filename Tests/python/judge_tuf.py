# SPDX-License-Identifier: Apache-2.0
"""judge_tuf.py QUESTIONS ANSWERS: judges sets of metadata with python-tuf, one after another, as long as they come.

A question is a count of blobs and the blobs, each length and count four bytes, big endian: the time in seconds, the
accepted timestamp and snapshot (empty for none), the pinned root, timestamp, snapshot, targets, then the further roots.
The answer is a line: "ok <root> <timestamp> <snapshot> <targets> <files>", or the name of the exception and its text."""
import copy
import datetime
import struct
import sys

from tuf.api.exceptions import EqualVersionNumberError, RepositoryError
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

LIMITS = {"root": 512_000, "timestamp": 16_384, "snapshot": 2_000_000, "targets": 5_000_000}


def within(role, data):
    if len(data) > LIMITS[role]:
        raise RepositoryError("%s has too many bytes" % role)
    return data


def accepted(load, data, **options):
    """What a client kept is loaded first; where it doesn't hold any more, it is passed over."""
    if data:
        try:
            load(data, **options)
        except RepositoryError:
            pass


CHAINS = {}


def copied(pinned, roots):
    """A client at the end of this chain of roots; most sets have a genuine chain, which is read once."""
    if (pinned, roots) not in CHAINS:
        trusted = TrustedMetadataSet(within("root", pinned), EnvelopeType.METADATA)
        for root in roots:
            trusted.update_root(within("root", root))
        if len(CHAINS) >= 64:
            return trusted
        CHAINS[pinned, roots] = trusted
    fresh = copy.copy(CHAINS[pinned, roots])
    fresh._trusted_set = dict(fresh._trusted_set)
    fresh._trusted_delegations = set(fresh._trusted_delegations)
    return fresh


def judged(now, old_timestamp, old_snapshot, pinned, timestamp, snapshot, targets, *roots):
    trusted = copied(pinned, roots)
    trusted.reference_time = datetime.datetime.fromtimestamp(int(now), datetime.timezone.utc)
    accepted(trusted.update_timestamp, old_timestamp)
    try:
        trusted.update_timestamp(within("timestamp", timestamp))
    except EqualVersionNumberError:
        pass  # the one at hand stays
    accepted(trusted.update_snapshot, old_snapshot, trusted=True)
    trusted.update_snapshot(within("snapshot", snapshot))
    trusted.update_targets(within("targets", targets))
    found = trusted.targets
    return "ok %d %d %d %d %d" % (
        trusted.root.version, trusted.timestamp.version, trusted.snapshot.version, found.version, len(found.targets))


def answer(blobs):
    try:
        return judged(*blobs)
    except Exception as error:  # whatever the reason, it is a refusal
        return "%s %s" % (type(error).__name__, str(error).replace("\n", " ")[:200])


with open(sys.argv[1], "rb") as questions, open(sys.argv[2], "w", encoding="utf-8", errors="replace") as answers:
    def number():
        return struct.unpack(">I", questions.read(4))[0]

    while True:
        count = number()
        if count == 0:
            break
        blobs = [questions.read(number()) for _ in range(count)]
        print(answer(blobs), file=answers, flush=True)
