# SPDX-License-Identifier: Apache-2.0
"""check.py PORT REQUESTS PORTS <EVENTS - was everything that went through TLS seen, in clear, on the right connections?

EVENTS: `saker show --json` of the recording.  PORTS: a file with the client's port of each connection.  Prints TAP cases: of
each end how many of the requests and answers were seen, and whether any was ascribed to another connection.
"""
import json
import re
import sys


def main():
    port, requests = int(sys.argv[1]), int(sys.argv[2])
    with open(sys.argv[3], encoding="utf-8") as f:
        clients = [int(line) for line in f]
    ends = {}
    seen = {"server asked": set(), "server answered": set(), "client asked": set(), "client answered": set()}
    wrong = clear = 0
    for line in sys.stdin:
        e = json.loads(line)
        if e["type"] in ("socket", "connected", "accept"):
            ends[e["sock"]] = (e["local_port"], e["remote_port"])
        if e["type"] != "payload" or "decrypted" not in e["flags"]:
            continue
        token = re.search(r"/token-(\d+)-(\d+)-", e["data"])
        if not token:
            continue
        clear += "topsecret" in e["data"]
        own, other = ends.get(e["sock"], (0, 0))
        server = own == port
        if int(token[1]) != (other if server else own):
            wrong += 1
            continue
        asked = ("received" in e["flags"]) == server  # Go's server may have read the G of GET before
        seen[f"{'server' if server else 'client'} {'asked' if asked else 'answered'}"].add((token[1], token[2]))
    want = {(str(c), str(i)) for c in clients for i in range(requests)}
    n = 0
    for what, tokens in seen.items():
        n += 1
        ok = tokens == want
        print(f"{'ok' if ok else 'not ok'} {n} - {what}: {len(tokens)} of {len(want)} seen in clear")
    print(f"{'not ok' if wrong else 'ok'} {n + 1} - none is ascribed to another connection" + (f": {wrong} are" if wrong else ""))
    print(f"{'not ok' if clear else 'ok'} {n + 2} - cookies are masked")
    print(f"1..{n + 2}")


main()
