/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_AGENT_MASK_H
#define SAKER_AGENT_MASK_H
/*
 * mask - secrets in command lines and log lines become asterisks before anything is stored.
 *
 * Masked in place, length kept: the value after a word of the list (`--password=x`, `--token x`,
 * `PGPASSWORD=x`, `-pSECRET` of mysql is not known by its shape and stays), and the password in
 * `scheme://user:password@host`.
 */
#include <stddef.h>

void mask_secrets(char *text, size_t len);

#endif
