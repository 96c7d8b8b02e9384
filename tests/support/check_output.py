#!/usr/bin/env python3
"""Runs a program and compares what it prints with what is expected.

check_output.py EXPECTED PROGRAM: EXPECTED.txt is compared exactly; in EXPECTED.regex each line is a regular expression that
has to match the whole line of output. EXPECTED.args holds the program's command line, EXPECTED.exit its exit status (0).
"""
import difflib
import pathlib
import re
import shlex
import subprocess
import sys


def read(path, default):
    return path.read_text(encoding="utf-8") if path.exists() else default


def main():
    base, program = sys.argv[1:3]
    part = {suffix: pathlib.Path(f"{base}.{suffix}") for suffix in ("txt", "regex", "args", "exit")}
    arguments = shlex.split(read(part["args"], ""))
    done = subprocess.run([program, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    printed = done.stdout.decode("utf-8", "backslashreplace").splitlines()
    exact = part["txt"].exists()
    wanted = read(part["txt"] if exact else part["regex"], "").splitlines()

    wrong = []
    status = int(read(part["exit"], "0"))
    if done.returncode != status:
        wrong.append(f"exit status {done.returncode}, wanted {status}")
    same = (lambda want, have: want == have) if exact else (lambda want, have: re.fullmatch(want, have) is not None)
    if len(wanted) != len(printed) or not all(map(same, wanted, printed)):
        wrong.append("\n".join(difflib.unified_diff(wanted, printed, "expected", "printed", lineterm="")))
    if wrong:
        print("\n".join(wrong))
        sys.exit(1)


main()
