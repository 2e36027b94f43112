/* SPDX-License-Identifier: Apache-2.0 */
/* Connections, streams and datagrams, with the traps that each has. */
#include "order/script.h"

#include "base/cleanup.h"

/* Two ends of a TCP connection: client cookie 1 in thread 0/1/1, server cookie 2 in 0/2/2. */
#define TCP_ENDS                                                                                                \
	"0/1/1 connected sock=1 netns=1 local=10.0.0.1 local_port=5000 remote=10.0.0.2 remote_port=80 isn=100 " \
	"peer_isn=900 "                                                                                         \
	"family=2 protocol=6 *1; 0/2/2 socket sock=2 netns=2 local=10.0.0.2 local_port=80 remote=10.0.0.1 "     \
	"remote_port=5000 isn=900 peer_isn=100 family=2 socktype=1 protocol=6 *4;"

static const struct script_case tcp[] = {
	{ "one send, one receive", TCP_ENDS "s: 0/1/1 send sock=1 bytes=100; r: 0/2/2 recv sock=2 bytes=100",
	  "s>r:100" },
	{ "partial reads",
	  TCP_ENDS "s: 0/1/1 send sock=1 bytes=100; r: 0/2/2 recv sock=2 bytes=30;"
		   "q: 0/2/2 recv sock=2 offset=30 bytes=70",
	  "s>q:70 s>r:30" },
	{ "m:n",
	  TCP_ENDS "a: 0/1/1 send sock=1 bytes=50; b: 0/1/1 send sock=1 offset=50 bytes=50;"
		   "r: 0/2/2 recv sock=2 bytes=80; q: 0/2/2 recv sock=2 offset=80 bytes=20",
	  "a>r:50 b>q:20 b>r:30" },
	{ "both directions are apart",
	  TCP_ENDS "a: 0/1/1 send sock=1 bytes=10; b: 0/2/2 send sock=2 bytes=10; r: 0/2/2 recv sock=2 bytes=10;"
		   "q: 0/1/1 recv sock=1 bytes=10",
	  "a>r:10 b>q:10" },
	{ "a send that another writer's bytes split in two",
	  TCP_ENDS "a: 0/1/1 send sock=1 bytes=40 flags=2; b: 0/1/7 send sock=1 offset=40 bytes=20;"
		   "c: 0/1/1 send sock=1 offset=60 bytes=40; r: 0/2/2 recv sock=2 bytes=100",
	  "a>r:40 b>r:20 c>r:40" },
	{ "beyond 4 GiB, and the same offset modulo 2^32 is another place",
	  TCP_ENDS "a: 0/1/1 send sock=1 offset=4294967290 bytes=10; b: 0/1/1 send sock=1 bytes=10;"
		   "r: 0/2/2 recv sock=2 offset=4294967290 bytes=10; q: 0/2/2 recv sock=2 bytes=10",
	  "a>r:10 b>q:10" },
	{ "a send that was lost: no edge, whatever the count",
	  TCP_ENDS
	  "a: 0/1/1 send sock=1 bytes=10; 0/0/0 loss lost_type=37 count=1 from_ns=1 to_ns=99 *4;"
	  "c: 0/1/1 send sock=1 offset=20 bytes=10; r: 0/2/2 recv sock=2 bytes=10; q: 0/2/2 recv sock=2 offset=10 "
	  "bytes=10; p: 0/2/2 recv sock=2 offset=20 bytes=10",
	  "a>r:10 c>p:10 q!lost" },
	{ "sent before the recording, received after it",
	  "0/1/1 socket sock=1 netns=1 local=10.0.0.1 local_port=5000 remote=10.0.0.2 remote_port=80 isn=100 "
	  "peer_isn=900 "
	  "family=2 socktype=1 tx_offset=50 flags=1 *4; 0/2/2 socket sock=2 netns=1 local=10.0.0.2 local_port=80 "
	  "remote=10.0.0.1 remote_port=5000 isn=900 peer_isn=100 family=2 socktype=1 flags=1 *4; r: 0/2/2 recv sock=2 "
	  "bytes=50; s: 0/1/1 send sock=1 offset=50 bytes=9",
	  "r!before s!after" },
	{ "the peer was not recorded; the socket was never described",
	  "0/1/1 connected sock=1 local=10.0.0.1 local_port=5000 remote=10.0.0.9 remote_port=80 isn=5 peer_isn=6 "
	  "family=2 *1;"
	  "s: 0/1/1 send sock=1 bytes=5; t: 0/1/1 send sock=77 bytes=5",
	  "s!peer t!unknown" },
	{ "end of file is no message", TCP_ENDS "0/2/2 recv sock=2 bytes=0 flags=4", "" },
	{ "connect -> accept, also when the first try failed",
	  "0/1/1 connect sock=1 remote=10.0.0.2 remote_port=80 family=2; c: 0/1/1 connect sock=1 remote=10.0.0.2 "
	  "remote_port=80 family=2;" TCP_ENDS
	  "a: 0/2/2 accept sock=2 netns=2 local=10.0.0.2 local_port=80 remote=10.0.0.1 remote_port=5000 isn=900 "
	  "peer_isn=100 family=2",
	  "c>a" },
	{ "a contradiction: two sends claim the same bytes",
	  TCP_ENDS "a: 0/1/1 send sock=1 bytes=10; b: 0/1/7 send sock=1 bytes=10; r: 0/2/2 recv sock=2 bytes=10",
	  "a!ambiguous a?r b!ambiguous b?r r!ambiguous" },
};

