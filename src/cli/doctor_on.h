/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAKER_CLI_DOCTOR_ON_H
#define SAKER_CLI_DOCTOR_ON_H
/* doctor_on - prints what an interface lets packet functions do; the exit status: 1 if its hook is somebody else's. */
#include <stdbool.h>

int doctor_on(const char *interface, bool json);

#endif
