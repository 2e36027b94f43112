/* SPDX-License-Identifier: Apache-2.0 */
/* wish_words - VIPs, modes and flags as people write them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/parse.h"
#include "net/wish_internal.h"
#include "packet/wire.h"

static const struct {
	const char *name;
	bool tunnel;
	uint8_t flags;	    /* of backends */
	uint32_t vip_flags; /* of VIPs */
} modes[WISH_MODES] = {
	[WISH_IPIP] = { "ipip", true, 0, 0 },
	[WISH_GUE] = { "gue", true, LB_REAL_GUE, 0 },
	[WISH_NAT] = { "nat", false, 0, LB_VIP_NAT },
	[WISH_L2] = { "l2", false, 0, LB_VIP_L2 },
};

static const struct {
	const char *name;
	uint32_t flag;
} flags[WISH_FLAGS] = {
	{ "no-source-port", LB_VIP_NO_SRC_PORT }, { "stateless", LB_VIP_STATELESS },   { "quic", LB_VIP_QUIC },
	{ "port-hash", LB_VIP_DPORT_HASH },	  { "routes", LB_VIP_ROUTES },	       { "local", LB_VIP_LOCAL },
	{ "both-ports", LB_VIP_BOTH_PORTS },	  { "udp-stable", LB_VIP_UDP_STABLE }, { "migrate", LB_VIP_MIGRATE },
	{ "server-id", LB_VIP_SERVER_ID },
};

int wish_mode_parse(const char *text, enum wish_mode *ret)
{
	size_t i;

	for (i = 0; i < WISH_MODES; i++) {
		if (strcmp(text, modes[i].name) != 0)
			continue;
		*ret = (enum wish_mode)i;
		return 0;
	}
	return -EINVAL;
}

bool wish_mode_tunnel(enum wish_mode mode)
{
	return modes[mode].tunnel;
}

enum wish_mode wish_vip_mode(const struct lb_wish_vip *vip)
{
	return vip->flags & LB_VIP_NAT ? WISH_NAT : vip->flags & LB_VIP_L2 ? WISH_L2 : WISH_IPIP;
}

void wish_vip_mode_set(struct lb_wish_vip *vip, enum wish_mode mode)
{
	vip->flags &= ~(uint32_t)(LB_VIP_NAT | LB_VIP_L2);
	vip->flags |= modes[mode].vip_flags;
}

int wish_mac_parse(const char *text, uint8_t mac[6])
{
	unsigned b[6];
	int end = 0, i;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &end) != 6 || text[end])
		return -EINVAL;
	for (i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return 0;
}

const char *wish_mode_name(enum wish_mode mode)
{
	return modes[mode].name;
}

uint8_t wish_mode_flags(enum wish_mode mode)
{
	return modes[mode].flags;
}

uint32_t wish_flag_parse(const char *text)
{
	size_t i;

	for (i = 0; i < WISH_FLAGS; i++) {
		if (!strcmp(text, flags[i].name))
			return flags[i].flag;
	}
	return 0;
}

const char *wish_flag_name(uint32_t flag)
{
	size_t i;

	for (i = 0; i < WISH_FLAGS; i++) {
		if (flags[i].flag == flag)
			return flags[i].name;
	}
	return NULL;
}

const char *wish_vip_text(const struct lb_wish_vip *vip, char out[WISH_VIP_TEXT])
{
	char addr[LB_ADDR_TEXT], bits[8] = "", port[8] = "*";

	if (vip->bits < (vip->addr.family == 4 ? 32 : 128))
		(void)snprintf(bits, sizeof(bits), "/%u", vip->bits);
	if (vip->port)
		(void)snprintf(port, sizeof(port), "%u", vip->port);
	(void)snprintf(out, WISH_VIP_TEXT, vip->addr.family == 6 ? "[%s%s]:%s/%s" : "%s%s:%s/%s",
		       lb_addr_text(&vip->addr, addr), bits, port, vip->proto == PROTO_TCP ? "tcp" : "udp");
	return out;
}

/* ---- reading a VIP, from its end ---- */

static int take_proto(char *text, struct lb_wish_vip *vip, struct err *err)
{
	char *slash = strrchr(text, '/');

	if (!slash)
		return err_set(err, EINVAL, "no /tcp or /udp at its end");
	if (!strcmp(slash, "/tcp"))
		vip->proto = PROTO_TCP;
	else if (!strcmp(slash, "/udp"))
		vip->proto = PROTO_UDP;
	else
		return err_set(err, EINVAL, "'%s' is neither /tcp nor /udp", slash);
	*slash = 0;
	return 0;
}

static int take_port(char *text, struct lb_wish_vip *vip, struct err *err)
{
	char *colon = strrchr(text, ':'), *bracket = strchr(text, ']');
	uint64_t port = 0;

	if (!colon || (bracket && colon < bracket))
		return err_set(err, EINVAL, "no port (`:*` is any)");
	if (strcmp(colon, ":*") != 0 && (parse_number(colon + 1, &port) < 0 || port > 65535))
		return err_set(err, EINVAL, "'%s' is no port", colon + 1);
	vip->port = (uint16_t)port;
	*colon = 0;
	return 0;
}

/* Are all bits behind the prefix 0? */
static bool prefix_clean(const struct lb_addr *addr, unsigned bits)
{
	const uint8_t *bytes = (const uint8_t *)addr->addr;
	unsigned i, all = addr->family == 4 ? 32 : 128;

	for (i = bits; i < all; i++) {
		if (bytes[i / 8] & (0x80U >> i % 8))
			return false;
	}
	return true;
}

int wish_net_parse(char *text, struct lb_addr *addr, uint8_t *ret_bits, struct err *err)
{
	char *slash = strchr(text, '/');
	uint64_t bits = 0;

	if (slash)
		*slash++ = 0;
	if (lb_addr_parse(text, addr) < 0)
		return err_set(err, EINVAL, "'%s' is no address", text);
	if (!slash) {
		*ret_bits = addr->family == 4 ? 32 : 128;
		return 0;
	}
	if (parse_number(slash, &bits) < 0 || bits > (addr->family == 4 ? 32 : 128))
		return err_set(err, EINVAL, "bad prefix '/%s': an IPv%u address has %u bits", slash, addr->family,
			       addr->family == 4 ? 32 : 128);
	if (!prefix_clean(addr, (unsigned)bits))
		return err_set(err, EINVAL, "bad prefix: '%s' has bits beyond the first %s", text, slash);
	*ret_bits = (uint8_t)bits;
	return 0;
}

int wish_vip_parse(const char *text, struct lb_wish_vip *ret, struct err *err)
{
	CLEANUP_FREE char *copy = strdup(text);
	struct lb_wish_vip vip = { 0 };
	char *addr = copy;
	size_t len;
	int r;

	if (!copy)
		return err_set(err, ENOMEM, "out of memory");
	r = take_proto(copy, &vip, err);
	if (!r)
		r = take_port(copy, &vip, err);
	if (r < 0)
		return r;
	len = strlen(copy);
	if (len > 1 && copy[0] == '[' && copy[len - 1] == ']') {
		copy[len - 1] = 0;
		addr = copy + 1;
	} else if (strchr(copy, ':')) {
		return err_set(err, EINVAL, "an IPv6 address stands in brackets: [%s]", copy);
	}
	r = wish_net_parse(addr, &vip.addr, &vip.bits, err);
	if (r < 0)
		return r;
	*ret = vip;
	return 0;
}
