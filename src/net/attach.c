/* SPDX-License-Identifier: Apache-2.0 */
#include "net/attach.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/magic.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/attach_tc.h"

#define BPFFS "/sys/fs/bpf"
#define ENTRY "chain_entry" /* the program that an interface gets, and its pin on traffic control */
/* The namespace that the kernel starts with: its cookie (net/core/net_namespace.c); since Linux 6.18 its inode (linux/nsfs.h). */
#define FIRST_NAMESPACE 1
#define FIRST_NAMESPACE_INODE 0xeffffff9U

const char *attach_mode_name(enum attach_mode mode)
{
	static const char *const names[] = { "none", "native", "generic", "tc" };

	return names[mode];
}

const char *attach_mode_text(enum attach_mode mode)
{
	static const char *const texts[] = { "no hook", "native XDP", "generic XDP", "traffic control" };

	return texts[mode];
}

/* ---- places ---- */

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && (unsigned long)fs.f_type == BPF_FS_MAGIC;
}

/* The process that made this one, or 0. */
static int parent_of(int pid)
{
	char path[32], text[512] = "";
	const char *name_end;
	int parent = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	name_end = fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	(void)fclose(f);
	return name_end && sscanf(name_end, ") %*c %d", &parent) == 1 ? parent : 0;
}

/*
 * `ip netns exec` gives a command a mount namespace of its own, with a new /sys and no BPF file system in it; one that is mounted there
 * ends with the command, and so does what is pinned in it.  So it is the one of those who called.
 */
static const char *root_path(void)
{
	static char path[64];
	const char *said = getenv("SAKER_BPFFS");
	int pid;

	if (said && *said)
		return said;
	for (pid = is_bpffs(BPFFS) ? 0 : getppid(); pid > 0; pid = parent_of(pid)) {
		(void)snprintf(path, sizeof(path), "/proc/%d/root" BPFFS, pid);
		if (!is_bpffs(path))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%d/root" ATTACH_ROOT, pid);
		return path;
	}
	return ATTACH_ROOT;
}

/* Has this process, or one that called it, left the mount namespace where it began? */
static bool own_mounts(void)
{
	struct stat own, other;
	char path[32];
	int pid;

	for (pid = getppid(); pid > 0; pid = parent_of(pid)) {
		(void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
		if (!stat("/proc/self/ns/mnt", &own) && !stat(path, &other) && own.st_ino != other.st_ino)
			return true;
	}
	return false;
}

static int mount_bpffs(struct err *err)
{
	if (own_mounts())
		return err_set(err, EINVAL,
			       "no BPF file system is mounted on '%s', and one in this process's own mount namespace "
			       "would end with it: "
			       "'mount -t bpf bpf %s' on the host first",
			       BPFFS, BPFFS);
	if (mount("bpf", BPFFS, "bpf", 0, "mode=0700"))
		return err_errno(err, errno, "cannot mount the BPF file system on '%s'", BPFFS);
	return 0;
}

int attach_root(char *path, size_t size, struct err *err)
{
	const char *root = root_path();

	(void)snprintf(path, size, "%s", root);
	if (!strncmp(root, BPFFS, strlen(BPFFS)) && !is_bpffs(BPFFS) && mount_bpffs(err) < 0)
		return -EINVAL;
	if (mkdir(root, 0700) && errno != EEXIST)
		return err_errno(err, errno, "cannot make the folder '%s'", root);
	if (!is_bpffs(root))
		return err_set(err, EINVAL, "'%s' is in no BPF file system: programs cannot be pinned there", root);
	return 0;
}

uint64_t attach_namespace(void)
{
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	struct stat st;

	if (!stat("/proc/self/ns/net", &st) && st.st_ino == FIRST_NAMESPACE_INODE)
		return 0;
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
		return 0;
	return cookie == FIRST_NAMESPACE ? 0 : cookie;
}

static void swap_all(char *text, char from, char to)
{
	for (; *text; text++) {
		if (*text == from)
			*text = to;
	}
}

/*
 * Interfaces of different network namespaces may have one name.  BPF's file system has no names with dots (kernel/bpf/inode.c,
 * bpf_lookup), and interfaces none with colons (net/core/dev.c, dev_valid_name).
 */
static void key_fill(struct attach *a)
{
	uint64_t ns = attach_namespace();
	char name[IF_NAMESIZE];

	(void)snprintf(name, sizeof(name), "%s", a->name);
	swap_all(name, '.', ':');
	if (ns)
		(void)snprintf(a->key, sizeof(a->key), "%s@%" PRIu64, name, ns);
	else
		(void)snprintf(a->key, sizeof(a->key), "%s", name);
}

/* Is `key` that of the interface which its first `len` characters name? */
static bool key_of(const char *key, size_t len, char name[IF_NAMESIZE])
{
	struct attach a;

	if (!len || len >= sizeof(a.name))
		return false;
	(void)snprintf(a.name, sizeof(a.name), "%.*s", (int)len, key);
	swap_all(a.name, ':', '.');
	key_fill(&a);
	if (strcmp(a.key, key) != 0)
		return false;
	(void)snprintf(name, IF_NAMESIZE, "%s", a.name);
	return true;
}

bool attach_key_here(const char *key, char name[IF_NAMESIZE])
{
	const char *at = strrchr(key, '@'); /* which a name may have, too */

	return (at && key_of(key, (size_t)(at - key), name)) || key_of(key, strlen(key), name);
}

/* ---- what is there ---- */

const char *attach_program_text(uint32_t id, char *out, size_t size)
{
	CLEANUP_CLOSE int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = { 0 };
	uint32_t bytes = sizeof(info);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &bytes))
		info.name[0] = 0;
	(void)snprintf(out, size, "'%s' (id %u)", info.name, id);
	return out;
}