#define END(sock, net, from, fport, to, tport, isn, peer)                                              \
	"0/9/9 socket sock=" #sock " netns=" #net " local=" #from " local_port=" #fport " remote=" #to \
	" remote_port=" #tport " isn=" #isn " peer_isn=" #peer " family=2 socktype=1 protocol=6 *4;"

static const struct script_case ends[] = {
	{ "the same 127.0.0.1 tuple in two namespaces",
	  END(1, 1, 127.0.0.1, 5000, 127.0.0.1, 80, 11, 12) END(2, 1, 127.0.0.1, 80, 127.0.0.1, 5000, 12,
								11) END(3, 2, 127.0.0.1, 5000, 127.0.0.1, 80, 21, 22)
		  END(4, 2, 127.0.0.1, 80, 127.0.0.1, 5000, 22,
		      21) "s: 0/1/1 send sock=1 bytes=10; t: 0/3/3 send sock=3 bytes=10; r: 0/2/2 recv sock=2 bytes=10;"
			  "q: 0/4/4 recv sock=4 bytes=10",
	  "s>r:10 t>q:10" },
	{ "and without sequence numbers",
	  END(1, 1, 127.0.0.1, 5000, 127.0.0.1, 80, 0, 0) END(2, 1, 127.0.0.1, 80, 127.0.0.1, 5000, 0,
							      0) END(3, 2, 127.0.0.1, 5000, 127.0.0.1, 80, 0, 0)
		  END(4, 2, 127.0.0.1, 80, 127.0.0.1, 5000, 0,
		      0) "s: 0/1/1 send sock=1 bytes=10; t: 0/3/3 send sock=3 bytes=10; r: 0/2/2 recv sock=2 bytes=10;"
			 "q: 0/4/4 recv sock=4 bytes=10",
	  "s>r:10 t>q:10" },
	{ "loopback does not leave its namespace",
	  END(1, 1, 127.0.0.1, 5000, 127.0.0.1, 80, 0, 0)
		  END(4, 2, 127.0.0.1, 80, 127.0.0.1, 5000, 0,
		      0) "s: 0/1/1 send sock=1 bytes=10; q: 0/4/4 recv sock=4 bytes=10",
	  "q!peer s!peer" },
	{ "a reused port: the sequence numbers tell the connections apart",
	  END(1, 1, 10.0.0.1, 5000, 10.0.0.2, 80, 11, 12) END(2, 1, 10.0.0.2, 80, 10.0.0.1, 5000, 12,
							      11) END(3, 1, 10.0.0.1, 5000, 10.0.0.2, 80, 21, 22)
		  END(4, 1, 10.0.0.2, 80, 10.0.0.1, 5000, 22,
		      21) "s: 0/1/1 send sock=1 bytes=10; t: 0/1/1 send sock=3 bytes=10; q: 0/2/2 recv sock=4 bytes=10;"
			  "r: 0/2/2 recv sock=2 bytes=10",
	  "s>r:10 t>q:10" },
	{ "behind NAT the tuples differ, the sequence numbers do not",
	  END(1, 1, 10.0.0.1, 5000, 10.0.0.9, 80, 11, 12)
		  END(2, 2, 192.168.0.2, 8080, 10.0.0.8, 61000, 12,
		      11) "s: 0/1/1 send sock=1 bytes=10; r: 0/2/2 recv sock=2 bytes=10",
	  "s>r:10" },
	{ "known numbers that are not mirrored are no connection, though the tuples are",
	  END(1, 1, 10.0.0.1, 5000, 10.0.0.2, 80, 11, 12)
		  END(2, 1, 10.0.0.2, 80, 10.0.0.1, 5000, 13,
		      11) "s: 0/1/1 send sock=1 bytes=10; r: 0/2/2 recv sock=2 bytes=10",
	  "r!ambiguous s!ambiguous" },
	{ "no numbers, and one end too many: nothing is guessed",
	  END(1, 1, 10.0.0.1, 5000, 10.0.0.2, 80, 0, 0) END(2, 1, 10.0.0.2, 80, 10.0.0.1, 5000, 0, 0)
		  END(3, 1, 10.0.0.1, 5000, 10.0.0.2, 80, 0,
		      0) "s: 0/1/1 send sock=1 bytes=10; t: 0/1/1 send sock=3 bytes=10; r: 0/2/2 recv sock=2 bytes=10",
	  "r!ambiguous s!ambiguous t!ambiguous" },
	{ "a socket connected to itself",
	  END(1, 1, 127.0.0.1, 5000, 127.0.0.1, 5000, 11,
	      11) "s: 0/1/1 send sock=1 bytes=10; r: 0/1/1 recv sock=1 bytes=10",
	  "s>r:10" },
	{ "imports: a reused tuple begins anew with each connect and accept, offsets are counted",
	  "0/9/9 socket sock=1 local=10.0.0.1 local_port=5 remote=10.0.0.2 remote_port=80 family=2 socktype=1 *4 !;"
	  "1/9/9 socket sock=1 local=10.0.0.2 local_port=80 remote=10.0.0.1 remote_port=5 family=2 socktype=1 *4 !;"
	  "c1: 0/1/1 connect sock=1 family=2 !; s1: 0/1/1 send sock=1 bytes=7 flags=1 !;"
	  "c2: 0/1/1 connect sock=1 family=2 !; s2: 0/1/1 send sock=1 bytes=7 flags=1 !;"
	  "a1: 1/2/2 accept sock=1 local=10.0.0.2 local_port=80 remote=10.0.0.1 remote_port=5 family=2 !;"
	  "r1: 1/2/2 recv sock=1 bytes=4 flags=1 !; r2: 1/2/2 recv sock=1 bytes=3 flags=1 !;"
	  "a2: 1/2/2 accept sock=1 local=10.0.0.2 local_port=80 remote=10.0.0.1 remote_port=5 family=2 !;"
	  "r3: 1/2/2 recv sock=1 bytes=7 flags=1 !",
	  "c1>a1 c2>a2 s1>r1:4 s1>r2:3 s2>r3:7" },
	{ "imports: loopback ends on two hosts of one machine, if there are no others",
	  "0/9/9 socket sock=1 local=127.0.0.1 local_port=5 remote=127.0.0.1 remote_port=80 family=2 socktype=1 *4 !;"
	  "1/9/9 socket sock=1 local=127.0.0.1 local_port=80 remote=127.0.0.1 remote_port=5 family=2 socktype=1 *4 !;"
	  "s: 0/1/1 send sock=1 bytes=7 flags=1 !; r: 1/2/2 recv sock=1 bytes=7 flags=1 !;"
	  "0/9/9 socket sock=2 local=127.0.0.1 local_port=6 remote=127.0.0.1 remote_port=80 family=2 socktype=1 *4;"
	  "1/9/9 socket sock=2 local=127.0.0.1 local_port=80 remote=127.0.0.1 remote_port=6 family=2 socktype=1 *4;"
	  "t: 0/1/1/9 send sock=2 bytes=7; 1/2/2/9 recv sock=2 bytes=7",
	  "#1.4!peer s>r:7 t!peer" },
	{ "imports: after a loss counts mean nothing",
	  "0/9/9 socket sock=1 local=10.0.0.1 local_port=5 remote=10.0.0.2 remote_port=80 family=2 socktype=1 *4 !;"
	  "1/9/9 socket sock=1 local=10.0.0.2 local_port=80 remote=10.0.0.1 remote_port=5 family=2 socktype=1 *4 !;"
	  "s1: 0/1/1 send sock=1 bytes=7 flags=1 !; s2: 0/1/1 send sock=1 bytes=7 flags=65 !;"
	  "r1: 1/2/2 recv sock=1 bytes=7 flags=1 !; r2: 1/2/2 recv sock=1 bytes=7 flags=1 !",
	  "r2!peer s1>r1:7 s2!lost" },
};

