/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_MASK_H
#define SAKER_AGENT_MASK_H
/*
 * mask - secrets in command lines and log lines become asterisks before anything is stored.
 *
 * Masked in place, length kept: the value after a word of the list (`--password=x`, `--token x`, `PGPASSWORD=x`,
 * `{"password":"x"}`), the password in `scheme://user:password@host` and in curl's `-u user:password`, and mysql's and
 * sshpass's `-pSECRET`.  Arguments may be separated by NULs, as the kernel has them: then a value that is an argument, or
 * the rest of one, is masked to its end, spaces included.
 */
#include <stddef.h>

void mask_secrets(char *text, size_t len);

#endif
