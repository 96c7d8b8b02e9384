#!/bin/sh
# tidy.sh BUILD FILE: clang-tidy on one file; prints nothing when it is clean, and the file's name with what it found otherwise.
found=$(clang-tidy --quiet -p "$1" "$2" 2>/dev/null) && exit 0
printf '%s\n' "$found" "^^^ $2"
# 255 would make xargs stop at the first file.
exit 1
