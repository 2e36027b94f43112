/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "probe/probe.h"

extern const unsigned char bpf_socket_data[];
extern const size_t bpf_socket_size;

/* where a send gives up the socket lock */
#define OLDER_WAITS "older_wait_begin older_wait_end older_connect_end"

static const struct kernel_ladder socket_ladders[] = {
	{ .observation = "connection",
	  .about = "connect with its outcome, listen, accept by first use, FIN",
	  .without = "connections",
	  .rungs = { { "socket_state", "tp_btf:inet_sock_set_state", "5.5" } } },
	{ .observation = "send ranges",
	  .about = "byte ranges of TCP sends, under the socket lock",
	  .without = "what was sent on TCP",
	  .rungs = { { "socket_send_turn", "tp_btf:tcp_sendmsg_locked", "6.13" },
		     { "older_send_begin older_send_end older_pages_begin older_pages_end " OLDER_WAITS,
		       "fentry:tcp_sendmsg_locked, do_tcp_sendpages", "5.5 to 6.4" },
		     { "older_send_begin older_send_end " OLDER_WAITS, "fentry:tcp_sendmsg_locked", "6.5" } } },
	{ .observation = "send return",
	  .about = "ends of send calls; AF_UNIX and UDP sends",
	  .without = "what was sent",
	  .rungs = { { "socket_send_return", "tp_btf:sock_send_length", "6.3" },
		     { "older_inet_sent older_inet6_sent older_inet_page "
		       "older_unix_sent older_unix_page older_dgram_sent",
		       "fexit:inet_sendmsg and its siblings", "5.5 to 6.4" } } },
	{ .observation = "receive ranges",
	  .about = "byte ranges of TCP receives, splice included, under the socket lock",
	  .without = "what was received on TCP",
	  .rungs = { { "socket_recv_moved", "tp_btf:tcp_rcv_space_adjust", "5.5" } } },
	{ .observation = "receive return",
	  .about = "ends of streams and errors; AF_UNIX and UDP receives",
	  .without = "AF_UNIX and UDP receives, ends of streams",
	  .rungs = { { "socket_recv_return", "tp_btf:sock_recv_length", "6.3" },
		     { "older_inet_got older_inet6_got older_unix_got older_dgram_got",
		       "fexit:inet_recvmsg and its siblings", "5.5" } } },
	{ .observation = "close",
	  .about = "ends of TCP sockets",
	  .without = "when a socket is gone",
	  .rungs = { { "socket_destroy", "tp_btf:tcp_destroy_sock", "5.5" } } },
	{ .observation = "retransmit",
	  .about = "TCP segments sent again",
	  .without = "retransmissions",
	  .rungs = { { "socket_retransmit", "tp_btf:tcp_retransmit_skb", "5.5" } } },
	{ .observation = "reset sent",
	  .about = "resets that this host sent",
	  .without = "resets sent",
	  .rungs = { { "socket_reset_sent", "tp_btf:tcp_send_reset", "5.5" } } },
	{ .observation = "reset received",
	  .about = "resets that arrived",
	  .without = "resets received",
	  .rungs = { { "socket_reset_received", "tp_btf:tcp_receive_reset", "5.5" } } },
	{ .observation = "datagrams sent",
	  .about = "addresses and payload hash of UDP sends; attached when UDP is used",
	  .without = "which datagram was which",
	  .later = true,
	  .rungs = { { "dgram_queued", "tp_btf:net_dev_queue", "5.5" } } },
	{ .observation = "datagrams received",
	  .about = "the same of receives",
	  .without = "which datagram was which",
	  .later = true,
	  .rungs = { { "dgram_consumed", "tp_btf:consume_skb", "5.5" } } },
	{ .observation = "open sockets",
	  .about = "snapshot of the sockets that are already open",
	  .iterator = true,
	  .without = "addresses and offsets of older connections until they are used",
	  .rungs = { { "socket_snapshot", "iter:task_file", "5.11" } } },
};

const struct kernel_object probe_socket = {
	.name = "socket",
	.data = bpf_socket_data,
	.size = &bpf_socket_size,
	.ladders = socket_ladders,
	.nladders = ARRAY_LEN(socket_ladders),
};
