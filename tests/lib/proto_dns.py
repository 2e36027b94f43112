# SPDX-License-Identifier: Apache-2.0
"""proto_dns.py DIR: dnsmasq talks to dig, over UDP and TCP; what dig printed is the truth.

Writes DIR/NAME.log and DIR/NAME.truth as proto_http.py does.
"""
import os
import re
import socket
import subprocess
import sys
import time

from proto_http import Truth
from proto_tap import Tap, free_port, wait_port

QUESTIONS = [
    ("web.test", "A"), ("web.test", "AAAA"), ("text.test", "TXT"), ("absent.test", "A"), ("mail.test", "MX"),
    ("_svc._tcp.test", "SRV"), ("elsewhere.example", "A"), ("Web.TEST", "A"), ("1.2.0.192.in-addr.arpa", "PTR"),
    ("a-name-with-many-letters-in-it." * 3 + "test", "A"), ("web.test", "ANY"), ("web.test", "TYPE65"), ("alias.test", "CNAME"),
]
CODES = {"NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}
TYPES = {"TYPE65": "HTTPS"}


def dig(tap, truth, options):
    args = [a for q in QUESTIONS for a in (*q, *options)]
    out = subprocess.run(["dig", "@127.0.0.1", "-p", str(tap.port), "+qr", "+tries=1", "+time=5", "+nocookie", *args],
                         stdout=subprocess.PIPE, check=True, text=True).stdout
    sizes = [int(n) for n in re.findall(r"QUERY SIZE: (\d+)", out)]
    answers = [int(n) for n in re.findall(r"MSG SIZE  rcvd: (\d+)", out)]
    codes = re.findall(r";; Got answer:\n;; ->>HEADER<<- opcode: QUERY, status: (\w+)", out)
    if not len(sizes) == len(answers) == len(codes) == len(QUESTIONS):
        sys.exit(f"dig said: {out}")
    stream = "+tcp" in options
    at = [0, 0]
    for i, (name, kind) in enumerate(QUESTIONS):
        number = tap.numbers[-1] if stream else tap.numbers[i - len(QUESTIONS)]
        code, head = CODES[codes[i]], 2 if stream else 0
        resource = re.sub(r"^[\d.]+(?=\.in-addr)", "{n}", name.lower())
        truth.note(conn=number, protocol="dns", operation=TYPES.get(kind, kind), resource=resource, status=code,
                   failed=code in (1, 2, 4, 5), request=[at[0], at[0] + head + sizes[i]],
                   response=[at[1], at[1] + head + answers[i]])
        if stream:
            at = [at[0] + head + sizes[i], at[1] + head + answers[i]]


def wait_dns(port):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if subprocess.run(["dig", "@127.0.0.1", "-p", str(port), "+tries=1", "+time=1", "web.test"], check=False,
                          stdout=subprocess.DEVNULL).returncode == 0:
            return
    sys.exit("dnsmasq does not answer")


def main():
    os.chdir(sys.argv[1])
    port = free_port(socket.SOCK_DGRAM)
    server = subprocess.Popen(
        ["/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", f"--port={port}", "--listen-address=127.0.0.1",
         "--bind-interfaces", "--no-resolv", "--no-hosts", "--pid-file=dnsmasq.pid", "--local=/test/", "--user=",
         "--address=/web.test/192.0.2.1", "--address=/web.test/2001:db8::1", "--txt-record=text.test," + "t" * 200,
         "--mx-host=mail.test,web.test,10", "--srv-host=_svc._tcp.test,web.test,80", "--cname=alias.test,web.test",
         "--ptr-record=1.2.0.192.in-addr.arpa,web.test"])
    try:
        wait_port(port)
        wait_dns(port)
        for name, options in ("udp", ["+notcp"]), ("tcp", ["+tcp", "+keepopen"]):
            tap, truth = Tap(("127.0.0.1", port), f"dns-{name}.log", name == "udp"), Truth(f"dns-{name}.truth")
            for _ in range(5):
                dig(tap, truth, options)
            tap.close()
            truth.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
