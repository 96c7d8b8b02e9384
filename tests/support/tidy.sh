#!/bin/sh
# tidy.sh BUILD PATH: clang-tidy on one source file, or on all those of a folder; prints nothing when they are clean, and what
# it found otherwise.
set -u
build=$1
path=${2%/}
check() { clang-tidy --quiet "$@" 2>/dev/null; }

if [ -f "$path" ]; then
  found=$(check -p "$build" "$path") && exit 0
else
  # One file after the other in one unit, so that what all of them include is looked at once. Not by #include: the analyzer
  # looks only at functions of the main file.
  unit=$build/tidy_$(basename "$path").cpp
  for source in "$path"/*.cpp; do
    [ -f "$source" ] || exit 0
    printf '#line 1 "%s"\n' "$source"
    cat "$source"
  done >"$unit"
  # Includes that repeat within one source: here each of them repeats.
  repeated=$(for source in "$path"/*.cpp; do sed -n 's/^#include *//p' "$source" | sort | uniq -d | sed "s|^|$source: included twice: |"; done)
  found=$(check --checks=-readability-duplicate-include "$unit" -- -std=gnu++20 -DIPC_TESTING -D_GLIBCXX_ASSERTIONS -I. -Iinclude \
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast) && [ -z "$repeated" ] && exit 0
  # Back to the places in the sources.
  found=$(printf '%s\n' "$repeated" "$found" | awk -v unit="$unit" '
    BEGIN {
      while ((getline text < unit) > 0) {
        ++line
        if (text ~ /^#line 1 "/) { split(text, part, "\""); source = part[2]; first = line }
        name[line] = source ":" line - first
      }
    }
    {
      at = index($0, unit ":")
      if (at) {
        rest = substr($0, at + length(unit) + 1)
        number = rest + 0
        sub(/^[0-9]+/, "", rest)
        $0 = name[number] rest
      }
      print
    }')
fi
printf '%s\n' "$found" "^^^ $path"
# 255 would make xargs stop at the first one.
exit 1
