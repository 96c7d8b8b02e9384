"""What the peers share: a request is a line "FUNCTION COUNT"; the answer is the seconds that FUNCTION took, each time."""
import os
import platform
import sys
import time


def stay_on_own_cpu(side):
    """As ../support/own_cpu.hpp."""
    if not allowed:
        allowed.extend(sorted(os.sched_getaffinity(0)))
    os.sched_setaffinity(0, {allowed[side % len(allowed)]})


allowed = []


def serve(functions):
    functions = {"version": None, **functions}
    for line in sys.stdin:
        what, count = line.split()
        if what == "version":
            answer = platform.python_version()
        else:
            start = time.perf_counter()
            functions[what](int(count))
            answer = (time.perf_counter() - start) / int(count)
        print(answer, flush=True)
