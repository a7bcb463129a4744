// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-compat: requests in compatibility format, and entries without EIME.
 *
 * With EIME they are blocked, whatever CFI says; without, CFI decides; with remapping off they
 * pass.  From a device and from the IO-APIC.  Without EIME an entry has a destination of 8 bits,
 * whose neighbours are reserved, and remapped requests work beside those in compatibility format.
 */
#include "vtd.h"

#define INDEX   12U

static uint64_t hi;

static void compat(const char *what, bool pass)
{
    uint32_t addr = 0xfee00000U | (bsp->id & 0xff) << 12;

    if ( pass )
        vtd_expect(bsp, VEC_TEST);
    edu_msi(&edu[0], addr, VEC_TEST);
    if ( pass )
        vtd_arrived("%s: MSI", what);
    else
        vtd_fault_expect(what, edu[0].bdf, -1, FAULT_COMPAT);
    edu_intx_mode(&edu[0]);
    ioapic_set(edu[0].pin, (uint64_t)bsp->id << 56 | (VEC_TEST + 1));
    if ( pass )
        vtd_expect(bsp, VEC_TEST + 1);
    edu_intx(&edu[0], true);
    if ( pass )
        vtd_arrived("%s: IO-APIC", what);
    else
        vtd_fault_expect(what, vtd.ioapic_sid, -1, FAULT_COMPAT);
    edu_intx(&edu[0], false);
    ioapic_set_low(edu[0].pin, RTE_MASKED);
}

static void remapped(const char *what)
{
    vtd_set(INDEX, irte_fixed(bsp->id, VEC_TEST + 2), hi);
    vtd_expect(bsp, VEC_TEST + 2);
    edu_msi(&edu[0], msi_addr(INDEX, false), 0);
    vtd_arrived("%s", what);
}

static void run(void)
{
    static const unsigned int beside[] = { 0, 7, 16, 31 };
    unsigned int i;

    if ( !vtd_begin(1) )
        return;
    hi = IRTE_SVT(SVT_SID) | IRTE_SID(edu[0].bdf);
    if ( !edu_find_pin(&edu[0]) )
    {
        vtd_end();
        return;
    }
    if ( vtd.eime )
    {
        compat("EIME", false);
        if ( !vtd_command(GCMD_CFI, true) )
            check_fail("GSTS.CFIS can't be set");
        compat("EIME and CFI", false);
        vtd_command(GCMD_CFI, false);
        remapped("EIME");
    }
    if ( !vtd_set_table((uintptr_t)vtd.table, VTD_ORDER, false) )
        check_fail("EIME can't be cleared");
    compat("neither EIME nor CFI", false);
    remapped("without EIME");
    for ( i = 0; i < ARRAY_SIZE(beside); i++ )
    {
        vtd_set(INDEX, irte_fixed(bsp->id, VEC_TEST) | 1ULL << (32 + beside[i]), hi);
        edu_msi(&edu[0], msi_addr(INDEX, false), 0);
        vtd_fault_expect("without EIME, 32-bit destination", edu[0].bdf, INDEX, FAULT_IRTE_RSVD);
    }
    if ( !vtd_command(GCMD_CFI, true) )
        check_fail("GSTS.CFIS can't be set");
    else
    {
        compat("CFI", true);
        remapped("with CFI");
        if ( !vtd_command(GCMD_CFI, false) )
            check_fail("GSTS.CFIS can't be cleared");
        compat("CFI cleared again", false);
    }
    if ( !vtd_command(GCMD_IRE, false) )
        check_fail("GSTS.IRES can't be cleared");
    compat("remapping off", true);
    if ( !vtd_command(GCMD_IRE, true) )
        check_fail("GSTS.IRES can't be set again");
    compat("remapping on again", false);
    vtd_end();
}

const struct check check_vtd_compat = {
    "vtd-compat", "compatibility format: EIME, CFI, off", .needs_aps = true, .run = run,
};
