#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""lb_frames - frames as a wire brings them, to a balancer on the other end of a veth.

  lb_frames.py tags INTERFACE MAC VIP             a SYN with one VLAN tag, and one with two; what comes back, a word each
  lb_frames.py echo ADDRESS                       an echo request; `answered` or `silent`
  lb_frames.py datagram ADDRESS PORT BYTES        one UDP datagram, in fragments if it is long
  lb_frames.py throw INTERFACE MAC VIP VIP6 COUNT SEED FOLDER [CASES.json]
      COUNT frames that are whole, cut, changed or random, after those of the fuzzer's corpus in FOLDER and of Katran's cases; prints
      how many the interface took
"""
import json
import os
import random
import socket
import struct
import sys

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA = 263, 8


def mac(text):
    return bytes(int(x, 16) for x in text.split(':'))


def total(data):
    data += b'\0' * (len(data) % 2)
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def ip4(src, dst, proto, payload, frag=0, options=b''):
    head = struct.pack('!BBHHHBBH4s4s', 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 1, frag, 64, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst)) + options
    return head[:10] + struct.pack('!H', total(head)) + head[12:] + payload


def ip6(src, dst, proto, payload):
    return struct.pack('!IHBB', 0x60000000, len(payload), proto, 64) + socket.inet_pton(socket.AF_INET6, src) + \
        socket.inet_pton(socket.AF_INET6, dst) + payload


def tcp(sport, dport, flags):
    return struct.pack('!HHIIBBHHH', sport, dport, 1, 1, 0x50, flags, 1000, 0, 0)


def udp(sport, dport, payload):
    return struct.pack('!HHHH', sport, dport, 8 + len(payload), 0) + payload


def raw(interface):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((interface, 0))
    return s


def seen(s, inner):
    """The frame that comes in with `inner` behind another header: (tag in front, frame); None: silence."""
    s.settimeout(5)
    try:
        while True:
            data, more, _, where = s.recvmsg(2048, 64)
            if where[2] == socket.PACKET_OUTGOING or inner not in data[20:]:
                continue
            for level, kind, value in more:
                if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
                    status, _, _, _, _, tci, tpid = struct.unpack('IIIHHHH', value)
                    tag = struct.pack('!HH', tpid, tci) if status & 0x10 else b''
                    return data[:12] + tag + data[12:]
    except socket.timeout:
        return None


def tags(interface, to, vip):
    s = raw(interface)
    s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    for n, (what, tag) in enumerate((('one', b'\x81\x00\x00\x2a'), ('two', b'\x88\xa8\x00\x07\x81\x00\x00\x2a'))):
        packet = ip4('10.90.1.2', vip, 6, tcp(4000 + n, 80, 2))
        s.send(mac(to) + b'\x02\0\0\0\0\x01' + tag + b'\x08\0' + packet)
        got = seen(s, packet)
        # its tags, then IPv4 with IPIP, then the packet as it was
        good = got and got[12:12 + len(tag)] == tag and got[12 + len(tag):16 + len(tag)] == b'\x08\0\x45\0' and \
            got[14 + len(tag) + 9] == 4 and got[14 + len(tag) + 20:] == packet
        print(what, 'kept' if good else 'silence' if not got else got.hex())


def echo(address):
    six = ':' in address
    s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, 58 if six else 1)
    s.settimeout(5)
    request = struct.pack('!BBHHH', 128 if six else 8, 0, 0, os.getpid() & 0xffff, 1) + b'saker'
    if not six:
        request = request[:2] + struct.pack('!H', total(request)) + request[4:]
    s.sendto(request, (address, 0))
    try:
        while True:
            data, who = s.recvfrom(200)
            data = data if six else data[20:]
            if who[0] == address and data[0] == (129 if six else 0) and data[4:] == request[4:]:
                print('answered')
                return
    except socket.timeout:
        print('silent')


def datagram(address, port, size):
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(bytes(int(size)), (address, int(port)))


def whole(vip, vip6, client='10.90.1.2', client6='fd90:1::2'):
    """Packets to the VIP: (EtherType, packet)."""
    in4, in6 = ip4(client, vip, 6, tcp(5, 80, 2)), ip6(client6, vip6, 6, tcp(5, 80, 16))
    quoted = ip4(vip, client, 6, tcp(80, 5, 16))
    return [(0x0800, in4), (0x86dd, in6), (0x0800, ip4(client, vip, 17, udp(5, 80, b'x' * 30))),
            (0x86dd, ip6(client6, vip6, 17, udp(5, 80, b'x' * 30))),
            (0x0800, ip4(client, vip, 1, struct.pack('!BBHI', 8, 0, 0, 7) + b'ping')),
            (0x0800, ip4('10.90.1.1', vip, 1, struct.pack('!BBHI', 3, 4, 0, 1300) + quoted)),
            (0x0800, ip4(client, vip, 6, tcp(5, 80, 2), options=b'\x07\x07\x04\0\0\0\0\0')),
            (0x0800, ip4(client, vip, 6, tcp(5, 80, 2), frag=0x2000)), (0x0800, ip4(client, '10.90.2.2', 4, in4)),
            (0x0800, ip4(client, '10.90.2.2', 17, udp(5, 6080, in4))), (0x86dd, ip6(client6, 'fd90:2::2', 41, in6)),
            (0x86dd, ip6(client6, vip6, 0, b'\x2c\0\0\0\0\0\0\0' + b'\x06\0\0\x01\0\0\0\x09' + tcp(5, 80, 2))),
            (0x8100, b'\0\x2a\x08\0' + in4), (0x88a8, b'\0\x07\x81\0\0\x2a\x86\xdd' + in6)]


def odd(rng, frame):
    """The frame as it is, cut, with other bytes in it or behind it, or random from its type on."""
    how = rng.randrange(5)
    if how == 1:
        return frame[:rng.randrange(14, max(15, len(frame)))]
    if how == 2:
        frame = bytearray(frame)
        for _ in range(rng.randint(1, 8)):
            frame[rng.randrange(12, len(frame))] = rng.choice((0, 1, 4, 5, 6, 17, 41, 255, rng.randrange(256)))
        return bytes(frame)
    if how == 3:
        return (frame + rng.randbytes(rng.randrange(1, 200)))[:1514]
    if how == 4:
        return frame[:14] + rng.randbytes(rng.randrange(0, 300))
    return frame


def throw(interface, to, vip, vip6, count, seed, folder, cases=None):
    s, rng, taken = raw(interface), random.Random(int(seed)), 0
    link = mac(to) + b'\x02\0\0\0\0\x01'
    frames = [link + struct.pack('!H', kind) + packet for kind, packet in whole(vip, vip6)]
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), 'rb') as f:
            frames.append(link + f.read()[13:1503]) # behind a byte for the fuzzer, and the link addresses
    if cases:
        with open(cases) as f:
            frames += [link + bytes.fromhex(c['input_hex'])[12:] for c in json.load(f)['cases'] if c['hook'] == 'xdp']
    frames = [f for f in frames if 14 <= len(f) <= 1514]
    for n in range(int(count)):
        frame = frames[n] if n < len(frames) else odd(rng, rng.choice(frames))
        try:
            s.send(frame)
            taken += 1
        except OSError:
            pass
    print(taken)


{'tags': tags, 'echo': echo, 'datagram': datagram, 'throw': throw}[sys.argv[1]](*sys.argv[2:])