#define UNIX_ENDS \
	"0/9/9 socket sock=1 peer=2 family=1 socktype=1 *4; 0/9/9 socket sock=2 peer=1 family=1 socktype=1 *4;"

static const struct script_case unix_streams[] = {
	{ "one writer: exact",
	  UNIX_ENDS "s: 0/1/1 send sock=1 bytes=10 flags=8; t: 0/1/1 send sock=1 offset=10 bytes=10 flags=8;"
		    "r: 0/2/2 recv sock=2 bytes=15 flags=8",
	  "s>r:10 t!after t>r:5" },
	{ "two writers, one after the other: exact",
	  UNIX_ENDS
	  "s: 0/1/1 send sock=1 bytes=10 flags=8 begin_ns=100 @110;"
	  "t: 0/1/2 send sock=1 offset=10 bytes=10 flags=8 begin_ns=120 @130; r: 0/2/2 recv sock=2 bytes=20 flags=8",
	  "s>r:10 t>r:10" },
	{ "two writers at the same time: ambiguous, with both as candidates",
	  UNIX_ENDS "s: 0/1/1 send sock=1 bytes=10 flags=8 begin_ns=100 @130;"
		    "t: 0/1/2 send sock=1 offset=10 bytes=10 flags=8 begin_ns=120 @140;"
		    "r: 0/2/2 recv sock=2 bytes=10 flags=8; q: 0/2/2 recv sock=2 offset=10 bytes=10 flags=8",
	  "q!ambiguous r!ambiguous s!ambiguous s?q s?r t!ambiguous t?q t?r" },
	{ "before and after such a group all is exact, and for who takes all of it",
	  UNIX_ENDS
	  "a: 0/1/1 send sock=1 bytes=10 flags=8 begin_ns=50 @60;"
	  "s: 0/1/1 send sock=1 offset=10 bytes=10 flags=8 begin_ns=100 @130;"
	  "t: 0/1/2 send sock=1 offset=20 bytes=10 flags=8 begin_ns=120 @140;"
	  "b: 0/1/1 send sock=1 offset=30 bytes=10 flags=8 begin_ns=150 @160; r: 0/2/2 recv sock=2 bytes=10 flags=8;"
	  "q: 0/2/2 recv sock=2 offset=10 bytes=20 flags=8; p: 0/2/2 recv sock=2 offset=30 bytes=10 flags=8",
	  "a>r:10 b>p:10 s>q:10 t>q:10" },
	{ "a long call that others overtook may lie anywhere among them",
	  UNIX_ENDS
	  "a: 0/1/1 send sock=1 bytes=10 flags=8 begin_ns=100 @110;"
	  "b: 0/1/1 send sock=1 offset=10 bytes=10 flags=8 begin_ns=120 @130;"
	  "l: 0/1/2 send sock=1 offset=20 bytes=10 flags=8 begin_ns=90 @140; r: 0/2/2 recv sock=2 bytes=10 flags=8",
	  "a!ambiguous a?r b!after l!ambiguous l?r r!ambiguous" },
	{ "a gap: what ended before it may be off, what came after is not",
	  UNIX_ENDS
	  "s: 0/1/1 send sock=1 bytes=10 flags=8 begin_ns=100 @110;"
	  "t: 0/1/1 send sock=1 offset=20 bytes=10 flags=8 begin_ns=200 @210;"
	  "u: 0/1/1 send sock=1 offset=30 bytes=10 flags=8 begin_ns=300 @310; r: 0/2/2 recv sock=2 bytes=10 flags=8;"
	  "q: 0/2/2 recv sock=2 offset=10 bytes=10 flags=8; p: 0/2/2 recv sock=2 offset=20 bytes=10 flags=8;"
	  "o: 0/2/2 recv sock=2 offset=30 bytes=10 flags=8",
	  "p!ambiguous q!peer r!ambiguous s!ambiguous s?r t!ambiguous t?p u>o:10" },
	{ "sockets that were open before: no place in the stream",
	  UNIX_ENDS "s: 0/1/1 send sock=1 bytes=10 flags=1; r: 0/2/2 recv sock=2 bytes=10 flags=1",
	  "r!offset s!offset" },
	{ "connect -> accept by the peer's cookie",
	  "c: 0/1/1 connect sock=1 family=1;" UNIX_ENDS "a: 0/2/2 accept sock=2 family=1", "c>a" },
};

