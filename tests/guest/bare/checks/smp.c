// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * smp: every AP that the MADT has as enabled comes up after INIT and a start-up IPI, sent to
 * the ID that the MADT gives, one at a time.
 *
 * The times are the BSP's, from INIT to the AP's report.  A CPU with an ID over 254 can't be
 * reached when the firmware left the APICs in xAPIC mode: that is a failure (of the firmware).
 */
#include "bare.h"

static void run(void)
{
    unsigned int i;

    for ( i = 0; i < cpu_count; i++ )
    {
        const struct cpu *c = cpus[i];

        if ( c->online || !(c->flags & MADT_ENABLED) )
            continue;
        if ( !apic_x2 && c->id > 254 )
            check_fail("CPU %u: ID %u can't be reached, the firmware left the APICs in xAPIC mode", c->index, c->id);
        else if ( c->lost )
            check_fail("CPU %u, ID %u, did not start", c->index, c->id);
        else
            check_fail("CPU %u, ID %u, was not tried after the failures before", c->index, c->id);
    }
    if ( smp_strangers )
        check_fail("%u CPUs came up that were not called, the last by ID %u", smp_strangers, smp_stranger_id);
    for ( i = 0; i < cpu_count; i++ )
        if ( cpus[i]->online && cpus[i]->sends_failed )
            check_fail("CPU %u could not send %u IPIs", cpus[i]->index, cpus[i]->sends_failed);
    check_note("%u of %u online, %u in x2APIC mode at hand-over, %lu us", cpus_online, cpus_enabled,
               cpus_x2_handover, tsc_to_us(bringup_total_tsc));
}

const struct check check_smp = { "smp", "INIT and SIPI start each AP", .needs_aps = true, .run = run };
