#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py NAME FILE: prints a C file that holds FILE as `NAME_data` and its length as `NAME_size`.

As strings: compilers take several seconds for a megabyte of numbers.
"""
import sys

name, data = sys.argv[1], open(sys.argv[2], "rb").read()
rows = ('"' + "".join(f"\\{b:03o}" for b in data[i:i + 32]) + '"' for i in range(0, len(data), 32))
print("/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */\n#include <stddef.h>\n")
print(f"extern const unsigned char {name}_data[];\nextern const size_t {name}_size;\n")
print(f"const unsigned char {name}_data[] __attribute__((aligned(8))) =\n" + "\n".join(rows) + ";")
print(f"const size_t {name}_size = sizeof({name}_data) - 1;")