static void xdp_read(struct attach *a)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, hook);

	a->xdp = 0;
	a->mode = ATTACH_NONE;
	if (bpf_xdp_query((int)a->ifindex, 0, &hook))
		return;
	a->xdp = hook.drv_prog_id   ? hook.drv_prog_id
		 : hook.skb_prog_id ? hook.skb_prog_id
		 : hook.hw_prog_id  ? hook.hw_prog_id
				    : hook.prog_id;
	if (hook.drv_prog_id || hook.hw_prog_id)
		a->mode = ATTACH_NATIVE;
	else if (hook.skb_prog_id)
		a->mode = ATTACH_GENERIC;
}

/* What is on traffic control under our name. */
static void tc_open(struct attach_tc *t, const struct attach *a)
{
	attach_tc_open(t, a, ENTRY, false);
}

static void hook_read(struct attach *a)
{
	struct attach_tc t;

	xdp_read(a);
	a->program = a->xdp;
	tc_open(&t, a);
	a->tc = t.how != ATTACH_TC_NONE;
	if (a->tc && a->link < 0) {
		a->mode = ATTACH_TC;
		a->program = t.program;
	}
	attach_tc_close(&t);
}

bool attach_ours(const struct attach *a)
{
	return a->link >= 0 || a->tc;
}

/* The kernel says so by the interface's kind of address. */
static bool has_ethernet(const char *interface)
{
	CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { 0 };

	(void)snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", interface);
	if (ioctl(fd, SIOCGIFHWADDR, &req))
		return false;
	return req.ifr_hwaddr.sa_family == ARPHRD_ETHER || req.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
}

static void link_path(const struct attach *a, char *path, size_t size)
{
	(void)snprintf(path, size, "%s/link", a->dir);
}

/* Our link, if it is still on this interface: one that was deleted and made again has none, whatever its name. */
static int link_open(const struct attach *a)
{
	char path[PATH_MAX];
	struct bpf_link_info info = { 0 };
	uint32_t bytes = sizeof(info);
	int fd;

	link_path(a, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -1;
	if (!bpf_obj_get_info_by_fd(fd, &info, &bytes) && info.type == BPF_LINK_TYPE_XDP &&
	    info.xdp.ifindex == a->ifindex)
		return fd;
	(void)close(fd);
	return -1;
}

int attach_place(struct attach *a, const char *interface, struct err *err)
{
	memset(a, 0, sizeof(*a));
	a->link = -1;
	if (!*interface || strlen(interface) >= sizeof(a->name) || strchr(interface, '/') || *interface == '.')
		return err_set(err, ENODEV, "there is no interface '%s'", interface);
	(void)snprintf(a->name, sizeof(a->name), "%s", interface);
	key_fill(a);
	(void)snprintf(a->dir, sizeof(a->dir), "%.900s/%s", root_path(), a->key);
	return 0;
}

int attach_open(struct attach *a, const char *interface, struct err *err)
{
	int r = attach_place(a, interface, err);

	if (r < 0)
		return r;
	a->ifindex = if_nametoindex(interface);
	if (!a->ifindex)
		return err_set(err, ENODEV, "there is no interface '%s'", interface);
	a->ethernet = has_ethernet(interface);
	a->link = link_open(a);
	hook_read(a);
	return 0;
}

void attach_close(struct attach *a)
{
	if (a->link >= 0)
		(void)close(a->link);
	a->link = -1;
}

int attach_free(const struct attach *a, enum attach_want want, struct err *err)
{
	char text[64];

	if (!a->ethernet)
		return err_set(err, EOPNOTSUPP,
			       "interface '%s' has no Ethernet headers: the programs would take its packets for what "
			       "they are not",
			       a->name);
	if (a->link >= 0 || !a->xdp || want == ATTACH_WANT_TC)
		return 0;
	if (!strncmp(attach_program_text(a->xdp, text, sizeof(text)), "'chain_entry'", 13))
		return err_set(
			err, EBUSY,
			"interface '%s' has a chain of saker's, %s, which was put there when the interface had "
			"another name or namespace, or has its pins elsewhere: `saker detach --all` there takes it off",
			a->name, text);
	return err_set(
		err, EBUSY,
		"interface '%s' has an XDP program of somebody else, %s: saker does not replace it (`ip link set dev "
		"%s xdp off` would remove it; with `hook: tc` saker stands behind it)",
		a->name, attach_program_text(a->xdp, text, sizeof(text)), a->name);
}

/* ---- on and off ---- */

static int link_make(struct attach *a, int program, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);

	a->link = bpf_link_create(program, (int)a->ifindex, BPF_XDP, &opts);
	return a->link < 0 ? -errno : 0;
}

