# SPDX-License-Identifier: Apache-2.0
"""A vendor's ECDSA P-256 key that follows from a seed, and signatures that follow from the file (RFC 6979's aim, by
a simpler rule): openssl signs with chance, and the same vendor must come out the same each time. For tests alone."""
import base64, hashlib, hmac

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
# SubjectPublicKeyInfo of id-ecPublicKey on prime256v1, up to the uncompressed point (RFC 5480).
PUBLIC = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


def add(a, b):
    if a is None or b is None:
        return a or b
    (x, y), (u, v) = a, b
    if x == u and (y + v) % P == 0:
        return None
    slope = (3 * x * x - 3) * pow(2 * y, -1, P) if a == b else (v - y) * pow(u - x, -1, P)
    w = (slope * slope - x - u) % P
    return w, (slope * (x - w) - y) % P


def times(number, point):
    total = None
    while number:
        if number & 1:
            total = add(total, point)
        point, number = add(point, point), number >> 1
    return total


def integer(value):
    data = value.to_bytes(33, "big").lstrip(b"\0")
    data = b"\0" + data if data[0] & 0x80 else data
    return bytes([2, len(data)]) + data


class Key:
    def __init__(self, seed):
        self.secret = int.from_bytes(hashlib.sha256(b"vendor " + seed.encode()).digest(), "big") % (N - 1) + 1
        self.point = times(self.secret, G)

    def pem(self):
        body = base64.b64encode(PUBLIC + b"".join(c.to_bytes(32, "big") for c in self.point)).decode()
        lines = [body[i:i + 64] for i in range(0, len(body), 64)]
        return "\n".join(["-----BEGIN PUBLIC KEY-----"] + lines + ["-----END PUBLIC KEY-----", ""])

    def sign(self, path):
        """The detached DER signature over a file, as `openssl dgst -sha256 -verify` takes it."""
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        message = digest.digest()
        chance = hmac.new(self.secret.to_bytes(32, "big"), message, "sha512").digest()
        k = int.from_bytes(chance, "big") % (N - 1) + 1
        r = times(k, G)[0] % N
        s = pow(k, -1, N) * (int.from_bytes(message, "big") + r * self.secret) % N
        body = integer(r) + integer(s)
        return bytes([0x30, len(body)]) + body
