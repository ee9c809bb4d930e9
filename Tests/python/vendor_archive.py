#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a vendor's archive of a given shape: an OCI layout in a tar in zstd, by this machine's tar and zstd or by Python's tar.

usage: vendor_archive.py OUT SPEC      SPEC is JSON; all keys may be left out:
  images     {reference: bytes of its layer}      types  {reference: value of io.image.ref.spectrocloud.type}
  packs      {"name:version": {"layer": L, "images": [...]}}      definition  NAME of the bundle-definition
  annotations {key: value} of index.json          foreign  [media types of entries that are no manifests]
  prefix     folder inside the tar                order    last, first or middle: where index.json stands
  tar        gnu or pax (Python's)                zstd     [options of zstd]      part  bytes: cut into OUT_partNN
  key        a PEM key: signs the whole as the vendor does
Prints {reference: digest} as JSON."""
import hashlib, io, json, os, random, shutil, subprocess, sys, tarfile, tempfile

OCI = "application/vnd.oci.image."
TYPE = "io.image.ref.spectrocloud.type"


def main(out, spec):
    rnd = random.Random(len(out) + 7 * len(json.dumps(spec)))
    blobs, entries = {}, []

    def put(data, kind, **more):
        name = hashlib.sha256(data).hexdigest()
        blobs[name] = data
        return {"mediaType": kind, "digest": "sha256:" + name, "size": len(data), **more}

    def artifact(reference, layer, kind, config, annotations=None):
        document = {"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "config": put(config, kind),
                    "layers": [put(layer, OCI + "layer.v1.tar", annotations={"org.x/y": "kept"})], "x-unknown": [1, {}]}
        notes = {"org.opencontainers.image.ref.name": reference, **(annotations or {})}
        entries.append(put(json.dumps(document, indent=3).encode(), OCI + "manifest.v1+json", annotations=notes))

    for reference, size in spec.get("images", {}).items():
        kind = spec.get("types", {}).get(reference)
        artifact(reference, rnd.randbytes(size), OCI + "config.v1+json", json.dumps({"r": reference}).encode(),
                 {TYPE: kind} if kind else None)
    for title, pack in spec.get("packs", {}).items():
        name, version = title.split(":")
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w:gz") as t:
            values = "pack:\n  content:\n    images:\n" + "".join(f"      - image: {i}\n" for i in pack.get("images", []))
            document = {"name": name, "version": version, "layer": pack["layer"], "displayName": name}
            for path, data in (("values.yaml", values), ("pack.json", json.dumps(document))):
                info = tarfile.TarInfo(f"{name}-{version}/{path}")
                info.size = len(data)
                t.addfile(info, io.BytesIO(data.encode()))
        artifact(f"spectro-packs/archive/{title}", raw.getvalue(), "application/vnd.unknown.config.v1+json", b"{}")
    if "definition" in spec:
        artifact("bundle-definition:" + spec["definition"], b"definition", "application/vnd.x.config", b"{}")
    for number, kind in enumerate(spec.get("foreign", [])):
        entries.append(put(b"raw %d" % number, kind, annotations={"org.opencontainers.image.ref.name": f"raw/{number}:1"}))

    index = {"schemaVersion": 2, "manifests": entries}
    if "annotations" in spec:
        index["annotations"] = spec["annotations"]
    prefix = spec.get("prefix", "")
    members = [(prefix + "blobs/sha256/" + name, data) for name, data in blobs.items()]
    at = {"first": 0, "middle": len(members) // 2, "last": len(members)}[spec.get("order", "last")]
    members[at:at] = [(prefix + "oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
                      (prefix + "index.json", json.dumps(index, indent=1).encode())]
    tar = out + ".plain"
    if spec.get("tar", "gnu") == "gnu":
        folder = tempfile.mkdtemp(dir=os.path.dirname(out) or ".")
        for name, data in members:
            os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
        subprocess.run(["tar", "-C", folder, "-cf", tar, "--"] + [name for name, _ in members], check=True)
        shutil.rmtree(folder)
    else:
        with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "Größe"}) as t:
            for name, data in members:
                info = tarfile.TarInfo(name)
                info.size, info.pax_headers = len(data), {"VENDOR.x": "y" * 300}
                t.addfile(info, io.BytesIO(data))
    subprocess.run(["zstd", "-q", "-f", "--rm", *spec.get("zstd", ["-3"]), tar, "-o", out], check=True)
    if "key" in spec:
        signature = (out[:-4] if out.endswith(".zst") else out) + ".sig.bin"
        subprocess.run(["openssl", "dgst", "-sha256", "-sign", spec["key"], "-out", signature, out], check=True)
    if "part" in spec:
        subprocess.run(["split", "-d", "-b", str(spec["part"]), out, out + "_part"], check=True)
        os.remove(out)
    print(json.dumps({e["annotations"]["org.opencontainers.image.ref.name"]: e["digest"] for e in entries}))


main(sys.argv[1], json.loads(sys.argv[2]))
