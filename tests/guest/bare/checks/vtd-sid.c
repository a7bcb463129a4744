// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-sid: an entry works for the sources that it names, and for no others.
 *
 * Each combination of SVT and SQ with source ids that differ from the device's in each bit of
 * the function, in the device and in the bus; bus ranges around the device's; the reserved SVT.
 * A second device that forges the first one's message, and the IO-APIC's; and the IO-APIC that
 * uses a device's entry.  What is refused is a fault 0x26 of who sent it, and no interrupt, also
 * when the entry was used by the right source just before.
 */
#include "vtd.h"

#define INDEX   77U

static unsigned int tried, refused;

static bool fits(unsigned int svt, unsigned int sq, uint16_t entry, uint16_t sid)
{
    static const uint16_t ignored[] = { 0, 4, 6, 7 };

    switch ( svt )
    {
    case 0:
        return true;
    case SVT_SID:
        return !((entry ^ sid) & ~ignored[sq]);
    case SVT_BUS:
        return sid >> 8 >= entry >> 8 && sid >> 8 <= (entry & 0xff);
    }
    return false;
}

static void try(struct edu *e, unsigned int svt, unsigned int sq, uint16_t sid)
{
    char what[64];
    bool good = fits(svt, sq, sid, e->bdf);

    snprintf(what, sizeof(what), "SVT %u, SQ %u, SID 0x%x, source 0x%x", svt, sq, sid, e->bdf);
    vtd_set(INDEX, irte_fixed(bsp->id, VEC_TEST), IRTE_SVT(svt) | IRTE_SQ(sq) | IRTE_SID(sid));
    tried++;
    if ( good )
        vtd_expect(bsp, VEC_TEST);
    edu_msi(e, msi_addr(INDEX, false), 0);
    if ( good )
        vtd_arrived("%s", what);
    else
    {
        refused++;
        vtd_fault_expect(what, e->bdf, INDEX, FAULT_SID);
    }
}

static void forged(void)
{
    /* The first one's entry is known to the unit. */
    vtd_set(INDEX, irte_fixed(bsp->id, VEC_TEST), IRTE_SVT(SVT_SID) | IRTE_SID(edu[0].bdf));
    vtd_expect(bsp, VEC_TEST);
    edu_msi(&edu[0], msi_addr(INDEX, false), 0);
    vtd_arrived("its own entry");
    edu_msi(&edu[1], msi_addr(INDEX, false), 0);
    vtd_fault_expect("another device's entry", edu[1].bdf, INDEX, FAULT_SID);
    vtd_expect(bsp, VEC_TEST);
    edu_msi_again(&edu[0]);
    vtd_arrived("its own entry, after another device tried");

    if ( !edu_find_pin(&edu[0]) )
        return;
    vtd_set(INDEX + 1, irte_fixed(bsp->id, VEC_TEST + 1), IRTE_SVT(SVT_SID) | IRTE_SID(vtd.ioapic_sid));
    ioapic_set(edu[0].pin, rte_remapped(INDEX + 1) | (VEC_TEST + 1));
    edu_intx_mode(&edu[0]);
    vtd_expect(bsp, VEC_TEST + 1);
    edu_intx(&edu[0], true);
    vtd_arrived("the IO-APIC's own entry");
    edu_intx(&edu[0], false);
    edu_msi(&edu[1], msi_addr(INDEX + 1, false), 0);
    vtd_fault_expect("the IO-APIC's entry, by a device", edu[1].bdf, INDEX + 1, FAULT_SID);
    ioapic_set(edu[0].pin, rte_remapped(INDEX) | VEC_TEST);
    edu_intx(&edu[0], true);
    vtd_fault_expect("a device's entry, by the IO-APIC", vtd.ioapic_sid, INDEX, FAULT_SID);
    edu_intx(&edu[0], false);
    ioapic_set_low(edu[0].pin, RTE_MASKED);
}

static void run(void)
{
    static const uint16_t change[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 0x80, 0x100, 0x8000 };
    unsigned int i, sq;
    uint16_t bdf;

    if ( !vtd_begin(2) )
        return;
    bdf = edu[0].bdf;
    for ( sq = 0; sq < 4; sq++ )
        for ( i = 0; i < ARRAY_SIZE(change); i++ )
            try(&edu[0], SVT_SID, sq, bdf ^ change[i]);
    for ( sq = 0; sq < 4; sq++ )
    {
        try(&edu[0], 0, sq, ~bdf);
        try(&edu[0], 3, sq, bdf);
    }
    /* The device is on bus 0. */
    try(&edu[0], SVT_BUS, 0, 0x0000);
    try(&edu[0], SVT_BUS, 0, 0x00ff);
    try(&edu[0], SVT_BUS, 3, 0x0001);
    try(&edu[0], SVT_BUS, 0, 0x0101);
    try(&edu[0], SVT_BUS, 0, 0x01ff);
    try(&edu[0], SVT_BUS, 0, 0x0100);
    forged();
    check_note("%u combinations, of which %u are refused; forged messages too", tried, refused);
    vtd_end();
}

const struct check check_vtd_sid = { "vtd-sid", "source ids are verified", .needs_aps = true, .run = run };
