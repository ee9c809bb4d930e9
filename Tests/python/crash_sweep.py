#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stops Dray's commands at every call that changes a file, in every way, and runs them again (docs/crash.md).

usage: crash_sweep.py --tools DIR [--scene NAME...] [--fault NAME...] [--sample N] [--seed N] [--jobs N] [--audit]

Each line is one kind of fault at one command. Ends with 1 where a single trial went wrong, and says which and how to repeat it."""
import argparse
import collections
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import crash_scenes
import power_cut

SHIM = os.path.join(crash_scenes.HERE, "../FaultShim/fault-shim.c")
#: Name: (what the shim does, whether it goes on, whether reads are counted in place of changes)
FAULTS = {
    "killed before the call": ("kill", False, False),
    "killed in the call": ("half", False, False),
    "ENOSPC once": ("ENOSPC", False, False),
    "ENOSPC from then on": ("ENOSPC", True, False),
    "EIO once": ("EIO", False, False),
    "EIO from then on": ("EIO", True, False),
    "EIO at a read": ("EIO", False, True),
    "ENODEV at reads from then on": ("ENODEV", True, True),
}
POWER = {f"power cut, {mode}": mode for mode in power_cut.MODES}
#: The journal of `pack` and the uploads of `load` are durable at least this often.
GROUP = 64 << 20


class Trouble(Exception):
    """One trial that went wrong."""


class Bench:
    """One scene in a folder of its own, so that several run side by side."""

    def __init__(self, kind, ground, folder, shim):
        self.folder, self.shim = folder, shim
        os.makedirs(folder)
        self.live = os.path.join(folder, "live")
        self.scene = kind(ground, self.live)
        self.fresh()
        run = self.run()
        if run["code"] != self.scene.code:
            raise SystemExit(f"{self.scene.name}, undisturbed: {run}")
        self.calls, self.bytes = run["calls"], run["bytes"]
        self.scene.expected = self.scene.state()
        if faults := self.scene.whole():
            raise SystemExit(f"{self.scene.name}, undisturbed: {faults}")
        self.fresh()
        self.reads = self.run(reads=True)["calls"]

    def fresh(self):
        shutil.rmtree(self.live, ignore_errors=True)
        os.makedirs(self.live)
        self.scene.reset()
        self.scene.prepare()

    def environment(self, at, do, stay=False, reads=False, log=None):
        report = os.path.join(self.folder, "report")
        roots = [self.live, *(self.scene.media if reads else ())]
        words = {"LD_PRELOAD": self.shim, "DRAY_FAULT_ROOTS": ":".join(roots), "DRAY_FAULT_REPORT": report,
                 "DRAY_FAULT_CALLS": "reads" if reads else "changes"}
        if at:
            words |= {"DRAY_FAULT_AT": str(at), "DRAY_FAULT_DO": do}
        if stay:
            words["DRAY_FAULT_STAY"] = "1"
        if log:
            words["DRAY_FAULT_LOG"] = log
        if os.path.exists(report):
            os.remove(report)
        return {**os.environ, **words}

    def run(self, at=None, do=None, stay=False, reads=False, log=None):
        words, report = self.environment(at, do, stay, reads, log), os.path.join(self.folder, "report")
        done = subprocess.run(self.scene.command(), env=words, capture_output=True, text=True, timeout=120, cwd=self.folder)
        told = open(report).read().split(" ", 5) if os.path.exists(report) else [0, 0, 0, 0, 0, "-"]
        return {"code": done.returncode, "calls": int(told[1]), "bytes": int(told[3]), "hit": told[5].strip(), "errors": done.stderr, "said": done.stderr + done.stdout}

    def resume(self, trial, tally, before):
        """What has a final name is whole now; then the same command, to the same end."""
        if faults := self.scene.whole():
            raise Trouble(f"not whole before the resume: {faults[:3]}")
        again = self.run()
        tally["resumes"] += 1
        if again["code"] != self.scene.code:
            raise Trouble(f"resume ended with {again['code']}: {again['errors'][:300]}")
        self.judge()
        tally["twice"] = max(tally["twice"], before + again["bytes"] - self.bytes)

    def judge(self):
        found = self.scene.state()
        for part, value in self.scene.expected.items():
            if found[part] != value:
                if isinstance(value, list):
                    value, found[part] = dict.fromkeys(value), dict.fromkeys(found[part])
                raise Trouble(f"diverges in {part}: {crash_scenes.differences(value, found[part])[:3]}")
        if faults := self.scene.whole():
            raise Trouble(f"not whole in the end: {faults[:3]}")

    def fault(self, name, at, tally):
        do, stay, reads = FAULTS[name]
        self.fresh()
        run = self.run(at, do, stay, reads)
        if run["hit"] == "-":
            tally["passed by"] += 1  # threads came in another order, and there were fewer calls
        elif do in ("kill", "half"):
            if run["code"] != -9:
                raise Trouble(f"{run['hit']}: not killed, {run['code']}: {run['errors'][:300]}")
        elif run["code"] == self.scene.code:
            tally["done all the same"] += 1
            self.judge()
        else:
            allowed = (16,) if do == "ENOSPC" else (1, 13)
            # `verify` says on standard output what is damaged: that is its result
            if run["code"] not in allowed or not run["errors" if run["code"] != 13 else "said"].strip():
                raise Trouble(f"{run['hit']}: exit {run['code']}, {run['said'][:400]!r}")
        try:
            self.resume(at, tally, run["bytes"])
        except Trouble as trouble:
            raise Trouble(f"{run['hit']}: {trouble}") from None

    def power(self, mode, points, seed, tally):
        """One run, logged; then for each point what a cut there may leave, and the same command on that."""
        self.fresh()
        disk, points = power_cut.Disk(self.live), set(points)
        log = os.path.join(self.folder, "log")
        run = self.run(log=log)
        for number, operation in enumerate(power_cut.operations(log), 1):
            disk.apply(operation)
            if number not in points:
                continue
            shutil.rmtree(self.live)
            os.makedirs(self.live)
            disk.materialize(self.live, mode, random.Random(f"{seed} {mode} {number}"))
            self.scene.lose(number)
            tally["points"] += 1
            try:
                self.resume(number, tally, 0)
            except Trouble as trouble:
                yield number, f"after {operation[0]} {operation[1]}: {trouble}"
        # The command has said that it is done: that holds, whatever goes next.
        shutil.rmtree(self.live)
        os.makedirs(self.live)
        disk.materialize(self.live, mode, random.Random(f"{seed} {mode} end"))
        tally["points"] += 1
        try:
            self.judge()
        except (Trouble, OSError) as trouble:
            yield "the end", f"was not durable when the command ended with {run['code']}: {trouble}"


def made_shim(work):
    shim = os.path.join(work, "fault-shim.so")
    compiler = [shutil.which("cc") or "clang", "-O1", "-Wall", "-Werror", "-Wno-nonnull-compare", "-shared", "-fPIC"]
    subprocess.run([*compiler, "-o", shim, SHIM, "-lpthread"], check=True)
    return shim


def audit(bench):
    """Calls that strace sees and the shim doesn't, by kind."""
    kinds = {"write": "write|pwrite64|pwritev2?|writev|copy_file_range|sendfile", "sync": "fsync|fdatasync|syncfs", "length": "ftruncate|truncate",
             "space": "fallocate|sync_file_range", "rename": "rename|renameat2?", "unlink": "unlink|unlinkat", "link": "link|linkat", "mkdir": "mkdir|mkdirat", "create": "openat"}
    bench.fresh()
    trace, log = os.path.join(bench.folder, "strace"), os.path.join(bench.folder, "log")
    command = ["strace", "-f", "-y", "-s", "4096", "-o", trace, "-E", f"LD_PRELOAD={bench.shim}", "-E", f"DRAY_FAULT_ROOTS={bench.live}", "-E", f"DRAY_FAULT_LOG={log}",
               *bench.scene.command()]
    subprocess.run(command, check=True, capture_output=True, timeout=300, cwd=bench.folder)
    seen, counted, begun = collections.Counter(), collections.Counter(o[0] for o in power_cut.operations(log)), {}
    for line in open(trace, errors="replace"):
        thread, text = line.split(None, 1)
        if "<unfinished ...>" in text:
            begun[thread] = text.split(" <unfinished ...>")[0]
            continue
        if text.startswith("<... "):
            text = begun.pop(thread, "") + text.split("resumed>", 1)[-1]
        match = re.match(r"(\w+)\((.*)", text)
        if not match or re.search(r"= -1 E", text):
            continue
        call, rest = match.groups()
        if not re.match(rf'(\d+<|AT_FDCWD(<[^>]*>)?, "|"){re.escape(bench.live)}', rest):
            continue
        for kind, names in kinds.items():
            if re.fullmatch(names, call) and (kind != "create" or "O_CREAT" in rest):
                seen[kind] += 1
    return {kind: (seen[kind], counted[kind]) for kind in sorted(set(seen) | set(counted)) if kind != "space"}


