// SPDX-License-Identifier: GPL-2.0-or-later
/* The checks, in the order in which they run.  A new one: a file here, and a line below. */
#include "bare.h"

#define CHECKS(X) \
    X(boot) X(acpi) X(mptable) X(srat) X(smp) X(apicid) X(cpuid) X(ipi) X(ioreq) X(mmio) X(timer) X(bench) \
    X(vtd_dmar) X(vtd_reset) X(vtd_queue) X(vtd_msi) X(vtd_modes) X(vtd_edge) X(vtd_level) X(vtd_sid) X(vtd_faults) \
    X(vtd_events) X(vtd_compat) X(vtd_multi) X(vtd_msix) X(vtd_table) X(vtd_order) X(vtd_robust) X(vtd_hostile)

#define DECLARE(n)  extern const struct check check_##n;
#define ENTRY(n)    &check_##n,

CHECKS(DECLARE)

const struct check *const check_table[] = { CHECKS(ENTRY) };
const unsigned int check_table_size = ARRAY_SIZE(check_table);
