// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-reset: the unit as firmware leaves it, before anything else is done to it.
 *
 * Registers have the values of a reset (10.4).  Remapping can be switched on without any table
 * having been set: then IRTA_REG's is in force, two entries at 0, and no interrupt is raised.
 * Without EIM in ECAP_REG, IRTA_REG.EIME can't be set.
 */
#include "vtd.h"

static void run(void)
{
    static const struct { const char *name; unsigned int at, value; } regs[] = {
        { "GSTS", VTD_GSTS, 0 }, { "FSTS", VTD_FSTS, 0 }, { "FECTL", VTD_FECTL, ECTL_IM }, { "IECTL", VTD_IECTL, ECTL_IM },
        { "ICS", VTD_ICS, 0 }, { "IQH", VTD_IQH, 0 }, { "IQT", VTD_IQT, 0 }, { "IQA", VTD_IQA, 0 }, { "IRTA", VTD_IRTA, 0 },
    };
    unsigned int i;

    vtd_init();
    if ( vtd.missing )
    {
        check_skip("%s", vtd.missing);
        return;
    }
    for ( i = 0; i < ARRAY_SIZE(regs); i++ )
        if ( vtd_read(regs[i].at) != regs[i].value )
            check_fail("%s is 0x%x, expected 0x%x", regs[i].name, vtd_read(regs[i].at), regs[i].value);
    for ( i = 0; i < 3; i++ )
        if ( !vtd_command(GCMD_IRE, true) || !vtd_command(GCMD_IRE, false) )
            check_fail("remapping can't be switched on and off without a table");
    vtd_write64(VTD_IRTA, IRTA_EIME);
    if ( !(vtd_read(VTD_IRTA) & IRTA_EIME) != !(vtd.ecap & ECAP_EIM) )
        check_fail("ECAP is 0x%lx, IRTA 0x%lx after EIME was set", vtd.ecap, vtd_read64(VTD_IRTA));
    vtd_write64(VTD_IRTA, 0);
    if ( vtd_read(VTD_FSTS) )
        check_fail("FSTS is 0x%x at the end", vtd_read(VTD_FSTS));
    check_note("%u registers", (unsigned int)ARRAY_SIZE(regs));
}

const struct check check_vtd_reset = { "vtd-reset", "the unit's registers as a reset leaves them", .run = run };
