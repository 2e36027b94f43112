#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""katran_more - more packet cases of the kind of Katran's, with expectations from a reference of their own.

  katran_more.py FOLDER OUT     FOLDER: provision.json and cases.json (tests/e2e/katran.sh); OUT gets the same provision.json, and a cases.json
                                with its cases and ours behind them.  TAP, a line for each suite: the reference agrees with all given cases

The reference is written from the facts of FOLDER's README and provision.json (rings, hashes, quirks) and what the RFCs say of headers; it shares
nothing with the balancer's programs.  Ours have clients of their own (192.168.77.0/24, fc00:77::), so that they find no connection of the
given cases; within a suite their connections carry over, as there.
"""
import ipaddress
import json
import os
import shutil
import struct
import sys

RING = 65537
TCP, UDP, ICMP, ICMP6, IPIP, IPV6 = 6, 17, 1, 58, 4, 41
M32 = 0xffffffff


def packed(text):
    return ipaddress.ip_address(text).packed


# ---- sums and hashes ----

def total(data):
    data += b'\0' * (len(data) % 2)
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s


def pseudo(src, dst, proto, length):
    return src + dst + struct.pack('!II', length, proto)


def rot(x, n):
    return (x << n | x >> (32 - n)) & M32


def jhash_final(a, b, c):
    for x, y, n in ((2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24)):
        v = [a, b, c]
        v[x] ^= v[y]
        v[x] = (v[x] - rot(v[y], n)) & M32
        a, b, c = v
    return c


def jhash_2words(a, b, init):
    seed = (0xdeadbeef + 8 + init) & M32
    return jhash_final((a + seed) & M32, (b + seed) & M32, seed)


def jhash16(data, init):
    a = b = c = (0xdeadbeef + 16 + init) & M32
    k = struct.unpack('<4I', data)
    a, b, c = (a + k[0]) & M32, (b + k[1]) & M32, (c + k[2]) & M32
    for x, y, z, n in ((0, 2, 1, 4), (1, 0, 2, 6), (2, 1, 0, 8), (0, 2, 1, 16), (1, 0, 2, 19), (2, 1, 0, 4)):
        v = [a, b, c]
        v[x] = (v[x] - v[y]) & M32
        v[x] ^= rot(v[y], n)
        v[y] = (v[y] + v[z]) & M32
        a, b, c = v
    return jhash_final((a + k[3]) & M32, b, c)


def flow_hash(src, ports):
    word = struct.unpack('<I', struct.pack('!HH', *ports))[0]
    if len(src) == 16:
        return jhash_2words(jhash16(src, 512), word, 512 * RING)
    return jhash_2words(struct.unpack('<I', src)[0], word, 512 * RING)


class Rings:
    """Maglev, with the offsets and skips of provision.json; of equal weights only, as the profiles have."""

    def __init__(self, endpoints):
        self.endpoints, self.made = endpoints, {}

    def of(self, reals):
        key = tuple(sorted(reals, key=lambda r: int(self.endpoints[r]['hash_hex'], 16)))
        if key not in self.made:
            ring, left = [None] * RING, RING
            walks = [[r, self.endpoints[r]['maglev_offset'], self.endpoints[r]['maglev_skip']] for r in key]
            while left and walks:
                for w in walks:
                    while ring[w[1]] is not None:
                        w[1] = (w[1] + w[2]) % RING
                    ring[w[1]] = w[0]
                    left -= 1
                    if not left:
                        break
            self.made[key] = ring
        return self.made[key]


# ---- headers ----

ETHER = bytes.fromhex('020000000000' '010000000000')


def ether(payload, link=ETHER):
    return link + (b'\x08\x00' if payload[0] >> 4 == 4 else b'\x86\xdd') + payload


def ip4(src, dst, proto, payload, tos=0, ttl=64, ident=0, frag=0):
    head = struct.pack('!BBHHHBBH', 0x45, tos, 20 + len(payload), ident, frag, ttl, proto, 0) + src + dst
    return head[:10] + struct.pack('!H', ~total(head) & 0xffff) + head[12:] + payload


def ip6(src, dst, proto, payload, tos=0, ttl=64):
    return struct.pack('!IHBB', 6 << 28 | tos << 20, len(payload), proto, ttl) + src + dst + payload


def ip(src, dst, proto, payload, tos=0, ttl=64):
    return (ip4 if len(src) == 4 else ip6)(src, dst, proto, payload, tos=tos, ttl=ttl)


def udp(src, dst, sport, dport, payload):
    head = struct.pack('!HHHH', sport, dport, 8 + len(payload), 0)
    s = ~total(pseudo(src, dst, UDP, 8 + len(payload)) + head + payload) & 0xffff
    return head[:6] + struct.pack('!H', s or 0xffff) + payload


def tcp(src, dst, sport, dport, payload, flags=0x10, options=b''):
    options += b'\0' * (-len(options) % 4)
    head = struct.pack('!HHIIBBHHH', sport, dport, 7, 9, (20 + len(options)) // 4 << 4, flags, 8192, 0, 0) + options
    s = ~total(pseudo(src, dst, TCP, len(head) + len(payload)) + head + payload) & 0xffff
    return head[:16] + struct.pack('!H', s) + head[18:] + payload


def from_client(src, dst, sport, dport, proto, payload=b'one more packet', flags=0x10, options=b'', tos=0, ttl=64):
    src, dst = packed(src), packed(dst)
    made = tcp(src, dst, sport, dport, payload, flags, options) if proto == TCP else udp(src, dst, sport, dport, payload)
    return ip(src, dst, proto, made, tos, ttl)


class Packet:
    """What of an IP packet counts; of Katran, which knows no extension headers."""

    def __init__(self, data):
        self.data, self.six = data, data[0] >> 4 == 6
        if self.six:
            self.tos = (struct.unpack('!H', data[:2])[0] >> 4) & 0xff
            self.proto, self.ttl, self.src, self.dst, self.l4 = data[6], data[7], data[8:24], data[24:40], 40
            self.odd = self.proto == 44
            self.bytes = struct.unpack('!H', data[4:6])[0]
        else:
            self.tos, self.ttl, self.proto, self.src, self.dst, self.l4 = data[1], data[8], data[9], data[12:16], data[16:20], 20
            self.bytes = struct.unpack('!H', data[2:4])[0]
            self.odd = data[0] != 0x45 or struct.unpack('!H', data[6:8])[0] & 0x3fff
        self.error, self.syn, self.payload = False, False, b''
        if not self.odd and self.proto in (TCP, UDP):
            self.ports(data[self.l4:])

    def ports(self, l4):
        self.sport, self.dport = struct.unpack('!HH', l4[:4])
        if self.proto == TCP:
            self.syn = bool(l4[13] & 2)
            self.options, self.payload = l4[20:(l4[12] >> 4) * 4], l4[(l4[12] >> 4) * 4:]
        else:
            self.payload = l4[8:]

    def about(self):
        """The packet that an ICMP error is about, turned round."""
        inner = Packet(self.data[self.l4 + 8:])
        inner.src, inner.dst, inner.sport, inner.dport = inner.dst, inner.src, inner.dport, inner.sport
        inner.error, inner.tos, inner.bytes = True, self.tos, self.bytes
        return inner


def lowered(data):
    """The packet with its time to live one less."""
    if data[0] >> 4 == 6:
        return data[:7] + bytes([data[7] - 1]) + data[8:]
    data = data[:8] + bytes([data[8] - 1]) + data[9:10] + b'\0\0' + data[12:]
    return data[:10] + struct.pack('!H', ~total(data[:20]) & 0xffff) + data[12:]


# ---- the suite's world ----

class World:
    def __init__(self, rings, provision):
        self.rings, self.globals, self.profiles = rings, provision['globals'], provision['profiles']
        self.vips, self.ids, self.downs, self.marks, self.routes, self.decaps, self.conns = {}, {}, set(), {}, [], {}, {}
        self.local_reals = set()

    def take(self, suite):
        self.flags, self.numbers = suite['flags'], {v: k for k, v in suite['real_ids'].items()}
        for profile in suite['profiles']:
            for op in self.profiles[profile]:
                getattr(self, 'op_' + op['op'])(op)
        size = [f for f in self.flags if f.startswith('MAX_PACKET_SIZE=')]
        self.frame_max = int(size[0].split('=')[1]) if size else self.globals['max_packet_size']
        self.gue = 'GUE_ENCAP' in self.flags

    def vip(self, op):
        v = op['vip']
        return self.vips.setdefault((packed(v['addr']), v['port'], v['proto'], v.get('prefix_len')), {'reals': [], 'flags': set()})

    def op_add_vip(self, op):
        self.vip(op)

    def op_add_reals(self, op):
        reals = self.vip(op)['reals']
        reals += [r for r in op['reals'] if r not in reals]

    def op_del_reals(self, op):
        v = self.vip(op)
        v['reals'] = [r for r in v['reals'] if r not in op['reals']]

    def op_set_vip_flags(self, op):
        self.vip(op)['flags'] |= set(op['flags'])

    def op_map_server_ids(self, op):
        self.ids.update({e['id']: e['real'] for e in op['entries']})

    def op_set_real_down(self, op):
        self.vip(op)
        v = op['vip']
        self.downs.add((packed(v['addr']), v['port'], v['proto'], self.numbers[op['real_id']]))

    def op_add_hc_dst(self, op):
        self.marks[op['somark']] = op['dst']

    def op_add_src_route(self, op):
        self.routes.append((ipaddress.ip_network(op['prefix']), op['dst']))

    def op_add_decap_dst(self, op):
        self.decaps[packed(op['dst'])] = op['egress']

    def op_set_real_flags(self, op):
        if 'LOCAL_REAL' in op['flags']:
            self.local_reals.add(op['real'])

    def op_set_decap_server_id(self, op):
        pass

    # -- what becomes of a frame: (verdict, frame) --

    def run(self, case, frame):
        if case['hook'] == 'tc_egress':
            return self.check(frame, case['mark'])
        if case['hook'] == 'tc_ingress':
            return 'TC_ACT_PIPE', self.match(frame)
        if frame[12:14] not in (b'\x08\x00', b'\x86\xdd'):
            return 'XDP_PASS', frame
        return self.decap_only(frame) if 'DECAP_ONLY' in self.flags else self.balance(frame[:12], Packet(frame[14:]), frame)

    def check(self, frame, mark):
        """A health check: through the tunnel of the real with its mark."""
        if mark not in self.marks:
            return 'TC_ACT_UNSPEC', frame
        link = bytes.fromhex((self.globals['default_mac'] + self.globals['local_mac']).replace(':', ''))
        inner, dst = frame[14:], packed(self.marks[mark])
        src = packed(self.globals['gue_src_v' + ('4' if len(dst) == 4 else '6')])
        if not self.gue:
            return 'TC_ACT_REDIRECT', ether(ip(src, dst, IPV6 if inner[0] >> 4 == 6 else IPIP, inner), link)
        head = struct.pack('!HHHH', 0, self.globals['gue_dport'], 8 + len(inner), 0)
        return 'TC_ACT_REDIRECT', ether(ip(src, dst, UDP, head + inner), link)

    def match(self, frame):
        """The inner packet of TCP gets the outer source."""
        if frame[12:14] != b'\x86\xdd' or frame[20] != UDP or frame[56:58] != struct.pack('!H', 9887):
            return frame
        if frame[62] >> 4 != 6 or frame[68] != TCP:
            return frame
        inner, src = frame[62:], frame[22:38]
        was = struct.unpack('!H', inner[56:58])[0]
        s = (~was & 0xffff) + (~total(inner[8:24]) & 0xffff) + total(src)
        s = (s & 0xffff) + (s >> 16)
        s = ~((s & 0xffff) + (s >> 16)) & 0xffff
        return frame[:62] + inner[:8] + src + inner[24:56] + struct.pack('!H', s) + inner[58:]

    def tunnelled(self, p):
        """The packet in the tunnel, where one of this suite's kind is there."""
        if 'INLINE_DECAP_IPIP' in self.flags and p.proto in (IPIP, IPV6):
            return p.data[p.l4:]
        if 'INLINE_DECAP_GUE' in self.flags and p.proto == UDP and p.dport == self.globals['gue_dport']:
            return p.data[p.l4 + 8:]
        return None

    def decap_only(self, frame):
        p = Packet(frame[14:])
        if p.odd:
            return 'XDP_DROP', frame
        inner = self.tunnelled(p)
        return 'XDP_PASS', ether(inner, frame[:12]) if inner else frame

    def balance(self, link, p, frame):
        if p.odd:
            return 'XDP_DROP', frame
        inner = self.tunnelled(p)
        if inner:
            host = p.dst in (packed(self.globals['gue_src_v4']), packed(self.globals['gue_src_v6']))
            if p.dst not in self.decaps and not host and 'DECAP_STRICT_DESTINATION' in self.flags:
                return 'XDP_PASS', frame
            if Packet(inner).ttl <= 1:
                return 'XDP_DROP', frame
            inner = lowered(inner)
            if p.dst not in self.decaps:
                return 'XDP_PASS', ether(inner, link)
            if self.decaps[p.dst]:
                return 'XDP_TX', ether(inner, link[6:] + link[:6])
            return self.balance(link, Packet(inner), ether(inner, link))
        if p.proto in (ICMP, ICMP6):
            kind = p.data[p.l4]
            if kind == (128 if p.six else 8):
                return 'XDP_TX', self.echo(link, p)
            if kind not in ((1, 2) if p.six else (3,)):
                return 'XDP_PASS', frame
            return self.forward(link, p, p.about(), frame)
        return self.forward(link, p, p, frame) if p.proto in (TCP, UDP) else ('XDP_PASS', frame)

    def echo(self, link, p):
        icmp = bytearray(p.data[p.l4:])
        icmp[0], icmp[2:4] = (129 if p.six else 0), b'\0\0'
        s = ~total((pseudo(p.dst, p.src, ICMP6, len(icmp)) if p.six else b'') + bytes(icmp)) & 0xffff
        icmp[2:4] = struct.pack('!H', s)
        head = bytearray(p.data[:p.l4])
        if p.six:
            head[7], head[8:40] = 64, p.dst + p.src
        else:
            head[8], head[10:12], head[12:20] = 64, b'\0\0', p.dst + p.src
            head[10:12] = struct.pack('!H', ~total(bytes(head)) & 0xffff)
        return ether(bytes(head) + bytes(icmp), link[6:] + link[:6])

    def too_big(self, link, p):
        mtu, quote = self.frame_max - 14, p.data[:248 if p.six else 84]
        icmp = struct.pack('!BBHI', *((2, 0, 0, mtu) if p.six else (3, 4, 0, mtu))) + quote
        s = ~total((pseudo(p.dst, p.src, ICMP6, len(icmp)) if p.six else b'') + icmp) & 0xffff
        icmp = icmp[:2] + struct.pack('!H', s) + icmp[4:]
        return ether(ip(p.dst, p.src, ICMP6 if p.six else ICMP, icmp), link[6:] + link[:6])

    def find(self, dst, port, proto):
        for at in ((dst, port, proto, None), (dst, 0, proto, None)):
            if at in self.vips:
                return at
        for want in (port, 0):
            nets = [k for k in self.vips if k[3] and k[1:3] == (want, proto) and len(k[0]) == len(dst) and
                    ipaddress.ip_address(dst) in ipaddress.ip_network((k[0], k[3]))]
            if nets:
                return max(nets, key=lambda k: k[3])
        return None

    def named(self, vip, p):
        """The real that the packet names."""
        d, flags, number = p.payload, vip['flags'], 0
        if p.error:
            return None
        if p.proto == UDP and 'QUIC_VIP' in flags:
            if d and d[0] & 0x80:
                cid = d[6:14] if len(d) >= 14 and d[0] & 0x30 >= 0x20 and d[5] >= 8 else b''
            else:
                cid = d[1:9] if len(d) >= 9 else b''
            if cid:
                number = [0, int.from_bytes(cid[:3], 'big') >> 6 & 0xffff, int.from_bytes(cid[1:4], 'big'),
                          int.from_bytes(cid[1:5], 'big')][cid[0] >> 6]
        elif p.proto == UDP and 'UDP_STABLE_ROUTING' in flags and 'UDP_STABLE_ROUTING' in self.flags and len(d) >= 8 and d[0] == 0x52:
            number = int.from_bytes(d[1:4], 'big')
        elif p.proto == TCP and 'TCP_SERVER_ID_ROUTING' in self.flags and not p.syn:
            o, seen = p.options, 0
            while o and o[0] and seen < 15:
                seen += 1
                size = 1 if o[0] == 1 else o[1] if len(o) > 1 else 0
                if not size or (o[0] != 1 and size < 2) or size > len(o) or (o[0] == 0xb7 and size != 6):
                    break
                if o[0] == 0xb7:
                    number = int.from_bytes(o[2:6], 'little')
                    break
                o = o[size:]
        return self.ids.get(number)

    def choose(self, at, vip, p, key):
        """(real, whether only the port at the VIP decided)"""
        flags, src, sport, dport = vip['flags'], *key[0:1], *key[2:4]
        to = self.named(vip, p)
        if to:
            if not (p.proto == UDP and 'UDP_STABLE_ROUTING' in flags) and 'LRU_BYPASS' not in flags:
                self.conns[key] = to
            return to, False
        if not p.syn and 'LRU_BYPASS' not in flags:
            to = self.conns.get(key)
            if to and not ('UDP_FLOW_MIGRATION' in flags and p.proto == UDP and at[:3] + (to,) in self.downs):
                return to, False
        nets = [r for r in self.routes if ipaddress.ip_address(src) in r[0]] if 'SRC_ROUTING' in flags and 'LPM_SRC_LOOKUP' in self.flags else []
        if nets:
            to = max(nets, key=lambda r: r[0].prefixlen)[1]
        elif not vip['reals']:
            return None, False
        elif 'HASH_DPORT_ONLY' in flags:
            return self.rings.of(vip['reals'])[flow_hash(bytes(len(src)), (dport, dport)) % RING], True
        else:
            to = self.rings.of(vip['reals'])[flow_hash(src, (sport, dport)) % RING]
        if 'LRU_BYPASS' not in flags:
            self.conns[key] = to
        return to, False

    def forward(self, link, whole, p, frame):
        at = self.find(p.dst, p.dport, p.proto)
        if not at:
            return 'XDP_PASS', frame
        if len(frame) > self.frame_max:
            return ('XDP_TX', self.too_big(link, whole)) if 'ICMP_TOOBIG_GENERATION' in self.flags else ('XDP_DROP', frame)
        vip, sport, dport = self.vips[at], p.sport, p.dport
        if (not at[1] or at[3]) and not vip['flags'] & {'HASH_DPORT_ONLY', 'HASH_SRC_DST_PORT'}:
            dport = 0
        if 'NO_SRC_PORT' in vip['flags']:
            sport = 0
        to, by_port = self.choose(at, vip, p, (p.src, p.dst, sport, dport, p.proto))
        if not to:
            return 'XDP_DROP', frame
        if 'LOCAL_DELIVERY_OPTIMIZATION' in self.flags and 'LOCAL_VIP' in vip['flags'] and to in self.local_reals:
            return 'XDP_PASS', frame
        mac = bytes.fromhex(self.globals['default_mac'].replace(':', '')) + link[:6]
        return 'XDP_TX', ether(self.encap(whole, bytes(len(p.src)) if by_port else p.src, sport, packed(to)), mac)

    def encap(self, p, src, sport, to):
        client, inner = src[-4:], p.data
        if self.gue:
            own = packed(self.globals['gue_src_v' + ('4' if len(to) == 4 else '6')])
            mix = client[2:] if len(to) == 4 or len(src) == 4 else client[:2]
            port = struct.pack('<H', sport) if len(to) == 4 else struct.pack('!H', sport)
            port = struct.unpack('!H', bytes(a ^ b for a, b in zip(port, mix)))[0]
            return ip(own, to, UDP, udp(own, to, port, self.globals['gue_dport'], inner), p.tos)
        if len(to) == 4:
            own = bytes([172, 16]) + bytes(a ^ b for a, b in zip(client[2:], struct.pack('<H', sport)))
        else:
            own = packed('100::')[:12] + bytes(a ^ b for a, b in zip(client, struct.pack('!H', sport) + b'\0\0'))
        return ip(own, to, IPV6 if p.six else IPIP, inner, p.tos)