def chosen(count, sample, rng):
    """All numbers from 1 to `count`, or so many, spread evenly with a random start in each share."""
    if not sample or sample >= count:
        return list(range(1, count + 1))
    return sorted({int(1 + (i + rng.random()) * count / sample) for i in range(sample)} & set(range(1, count + 1)))


def planned(bench, options):
    """The points of each fault: all, some of each, or a few of all together."""
    rng = random.Random(f"{options.seed} {bench.scene.name}")
    names = [n for n in [*FAULTS, *POWER] if not options.fault or n in options.fault]
    counts = {n: bench.reads if n in FAULTS and FAULTS[n][2] else bench.calls for n in names}
    if options.at:
        return {n: [options.at] for n in names}
    if not options.trials:
        return {n: chosen(counts[n], options.sample, rng) for n in names if counts[n]}
    names, plan = [n for n in names if counts[n]], collections.defaultdict(list)
    rng.shuffle(names)
    for number in range(options.trials):
        name = names[number % len(names)]
        plan[name].append(rng.randint(1, counts[name]))
    return plan


def trials(bench, name, points, options, tally):
    """Carries out the points of one fault; gives what went wrong."""
    if name in POWER:
        yield from bench.power(POWER[name], points, options.seed, tally)
        return
    for at in points:
        tally["points"] += 1
        try:
            bench.fault(name, at, tally)
        except Trouble as trouble:
            yield at, str(trouble)


