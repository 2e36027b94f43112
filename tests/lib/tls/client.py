# SPDX-License-Identifier: Apache-2.0
"""client.py PORT CONNECTIONS REQUESTS - asks over several TLS connections at once; every request names its own port.

Prints the local port of each connection.
"""
import http.client
import ssl
import sys
import threading


def ask(port, requests):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    conn = http.client.HTTPSConnection("127.0.0.1", port, context=context)
    conn.connect()
    own = conn.sock.getsockname()[1]
    for i in range(requests):
        conn.request("GET", f"/token-{own}-{i}-", headers={"Cookie": "session=topsecret"})
        answer = conn.getresponse()
        assert answer.read() == f"answer to /token-{own}-{i}-".encode()
    sys.stdout.write(f"{own}\n")
    conn.close()


def main():
    port, connections, requests = (int(a) for a in sys.argv[1:])
    threads = [threading.Thread(target=ask, args=(port, requests)) for _ in range(connections)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


main()