# ---- our cases ----

V4, V6 = '192.168.77.', 'fc00:77::'


def quic(kind, cid, more=b'one more'):
    """kind: a long header's type, or None: a short header."""
    if kind is None:
        return b'\x40' + cid + more
    return bytes([0xc0 | kind << 4]) + b'\xfa\xce\xb0\x01' + bytes([len(cid)]) + cid + more


def cid(version, number):
    """A connection id of 8 bytes with the number of a server in it."""
    if version == 1:
        return (1 << 62 | number << 46).to_bytes(8, 'big')
    return bytes([version << 6]) + number.to_bytes(3 if version == 2 else 4, 'big') + bytes(4 if version == 2 else 3)


def tpr(number, before=b'', length=6):
    return before + bytes([0xb7, length]) + number.to_bytes(4, 'little')


def frames_plain(vips):
    """vips: addresses that have one; echo requests to others are ours to leave alone, and Katran answers them."""
    for last, flags in ((1, 2), (1, 0x10), (1, 4), (2, 4), (2, 0x10), (3, 0x12), (4, 0x11)):
        for vip, port in (('10.200.1.1', 80), ('10.200.1.2', 7), ('10.200.1.2', 8), ('10.200.1.4', 9), ('10.200.1.3', 80)):
            yield 'TCP', from_client(V4 + str(last), vip, 4000 + last, port, TCP, flags=flags, tos=4 * last)
        yield 'TCP of IPv6', from_client(V6 + str(last), 'fc00:1::1', 4000 + last, 80, TCP, flags=flags, tos=16 * last + 3)
    for size in (0, 1, 700, 1460, 1472):
        yield 'UDP, %d bytes' % size, from_client(V4 + '9', '10.200.1.1', 5000 + size, 80, UDP, bytes(range(256)) * 6)
    for vip, port in (('10.200.1.6', 80), ('10.200.1.99', 80), ('10.200.1.6', 81), ('10.200.9.9', 80)):
        for proto in (TCP, UDP):
            for sport in (6000, 6001, 6002):
                yield 'another VIP', from_client(V4 + '9', vip, sport, port, proto)
    for vip, port in (('fc00:1::11', 80), ('fc00:1::1', 443), ('fc00:1::77', 80)):
        for proto in (TCP, UDP):
            yield 'another VIP of IPv6', from_client(V6 + '9', vip, 6000, port, proto)
    for size in (1500 - 20 - 20, 1501 - 20 - 20):
        yield 'just fits, or just not', from_client(V4 + '8', '10.200.1.1', 6100 + size, 80, TCP, bytes(size))
    for six in (False, True):
        src, dst = (packed(V6 + '8'), packed('fc00:1::1')) if six else (packed(V4 + '8'), packed('10.200.1.1'))
        icmp = bytes([128 if six else 8, 0, 0, 0, 1, 2, 3, 4]) + b'ping' * 9
        s = ~total((pseudo(src, dst, ICMP6, len(icmp)) if six else b'') + icmp) & 0xffff
        if dst in vips:
            yield 'echo', ip(src, dst, ICMP6 if six else ICMP, icmp[:2] + struct.pack('!H', s) + icmp[4:], ttl=3)
        yield 'ESP', ip(src, dst, 50, b'nothing to see')
        inner = from_client(V4 + '7', '10.0.0.1', 1, 2, UDP)
        yield 'IPv4 in a tunnel', ip(src, dst, IPIP, inner)
        inner = from_client(V6 + '7', 'fc00::1', 1, 2, TCP)
        yield 'IPv6 in a tunnel', ip(src, dst, IPV6, inner)