#define UDP(name, who, type, sk, from, fport, to, tport, h)                                            \
	name ": " who " dgram_" type " sock=" #sk " local=" #from " local_port=" #fport " remote=" #to \
	     " remote_port=" #tport " family=2 protocol=17 bytes=20 hash=" #h ";"

static const struct script_case dgrams[] = {
	{ "by tuple, size and hash",
	  UDP("s", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2, 53, 7)
		  UDP("t", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2, 53, 8)
			  UDP("r", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50, 8)
				  UDP("q", "0/2/2", "recv", 2, 0, 53, 10.0.0.1, 50, 7),
	  "s>q:20 t>r:20" },
	{ "another port, another hash, or received before it was sent",
	  UDP("r", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50, 7) "0/1/1 log;" UDP("s", "0/1/1", "send", 1,
										       10.0.0.1, 50, 10.0.0.2, 53, 7)
		  UDP("q", "0/2/2", "recv", 2, 10.0.0.2, 54, 10.0.0.1, 50, 7),
	  "q!peer r!peer s!peer" },
	{ "equal ones, one after the other",
	  "0/1/1 log;" UDP("s", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2, 53, 7)
		  UDP("r", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50,
		      7) "0/1/1 log;" UDP("t", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2, 53, 7)
			  UDP("q", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50, 7),
	  "s>r:20 t>q:20" },
	{ "equal ones under way together: ambiguous",
	  UDP("s", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2, 53, 7)
		  UDP("t", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2, 53, 7)
			  UDP("r", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50, 7)
				  UDP("q", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50,
				      7) "0/1/1 log;" UDP("u", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2, 53, 7)
					  UDP("p", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50, 7),
	  "q!ambiguous r!ambiguous s!ambiguous s?q s?r t!ambiguous t?q t?r u>p:20" },
	{ "one send is not received twice, but by each member of a group",
	  UDP("s", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2, 53, 7)
		  UDP("r", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50, 7)
			  UDP("q", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50, 7)
				  UDP("m", "0/1/1", "send", 1, 10.0.0.1, 50, 224.0.0.5, 99, 7)
					  UDP("n", "0/2/2", "recv", 3, 224.0.0.5, 99, 10.0.0.1, 50, 7)
						  UDP("o", "0/3/3", "recv", 4, 0, 99, 10.0.0.1, 50, 7),
	  "m>n:20 m>o:20 q!peer s>r:20" },
	{ "imports: loopback datagrams across hosts only by their identity",
	  "s: 0/1/1 dgram_send sock=1 local=127.0.0.1 local_port=5 remote=127.0.0.1 remote_port=6 bytes=9 family=2 "
	  "protocol=17 hash=77 !; r: 1/2/2 dgram_recv sock=2 local=127.0.0.1 local_port=6 remote=127.0.0.1 "
	  "remote_port=5 bytes=9 family=2 protocol=17 hash=77 !;"
	  "t: 0/1/1 dgram_send sock=1 local=127.0.0.1 local_port=5 remote=127.0.0.1 remote_port=6 bytes=8 family=2 "
	  "protocol=17 !; q: 1/2/2 dgram_recv sock=2 local=127.0.0.1 local_port=6 remote=127.0.0.1 remote_port=5 "
	  "bytes=8 family=2 protocol=17 !",
	  "q!peer s>r:9 t!peer" },
	{ "the same loopback tuple in two namespaces",
	  "s: 0/1/1 dgram_send sock=1 netns=1 local=127.0.0.1 local_port=5 remote=127.0.0.1 remote_port=6 bytes=9 "
	  "hash=4;"
	  "t: 0/3/3 dgram_send sock=3 netns=2 local=127.0.0.1 local_port=5 remote=127.0.0.1 remote_port=6 bytes=9 "
	  "hash=4;"
	  "q: 0/4/4 dgram_recv sock=4 netns=2 local=127.0.0.1 local_port=6 remote=127.0.0.1 remote_port=5 bytes=9 "
	  "hash=4;"
	  "r: 0/2/2 dgram_recv sock=2 netns=1 local=127.0.0.1 local_port=6 remote=127.0.0.1 remote_port=5 bytes=9 "
	  "hash=4",
	  "s>r:9 t>q:9" },
	{ "where sends were lost, an equal one proves nothing",
	  "0/0/0 loss lost_type=39 from_ns=1 to_ns=99 count=1 *4;" UDP("s", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2,
								       53, 7)
		  UDP("r", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50, 7),
	  "r!ambiguous s!ambiguous s?r" },
	{ "a hash that one end did not see: exact where all addresses are known and the queue was empty at first",
	  "0/2/2 socket sock=2 family=2 protocol=17 socktype=2 *4;" UDP("s", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2,
									53, 7)
		  UDP("r", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50, 0),
	  "s>r:20" },
	{ "the same on a socket that was there before: ambiguous",
	  "0/2/2 socket sock=2 family=2 protocol=17 socktype=2 flags=1 *4;" UDP("s", "0/1/1", "send", 1, 10.0.0.1, 50,
										10.0.0.2, 53, 7)
		  UDP("r", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50, 0),
	  "r!ambiguous s!ambiguous s?r" },
	{ "to where a send went is not known: it is a candidate of every receive of its size",
	  "0/2/2 socket sock=2 family=2 protocol=17 socktype=2 *4;" UDP("t", "0/3/3", "send", 3, 0, 51, 0, 0, 0)
		  UDP("s", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2, 53, 7)
			  UDP("r", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.1, 50, 0)
				  UDP("q", "0/2/2", "recv", 2, 10.0.0.2, 53, 10.0.0.3, 51, 0),
	  "q!ambiguous s>r:20 t!ambiguous t?q" },
	{ "through NAT: candidates by size and payload",
	  UDP("s", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2, 53, 7)
		  UDP("t", "0/1/1", "send", 1, 10.0.0.1, 50, 10.0.0.2, 53, 8)
			  UDP("r", "0/2/2", "recv", 2, 10.9.9.2, 5353, 10.9.9.1, 50, 7),
	  "r!ambiguous s!ambiguous s?r t!peer" },
	{ "AF_UNIX: to the receiver, from whom is not known",
	  "s: 0/1/1 dgram_send sock=1 peer=2 family=1 bytes=9; u: 0/5/5 dgram_send sock=5 peer=3 family=1 bytes=9;"
	  "r: 0/2/2 dgram_recv sock=2 family=1 bytes=9; q: 0/2/2 dgram_recv sock=2 peer=1 family=1 bytes=9",
	  "q!ambiguous r!ambiguous s!ambiguous s?q s?r u!peer" },
	{ "AF_UNIX by number, two threads at one socket: which number is whose is not known",
	  "0/1/1 socket sock=1 family=1 socktype=2 peer=2 *4; 0/2/2 socket sock=2 family=1 socktype=2 peer=1 *4;"
	  "0/1/1 log; 0/1/4 log; s: 0/1/1 dgram_send sock=1 peer=2 family=1 bytes=9 hash=0 flags=8;"
	  "t: 0/1/4 dgram_send sock=1 peer=2 family=1 bytes=9 hash=1 flags=8;"
	  "u: 0/1/4 dgram_send sock=1 peer=2 family=1 bytes=7 hash=2 flags=8;"
	  "r: 0/2/2 dgram_recv sock=2 peer=1 family=1 bytes=9 hash=0 flags=8;"
	  "q: 0/2/2 dgram_recv sock=2 peer=1 family=1 bytes=9 hash=1 flags=8;"
	  "p: 0/2/2 dgram_recv sock=2 peer=1 family=1 bytes=7 hash=2 flags=8",
	  "q!ambiguous r!ambiguous s!ambiguous s?q s?r t!ambiguous t?q t?r u>p:7" },
	{ "AF_UNIX by number",
	  "0/1/1 socket sock=1 family=1 socktype=2 peer=2 *4; 0/2/2 socket sock=2 family=1 socktype=2 peer=1 *4;"
	  "0/5/5 socket sock=5 family=1 socktype=2 peer=2 *4;"
	  "s: 0/1/1 dgram_send sock=1 peer=2 family=1 bytes=9 hash=0 flags=8;"
	  "t: 0/1/1 dgram_send sock=1 peer=2 family=1 bytes=9 hash=1 flags=8;"
	  "u: 0/5/5 dgram_send sock=5 peer=2 family=1 bytes=9 hash=0 flags=8;"
	  "r: 0/2/2 dgram_recv sock=2 peer=1 family=1 bytes=9 hash=0 flags=8;"
	  "q: 0/2/2 dgram_recv sock=2 peer=5 family=1 bytes=9 hash=0 flags=8",
	  "s>r:9 t!peer u>q:9" },
};

static void check_all(const struct script_case *c, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		script_check(&c[i]);
}

static void tcp_ranges(void **state)
{
	(void)state;
	check_all(tcp, ARRAY_LEN(tcp));
}

static void connection_ends(void **state)
{
	(void)state;
	check_all(ends, ARRAY_LEN(ends));
}

static void unix_counts(void **state)
{
	(void)state;
	check_all(unix_streams, ARRAY_LEN(unix_streams));
}

static void datagrams(void **state)
{
	(void)state;
	check_all(dgrams, ARRAY_LEN(dgrams));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(tcp_ranges), cmocka_unit_test(connection_ends),
					    cmocka_unit_test(unix_counts), cmocka_unit_test(datagrams) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
