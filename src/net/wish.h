/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_WISH_H
#define SAKER_NET_WISH_H
/*
 * wish - what a person wants of the packet functions, as one document: YAML (JSON is YAML), docs/man/saker-apply.1.
 *
 * A document is read as a whole: every error is listed with its line, and only one without errors becomes a wish.  What is written
 * by wish_yaml() reads as the same wish.
 *
 * Threads: any, one for each wish.  Memory: bounded by WISH_BYTES of text and the limits below.
 * Failure: nothing is returned but the errors.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/lb/lb.h"

struct buf;
struct err;

#define WISH_BYTES (16U << 20) /* of a document */
#define WISH_INTERFACES 64
#define WISH_VIPS 4096 /* of an interface */
#define WISH_BACKENDS (LB_REALS - 1)
#define WISH_LIST 65536 /* routes, ids, marks: each */
#define WISH_NAME 32
#define WISH_FLAGS 10

#define WISH_BY_ROUTES "routes" /* of this host, for each packet */
#define WISH_TO_SENDER "sender" /* of each packet: the link address that it came from */

/* How a packet goes to a backend; NAT and L2 are a whole VIP's, and are kept in its flags. */
enum wish_mode { WISH_IPIP, WISH_GUE, WISH_NAT, WISH_L2, WISH_MODES };

struct wish_backend {
	char name[WISH_NAME]; /* empty: it is called by its address */
	struct lb_addr addr;
	uint32_t weight;
	enum wish_mode mode;
	bool down, local;
	uint8_t mac[6];	    /* L2: all 0: the neighbour's */
	char interface[16]; /* L2, with a MAC; empty: where packets came from */
	unsigned line;
};

/* What the agent may do by itself (peer/health.h); of an interface, and of a VIP, which goes before. 0: not said. */
enum wish_health_mode { WISH_OFF = 1, WISH_SHADOW, WISH_LIVE };
enum wish_health_switch { WISH_SWITCH_OFF = 1, WISH_SWITCH_ON };
/* How a backend is checked. */
enum wish_check {
	WISH_CHECK_NONE = 1,
	WISH_CHECK_TCP,
	WISH_CHECK_HTTP,
	WISH_CHECK_HTTPS,
	WISH_CHECK_TLS,
	WISH_CHECK_UDP
};

#define WISH_HOST 128
#define WISH_TEXT 200

struct wish_health {
	uint32_t mode;	     /* enum wish_health_mode */
	uint32_t rise, fall; /* checks in a row, until a backend is taken for well or for dead */
	uint32_t eject_max;  /* percent of a VIP's weight */
	uint32_t base_eject_s, max_eject_s, slow_start_s;
	uint32_t window_s; /* in which the following are counted */
	uint32_t syn_again, resets, overflow;
	uint32_t effect_s;			/* how long before and after an action is measured */
	uint32_t load;				/* enum wish_health_switch: weights follow the load that hosts tell */
	uint32_t load_step, load_min, load_max; /* percent of the wished weight */
	uint32_t kind;				/* enum wish_check */
	uint32_t port;				/* of checks; 0: the VIP's, with NAT that of its backends */
	uint32_t interval_ms, timeout_ms;
	uint32_t status; /* the first good one in the upper half, the last one in the lower */
	uint32_t verify; /* enum wish_health_switch: the certificate is to be valid for host */
	/* of checks; empty: not said */
	char host[WISH_HOST]; /* of HTTP, and the server name of TLS */
	char path[WISH_TEXT], text[WISH_TEXT];
	char send[WISH_TEXT], answer[WISH_TEXT]; /* UDP; 0x...: bytes in hex */
};

struct wish_vip {
	struct lb_wish_vip vip; /* backends: unused here */
	struct wish_health health;
	struct wish_backend *backends;
	size_t nbackends;
	unsigned line;
};

/* A route (net, bits), a server id or a mark of health checks. */
struct wish_to {
	struct lb_addr net;
	uint8_t bits;
	uint32_t id;
	struct wish_backend to;
	unsigned line;
};

struct wish_list {
	struct wish_to *rows;
	size_t count;
};

