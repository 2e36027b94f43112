# SPDX-License-Identifier: Apache-2.0
"""check.py LABEL N <EVENTS - are the notes of app.* there, in their order and with their words?  0: yes."""
import json
import sys


def main():
    label, n = sys.argv[1], int(sys.argv[2])
    notes = [e for e in map(json.loads, sys.stdin) if e["type"] == "note"]
    spans, got, inside = {}, [], False
    for e in notes:
        if e["what"] == "begin":
            spans[e["span"]] = e["key"]
            inside |= e["key"] == label
        if inside:
            name = spans.get(e["span"]) if e["what"] == "end" else e.get("key")
            got.append((e["what"], name, e["number"] if e["what"] == "number" else e.get("value", "")))
    want = []
    for i in range(n):
        want += [("begin", label, ""), ("begin", f"inner {i}", ""), ("number", "i", -i), ("text", "password", "*" * 14),
                 ("end", f"inner {i}", ""), ("text", "colour", "blue" if i & 1 else "red"), ("end", label, "")]
    if got[: len(want)] != want:
        at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), len(got))
        print(f"note {at}: got {got[at : at + 3]}, want {want[at : at + 3]}")
        return 1
    rest = [e for e in notes if e.get("key") == "handed over"]
    for e in rest:
        end = [x for x in notes if x["what"] == "end" and x["span"] == e["span"]]
        if len(end) != 1 or end[0]["tid"] == e["tid"]:
            print(f"the span that another thread ends: {e}, {end}")
            return 1
    return 0


sys.exit(main())
