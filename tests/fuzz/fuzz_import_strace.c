/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_import_strace - any bytes as the output of strace: see fuzz_import.c. */
#define FORMAT import_strace
#include "fuzz_import.c"
