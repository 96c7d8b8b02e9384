#!/usr/bin/env python3
"""tally_test.py HOST GUEST: the two programs meet by a name, whichever is started first, and leave nothing behind."""
import glob
import os
import subprocess
import sys

host, guest = sys.argv[1:3]


def meet(name, host_first):
    waiting = []
    if host_first:
        waiting = [subprocess.Popen([host, name, "3"], stdout=subprocess.PIPE)]
    for number in ("1", "20", "300"):
        subprocess.run([guest, name, number], check=True)
    if not host_first:
        waiting = [subprocess.Popen([host, name, "3"], stdout=subprocess.PIPE)]
    printed = waiting[0].communicate()[0].decode()
    assert waiting[0].returncode == 0, waiting[0].returncode
    assert printed == "3 guests brought 321\n", printed
    left = glob.glob(f"/dev/shm/ipc.{name}*")
    assert not left, left


for first in (True, False):
    meet(f"tally-{os.getpid()}-{first}", first)
