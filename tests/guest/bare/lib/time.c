// SPDX-License-Identifier: GPL-2.0-or-later
/* The TSC's rate: Xen says it; elsewhere it's measured against ACPI's timer. */
#include "bare.h"

uint32_t tsc_khz = 1000000;
const char *tsc_source = "assumed";

void time_init(void)
{
    if ( xen_cpuid_base && cpuid(xen_cpuid_base, 0).a >= xen_cpuid_base + 3 )
    {
        uint32_t khz = cpuid(xen_cpuid_base + 3, 0).c;

        if ( khz )
        {
            tsc_khz = khz;
            tsc_source = "xen";
            return;
        }
    }
    if ( acpi.pm_timer )
    {
        uint32_t start = inl(acpi.pm_timer), now = 0;
        uint64_t t0 = rdtsc(), t1;
        unsigned int tries = 2000000;

        do
            now = (inl(acpi.pm_timer) - start) & 0xffffff;
        while ( now < 35795 && --tries );       /* 10 ms */
        t1 = rdtsc();
        if ( tries && t1 > t0 )
        {
            tsc_khz = (t1 - t0) * 3579545 / now / 1000;
            tsc_source = "acpi";
        }
    }
}