static int link_pin(struct attach *a, struct err *err)
{
	char path[PATH_MAX];

	link_path(a, path, sizeof(path));
	(void)unlink(path); /* of an interface that is no more */
	if (!bpf_obj_pin(a->link, path))
		return 0;
	(void)err_errno(err, errno, "cannot pin '%s'", path);
	attach_close(a);
	return -err->code;
}

static int xdp_detach(struct attach *a, struct err *err)
{
	char path[PATH_MAX];

	link_path(a, path, sizeof(path));
	/* the link may be held by others, too: detached it is off for sure */
	if (a->link >= 0 && bpf_link_detach(a->link) && errno != ENOLINK)
		return err_errno(err, errno, "cannot take the chain off interface '%s'", a->name);
	attach_close(a);
	if (unlink(path) && errno != ENOENT)
		return err_errno(err, errno, "cannot remove '%s'", path);
	return 0;
}

static int tc_detach(struct attach *a, struct err *err)
{
	struct attach_tc t;
	int r;

	tc_open(&t, a);
	r = attach_tc_detach(&t, err);
	attach_tc_close(&t);
	return r;
}

static int tc_set(struct attach *a, int program, struct err *err)
{
	struct attach_tc t;
	int r;

	tc_open(&t, a);
	r = attach_tc_set(&t, program, err);
	attach_tc_close(&t);
	return r;
}

static int link_new(struct attach *a, int program, bool generic)
{
	int r = generic ? -EOPNOTSUPP : link_make(a, program, XDP_FLAGS_DRV_MODE);

	a->why[0] = 0;
	if (r >= 0)
		return r;
	(void)snprintf(a->why, sizeof(a->why), "%s",
		       generic		  ? "it was asked for"
		       : r == -EOPNOTSUPP ? "the driver has no XDP, or not with its present settings"
					  : strerror(-r));
	return link_make(a, program, XDP_FLAGS_SKB_MODE);
}

/* Is ours in the wrong mode, as far as can be known? */
static bool wrong_mode(const struct attach *a, enum attach_want want)
{
	return want == ATTACH_WANT_GENERIC ? a->mode == ATTACH_NATIVE
					   : want == ATTACH_WANT_AGAIN && a->mode == ATTACH_GENERIC;
}

static int mode_change(struct attach *a, int program, enum attach_want want, struct err *err)
{
	uint64_t began_ns = clock_boot_ns();
	bool was_generic = a->mode == ATTACH_GENERIC;
	struct err none = ERR_INIT;
	int r = xdp_detach(a, err);

	if (r < 0)
		return r;
	r = link_new(a, program, want == ATTACH_WANT_GENERIC);
	if (r < 0) {
		(void)err_errno(err, -r, "cannot change the mode of XDP on interface '%s'", a->name);
		if (link_new(a, program, was_generic) >= 0)
			(void)link_pin(a, &none);
		return r;
	}
	a->gap_ns = clock_boot_ns() - began_ns;
	return link_pin(a, err);
}

static int xdp_set(struct attach *a, int program, enum attach_want want, struct err *err)
{
	int r;

	if (a->link >= 0 && wrong_mode(a, want))
		return mode_change(a, program, want, err);
	if (a->link >= 0) {
		if (bpf_link_update(a->link, program, NULL))
			return err_errno(err, errno, "cannot replace the program on interface '%s'", a->name);
		hook_read(a);
		return 0;
	}
	r = link_new(a, program, want == ATTACH_WANT_GENERIC);
	if (r < 0)
		return err_errno(err, -r, "cannot put the chain on interface '%s'", a->name);
	return link_pin(a, err);
}

/* From one hook to the other: the new one is there before the old one goes; the packets between see XDP's. */
int attach_set(struct attach *a, int program, enum attach_want want, struct err *err)
{
	int r = attach_free(a, want, err);

	a->gap_ns = 0;
	if (!r && want == ATTACH_WANT_TC) {
		r = tc_set(a, program, err);
		if (!r)
			r = xdp_detach(a, err);
	} else if (!r) {
		r = xdp_set(a, program, want, err);
		if (!r)
			r = tc_detach(a, err);
	}
	hook_read(a);
	return r;
}

int attach_detach(struct attach *a, struct err *err)
{
	int r = xdp_detach(a, err);

	if (!r)
		r = tc_detach(a, err);
	hook_read(a);
	return r;
}
