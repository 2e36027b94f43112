/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_import_journal - any bytes as a file of format journal. */
#define FORMAT import_journal
#include "fuzz_import.c"
