# SPDX-License-Identifier: Apache-2.0
"""Checks a DSSE envelope with securesystemslib, the library under python-tuf and in-toto.

check_dsse.py ENVELOPE PUBLIC_KEY PREDICATE_TYPE
The key is PEM; its scheme and id are what securesystemslib makes of it. Prints "ok <predicate type> <number of subjects>", or the
name of the exception that refused it."""
import json
import sys

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey


def main(path, public, predicate):
    with open(public, "rb") as file:
        pem = file.read()
    key = SSlibKey.from_crypto(load_pem_public_key(pem))
    assert key.keytype in ("ecdsa", "rsa"), key.keytype
    with open(path, "rb") as file:
        envelope = Envelope.from_dict(json.load(file))
    try:
        envelope.verify([key], 1)
    except Exception as error:  # whatever it is, its name is the verdict
        print(type(error).__name__)
        return
    statement = json.loads(envelope.payload)
    assert envelope.payload_type == "application/vnd.in-toto+json", envelope.payload_type
    assert statement["_type"] == "https://in-toto.io/Statement/v1", statement["_type"]
    assert statement["predicateType"] == predicate, statement["predicateType"]
    print("ok", key.scheme, len(statement["subject"]))


main(*sys.argv[1:])
