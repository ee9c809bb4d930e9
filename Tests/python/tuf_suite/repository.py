# SPDX-License-Identifier: Apache-2.0
"""A TUF repository in memory, made with python-tuf's own classes, and the loopback server that hands out its files."""
import datetime
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.signer import CryptoSigner, SSlibKey
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

ROLES = ("root", "timestamp", "snapshot", "targets")


def older_p256():
    """An ECDSA key under the key type that TUF had before "ecdsa"."""
    private = ec.generate_private_key(ec.SECP256R1())
    key = SSlibKey.from_crypto(private.public_key())
    key = SSlibKey("older" + key.keyid[5:], "ecdsa-sha2-nistp256", key.scheme, key.keyval)
    return CryptoSigner(private, key)


KINDS = {
    "ed25519": CryptoSigner.generate_ed25519,
    "p256": CryptoSigner.generate_ecdsa,
    "older p256": older_p256,
    "p384": lambda: CryptoSigner(ec.generate_private_key(ec.SECP384R1())),
    "rsa-pss": CryptoSigner.generate_rsa,
    "rsa-pkcs1v15": lambda: CryptoSigner.generate_rsa(scheme="rsa-pkcs1v15-sha256"),
}
KEYS = {}
LOCK = threading.Lock()


def key(number, kind="ed25519"):
    """The signer of this number; each is made once, because some kinds take long."""
    with LOCK:
        if (kind, number) not in KEYS:
            KEYS[kind, number] = KINDS[kind]()
        return KEYS[kind, number]


def soon(days=30):
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=days)


class Repository:
    """`metadata` and `artifacts` are what is served; the signed objects may be changed and published at any time."""

    def __init__(self, kind="ed25519", consistent=True, hashes=("sha256",)):
        self.metadata, self.artifacts, self.asked = {}, {}, []
        self.hashes = hashes
        # making an RSA key takes long: one for all roles
        self.signers = {role: [key(0 if "rsa" in kind else 10 + number, kind)] for number, role in enumerate(ROLES)}
        self.root = Root(expires=soon(), consistent_snapshot=consistent)
        self.timestamp, self.snapshot, self.targets = (kind(expires=soon()) for kind in (Timestamp, Snapshot, Targets))
        for role in ROLES:
            self.root.add_key(self.signers[role][0].public_key, role)
        for signed in (self.root, self.timestamp, self.snapshot, self.targets):
            signed.version = 0
        self.publish_root()
        self.release()

    def signed(self, content, signers):
        metadata = Metadata(content)
        for signer in signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes(JSONSerializer())

    def keys(self, role, numbers, threshold=1, signers=None):
        """Gives a role these keys, and has these sign, the same ones where none are named."""
        self.root.roles[role].keyids.clear()
        self.root.roles[role].threshold = threshold
        for number in numbers:
            self.root.add_key(key(number).public_key, role)
        self.signers[role] = [key(number) for number in (numbers if signers is None else signers)]

    def publish_root(self, signers=None, bump=1):
        self.root.version += bump
        data = self.signed(self.root, self.signers["root"] if signers is None else signers)
        self.metadata["%d.root.json" % self.root.version] = data
        return data

    def name(self, content):
        return "%d.%s.json" % (content.version, content.type) if self.root.consistent_snapshot else content.type + ".json"

    def link(self, content, data):
        if not self.hashes:
            return MetaFile(content.version)
        return MetaFile.from_data(content.version, data, list(self.hashes))

    def release(self, *, targets=1, snapshot=1, timestamp=1):
        """Signs all three with versions that grow by these numbers."""
        self.targets.version += targets
        data = self.signed(self.targets, self.signers["targets"])
        self.metadata[self.name(self.targets)] = data
        self.snapshot.meta["targets.json"] = self.link(self.targets, data)
        self.publish_snapshot(snapshot, timestamp)

    def publish_snapshot(self, bump=1, timestamp=1):
        self.snapshot.version += bump
        data = self.signed(self.snapshot, self.signers["snapshot"])
        self.metadata[self.name(self.snapshot)] = data
        self.timestamp.snapshot_meta = self.link(self.snapshot, data)
        self.publish_timestamp(timestamp)

    def publish_timestamp(self, bump=1):
        self.timestamp.version += bump
        self.metadata["timestamp.json"] = self.signed(self.timestamp, self.signers["timestamp"])

    def add(self, path, data, hashes=("sha256",)):
        """Adds a target and its file; `release` publishes it."""
        target = TargetFile.from_data(path, data, list(hashes))
        self.targets.targets[path] = target
        folder, slash, name = path.rpartition("/")
        prefix = next(iter(target.hashes.values())) + "." if self.root.consistent_snapshot else ""
        self.artifacts[folder + slash + prefix + name] = data

    def answer(self, kind, name):
        """A file's bytes, or a status."""
        files = self.metadata if kind == "metadata" else self.artifacts
        found = files.get(name, files.get(unquote(name), 404))
        self.asked.append(name)
        return found


class Server:
    """Serves any number of repositories, each below its own number."""

    def __init__(self):
        repositories = self.repositories = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                parts = self.path.split("/", 3)
                known = len(parts) == 4 and parts[1].isdigit() and int(parts[1]) < len(repositories)
                answer = repositories[int(parts[1])].answer(parts[2], parts[3]) if known else 404
                status, body = (answer, b"") if isinstance(answer, int) else (200, answer)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except ConnectionError:
                    pass  # a client that has enough hangs up

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None  # a client that hangs up or resets is no fault of the table
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def add(self, repository):
        with LOCK:
            self.repositories.append(repository)
            return "http://127.0.0.1:%d/%d" % (self.http.server_port, len(self.repositories) - 1)
