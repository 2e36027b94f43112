#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# soname.sh LIBRARY: by which name a program that was linked with it (as lib LIBRARY.so stands for the compiler) asks for it.
set -eu
file=$(${CC:-cc} -print-file-name="lib$1.so")
readelf -dW "$file" | sed -n 's/.*(SONAME).*\[\(.*\)\]$/\1/p' | grep .
