#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The power cut and the full disk on real file systems: images behind loop devices (docs/crash.md).

usage: real_disks.py --tools DIR [--disk ext4|xfs|btrfs...] [--sample N] [--seed N]

Power cut: the command is stopped at a call, the image is copied as it is then, what was not written back is missing in it; the copy is
mounted, which replays the journal, and the same command goes on there. Full: what is left of the disk is filled up to a few MB."""
import argparse
import collections
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

import crash_scenes
import crash_sweep

#: Name: (mkfs, MiB that it wants at least)
DISKS = {"ext4": (["mkfs.ext4", "-q", "-F"], 96), "xfs": (["mkfs.xfs", "-q", "-f"], 320), "btrfs": (["mkfs.btrfs", "-q", "-f"], 256)}
SCENES = [crash_scenes.Pack, crash_scenes.LoadLayout, crash_scenes.Extract]


def sh(*words, check=True):
    return subprocess.run(words, check=check, capture_output=True, text=True)


class DiskBench(crash_sweep.Bench):
    """A scene whose folder is a file system of its own."""

    def image(self, name):
        return os.path.join(self.folder, name)

    def make(self, disk):
        command, size = DISKS[disk]
        shutil.rmtree(self.live, ignore_errors=True)
        os.makedirs(self.live, exist_ok=True)
        with open(self.image("disk"), "wb") as out:
            out.truncate(size << 20)
        sh(*command, self.image("disk"))
        self.mount("disk")
        self.scene.prepare()
        os.sync()

    def mount(self, name):
        sh("mount", "-o", "loop", self.image(name), self.live)

    def unmount(self):
        sh("umount", self.live)

    def cut(self, disk, at):
        """What the disk holds when the power goes before call `at`."""
        self.make(disk)
        try:
            child = subprocess.Popen(self.scene.command(), env=self.environment(at, "stop"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder)
            _, status = os.waitpid(child.pid, os.WUNTRACED)
            sh("cp", "--sparse=always", self.image("disk"), self.image("cut"))
            if os.WIFSTOPPED(status):
                child.kill()
                os.waitpid(child.pid, 0)
            child.returncode = 0
        finally:
            self.unmount()

    def power_cut(self, disk, at, tally):
        self.cut(disk, at)
        self.mount("cut")
        try:
            self.resume(at, tally, 0)
        finally:
            self.unmount()

    def full(self, disk, megabytes, tally):
        """With so much room only, the command says 16; with more it goes on."""
        self.make(disk)
        try:
            room = os.statvfs(self.live)
            filler = os.path.join(self.live, ".filler")
            with open(filler, "wb") as out:
                for _ in range((room.f_bavail * room.f_frsize >> 20) - megabytes):
                    out.write(os.urandom(1 << 20))
            os.sync()
            run = self.run()
            os.remove(filler)
            os.sync()
            if run["code"] != 16 or "error: " not in run["errors"]:
                raise crash_sweep.Trouble(f"with {megabytes} MB left: exit {run['code']}: {run['errors'][:300]}")
            self.resume(0, tally, 0)
        finally:
            self.unmount()


def trials(bench, disk, options, tally):
    rng = random.Random(f"{options.seed} {disk} {bench.scene.name}")
    for at in crash_sweep.chosen(bench.calls, options.sample, rng):
        yield f"power cut at {at}", lambda: bench.power_cut(disk, at, tally)
    for megabytes in (1,) if options.sample == 1 else range(1, 5):
        yield f"{megabytes} MB left", lambda: bench.full(disk, megabytes, tally)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", required=True)
    parser.add_argument("--disk", action="append", choices=DISKS)
    parser.add_argument("--sample", type=int, default=0, help="cuts of each command; all without it")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    work, wrong, tried = tempfile.mkdtemp(prefix="dray-disks-"), 0, 0
    try:
        os.makedirs(os.path.join(work, "ground"))
        ground = crash_scenes.Ground(os.path.join(work, "ground"), os.path.abspath(options.tools))
        shim = crash_sweep.made_shim(work)
        for kind in SCENES:
            bench = DiskBench(kind, ground, os.path.join(work, kind.__name__), shim)
            for disk in options.disk or DISKS:
                if not shutil.which(DISKS[disk][0][0]):
                    print(f"SKIPPED {disk}: no {DISKS[disk][0][0]} here", flush=True)
                    continue
                try:
                    bench.make(disk)
                    bench.unmount()
                except subprocess.CalledProcessError as error:
                    print(f"SKIPPED {disk}: {error.stderr.strip()}", flush=True)
                    continue
                tally, count, failed = collections.Counter(), 0, 0
                for name, trial in trials(bench, disk, options, tally):
                    count += 1
                    try:
                        trial()
                    except crash_sweep.Trouble as trouble:
                        failed += 1
                        print(f"WRONG {disk} | {bench.scene.name} | {name}: {trouble}", flush=True)
                print(json.dumps({"disk": disk, "command": bench.scene.name, "trials": count, "resumes": tally["resumes"], "wrong": failed}), flush=True)
                wrong, tried = wrong + failed, tried + count
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(json.dumps({"total": {"trials": tried, "wrong": wrong}}))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
