/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_on - what an interface lets packet functions do. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

#include "agent/balancer.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "cli/cli.h"
#include "cli/doctor_lost.h"
#include "cli/doctor_on.h"
#include "net/attach.h"
#include "net/attach_tc.h"
#include "net/hop.h"

/* One page less the room before a frame (256) and the kernel's record behind it (320): the programs take one buffer. */
#define ONE_BUFFER (4096 - 256 - 320 - 18)

struct on {
	struct attach attach;
	char driver[32];
	int mtu, gro; /* gro -1: unknown */
	bool forwards4, forwards6;
	bool blind; /* whose programs are there cannot be seen */
	enum attach_tc_how egress;
};

static int ask(int fd, const struct attach *a, void *what)
{
	struct ifreq req = { 0 };

	(void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", a->name);
	req.ifr_data = what;
	return ioctl(fd, SIOCETHTOOL, &req);
}

static int on_look(const char *interface, struct on *on, struct err *err)
{
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_value gro = { .cmd = ETHTOOL_GGRO };
	struct ifreq req = { 0 };
	struct err why = ERR_INIT;
	int r = attach_open(&on->attach, interface, err);

	if (r < 0)
		return r;
	on->blind = balancer_may(false, &why) < 0;
	(void)snprintf(on->driver, sizeof(on->driver), "%s", ask(fd, &on->attach, &info) ? "unknown" : info.driver);
	on->gro = ask(fd, &on->attach, &gro) ? -1 : gro.data != 0;
	(void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", on->attach.name);
	on->mtu = ioctl(fd, SIOCGIFMTU, &req) ? 0 : req.ifr_mtu;
	on->egress = attach_tc_look(&on->attach, BALANCER_EGRESS, true);
	on->forwards4 = hop_forwards(interface, 4);
	on->forwards6 = hop_forwards(interface, 6);
	return 0;
}

static bool is_veth(const struct on *on)
{
	return !strcmp(on->driver, "veth");
}

static bool foreign(const struct on *on)
{
	return on->attach.link < 0 && on->attach.xdp && !on->blind;
}

static void on_json(struct buf *b, const struct on *on)
{
	buf_str(b, "{\"interface\":");
	buf_json(b, on->attach.name, strlen(on->attach.name));
	buf_str(b, ",\"driver\":");
	buf_json(b, on->driver, strlen(on->driver));
	buf_printf(
		b,
		",\"tested\":%s,\"mtu\":%d,\"one_buffer\":%s,\"gro\":%s,\"xdp\":\"%s\",\"program\":%u,\"foreign\":%s,"
		"\"egress\":\"%s\",\"ethernet\":%s,\"forwards4\":%s,\"forwards6\":%s",
		is_veth(on) ? "true" : "false", on->mtu, on->mtu <= ONE_BUFFER ? "true" : "false",
		on->gro < 0 ? "null"
		: on->gro   ? "true"
			    : "false",
		attach_mode_name(on->attach.mode), on->attach.program,
		on->blind     ? "null"
		: foreign(on) ? "true"
			      : "false",
		attach_tc_how_name(on->egress), on->attach.ethernet ? "true" : "false",
		on->forwards4 ? "true" : "false", on->forwards6 ? "true" : "false");
	doctor_lost(b, on->attach.name, true);
	buf_str(b, "}\n");
}

static void text_hook(struct buf *b, const struct on *on)
{
	char text[64];

	if (on->blind)
		buf_printf(b, "  --  XDP         %s; whose, and what saker has here, only CAP_SYS_ADMIN may see\n",
			   on->attach.xdp ? "a program is there" : "no program is there");
	else if (foreign(on))
		buf_printf(b, "  --  XDP         has a program of somebody else, %s: saker does not replace it%s\n",
			   attach_program_text(on->attach.xdp, text, sizeof(text)),
			   on->attach.tc ? "" : " (`hook: tc` stands behind it)");
	else if (!on->attach.ethernet)
		buf_str(b, "  --  XDP         free, but there are no Ethernet headers here, and the programs read no "
			   "others\n");
	else if (on->attach.link >= 0)
		buf_printf(b, "  ok  XDP         saker's program is there, %s\n", attach_mode_name(on->attach.mode));
	else if (on->attach.tc)
		buf_str(b, "  ok  XDP         free\n");
	else
		buf_str(b, "  ok  XDP         free; whether the driver takes programs shows when one is put on it\n");
}

static void on_text(struct buf *b, const struct on *on)
{
	char text[64];

	buf_printf(b, "interface %s\n  %s  driver      %s%s\n", on->attach.name, is_veth(on) ? "ok" : "--", on->driver,
		   is_veth(on)
			   ? ": tested; nothing restarts when a program comes"
			   : ": untested; many drivers restart their queues, and so the link, when a program comes");
	text_hook(b, on);
	if (on->attach.tc)
		buf_printf(b, "  ok  tc          saker's programs are on traffic control, %s\n",
			   attach_program_text(on->attach.program, text, sizeof(text)));
	if (on->egress != ATTACH_TC_NONE)
		buf_printf(b, "  ok  way out     saker's program for checks is there, by a %s of traffic control\n",
			   attach_tc_how_name(on->egress));
	if (on->mtu <= ONE_BUFFER)
		buf_printf(b, "  ok  MTU         %d: a frame fits one buffer\n", on->mtu);
	else
		buf_printf(
			b,
			"  --  MTU         %d: frames take several buffers, programs one (%d): the driver may refuse\n",
			on->mtu, ONE_BUFFER);
	if (on->gro >= 0)
		buf_printf(
			b, "      GRO         %s%s\n", on->gro ? "on" : "off",
			on->gro ? "; TCP that ends on this host loses it under native XDP, and keeps it with `hook: tc`"
				: "");
	buf_printf(b, "      forwarding  IPv4 %s, IPv6 %s%s\n", on->forwards4 ? "on" : "off",
		   on->forwards6 ? "on" : "off",
		   on->forwards4 ? "" : ": `router: routes` is not possible, packets leave by one router");
	doctor_lost(b, on->attach.name, false);
	if (is_veth(on))
		buf_str(b,
			"      peer        what is sent back is only seen where the other end has an XDP program, too; "
			"checksums must be in packets (`ethtool -K ... tx off`)\n");
}

int doctor_on(const char *interface, bool json)
{
	CLEANUP(buf_fini) struct buf b = BUF_INIT;
	struct err err = ERR_INIT;
	struct on on = { 0 };
	bool free_hook;

	if (on_look(interface, &on, &err) < 0) {
		(void)fprintf(stderr, "saker doctor: %s\n", err.text);
		return CLI_FAILED;
	}
	(json ? on_json : on_text)(&b, &on);
	free_hook = !on.blind && (!foreign(&on) || on.attach.tc) && on.attach.ethernet;
	attach_close(&on.attach);
	if (cli_put(&b, &err) < 0)
		return CLI_FAILED;
	return free_hook ? CLI_OK : CLI_FAILED;
}
