#!/usr/bin/env python3
"""Holds a tree to its ipc/rooms.txt.

check_structure.py TREE            reports each breach as FILE:LINE: [RULE] SENTENCE, exit status 1 if there is one
check_structure.py --bad-tree TREE the tree is wrong on purpose: each breach stands on a line marked `expect RULE`,
                                   and exactly these have to be reported, every rule at least once
"""
import pathlib
import re
import sys

# What only room os may include: whoever else needs the kernel asks os for it.
KERNEL = re.compile(
    r"(sys|linux|asm|arpa|net|netinet)/.*"
    r"|(unistd|pthread|fcntl|poll|sched|spawn|link|dlfcn|elf|netdb|termios|syscall|mqueue|semaphore|ucontext)\.h"
)
RULES = {
    "room-order": "a room includes only itself and the rooms above it",
    "unknown-room": "every folder of ipc/ is a line of rooms.txt, and sources stand in a room",
    "unassigned": "every public header belongs to a room",
    "missing": "rooms.txt names only headers that exist, each once",
    "kernel": "only os includes the kernel's and libc's POSIX headers",
    "interprocess": "Boost.Interprocess stays in the sources of shm",
    "serialization": "Boost.Serialization stays in serialization, and its archives out of public headers",
    "private": "a public header includes public headers only",
    "spelling": "a quoted include is written from the root: \"ipc/room/file.hpp\"",
    "not-there": "an included file of ours exists",
    "own-first": "a source includes its own header first",
    "once": "a header starts with #pragma once",
    "umbrella": "ipc.hpp includes every public header and nothing else",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.breaches = []
        self.rooms = []  # in order
        self.room_of_header = {}  # path below include/ipc/ -> room
        self.read_law()

    def report(self, path, line, rule, text):
        self.breaches.append((str(path.relative_to(self.root)), line, rule, text))

    def read_law(self):
        law = self.root / "ipc/rooms.txt"
        for number, line in enumerate(law.read_text(encoding="utf-8").splitlines(), 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            self.rooms.append(words[0])
            for header in words[1:]:
                if header in self.room_of_header:
                    self.report(law, number, "missing", f"{header} is assigned twice")
                elif not (self.root / "include/ipc" / header).is_file():
                    self.report(law, number, "missing", f"{header} is not in include/ipc/")
                self.room_of_header[header] = words[0]

    def check(self):
        for path in sorted((self.root / "include/ipc").rglob("*.hpp")):
            name = str(path.relative_to(self.root / "include/ipc"))
            if name == "ipc.hpp":
                self.check_umbrella(path)
                continue
            room = self.room_of_header.get(name)
            if room is None:
                self.report(path, 1, "unassigned", "belongs to no room of rooms.txt")
            self.check_file(path, room, public=True)
        for path in sorted((self.root / "ipc").rglob("*.?pp")):
            parts = path.relative_to(self.root / "ipc").parts
            room = parts[0] if len(parts) > 1 and parts[0] in self.rooms else None
            if room is None:
                self.report(path, 1, "unknown-room", "is not in a room of rooms.txt")
            self.check_file(path, room, public=False)

    def check_file(self, path, room, public):
        lines = path.read_text(encoding="utf-8").splitlines()
        if path.suffix == ".hpp" and not any(line.strip() == "#pragma once" for line in lines):
            self.report(path, 1, "once", "has no #pragma once")
        first = True
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if match is None:
                continue
            form, target = match.groups()
            if first and path.suffix == ".cpp":
                self.check_own_first(path, number, target)
            first = False
            if KERNEL.fullmatch(target) and room != "os":
                self.report(path, number, "kernel", f"<{target}> outside of room os")
            if target.startswith("boost/interprocess/") and (room != "shm" or public):
                self.report(path, number, "interprocess", f"<{target}> outside of the sources of room shm")
            if target.startswith(("boost/serialization/", "boost/archive/")):
                if room != "serialization" or (public and target.startswith("boost/archive/")):
                    self.report(path, number, "serialization", f"<{target}> here")
            if target.startswith("ipc/"):
                self.check_ours(path, number, room, public, form, target)
            elif form == '"':
                self.report(path, number, "spelling", f'"{target}" is not written from the root')

    def check_ours(self, path, number, room, public, form, target):
        name = target[len("ipc/"):]
        if form == "<":
            exists = (self.root / "include" / target).is_file()
            other = self.room_of_header.get(name)
            if exists and name == "ipc.hpp":
                self.report(path, number, "room-order", "ipc.hpp is for users: it includes every room")
        else:
            exists = (self.root / target).is_file()
            other = name.split("/")[0]
            if public:
                self.report(path, number, "private", f'"{target}" is not installed')
        if not exists:
            self.report(path, number, "not-there", f"{target} does not exist")
        elif room in self.rooms and other in self.rooms and self.rooms.index(other) > self.rooms.index(room):
            self.report(path, number, "room-order", f"{room} is above {other}: it may not include {target}")

    def check_own_first(self, path, number, target):
        header = path.with_suffix(".hpp")
        below = str(path.with_suffix(".hpp").relative_to(self.root))
        public = [path.stem + ".hpp", f"detail/{path.stem}.hpp"]
        own = [below] if header.is_file() else [f"ipc/{p}" for p in public if (self.root / "include/ipc" / p).is_file()]
        if own and target not in own:
            self.report(path, number, "own-first", f"{own[0]} comes first")

    def check_umbrella(self, path):
        included = set()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if match is None:
                continue
            form, target = match.groups()
            included.add(target)
            if form != "<" or not target.startswith("ipc/") or not (self.root / "include" / target).is_file():
                self.report(path, number, "umbrella", f"{target} is none of the public headers")
        for name in sorted(self.room_of_header):
            if "/" not in name and f"ipc/{name}" not in included:
                self.report(path, 1, "umbrella", f"does not include <ipc/{name}>")


def expected(tree):
    """Lines marked `expect RULE…` in a comment: what a bad tree has to be reported for."""
    marks = set()
    for path in sorted(tree.root.rglob("*")):
        if path.is_file():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                match = re.search(r"(?://|#) expect ([a-z -]+)$", line)
                for rule in match.group(1).split() if match else []:
                    marks.add((str(path.relative_to(tree.root)), number, rule))
    return marks


def main():
    bad = "--bad-tree" in sys.argv
    tree = Tree(sys.argv[-1])
    tree.check()
    if not bad:
        for path, line, rule, text in tree.breaches:
            print(f"{path}:{line}: [{rule}] {text} ({RULES[rule]})")
        print(f"{len(tree.rooms)} rooms, {len(tree.room_of_header)} public headers, {len(tree.breaches)} breaches")
        sys.exit(1 if tree.breaches else 0)

    wanted = expected(tree)
    found = {breach[:3] for breach in tree.breaches}
    for path, line, rule in sorted(wanted - found):
        print(f"{path}:{line}: [{rule}] was not reported")
    for path, line, rule in sorted(found - wanted):
        print(f"{path}:{line}: [{rule}] was reported but is no breach")
    unproved = set(RULES) - {rule for _, _, rule in wanted}
    for rule in sorted(unproved):
        print(f"the bad tree does not break [{rule}]")
    print(f"{len(wanted)} breaches of {len(RULES)} rules")
    sys.exit(1 if wanted != found or unproved else 0)


main()
