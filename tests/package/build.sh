#!/bin/sh
# build.sh CMAKE SOURCE FOLDER OPTIONS…: configures a user's project anew, builds it and runs its program.
set -eu
cmake=$1 source=$2 folder=$3
shift 3
rm -rf "$folder"
"$cmake" -S "$source" -B "$folder" "$@"
"$cmake" --build "$folder"
"$folder/user"
