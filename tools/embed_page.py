#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed_page.py FILE...: prints a C file with the files of the page as `page_files`, each with its path and media type."""
import hashlib
import os
import sys

TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png"}


def url(path):
    name = os.path.basename(path).replace(".min.", ".")
    return "/" if name == "index.html" else "/" + name


def bytes_of(number, data):
    """As strings: compilers take several seconds for a megabyte of numbers"""
    rows = ('"' + "".join(f"\\{b:03o}" for b in data[i:i + 32]) + '"' for i in range(0, len(data), 32))
    return f"static const unsigned char file_{number}[] =\n" + "\n".join(rows) + ";"


print('/* SPDX-License-Identifier: Apache-2.0 */\n#include "serve/page.h"\n')
table = []
for number, path in enumerate(sys.argv[1:]):
    with open(path, "rb") as f:
        data = f.read()
    if not data:
        sys.exit(f"embed_page.py: {path} is empty")
    print(bytes_of(number, data))
    etag = hashlib.sha256(data).hexdigest()[:16]
    media = TYPES[os.path.splitext(path)[1]]
    table.append(f'\t{{ "{url(path)}", "{media}", "\\"{etag}\\"", file_{number}, sizeof(file_{number}) - 1 }},')
print("const struct page_file page_files[] = {\n" + "\n".join(table) + "\n};")
print("const size_t page_count = sizeof(page_files) / sizeof(page_files[0]);")
