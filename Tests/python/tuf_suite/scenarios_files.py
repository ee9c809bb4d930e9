# SPDX-License-Identifier: Apache-2.0
"""Section 5.7: target files, their names and their digests."""
from harness import scenario
from repository import Repository

ODD = [
    "two words", "a?question", "a#mark", "a&b=c", "a+b", "plain~-._name", "quote'\"s", "semi;colon:s@,", "caf\u00e9",
    "\u65e5\u672c\u8a9e", "back\\slash", "a%2Fb", "50%25", "a%20b", "star*s", "(round)[square]{curly}", "$HOME", "`id`", ".hidden", "a" * 120,
]


def offering(t, contents, **options):
    repository = Repository(**options)
    for path, data in contents.items():
        repository.add(path, data)
    repository.release()
    return repository, t.start(repository)


@scenario("5.7.1", "a download without a refresh before it", "refreshes first, then fetches")
def _(t):
    repository, client = offering(t, {"file": b"content"})
    client.fetches("file")
    client.check({"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2})
    client.holds(b"content")


@scenario("5.7.1", "a download where the refresh fails", "refused, nothing fetched")
def _(t):
    repository, client = offering(t, {"file": b"content"})
    repository.metadata["timestamp.json"] = b"{}"
    client.fails_to_fetch("file")
    client.holds()


@scenario("5.7.2", "a target that isn't listed", "refused")
def _(t):
    repository, client = offering(t, {"file": b"content"})
    repository.artifacts["other"] = b"not signed"
    client.fails_to_fetch("other")
    client.holds()
    client.check({"targets": 2})


for consistent in (True, False):
    style = "with digest prefix" if consistent else "without prefix"

    @scenario("5.7.3", "a file, " + style, "accepted")
    def _(t, consistent=consistent):
        _, client = offering(t, {"file.txt": b"content"}, consistent=consistent)
        client.fetches("file.txt")
        client.holds(b"content")

    @scenario("5.7.3", "a file in a folder, " + style, "accepted")
    def _(t, consistent=consistent):
        _, client = offering(t, {"some/where/file.txt": b"content"}, consistent=consistent)
        client.fetches("some/where/file.txt")
        client.holds(b"content")

    @scenario("5.7.3", "other bytes of the same length, " + style, "refused, nothing stored")
    def _(t, consistent=consistent):
        repository, client = offering(t, {"file": b"content"}, consistent=consistent)
        repository.artifacts = {name: b"c0ntent" for name in repository.artifacts}
        client.fails_to_fetch("file")
        client.holds()

    for name in ODD if consistent else ODD[:4]:
        # urllib3 takes what follows a # for no part of the address
        @scenario("5.7.3", "a target named %s, %s" % (name if len(name) < 30 else "120 times a", style), "accepted",
                  reference="#" not in name)
        def _(t, consistent=consistent, name=name):
            _, client = offering(t, {"in/" + name: b"odd", name: b"plain"}, consistent=consistent)
            client.fetches("in/" + name, name)
            client.holds(b"odd", b"plain")

    for name in ("../up", "/absolute", "../../../../../../tmp/dray-tuf-up", "a/../../up", "a//b"):
        @scenario("5.7.3", "a target named %s, %s" % (name, style), "nothing is written outside")
        def _(t, consistent=consistent, name=name):
            _, client = offering(t, {name: b"outside"}, consistent=consistent)
            client.download([name], 0)
            assert client.stored() in ([], [b"outside"])
            client.holds(*client.stored())


for name, data in (("one byte short", b"conten"), ("one byte longer", b"content!"), ("empty", b""), ("endless", b"content" * 100_000)):
    @scenario("5.7.3", "a file that is " + name, "refused, nothing stored")
    def _(t, data=data):
        repository, client = offering(t, {"file": b"content"})
        repository.artifacts = {name: data for name in repository.artifacts}
        client.fails_to_fetch("file")
        client.holds()


@scenario("5.7.3", "an empty file", "accepted")
def _(t):
    _, client = offering(t, {"file": b""})
    client.fetches("file")
    client.holds(b"")


@scenario("5.7.3", "a file that is listed and not there", "refused")
def _(t):
    repository, client = offering(t, {"file": b"content"})
    repository.artifacts.clear()
    client.fails_to_fetch("file")
    client.holds()


@scenario("5.7.3", "a file with SHA-512 alone", "accepted")
def _(t):
    repository = Repository()
    repository.add("file", b"content", hashes=("sha512",))
    repository.release()
    client = t.start(repository)
    client.fetches("file")
    client.holds(b"content")


@scenario("5.7.3", "the second of two digests is wrong", "refused")
def _(t):
    repository = Repository()
    repository.add("file", b"content", hashes=("sha256", "sha512"))
    repository.targets.targets["file"].hashes["sha512"] = "0" * 128
    repository.release()
    client = t.start(repository)
    client.fails_to_fetch("file")
    client.holds()


@scenario("5.7.3", "several files, in order", "accepted")
def _(t):
    repository, client = offering(t, {"a": b"1", "b": b"2", "c": b"3"})
    client.fetches("c", "a", "b")
    client.holds(b"1", b"2", b"3")
    assert [name[-1] for name in repository.asked[4:]] == ["c", "a", "b"]


@scenario("5.7.3", "several files, the second is bad", "the first is kept, the third isn't asked for")
def _(t):
    repository, client = offering(t, {"a": b"1", "b": b"2", "c": b"3"})
    for name in repository.artifacts:
        if name.endswith("b"):
            repository.artifacts[name] = b"x"
    client.fails_to_fetch("a", "b", "c")
    client.holds(b"1")
    assert [name[-1] for name in repository.asked[4:]] == ["a", "b"]


@scenario("5.7.3", "a file that is there with the right digest", "isn't fetched again")
def _(t):
    repository, client = offering(t, {"file": b"content"})
    client.fetches("file")
    repository.asked.clear()
    client.fetches("file")
    client.asked("2.root.json", "timestamp.json")
    client.holds(b"content")


@scenario("5.7.3", "a file that was replaced by the repository without a signature", "the old one stays")
def _(t):
    repository, client = offering(t, {"file": b"content"})
    client.fetches("file")
    repository.artifacts = {name: b"c0ntent" for name in repository.artifacts}
    client.download(["file"], 0)
    client.holds(b"content")


@scenario("5.7.3", "a file that was damaged where it is stored", "fetched again")
def _(t):
    import os
    repository, client = offering(t, {"file": b"content"})
    client.fetches("file")
    path = os.path.join(client.store, os.listdir(client.store)[0])
    with open(path, "wb") as file:
        file.write(b"damaged")
    client.fetches("file")
    client.holds(b"content")


@scenario("5.7.3", "a file that changes with each of ten releases, half of them skipped", "the newest each time, under one name")
def _(t):
    repository, client = offering(t, {"file": b"0"})
    for number in range(1, 11):
        repository.add("file", b"%d" % number)
        repository.release()
        if number % 2:
            client.fetches("file")
            client.holds(b"%d" % number)


@scenario("5.7.3", "a longer file in place of a shorter one, hashes not renewed", "refused, the old one stays")
def _(t):
    repository, client = offering(t, {"file": b"content"})
    client.fetches("file")
    repository.add("file", b"content 2")
    repository.release()
    repository.artifacts = {name: b"content 3" for name in repository.artifacts}
    client.fails_to_fetch("file")
    client.holds(b"content")
