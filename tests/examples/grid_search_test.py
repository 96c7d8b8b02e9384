#!/usr/bin/env python3
"""What the example grid_search promises. grid_search_test.py PROGRAM TEST runs one of the functions below.

The texts are made here, so that the tests need no package and find the same words everywhere.
"""
import collections
import ctypes
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOPICS = "art computers definitions men-women politics science songs-poems work".split()
SMALL = 96
FULL = 14256
program, test_name = sys.argv[1:3]
folder = pathlib.Path(tempfile.mkdtemp(prefix="grid_search_test."))
data = folder / "data"
out = folder / "results.csv"


def write_texts(topic, count):
    """A quarter of the words of a text are of its topic: enough to tell it, not enough to make that trivial."""
    chance = random.Random(topic)
    texts = []
    for _ in range(count):
        own = [f"{topic[:3]}{chance.randrange(60)}" for _ in range(4)]
        common = [f"word{chance.randrange(400)}" for _ in range(12)]
        words = own + common
        chance.shuffle(words)
        texts.append(" ".join(words) + ".\n")
    (data / topic).write_text("%\n".join(texts), encoding="utf-8")


def start(*arguments):
    """In a process group of its own, as a shell starts it."""
    return subprocess.Popen([program, "--processes", "2", *map(str, arguments)], start_new_session=True, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process, status):
    output, errors = process.communicate()
    assert process.returncode == status, f"exit status {process.returncode}, wanted {status}:\n{output}{errors}"
    assert_no_process_is_left()
    return output, errors


def run(*arguments, status=0):
    return finish(start("--data", data, *arguments), status)


def search_small(*arguments, status=0):
    return run("--grid", "small", "--out", out, *arguments, status=status)[0]


def assert_no_process_is_left():
    """Orphans of the program become children of ours, see main()."""
    try:
        while (found := os.waitpid(-1, os.WNOHANG))[0] != 0:
            pass  # had ended, and nobody had asked how
    except ChildProcessError:
        return
    raise AssertionError(f"the program left a process behind: {found}")


def assert_matches(pattern, text):
    assert re.search(pattern, text, re.MULTILINE), f"no {pattern!r} in:\n{text}"


def rows():
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# grid_search results, format 1, grid "), lines[0]
    assert lines[1].startswith("task,topic,"), lines[1]
    return lines[2:]


def assert_complete():
    tasks = [int(row.split(",")[0]) for row in rows()]
    assert sorted(tasks) == list(range(SMALL)), sorted(tasks)


def prints_the_best_of_each_topic_and_how_the_eight_vote():
    output = search_small()
    for topic in TOPICS:
        assert_matches(rf"^{topic} +-?\d\.\d+ +-?\d\.\d+ +\d+/75  words(\+pairs)?, 2\^15 columns, .*, L2 ", output)
    accuracy = re.search(r"^The eight vote right on \d+ of 600 held-out texts: (.*) %\. Guessing one topic for all: 12\.5 %\.$", output, re.MULTILINE)
    assert float(accuracy[1]) > 50, output
    assert_matches(rf"^{SMALL} tasks in .* s, .* tasks/s\.$", output)
    assert_matches(r"^PoolWorker-\d +\d+ +\d+\.\d % +\d+\.\d s = +\d+ % +\d+\.\d s$", output)
    assert_matches(r"^Speed-up with 2 workers: \d", output)
    assert_complete()


def sabotage_costs_three_tasks_which_the_next_run_makes_up_for():
    output = search_small("--sabotage", status=1)
    assert_matches(rf"^{SMALL - 3} tasks in ", output)
    lost = output[output.index("\n3 tasks have no result:\n"):]
    for reason in (r"std::runtime_error: .*sabotage", "WorkerLost: .*SIGSEGV", "WorkerLost: .*SIGKILL"):
        assert_matches(rf"^  [a-z-]+: words.*, L2 .*\n    {reason}", lost)
    assert len(rows()) == SMALL - 3
    assert_matches(rf", of which {SMALL - 3} are done\.$", search_small())
    assert_complete()


def a_second_run_does_only_what_is_missing_and_repairs_a_torn_line():
    whole = search_small()
    best = whole[whole.index("topic"):whole.index(f"{SMALL} tasks")]
    lines = out.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = 40
    out.write_text("".join(lines[:2 + kept]) + lines[2 + kept][:30], encoding="utf-8")
    output = search_small()
    assert_matches(rf", of which {kept} are done\.$", output)
    assert_matches(r"^The last line of .* was torn and has been dropped\.$", output)
    assert_matches(rf"^{SMALL - kept} tasks in ", output)
    assert best in output, f"no\n{best}\nin\n{output}"
    assert_complete()
    assert_matches(r"^0 tasks in ", search_small())


def even_a_torn_header_is_repaired():
    search_small()
    out.write_text(out.read_text(encoding="utf-8")[:50], encoding="utf-8")
    search_small()
    assert_complete()


def wait_for_results(process, count):
    """Until `count` lines of results are in the file."""
    while process.poll() is None:
        if out.exists() and out.read_bytes().count(b"\n") >= count + 2:
            return
        time.sleep(0.01)