def sweep(bench, options, lines):
    for name, points in planned(bench, options).items():
        tally, began = collections.Counter(), time.time()
        troubles = list(trials(bench, name, points, options, tally))
        line = {"command": bench.scene.name, "fault": name, **{k: tally[k] for k in ("points", "resumes", "done all the same", "passed by")},
                "wrong": len(troubles), "bytes twice": max(tally["twice"], 0), "seconds": round(time.time() - began)}
        lines.append(line)
        print(json.dumps(line), flush=True)
        for at, text in troubles[:20]:
            print(f"WRONG {bench.scene.name} | {name} | at {at} | seed {options.seed} | {text}", flush=True)
        if tally["twice"] > GROUP:
            print(f"WRONG {bench.scene.name} | {name} | {tally['twice']} bytes were written twice", flush=True)


def prove_itself(work, shim, options):
    """A sound toy passes; each that is wrong is told, by a fault that shows it."""
    shows = {"sound": None, "rename-first": "power cut, names", "in-place": "killed in the call", "no-folder-sync": "power cut, least"}
    for order, fault in shows.items():
        bench, wrong = Bench(crash_scenes.Toy, order, os.path.join(work, order), shim), []
        for name in [fault] if fault else ["killed in the call", *POWER]:
            wrong += trials(bench, name, list(range(1, bench.calls + 1)), options, collections.Counter())
        print(f"toy {order}: {len(wrong)} wrong", flush=True)
        if bool(wrong) != bool(fault):
            print(f"FAILED the sweep can't tell: {wrong}")
            sys.exit(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", required=True)
    parser.add_argument("--scene", action="append")
    parser.add_argument("--fault", action="append")
    parser.add_argument("--sample", type=int, default=0, help="points of each line; all without it")
    parser.add_argument("--trials", type=int, default=0, help="points of each command, of all faults together")
    parser.add_argument("--at", type=int, help="this point alone")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="scenes side by side")
    parser.add_argument("--audit", action="store_true", help="hold the shim's counts against strace's, and do nothing else")
    parser.add_argument("--self-test", action="store_true", help="toys in place of Dray's commands: can the sweep tell?")
    parser.add_argument("--work", help="folder for it all; a temporary one without it")
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="dray-crash-", dir=options.work)
    lines, failures = [], []
    try:
        shim = made_shim(work)
        os.makedirs(os.path.join(work, "ground"))
        if options.self_test:
            prove_itself(work, shim, options)
            return
        ground = crash_scenes.Ground(os.path.join(work, "ground"), os.path.abspath(options.tools))
        todo = [s for s in crash_scenes.SCENES if not options.scene or s.name in options.scene]
        lock = threading.Lock()

        def work_off():
            while True:
                with lock:
                    if not todo:
                        return
                    kind = todo.pop(0)
                bench = None
                try:
                    bench = Bench(kind, ground, os.path.join(work, kind.name.replace(" ", "-")), shim)
                    if options.audit:
                        print(kind.name, audit(bench), flush=True)
                    else:
                        sweep(bench, options, lines)
                except (Exception, SystemExit) as error:
                    failures.append(f"{kind.name}: {error!r}")
                finally:
                    if bench:
                        bench.scene.close()

        threads = [threading.Thread(target=work_off) for _ in range(options.jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for failure in failures:
        print(f"FAILED {failure}", flush=True)
    totals = {k: sum(line[k] for line in lines) for k in ("points", "resumes", "wrong")}
    most = max([line["bytes twice"] for line in lines], default=0)
    print(json.dumps({"total": totals, "most bytes written twice": most}))
    if failures or totals["wrong"] or most > GROUP or not (options.audit or totals["points"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
