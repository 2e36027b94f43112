/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_LOG_FILES_H
#define SAKER_AGENT_LOG_FILES_H
/*
 * log_files - which files are logs: those whose path fits a pattern of --log.
 *
 * The kernel compares the last part of the name roughly and sends the whole path (probe/log_call.bpf.h); here it is compared
 * as glob(7) says, and the kernel is told.  The decision belongs to the inode, so a log that is renamed stays one.
 *
 * Threads: one.  Memory: LOG_FILES_KNOWN paths; when there are more the oldest are forgotten, and with them the names.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event/event.h"

struct err;
struct kernel_cfg;
struct log_files;

#define LOG_FILES_KNOWN 8192

/* globs: as on the command line; a relative one begins at the working directory.  Fills what the kernel compares. */
int log_files_new(const char *const *globs, size_t nglobs, struct kernel_cfg *cfg, struct log_files **ret,
		  struct err *err);
struct log_files *log_files_free(struct log_files *f); /* NULL ok; returns NULL */

/* A piece with the path of a file; map_fd: of the kernel's table, -1: none. */
int log_files_see(struct log_files *f, const struct event_log_piece *p, int map_fd);
/* The file's path, "": it is no log (or none is known any more). */
const char *log_files_name(const struct log_files *f, uint64_t inode, uint32_t device, uint32_t generation);

#endif
