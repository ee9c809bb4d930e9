#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A vendor with three releases of a Palette and of a VerteX appliance, shaped as the real ones are, the same bytes each
time.

synthetic_vendor.py OUT [--size MIB] [--seed SEED] [--editions palette,vertex] [--releases 4.7.3,4.7.15,4.7.27] [--wrong GROUP]

--size is about what one release's content bundle weighs. OUT/<edition>/<release>/ holds
  <name>.iso, <name>-slim.iso   an appliance image with the content bundle's blobs inside, and one without content
  <name>.tar.zst                the content bundle: an OCI layout below bundle-pkg/, blobs before index.json
  packs/*.zst                   pack bundles, the Third Party and the Conformance bundle
  parts/                        the content bundle again, cut into _partNN
  airgap-v<release>.bin         a makeself archive
  folders/*                     pack folders: images listed, none listed, by digest alone, latest, template, odd folder name
  upstream/                     an image layout of what a mirror would find in registries; charts/ a Helm repository
  release.yaml, facts.json      the manifest, and what is true of it: tags and digests
with a signature of the vendor's beside each download; OUT/spectro_public_key.pem is the key. --wrong makes one group of
wrong shapes, OUT/wrong/*, or "all" (vendor_wrong.py). Agent and bundle have different versions; the VerteX release 4.7.15 moves the tag of pause."""
import argparse, json, os, shutil, subprocess, sys

sys.dont_write_bytecode = True
from vendor_key import Key
from vendor_layout import LAYER, Layout, Store, packed, revised, write

EPOCH = 1767225600  # 2026-01-01
RELEASES = ["4.7.3", "4.7.15", "4.7.27"]
US, PIRAEUS, CSI = "us-docker.pkg.dev/palette-images", "quay.io/piraeusdatastore", "registry.k8s.io/sig-storage"
# What the content bundle holds: repository, the tag in each release, base layers, share of the size.
IMAGES = [
    (US + "/edge/stylus", ["v4.7.1", "v4.7.9", "v4.7.16"], ["os", "boot"], 14),
    (US + "/palette/hubble", RELEASES, ["os", "go"], 8),
    (US + "/palette/cloud", RELEASES, ["os", "go"], 6),
    (US + "/palette/ui", RELEASES, ["os", "web"], 5),
    (US + "/palette/mongo", ["7.0.14", "7.0.14", "7.0.16"], ["os"], 9),
    (US + "/palette/spectro-cert-manager/cert-manager-controller", ["v1.17.1-spectro-4.7.a"] * 2 + ["v1.17.2-spectro-4.7.b"], ["go"], 2),
    (US + "/k8s/pause", ["3.10"] * 3, [], 1),
    (US + "/packs/csi-piraeus-operator/2.8.1/linstor-gui", ["v1.9.5"] * 3, ["os", "web"], 2),
    (US + "/packs/cni-calico/3.29.2/node", ["v3.29.2", "v3.29.2", "v3.29.3"], ["os"], 5),
    (PIRAEUS + "/piraeus-operator", ["v2.8.1", "v2.8.1", "v2.9.0"], ["go"], 3),
    (PIRAEUS + "/piraeus-server", ["v1.31.0", "v1.31.0", "v1.31.2"], ["os"], 6),
    (CSI + "/csi-attacher", ["v4.9.0"] * 3, ["go"], 2),
    (CSI + "/livenessprobe", ["v2.15.0", "v2.16.0", "v2.16.0"], ["go"], 1),
    ("registry.k8s.io/kube-apiserver", ["v1.32.3", "v1.32.3", "v1.32.6"], ["go"], 4),
    ("registry.k8s.io/kube-controller-manager", ["v1.32.3", "v1.32.3", "v1.32.6"], ["go"], 4),
    ("ghcr.io/project-zot/zot-linux-amd64", ["v2.1.2"] * 3, ["go"], 5),
]
BASES = {"os": 8, "boot": 6, "go": 1, "web": 2}  # share of the size; what is new in the third release has another os layer
PACKS = [("cni-calico", ["3.29.2", "3.29.2", "3.29.3"], "cni", ["cni-calico/3.29.2/node"]),
         ("piraeus-operator", ["2.8.1", "2.8.1", "2.9.0"], "csi", ["piraeus-operator", "piraeus-server", "linstor-gui"]),
         ("zot-registry", ["0.1.67", "0.1.82", "0.1.82"], "addon", ["zot-linux-amd64"])]
ADDONS = [("lb-metallb-helm", "0.15.2", "addon", US + "/packs/metallb/0.15.2/controller", "v0.15.2"),
          ("nginx", "1.13.0", "addon", "registry.k8s.io/ingress-nginx/controller", "v1.13.0")]
THIRD = {"palette-thirdparty-bundle": ["velero/velero:v1.15.2", "aquasec/kube-bench:v0.10.4", "aquasec/kube-hunter:0.6.8",
                                       "anchore/syft:v1.21.0", "anchore/grype:v0.90.0"],
         "palette-thirdparty-conformance-bundle": ["sonobuoy/sonobuoy:v0.57.1", "sonobuoy/sonobuoy:v0.57.2"]}
FOLDERS = {  # folder: (name, version, the pack.content of its values.yaml)
    "hello-universe-1.3.0": ("hello-universe", "1.3.0", ["ghcr.io/spectrocloud/hello-universe:1.3.0"]),
    "reloader-1.4.8": ("reloader", "1.4.8", None),
    "spegel-0.7.2": ("spegel", "0.7.2", ["ghcr.io/spegel-org/spegel@"]),  # and the digest that it has here
    "sonobuoy-latest": ("sonobuoy-addon", "0.1.0", ["sonobuoy/sonobuoy", "sonobuoy/sonobuoy:latest"]),
    "byoi": ("edge-native-byoi", "2.1.0", ['"{{.spectro.pack.edge-native-byoi.options.system.uri}}"']),
}
WANTED = ["ghcr.io/spectrocloud/hello-universe:1.3.0", "sonobuoy/sonobuoy", "ghcr.io/spegel-org/spegel@"]  # by the folders' packs
HELM = ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/vnd.cncf.helm.config.v1+json")


class Vendor:
    def __init__(self, out, size, seed):
        self.out, self.unit, self.seed = out, size * 1024 * 1024 // 90, seed
        self.store, self.key = Store(os.path.join(out, "store")), Key(seed)
        write(os.path.join(out, "spectro_public_key.pem"), self.key.pem())

    def sign(self, path):
        write((path[:-4] if path.endswith(".zst") else path) + ".sig.bin", self.key.sign(path))

    def layer(self, name, share, revision, flavour):
        """A layer of 12 files; a third of them changes from one revision to the next, each in a few places."""
        size = max(64, self.unit * share // 12)
        age = [sum(1 for r in range(1, revision + 1) if (r + n) % 3 == 0) for n in range(12)]
        files = [("%s/bin/file%02d" % (name.rsplit("/", 1)[-1], n),
                  lambda n=n: revised("%s/%s/%s/%d" % (self.seed, flavour, name, n), size, age[n])) for n in range(12)]
        return self.store.layer((name, share, tuple(age), flavour), files)

    def archive(self, layout, path):
        """zstd over a tar of the layout's folder, blobs first."""
        parent, folder = os.path.split(layout.path)
        order = ["--sort=name", "--mtime=@%d" % EPOCH, "--owner=0", "--group=0", "--numeric-owner", "--mode=0644"]
        names = [folder + "/" + n for n in ("blobs", "oci-layout", "index.json")]
        with open(path, "wb") as file:
            tar = subprocess.Popen(["tar", "-C", parent, "-cf", "-"] + order + names, stdout=subprocess.PIPE)
            subprocess.run(["zstd", "-q", "-3"], stdin=tar.stdout, stdout=file, check=True)
            if tar.wait():
                sys.exit("synthetic_vendor: tar failed")
        self.sign(path)


class Release:
    def __init__(self, vendor, edition, number):
        self.vendor, self.edition, self.number = vendor, edition, number
        self.version, self.fips = RELEASES[number], edition == "vertex"
        self.name = "%s-%s" % ({"palette": "palette-enterprise-appliance", "vertex": "palette-vertex-appliance"}[edition], self.version)
        self.folder = os.path.join(vendor.out, edition, self.version)
        self.facts = {"agent": IMAGES[0][1][number], "bundles": {}}

    def at(self, *names):
        return os.path.join(self.folder, *names)

    def repository(self, name):
        return name.replace(US, US + "-fips") if self.fips else name

    def layers(self, repository, tags, bases, share):
        """The layers of an image in this release: a tag that stays has the same ones."""
        flavour = "fips" if self.fips and repository.startswith(US) else "plain"
        revision = sum(1 for a, b in zip(tags, tags[1:self.number + 1]) if a != b)
        if repository.endswith("pause") and self.fips:
            revision = min(self.number, 1)  # built again, same tag
        own = self.vendor.layer(repository, share, revision, flavour)
        rebuilt = self.number == 2 and tags[2] != tags[1]
        return [self.vendor.layer(b, BASES[b], int(b == "os" and rebuilt), "plain") for b in bases] + [own]

    def pack(self, layout, name, version, layer, images, extra=()):
        """A pack as registries hold it: its folder as the one layer."""
        folder = self.at("made", name + "-" + version)
        pack_folder(folder, name, version, layer, images, self.vendor, extra)
        artifact = layout.artifact("%s-%s.tar.gz" % (name, version), packed(folder), "application/vnd.oci.image.layer.v1.tar")
        return layout.tag("spectro-packs/archive/%s:%s" % (name, version), artifact)

    def definition(self, layout, name, images):
        text = "name: %s\nimages:\n%s" % (name, "".join("  - %s\n" % i for i in images))
        layout.tag("bundle-definition:" + name, layout.artifact("bundle-definition.yaml", text.encode(), "application/yaml"),
                   "bundle-definition")

    def close(self, layout, key):
        layout.close()
        self.facts["bundles"][key] = {e["annotations"]["org.opencontainers.image.ref.name"]: e["digest"]
                                      for e in layout.entries if e.get("annotations", {}).get("org.opencontainers.image.ref.name")}

    def image(self, layout, repository, tags, bases, share):
        """An image of the table under its tag, or an index of two platforms and its signature."""
        reference = "%s:%s" % (self.repository(repository), tags[self.number])
        image = layout.image(self.layers(repository, tags, bases, share), component=repository)
        if repository.endswith("csi-attacher"):
            arm = layout.image(self.layers(repository, tags, [], share), "arm64", component=repository)
            image = layout.index([("amd64", image), ("arm64", arm)])
            layout.tag(None, layout.signature(image))
        layout.tag(reference, image, "stylus" if "stylus" in reference else None, **{"com.example.channel": "stable"})
        return reference

    def content(self):
        layout, references = Layout(self.at("made/content/bundle-pkg"), self.vendor.store), {}
        for repository, tags, bases, share in IMAGES:
            references[repository] = self.image(layout, repository, tags, bases, share)
        for name, versions, kind, parts in PACKS:
            images = [r for k, r in references.items() if any(k.endswith(p) for p in parts)]
            self.pack(layout, name, versions[self.number], kind, images)
        cluster = layout.image([self.vendor.store.layer(("spc", self.edition, self.version), [
            ("spc/cluster.yaml", lambda: b"edition: %s\nversion: %s\n" % (self.edition.encode(), self.version.encode()))])])
        layout.tag("%s/edge/cluster-definition:%s" % (self.repository(US), self.version), cluster, "spc")
        self.definition(layout, self.name, references.values())
        self.close(layout, self.name + ".tar.zst")
        self.vendor.archive(layout, self.at(self.name + ".tar.zst"))
        return layout

    def small(self, file, definition, images, packs=()):
        layout = Layout(self.at("made", file, "bundle-pkg"), self.vendor.store)
        for reference in images:
            layout.tag(reference, layout.image(self.layers(reference, [""] * 3, ["go"], 1)))
        for name, version, kind in packs:
            self.pack(layout, name, version, kind, images)
        self.definition(layout, definition, images)
        self.close(layout, file)
        self.vendor.archive(layout, self.at("packs", file))

    def pack_bundles(self):
        os.makedirs(self.at("packs"))
        for name, version, kind, repository, tag in ADDONS:
            self.small("%s-%s.zst" % (name, version), "bundle", ["%s:%s" % (self.repository(repository), tag)],
                       [(name, version, kind)])
        if not self.fips:
            for name, images in THIRD.items():
                self.small("%s-%s.zst" % (name, self.version), "%s-%s" % (name, self.version), images)

    def iso(self, name, volume, content):
        tree = self.at("made/iso")
        shutil.rmtree(tree, ignore_errors=True)
        base, unit = "%s/iso" % self.vendor.seed, self.vendor.unit
        write(tree + "/boot/kernel", revised(base + "/kernel", unit * 2, self.number))
        write(tree + "/boot/initrd", revised(base + "/initrd", unit * 5, self.number))
        write(tree + "/boot/grub2/grub.cfg", "menuentry '%s %s' { linux /boot/kernel }\n" % (self.edition, self.version))
        write(tree + "/rootfs.squashfs", revised(base + "/squashfs", unit * 30, self.number))
        write(tree + "/etc/os-release", 'NAME="Ubuntu"\nVERSION_ID="20.04"\nKAIROS_VERSION="v3.2.%d"\n' % self.number)
        if content:
            os.makedirs(tree + "/opt/spectrocloud/content")
            subprocess.run(["cp", "-al", content.path, tree + "/opt/spectrocloud/content"], check=True)
        subprocess.run(["find", tree, "-exec", "touch", "-d", "@%d" % EPOCH, "{}", "+"], check=True)
        subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-r", "-J", "-iso-level", "3", "-V", volume, "-o", self.at(name),
                        tree], check=True, stderr=subprocess.DEVNULL, env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "TZ": "UTC"})
        self.vendor.sign(self.at(name))

    def parts(self):
        size = os.path.getsize(self.at(self.name + ".tar.zst")) // 3 + 1
        os.makedirs(self.at("parts"))
        with open(self.at(self.name + ".tar.zst"), "rb") as whole:
            for number in range(3):
                write(self.at("parts", "%s.tar.zst_part%02d" % (self.name, number)), whole.read(size))
        os.link(self.at(self.name + ".tar.sig.bin"), self.at("parts", self.name + ".tar.sig.bin"))

    def makeself(self):
        write(self.at("made/airgap/bin/functions.sh"), "echo functions\n")
        write(self.at("made/airgap/packs/hello.tar.gz"), packed(self.at("folders/hello-universe-1.3.0")))
        payload = packed(self.at("made/airgap"))
        head = ("#!/bin/sh\n# This script was generated using Makeself 2.4.5\nlabel=\"Airgap Setup %s\"\nfilesizes=\"%d\"\n"
                "skip=\"%%d\"\ntouch /tmp/dray-makeself-was-run\nexit 1\n" % (self.version, len(payload)))
        name = "airgap-%sv%s.bin" % ("vertex-" if self.fips else "", self.version)
        write(self.at(name), (head % (head.count("\n") + 1)).encode() + payload)
        self.vendor.sign(self.at(name))

    def upstream(self):
        """What registries would have: an index with its signature, images, a chart; and a Helm repository beside it."""
        layout = Layout(self.at("upstream"), self.vendor.store)
        for repository, tags, bases, share in IMAGES[9:14]:
            self.image(layout, repository, tags, bases, share)
        for reference in WANTED:
            image = layout.image(self.layers(reference, [""] * 3, ["go"], 1))
            layout.tag(reference + image["digest"] if reference.endswith("@") else reference, image)
            self.pinned = image["digest"]
        chart = chart_file("podinfo", "6.8.%d" % self.number, self.at("made/charts/podinfo"))
        write(self.at("charts/podinfo-6.8.%d.tgz" % self.number), chart)
        write(self.at("charts/index.yaml"), "apiVersion: v1\nentries:\n  podinfo:\n  - apiVersion: v2\n    name: podinfo\n"
              "    version: 6.8.%d\n    urls: [podinfo-6.8.%d.tgz]\n" % (self.number, self.number))
        settings = json.dumps({"apiVersion": "v2", "name": "podinfo", "version": "6.8.%d" % self.number}).encode()
        layout.tag("ghcr.io/stefanprodan/charts/podinfo:6.8.%d" % self.number, layout.artifact(
            "podinfo-6.8.%d.tgz" % self.number, chart, HELM[0], HELM[1], settings))
        self.close(layout, "upstream")

    def manifest(self):
        moves = ""
        if self.fips and self.number:
            reference = self.repository(US) + "/k8s/pause:3.10"
            was = json.load(open(os.path.join(self.vendor.out, self.edition, RELEASES[0], "facts.json")))
            old = was["bundles"][self.name.replace(self.version, RELEASES[0]) + ".tar.zst"][reference]
            moves = "movesTags:\n  - tag: %s\n    from: %s\n" % (reference, old)
        head = "format: 1\nrelease: { product: %s-enterprise, version: %s, edition: %s }\n" % (
            self.edition, self.version, self.edition)
        body = ("vendorKeys: [../../spectro_public_key.pem]\ncontents:\n  - iso: %s.iso\n  - bundle: %s.tar.zst\n"
                "    deliver: [file, registry]\n  - bundle: packs/*.zst\n  - packs: folders/*\n  - layout: upstream\n" % (self.name, self.name))
        write(self.at("release.yaml"), head + body + moves)
        write(self.at("facts.json"), json.dumps(self.facts, indent=1))

    def make(self):
        os.makedirs(self.folder)
        self.upstream()
        for folder, (name, version, images) in FOLDERS.items():
            images = images and [i + self.pinned if i.endswith("@") else i for i in images]
            pack_folder(self.at("folders", folder), name, version, "addon", images, self.vendor)
        content = self.content()
        self.iso(self.name + ".iso", self.edition.upper() + "_" + self.version.replace(".", "_"), content)
        self.iso(self.name + "-slim.iso", self.edition.upper() + "_SLIM", None)
        self.pack_bundles()
        self.parts()
        self.makeself()
        self.manifest()
        shutil.rmtree(self.at("made"))


def chart_file(name, version, folder):
    write(folder + "/Chart.yaml", "apiVersion: v2\nname: %s\nversion: %s\n" % (name, version))
    write(folder + "/values.yaml", "replicas: 1\n")
    write(folder + "/templates/config.yaml", "kind: ConfigMap\napiVersion: v1\nmetadata: { name: %s }\n" % name)
    return packed(folder)


def pack_folder(folder, name, version, layer, images, vendor, extra=()):
    chart = chart_file(name, version, os.path.join(vendor.out, "store-charts", name))
    write(folder + "/charts/%s-%s.tgz" % (name, version), chart)
    write(folder + "/pack.json", json.dumps({
        "name": name, "displayName": name, "version": version, "layer": layer, "addonType": "app services",
        "cloudTypes": ["all"], "charts": ["charts/%s-%s.tgz" % (name, version)], "annotations": {"source": "community"}}, indent=2))
    listed = "" if images is None else "pack:\n  content:\n    images:\n" + "".join("      - image: %s\n" % i for i in images)
    write(folder + "/values.yaml", listed + "charts:\n  %s: { replicas: 1 }\n" % name)
    write(folder + "/README.md", "# %s\n" % name)
    write(folder + "/logo.png", b"\x89PNG\r\n\x1a\n" + revised(vendor.seed + name, 3000, 0))
    for path, data in extra:
        write(os.path.join(folder, path), data)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--size", type=int, default=4, metavar="MIB")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--editions", default="palette,vertex")
    parser.add_argument("--releases", default=",".join(RELEASES))
    parser.add_argument("--wrong", metavar="GROUP")
    options = parser.parse_args()
    vendor = Vendor(os.path.abspath(options.out), options.size, options.seed)
    for edition in options.editions.split(",") if options.editions else []:
        for version in options.releases.split(","):
            Release(vendor, edition, RELEASES.index(version)).make()
    if options.wrong:
        import vendor_wrong
        for group in vendor_wrong.SHAPES if options.wrong == "all" else [options.wrong]:
            vendor_wrong.make(vendor, group)
    shutil.rmtree(vendor.store.path)
    shutil.rmtree(os.path.join(vendor.out, "store-charts"), ignore_errors=True)


if __name__ == "__main__":
    main()
