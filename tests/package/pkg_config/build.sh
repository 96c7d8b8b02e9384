#!/bin/sh
# build.sh COMPILER PREFIX LIBDIR SOURCE FOLDER: moves a copy of the installed tree, then builds and runs with pkg-config alone.
set -eu
rm -rf "$5"
mkdir -p "$5"
cp -R "$2" "$5/moved"
export PKG_CONFIG_PATH="$5/moved/$3/pkgconfig"
# shellcheck disable=SC2046  # a list of options
"$1" -std=c++20 "$4" -o "$5/user" $(pkg-config --cflags --libs ipc)
"$5/user"
