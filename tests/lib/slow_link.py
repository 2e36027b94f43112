#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""slow_link.py INTERFACE MS NETWORK: what goes to NETWORK leaves by INTERFACE MS later, as by `tc netem delay`, which not all kernels have.

Prints a line when it is in the path; when it ends, packets go straight again.
"""
import collections, fcntl, select, socket, struct, subprocess, sys, time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000
interface, delay, network = sys.argv[1], int(sys.argv[2]) / 1000, sys.argv[3]
tun = open('/dev/net/tun', 'r+b', buffering=0)
fcntl.ioctl(tun, TUNSETIFF, struct.pack('16sH22x', b'slow0', IFF_TUN | IFF_NO_PI))
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
for words in ('link set slow0 addrgenmode none up', 'route add %s dev slow0' % network):
    subprocess.run(['ip'] + words.split(), check=True)
print('slow', flush=True)
held = collections.deque()
while True:
    wait = max(0, held[0][0] - time.monotonic()) if held else None
    if select.select([tun], [], [], wait)[0]:
        packet = tun.read(65536)
        if packet[0] >> 4 == 4:
            held.append((time.monotonic() + delay, packet))
    while held and held[0][0] <= time.monotonic():
        packet = held.popleft()[1]
        out.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
