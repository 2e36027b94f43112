/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_IMPORT_STRACE_LINE_H
#define SAKER_IMPORT_STRACE_LINE_H
/*
 * strace_line - the text of strace(1), version 4.26 and later: who, when, and what; and a call cut into its arguments.
 *
 * Threads: none shared.  Memory: none; all pointers are into the text that was given, which is cut in place.
 * Failure: a sentence that says what is wrong with the line.
 */
#include <stdbool.h>
#include <stdint.h>

#include "import/import.h"

#define STRACE_ARGS 8 /* further arguments stay in the last one */

enum strace_kind {
	STRACE_CALL,
	STRACE_UNFINISHED,
	STRACE_RESUMED,
	STRACE_SIGNAL,
	STRACE_STOPPED,
	STRACE_EXITED,
	STRACE_KILLED
};

struct strace_line {
	enum strace_kind kind;
	uint32_t tid; /* 0: the line does not say */
	uint64_t ns;  /* wall clock */
	char *text; /* CALL: whole; UNFINISHED: up to the mark; RESUMED: from behind it; SIGNAL, KILLED: its name on */
	char *name; /* RESUMED: of the call */
	int code;   /* EXITED */
	bool core;  /* KILLED: and a core was written */
};

/* 0, or -EBADMSG.  text is cut and stays borrowed. */
int strace_line_parse(char *text, struct strace_line *ret, struct err *err);

struct strace_call {
	char *name;
	size_t args_at, args_len; /* where all of them stand in the text, which is cut now */
	char *argv[STRACE_ARGS];
	unsigned int argc;
	bool returned; /* false: `= ?`, it did not come back */
	int64_t value;
	char *error;	   /* ECONNREFUSED; NULL: none */
	char *value_fd;	   /* what the returned descriptor is, without <>; NULL */
	uint64_t spent_ns; /* -T; 0: not said */
};

int strace_call_parse(char *text, struct strace_call *ret, struct err *err);

/* `3<TCP:[a->b]>`: the number, and *ret_what what stands in <>, NULL: nothing does.  -1: no descriptor. */
int strace_fd(char *arg, char **ret_what);

/* What -yy says of a socket: `TCP:[127.0.0.1:80->127.0.0.1:4711]`. */
struct strace_sock {
	uint8_t protocol; /* enum of events: tcp, udp */
	bool bound, connected;
	uint64_t inode; /* neither */
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
};
bool strace_sock_parse(const char *what, struct strace_sock *ret);
/* `{sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("8.8.8.8")}` */
bool strace_addr_parse(const char *arg, uint8_t addr[16], uint16_t *ret_port);

/* Bytes of a quoted string into out, at most cap; *ret_whole: it was not cut by strace.  -1: arg is none. */
int strace_string(const char *arg, char *out, int cap, bool *ret_whole);

#endif