struct wish_if {
	char name[16];
	unsigned line;
	enum wish_mode mode; /* of backends that say none */
	char router
		[LB_ADDR_TEXT]; /* an address, a MAC, WISH_BY_ROUTES, or empty: these if the host forwards, else the route's */
	bool tc;		/* on traffic control instead of XDP */
	bool generic, drop_too_big, global;
	bool decap_ipip, decap_gue, decap_strict, decap_ttl, decap_whole, decap_source;
	uint32_t frame_max, ring, flood_rate, udp_idle_s, nat_idle_s, nat_udp_idle_s;
	uint32_t table, nat_table, room, sample, sample_drops;
	uint32_t gue_port;
	struct lb_addr gue_source4, gue_source6, ipip_source4, ipip_source6; /* family 0: not said */
	struct wish_health health;
	struct wish_backend *backends; /* those with names */
	size_t nbackends;
	struct wish_vip *vips;
	size_t nvips;
	struct wish_list routes, ids, marks;
	struct lb_wish_decap *decaps;
	size_t ndecaps;
};

struct wish {
	struct wish_if *ifs;
	size_t nifs;
};

struct wish_error {
	unsigned line; /* 0: of no line */
	char text[240];
};

struct wish_errors {
	struct wish_error *rows;
	size_t count;
};

/* Life cycle */
void wish_fini(struct wish *w); /* NULL ok */
void wish_if_fini(struct wish_if *f);
void wish_if_init(struct wish_if *f, const char *name);
void wish_errors_fini(struct wish_errors *e);

/* Reading.  -EINVAL: see *errors, of which there is one at least; *ret is empty then. */
int wish_read(const char *text, size_t len, struct wish *ret, struct wish_errors *errors);
/* Every contradiction in one interface's wish; also what wish_read() asks. */
void wish_check(const struct wish_if *f, struct wish_errors *errors);
void wish_complain(struct wish_errors *errors, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Writing */
void wish_yaml(const struct wish *w, struct buf *out);
void wish_json(const struct wish *w, struct buf *out);

/* Changing.  *err is set on failure, and the wish is as before. */
struct wish_if *wish_find(const struct wish *w, const char *interface); /* NULL: there is none */
struct wish_if *wish_add(struct wish *w, const char *interface);	/* found or new; NULL: no memory or too many */
/* -EEXIST. */
int wish_vip_add(struct wish_if *f, const struct lb_wish_vip *vip, struct err *err);
int wish_vip_del(struct wish_if *f, const struct lb_wish_vip *vip, struct err *err);
struct wish_vip *wish_vip_find(const struct wish_if *f, const struct lb_wish_vip *vip);
int wish_backend_add(struct wish_vip *vip, const struct wish_backend *b, struct err *err);
int wish_backend_del(struct wish_vip *vip, const struct lb_addr *addr, struct err *err);
struct wish_backend *wish_backend_find(const struct wish_vip *vip, const struct lb_addr *addr);
/* *to becomes a copy of the interface's wish; false: out of memory, *to is to be forgotten by wish_if_fini(). */
bool wish_if_copy(struct wish_if *to, const struct wish_if *from);

/* What holds for a VIP (NULL: for one that says nothing): each value is said, here, by the interface, or is the usual one. */
/* With host, path, ... of both, and `/` as the usual path. */
void wish_health_of(const struct wish_if *f, const struct wish_vip *v, struct wish_health *ret);

/* Are the VIP's backends checked, and how?  False: *ret says what else holds. */
bool wish_health_checks(const struct wish_if *f, const struct wish_vip *v, struct wish_health *ret);
bool wish_if_checks(const struct wish_if *f); /* any VIP's */
const char *wish_check_name(uint32_t kind);   /* "tcp", ... */

/* Words.  -EINVAL; err (may be NULL) says why. */
int wish_vip_parse(const char *text, struct lb_wish_vip *ret,
		   struct err *err); /* 10.0.0.1:80/tcp, [2001:db8::/64]:0/udp */
#define WISH_VIP_TEXT 80
const char *wish_vip_text(const struct lb_wish_vip *vip, char out[WISH_VIP_TEXT]);
int wish_mode_parse(const char *text, enum wish_mode *ret); /* -EINVAL */
bool wish_mode_tunnel(enum wish_mode mode);
enum wish_mode wish_vip_mode(const struct lb_wish_vip *vip); /* WISH_IPIP: its backends say which tunnel */
void wish_vip_mode_set(struct lb_wish_vip *vip, enum wish_mode mode);
int wish_mac_parse(const char *text, uint8_t mac[6]); /* -EINVAL */
const char *wish_mode_name(enum wish_mode mode);
uint8_t wish_mode_flags(enum wish_mode mode); /* LB_REAL_* */
uint32_t wish_flag_parse(const char *text);   /* LB_VIP_*; 0: there is no such flag */
const char *wish_flag_name(uint32_t flag);    /* of one bit; NULL */

#endif