def frames_errors():
    """About what the VIP sent to a client; the error comes from a router."""
    for six, vip, proto in ((False, '10.200.1.1', TCP), (False, '10.200.1.1', UDP), (False, '10.200.1.5', UDP), (True, 'fc00:1::1', TCP)):
        client, router = (V6 + '5', 'fc00:99::1') if six else (V4 + '5', '192.168.99.1')
        port = 443 if vip == '10.200.1.5' else 80
        yield 'a client that will get an error', from_client(client, vip, 7000, port, proto)
        about = from_client(vip, client, port, 7000, proto)[:60 if six else 28] + b'\0' * 20
        for kind, code in (((1, 3), (2, 0)) if six else ((3, 1), (3, 4))):
            icmp = struct.pack('!BBHI', kind, code, 0, 1400) + about
            src, dst = packed(router), packed(vip)
            s = ~total((pseudo(src, dst, ICMP6, len(icmp)) if six else b'') + icmp) & 0xffff
            yield 'an error', ip(src, dst, ICMP6 if six else ICMP, icmp[:2] + struct.pack('!H', s) + icmp[4:])


def frames_quic(ids=(1022, 1023, 1025, 1024, 1026, 1027)):
    known = [cid(1, n) for n in ids] + [cid(2, n + 196608) for n in ids] + [cid(3, n + 196608) for n in ids]
    odd = [cid(1, 0), cid(1, 4000), cid(2, 5), cid(3, 77777), b'\x01' * 8, b'\x41\1\2\3', b'']
    for vip, client in (('10.200.1.5', V4), ('fc00:1::2', V6)):
        for n, data in enumerate([quic(k, c) for k in (0, 1, 2, 3, None) for c in known + odd] + [b'', b'\x40', b'\xc0\0\0', b'\xe0' * 13]):
            # some have a flow of their own, some share one
            yield 'QUIC', from_client(client + str(11 + n % 7), vip, 7100 + (n // 7 if n % 3 else 0), 443, UDP, data)


def frames_server_id():
    places = [b'', b'\1', b'\1\1', b'\2\4\5\xb4', b'\1\1\x08\x0a' + b'\7' * 8, b'\1' * 14, b'\1' * 20, b'\0\0', b'\5\0', b'\5\1', b'\5\xff',
              tpr(1022, length=5), tpr(1022, length=7), tpr(0), tpr(9999)]
    for last, (vip, port) in enumerate((('10.200.1.1', 80), ('10.200.1.2', 7), ('10.200.1.4', 9), ('10.200.1.3', 80), ('fc00:1::1', 80))):
        client = (V6 if ':' in vip else V4) + str(21 + last)
        for n, before in enumerate(places):
            for number in (1022, 1025, 1026, 0, 9999):
                for flags in (0x10, 2, 0x18):
                    # where only the port decides, Katran's table never has what it hashed, and ours does: a flow of its own for each
                    own = 20000 + 1000 * flags + 20 * (number % 30) if vip == '10.200.1.4' else 0
                    yield 'an option', from_client(client, vip, 7200 + n + own, port, TCP, flags=flags, options=tpr(number, before)[:40])
                if vip != '10.200.1.4':
                    yield 'then none', from_client(client, vip, 7200 + n, port, TCP)


def frames_cidr():
    for net, last in (('fc00:1::', '7'), ('fc00:2::', '8'), ('fc00:3::', 'ffff:ffff'), ('fc00:4::', '0'), ('fc00:5::', '1'), ('fc00:1:1::', '1')):
        for port in (0, 80, 443, 444):
            for proto in (TCP, UDP):
                yield 'a network', from_client(V6 + '31', net + last, 7300 + port, port, proto)


def frames_routes():
    for n, src in enumerate(('192.168.77.41', '192.168.127.255', '192.168.128.1', '192.168.100.9', '192.168.101.1', 'fc00:2307::41',
                             'fc00:2307:0:0:ffff::1', 'fc00:2307:1::1', 'fc00:2::41', 'fc00:2:0:1::41', 'fc00:2308::1')):
        for vip, proto in (('fc00:1::1', TCP),) if ':' in src else (('10.200.1.1', UDP), ('10.200.1.1', TCP)):
            for _ in range(2):
                yield 'by its network', from_client(src, vip, 7400 + n, 80, proto)


def frames_stable():
    for n, head in enumerate((b'\x52\3\4\2', b'\x52\3\4\3', b'\x52\0\4\1', b'\x52\0\0\0', b'\x52\9\9\9', b'\x51\3\4\2', b'\x52\3\4', b'')):
        for vip, client in (('fc00:1::9', V6), ('10.200.1.90', V4), ('10.200.1.2', V4), ('10.200.1.3', V4)):
            data = head + bytes(4) + b'more' if len(head) == 4 else head
            yield 'UDP, stable', from_client(client + str(51 + n), vip, 7500, 80, UDP, data)


def frames_tunnels(outer):
    """outer: (from, to) of tunnels"""
    inners = [from_client(V4 + '61', '10.200.1.1', 7600, 80, UDP), from_client(V6 + '61', 'fc00:1::1', 7600, 80, TCP),
              from_client(V4 + '61', '10.200.1.2', 7600, 80, UDP), from_client(V4 + '61', '10.200.9.9', 7600, 80, TCP, ttl=2),
              from_client(V4 + '62', '10.200.1.1', 7600, 80, UDP, ttl=1), from_client(V6 + '62', 'fc00:1::1', 7600, 80, TCP, ttl=1),
              from_client(V6 + '61', 'fc00:1::9', 7600, 80, TCP, options=tpr(100), ttl=2)]
    for src, dst in outer:
        for inner in inners:
            a, b = packed(src), packed(dst)
            if len(a) == 16 or inner[0] >> 4 == 4:
                yield 'GUE', ip(a, b, UDP, udp(a, b, 7700, 9886, inner), ttl=9)
                yield 'not the port of GUE', ip(a, b, UDP, udp(a, b, 7700, 9887, inner), ttl=9)
                yield 'IPIP', ip(a, b, IPV6 if inner[0] >> 4 == 6 else IPIP, inner, ttl=9)


def frames_match():
    src, dst = packed('2001:db8::1'), packed('2001:db8::4d2')
    for inner in (from_client(V6 + '71', '2001:db8::3', 7800, 443, TCP), from_client(V6 + '71', '2001:db8::3', 7800, 443, UDP),
                  from_client(V6 + '71', '2001:db8::3', 7800, 443, TCP, b'', 2, tpr(5)), from_client(V4 + '71', '10.0.0.3', 7800, 443, TCP),
                  from_client('2001:db8::1', '2001:db8::3', 7800, 443, TCP), ip(packed(V6 + '71'), dst, ICMP6, b'\x80\0\1\2\3\4\5\6'),
                  ip(packed(V6 + '71'), dst, 59, b'')):
        for port in (9887, 9886):
            yield 'in a tunnel', ip(src, dst, UDP, udp(src, dst, 7800, port, inner))
    inner, src, dst = from_client(V4 + '71', '10.0.0.3', 7800, 443, TCP), packed('10.0.0.1'), packed('10.0.0.2')
    yield 'in a tunnel of IPv4', ip(src, dst, UDP, udp(src, dst, 7800, 9887, inner))
    yield 'in no tunnel', from_client(V6 + '71', '2001:db8::3', 7800, 9887, TCP)


def frames_of(world, suite):
    vips = {at[0] for at in world.vips}
    name, tunnels = suite['suite'], [('100::64', 'fc00:1404::1'), ('100::64', 'fc00:1405::1'), ('100::64', 'fc00:2307::1337'), ('100::64', 'fc00::77')]
    if name.startswith('hc'):
        return list(frames_plain(vips))[:9]
    if name == 'tc_srcmatch':
        return frames_match()
    if name.startswith('decap_') and name != 'decap_stats':
        return [*list(frames_tunnels([('100::64', 'fc00::77'), ('10.1.1.1', '10.0.0.77')])), *list(frames_plain(vips))[:40:7]]
    made = [*frames_plain(vips), *frames_cidr(), *frames_stable()]
    # the outer checksum of errors in GUE is Katran's own arithmetic
    made += [] if world.gue else frames_errors()
    made += frames_server_id() if 'TCP_SERVER_ID_ROUTING' in suite['flags'] else frames_quic()
    made += frames_routes()
    return made + list(frames_tunnels(tunnels + [('10.1.1.1', '10.0.13.37'), ('10.1.1.1', '10.0.0.77')])) if name in (
        'xpop_decap', 'egress_decap', 'decap_stats') else made


def more(world, suite):
    """Our cases of a suite."""
    hook = 'tc_egress' if suite['suite'].startswith('hc') else 'tc_ingress' if suite['suite'] == 'tc_srcmatch' else 'xdp'
    frames = [(what, ether(data)) for what, data in frames_of(world, suite)]
    if hook == 'xdp':
        frames.append(('ARP', ETHER + b'\x08\x06' + bytes(28)))
    for n, (what, frame) in enumerate(frames):
        for mark in (0, 1, 2, 3, 4) if hook == 'tc_egress' else (None,):
            case = {'id': '%s/+%d%s' % (suite['suite'], n + 1, '' if mark is None else '.%d' % mark), 'suite': suite['suite'], 'hook': hook, 'mark': mark,
                    'description': 'ours: ' + what, 'input_hex': frame.hex(), 'ignore_bytes': []}
            case['expected_verdict'], out = world.run(case, frame)
            case['expected_output_hex'] = None if out == frame else out.hex()
            if mark in world.marks and world.gue:
                # the source port is random
                case['ignore_bytes'] = [[34 if out[12:14] == b'\x08\x00' else 54, 2]]
            yield case


def differs(world, case):
    """What the reference says otherwise than a given case."""
    frame = bytes.fromhex(case['input_hex'])
    verdict, out = world.run(case, frame)
    want = bytes.fromhex(case['expected_output_hex'] or case['input_hex'])
    if verdict != case['expected_verdict']:
        return '%s: %s, not %s' % (case['id'], verdict, case['expected_verdict'])
    if verdict == 'XDP_DROP':
        return None
    for at, length in case['ignore_bytes']:
        out, want = (x[:at] + bytes(length) + x[at + length:] for x in (out, want))
    return None if out == want else '%s:\n#   %s\n#   %s' % (case['id'], out.hex(), want.hex())


# ICMP errors in GUE
UNKNOWN = {'gue/8', 'gue/9'}


def main(folder, out):
    with open(os.path.join(folder, 'provision.json')) as f:
        provision = json.load(f)
    with open(os.path.join(folder, 'cases.json')) as f:
        cases = json.load(f)
    rings, world, ours = Rings(provision['consistent_hash']['endpoints']), None, []
    for n, suite in enumerate(provision['suites']):
        if not suite['continues_state_of']:
            world = World(rings, provision)
        world.take(suite)
        wrong = [differs(world, c) for c in cases['cases'] if c['suite'] == suite['suite'] and c['id'] not in UNKNOWN]
        wrong = [w for w in wrong if w]
        print('%sok %d - %s: the reference agrees with the given cases' % ('not ' if wrong else '', n + 1, suite['suite']))
        for w in wrong:
            print('# ' + w)
        ours += more(world, suite)
    print('1..%d' % len(provision['suites']))
    os.makedirs(out, exist_ok=True)
    shutil.copy(os.path.join(folder, 'provision.json'), out)
    with open(os.path.join(out, 'cases.json'), 'w') as f:
        json.dump({'cases': cases['cases'] + ours}, f)


if __name__ == '__main__':
    main(*sys.argv[1:])
