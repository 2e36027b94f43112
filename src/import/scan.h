/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_IMPORT_SCAN_H
#define SAKER_IMPORT_SCAN_H
/*
 * scan - cuts a file into JSON objects and other lines.  A file that begins with [ is an array, however its objects
 * lie on lines; else each line that begins with { is an object, and may be continued over lines when a string has
 * line feeds in it.  Control characters in strings are taken as they are; bytes that are no UTF-8 become U+FFFD.
 *
 * Threads: none shared.  Memory: IMPORT_LINE_MAX.
 */
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

struct err;

struct scan_ops {
	/* An object that begins on that line, lines of text; below 0 ends the scan. */
	int (*object)(void *arg, const json_t *o, uint64_t line, uint64_t lines, struct err *err);
	/* A line that is none; not empty, without its end. */
	int (*text)(void *arg, const char *text, uint64_t line, struct err *err);
	void (*bad)(void *arg, uint64_t line, uint64_t lines, const char *why);
};

struct scan_counts {
	uint64_t lines, blank, repaired;
};

int scan_file(FILE *f, const char *name, const struct scan_ops *ops, void *arg, struct scan_counts *counts,
	      struct err *err);

#endif
