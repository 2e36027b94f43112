/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_NET_ATTACH_H
#define SAKER_NET_ATTACH_H
/*
 * attach - a program on an interface's XDP hook, by a link that is pinned and so outlives its process; or on its traffic control
 * (net/attach_tc.h).
 *
 * Everything of an interface lies in one folder of the BPF file system, /sys/fs/bpf/saker/IF (in another network namespace than
 * the host's first: IF@COOKIE, since names repeat; a dot in a name is a colon there): `link`, and the chain (net/pin.h).  A program
 * of others on the hook is named and never replaced.  When the link's file goes, so does the program, and the interface is as before.
 *
 * Threads: one.  Memory: this struct and a file descriptor.
 * Failure: the interface stays as it was.
 */
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

#define ATTACH_ROOT "/sys/fs/bpf/saker" /* or $SAKER_BPFFS */

enum attach_mode {
	ATTACH_NONE,
	ATTACH_NATIVE,	/* in the driver, before anything is allocated for the packet */
	ATTACH_GENERIC, /* in the kernel's receive path: works everywhere, and is slower */
	ATTACH_TC,	/* at ingress of traffic control: after GRO, beside an XDP program of others */
};

/* ATTACH_WANT_AGAIN: as ATTACH_AUTO, and where ours runs in generic mode the driver is tried once more. */
enum attach_want { ATTACH_AUTO, ATTACH_WANT_AGAIN, ATTACH_WANT_GENERIC, ATTACH_WANT_TC };

struct attach {
	char name[IF_NAMESIZE];
	char key[IF_NAMESIZE + 24]; /* of the folder, and of what is kept elsewhere: IF, or IF@COOKIE */
	char dir[PATH_MAX / 4];
	unsigned ifindex;
	bool ethernet; /* frames begin with an Ethernet header: the programs read no other */
	int link;      /* of XDP; -1: nothing of ours is there */
	bool tc;       /* ours is on traffic control */
	uint32_t xdp;  /* id of the program on the XDP hook, ours or not; 0: none */
	enum attach_mode mode;
	uint32_t program; /* id of ours; where there is none, that of XDP, of others; 0: none */
	char why[160];	  /* why not native, where it is generic; else empty */
	uint64_t gap_ns;  /* of attach_set(): so long no program was there; 0: there was one always */
};

/* Life cycle.  The folder need not be there, and is not made.  -ENODEV: there is no such interface. */
int attach_open(struct attach *a, const char *interface, struct err *err);
void attach_close(struct attach *a);
/* Fills name, key and dir alone, also of an interface that is gone. */
int attach_place(struct attach *a, const char *interface, struct err *err);

/* Whether a key is one of this network namespace, and then of which interface. */
bool attach_key_here(const char *key, char name[IF_NAMESIZE]);

/* The cookie of this network namespace, which no other one has until the host restarts; 0: the host's first. */
uint64_t attach_namespace(void);
/* The folder of all interfaces, and its file system; makes and mounts what is missing. */
int attach_root(char *path, size_t size, struct err *err);
bool attach_ours(const struct attach *a); /* is a program of ours on the interface? */
/*
 * -EBUSY: somebody else's program is on the interface's XDP hook; *err names it.  -EOPNOTSUPP: it has no Ethernet headers.
 */
int attach_free(const struct attach *a, enum attach_want want, struct err *err);
/*
 * Puts the program, of the type for what is wanted, on the interface, or in the place of ours without a packet between.  Only from native
 * to generic XDP and back there is a gap, for the kernel does not have both (net/core/dev.c, dev_xdp_attach); what fails there leaves
 * the mode that was.
 */
int attach_set(struct attach *a, int program, enum attach_want want, struct err *err);
/* Takes ours off; the folder is the caller's to remove. */
int attach_detach(struct attach *a, struct err *err);

const char *attach_mode_name(enum attach_mode mode); /* "native", ... */
const char *attach_mode_text(enum attach_mode mode); /* "native XDP", ... */
/* "'NAME' (id N)" of a program in the kernel. */
const char *attach_program_text(uint32_t id, char *out, size_t size);

#endif
