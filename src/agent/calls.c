/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/calls.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "kernel/kernel.h"

#define CALLS_LOOK_NS (5 * NS_PER_SEC)

static int calls_set(struct calls *c, struct kernel *k, bool on, struct err *err)
{
	c->on = on;
	return kernel_calls(k, on, err);
}

/* Looks at all descriptors of selected processes; returns whether one of them is to be watched, or -errno. */
static int calls_look(struct calls *c, struct kernel *k, struct err *err)
{
	int e;

	c->looked_ns = clock_boot_ns();
	kernel_control(k)->call_found = 0;
	e = kernel_iterate(k, "call_snapshot", err);
	return e < 0 ? e : kernel_control(k)->call_found != 0;
}

/* Files are watched from their open on, which nothing but the calls themselves shows. */
static bool calls_always(struct kernel *k)
{
	return kernel_observed(k) & OBSERVE_FILE;
}

/* A byte into a file without a name, on that file system; false: none can be made there. */
static bool ext4_write(const char *folder)
{
	CLEANUP_CLOSE int fd = -1;
	struct statfs fs;

	if (statfs(folder, &fs) < 0 || fs.f_type != EXT4_SUPER_MAGIC)
		return false;
	fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	return fd >= 0 && write(fd, "", 1) == 1;
}

/* Whether the hooks of ext4 can be relied on shows by a write of our own; if not, the exits of calls serve. */
static void calls_try_files(struct kernel *k)
{
	static const char *const places[] = { "/var/tmp", "/var/log", "/tmp", "/" };
	struct kernel_control *c = kernel_control(k);
	size_t i;

	c->file_hooks = FILE_HOOKS_TRIED;
	/* more than once: a kernel may pass over a hook now and then */
	for (i = 0; i < 3 * ARRAY_LEN(places) && c->file_hooks != FILE_HOOKS_SEEN; i++)
		(void)ext4_write(places[i % ARRAY_LEN(places)]);
	if (c->file_hooks != FILE_HOOKS_SEEN)
		c->file_hooks = FILE_HOOKS_OFF;
}

int calls_start(struct calls *c, struct kernel *k, bool command, bool named, struct err *err)
{
	bool now = command || calls_always(k);
	int e;

	if (!named)
		calls_try_files(k);
	e = now ? calls_set(c, k, true, err) : 0;
	if (e >= 0)
		e = calls_look(c, k, err);
	return e > 0 ? calls_set(c, k, true, err) : e;
}

int calls_tick(struct calls *c, struct kernel *k, struct err *err)
{
	int e;

	if (!c->on && kernel_control(k)->call_found)
		return calls_set(c, k, true, err);
	if (calls_always(k) || clock_boot_ns() - c->looked_ns < CALLS_LOOK_NS)
		return 0;
	e = calls_look(c, k, err);
	return e < 0 ? e : calls_set(c, k, e > 0, err);
}
