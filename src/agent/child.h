/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_CHILD_H
#define SAKER_AGENT_CHILD_H
/*
 * child - the command of `saker record -- cmd`: forked early, waiting on a pipe before its exec until all is
 * attached, and run as the user who called sudo.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;

struct child {
	const char *name; /* borrowed from argv */
	pid_t pid;	  /* 0: none */
	int go;		  /* write end of the pipe */
	int failed;	  /* read end: errno of a failed exec arrives here */
	bool done;
	int status; /* as of waitpid(2), once done */
};

#define CHILD_INIT                     \
	{                              \
		.go = -1, .failed = -1 \
	}

/* The invoking user behind sudo (SUDO_UID, SUDO_GID); own ids otherwise. */
void child_invoker(uid_t *ret_uid, gid_t *ret_gid);

/* Gives up root for the invoking user; 0 or an errno. */
int child_become_invoker(void);
/* The same, with a sentence.  nobody: where root itself called, the user 65534 instead. */
int child_give_up_root(bool nobody, struct err *err);

/* as_root: keep root instead of becoming the invoking user; ignored: bit per signal that the command is to ignore. */
int child_start(struct child *c, char *const *argv, bool as_root, uint64_t ignored, struct err *err);
int child_release(struct child *c, struct err *err); /* -ENOENT, -EACCES: it could not be run */
bool child_ended(struct child *c);		     /* looks, does not block */
void child_stop(struct child *c);		     /* asks it to end (SIGTERM), if it runs */
void child_end(struct child *c);	    /* reaps one that was never released; one that runs is left alone */
int child_exit_code(const struct child *c); /* as a shell says it: 128 + signal */

#endif