def press_ctrl_c(process):
    """A terminal sends the signal to the whole process group."""
    os.killpg(process.pid, signal.SIGINT)
    errors = finish(process, 130)[1]
    done = len(rows())
    assert_matches(rf"^Interrupted: .*{out.name} has all results so far\. .* the remaining {FULL - done} tasks\.$", errors)
    return done


def ctrl_c_leaves_no_process_and_results_to_go_on_from():
    process = start("--data", data, "--out", out)
    wait_for_results(process, 30)
    done = press_ctrl_c(process)
    assert 30 <= done < FULL, done
    assert out.read_bytes().endswith(b"\n")
    process = start("--data", data, "--out", out)
    wait_for_results(process, done + 30)
    done_then = press_ctrl_c(process)
    tasks = [int(row.split(",")[0]) for row in rows()]
    assert len(set(tasks)) == len(tasks) == done_then >= done + 30, (done, done_then)


def kill_leaves_no_process_and_results_to_go_on_from():
    process = start("--data", data, "--out", out)
    wait_for_results(process, 30)
    process.kill()
    process.communicate()
    wait_until_no_process_is_left()
    process = start("--data", data, "--out", out)
    wait_for_results(process, 60)
    assert press_ctrl_c(process) >= 60


def wait_until_no_process_is_left():
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def a_trace_agrees_slice_by_slice_with_what_each_worker_did():
    file = folder / "trace.json"
    output = search_small("--trace", file, "--sabotage", status=1)
    events = json.loads(file.read_text(encoding="utf-8"))
    slices = collections.defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            slices[event["tid"]].append(event)
    # A worker has the lane of the one that it replaces, and that died in a task; the lane says who it was when.
    done = collections.defaultdict(lambda: [0, 0.0])
    for worker, tasks, seconds in re.findall(r"^worker (\d+), PoolWorker-\d+ \(pid \d+\): (\d+) tasks in (\S+) s$", output, re.MULTILINE):
        done[int(worker)][0] += int(tasks)
        done[int(worker)][1] += float(seconds)
    assert sum(tasks for tasks, _ in done.values()) >= SMALL - 3, output
    outcomes = collections.Counter()
    for lane, all_of_it in slices.items():
        all_of_it.sort(key=lambda event: event["ts"])
        for earlier, later in zip(all_of_it, all_of_it[1:]):
            assert earlier["ts"] + earlier["dur"] <= later["ts"] + 0.01, (earlier, later)
        ended = [event for event in all_of_it if event["args"]["outcome"] in ("result", "exception")]
        assert len(ended) == done[lane][0], (lane, len(ended), done[lane])
        assert abs(sum(event["dur"] for event in ended) / 1e6 - done[lane][1]) < 1e-5 * len(ended), lane
        outcomes.update(event["args"]["outcome"] for event in all_of_it)
    # The combination that throws is in a result as well: imap's tasks are chunks, which carry what an element threw. Workers are
    # at work once more after the search, when the speed-up is measured.
    finished = sum(tasks for tasks, _ in done.values())
    assert outcomes == {"result": finished, "was killed by SIGSEGV": 1, "was killed by SIGKILL": 1}, outcomes
    names = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert names.keys() == slices.keys() == done.keys(), (names, done)


def bad_input_gets_one_sentence_that_says_what_to_do():
    def refused(pattern, *arguments):
        output, errors = finish(start(*arguments), 2)
        assert output == "" and len(errors.splitlines()) == 1, (output, errors)
        assert_matches(rf"^grid_search: {pattern}$", errors)

    refused("there is no folder .*nowhere: install .* or name another folder with --data.", "--data", folder / "nowhere")
    refused(r"--processes is 0: .*", "--data", data, "--processes", "0")
    refused(r"--grid is huge: give small or full\.", "--data", data, "--grid", "huge")
    refused(r".*--frobnicate.*: see --help .*", "--frobnicate")
    refused(r"cannot write .*: give --out a file in a folder .*", "--data", data, "--grid", "small", "--out", folder / "nowhere" / "x.csv")
    refused(r"cannot read .*: give --out a file of results, .*", "--data", data, "--grid", "small", "--out", folder)
    out.write_text("name,price\ntea,3\n", encoding="utf-8")
    refused(r".*results.csv was not written by a search of this grid over these texts: .*", "--data", data, "--grid", "small", "--out", out)
    out.unlink()
    search_small()
    before = out.read_bytes()
    refused(r".*results.csv was not written by a search of this grid over these texts: .*", "--data", data, "--grid", "full", "--out", out)
    refused("--sabotage needs three tasks .*", "--data", data, "--grid", "small", "--out", out, "--sabotage")
    assert out.read_bytes() == before
    write_texts("science", 300)
    refused(r".*/science has only 300 different texts and 375 are needed: .*", "--data", data)
    (data / "science").unlink()
    refused(r"cannot read .*/science: name the folder .* with --data .*", "--data", data)


def main():
    # Processes that the program leaves behind when it ends become children of this one, where they can be seen.
    pr_set_child_subreaper = 36
    assert ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0) == 0
    try:
        data.mkdir()
        for topic in TOPICS:
            write_texts(topic, 400)
        globals()[test_name]()
    finally:
        shutil.rmtree(folder)


main()
