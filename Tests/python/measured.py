# SPDX-License-Identifier: Apache-2.0
"""Runs a program and writes its exit code, peak memory in KiB and milliseconds to a file.

    measured.py SECONDS REPORT FOLDER PROGRAM ARGUMENTS...

A signal that ended it, also ours after so many seconds, is a negative code. A small process starts it because the kernel
counts the memory of whoever starts a program as the program's.
"""
import os, signal, sys, time

start = time.monotonic()
child = os.fork()
if child == 0:
    os.chdir(sys.argv[3])
    os.execvp(sys.argv[4], sys.argv[4:])
signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
signal.setitimer(signal.ITIMER_REAL, float(sys.argv[1]))
_, status, usage = os.wait4(child, 0)
signal.setitimer(signal.ITIMER_REAL, 0)
code = os.waitstatus_to_exitcode(status)
with open(sys.argv[2], "w") as report:
    report.write("%d %d %d" % (code, usage.ru_maxrss, (time.monotonic() - start) * 1000))
sys.exit(code if code >= 0 else 128 - code)
