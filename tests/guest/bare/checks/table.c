// SPDX-License-Identifier: GPL-2.0-or-later
/* The checks, in the order in which they run.  A new one: a file here, and a line below. */
#include "bare.h"

#define CHECKS(X) \
    X(boot) X(acpi) X(smp) X(apicid) X(cpuid) X(ipi) X(ioreq) X(mmio) X(timer)

#define DECLARE(n)  extern const struct check check_##n;
#define ENTRY(n)    &check_##n,

CHECKS(DECLARE)

const struct check *const check_table[] = { CHECKS(ENTRY) };
const unsigned int check_table_size = ARRAY_SIZE(check_table);
