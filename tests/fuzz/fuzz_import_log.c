/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_import_log - any bytes as a file of format log. */
#define FORMAT import_log
#include "fuzz_import.c"
