// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-faults: each reason for which a request is refused is recorded, with the right source,
 * index and reason, and no interrupt comes of it.
 *
 * 0x20 by a message with reserved data bits (sent by DMA: an MSI capability has no place for
 * them), 0x21 by indexes at and beyond the end, also by a subhandle, and by a sum that has 17
 * bits; 0x22, also for entries whose other bits would work or be wrong; 0x24 for each reserved
 * bit, reserved delivery modes and posted format; 0x25 by a device and by the IO-APIC.  FPD
 * keeps those of an entry from being recorded.  (0x23: vtd-table; 0x26: vtd-sid.)
 */
#include "vtd.h"

#define INDEX   33U

static uint64_t good_lo, good_hi;

static void request(const char *what, uint64_t lo, uint64_t hi, unsigned int reason)
{
    vtd_set(INDEX, lo, hi);
    edu_msi(&edu[0], msi_addr(INDEX, false), 0);
    vtd_fault_expect(what, edu[0].bdf, INDEX, reason);
}

static void reserved_bits(void)
{
    char what[48];
    unsigned int i;

    for ( i = 12; i < 32; i++ )
    {
        if ( i == 15 || (i >= 16 && i < 24) )
            continue;
        snprintf(what, sizeof(what), "entry with bit %u set", i);
        request(what, good_lo | 1ULL << i, good_hi, FAULT_IRTE_RSVD);
    }
    for ( i = 20; i < 64; i++ )
    {
        snprintf(what, sizeof(what), "entry with bit %u set", i + 64);
        request(what, good_lo, good_hi | 1ULL << i, FAULT_IRTE_RSVD);
    }
    for ( i = 3; i < 8; i += 3 )
    {
        snprintf(what, sizeof(what), "entry with delivery mode %u", i);
        request(what, good_lo | IRTE_DLM(i), good_hi, FAULT_IRTE_RSVD);
    }
    if ( !(vtd.cap >> 59 & 1) )
        request("posted format, which CAP doesn't offer", good_lo | IRTE_POSTED, good_hi, FAULT_IRTE_RSVD);
    request("a reserved bit and a wrong source", good_lo | 1U << 13, good_hi ^ 0x100, FAULT_IRTE_RSVD);
}

static void indexes(void)
{
    static const unsigned int beyond[] = { VTD_ENTRIES, VTD_ENTRIES + 1, 0x7fff, 0x8000, 0xffff };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(beyond); i++ )
    {
        edu_msi(&edu[0], msi_addr(beyond[i], false), 0);
        vtd_fault_expect("index beyond the table", edu[0].bdf, beyond[i], FAULT_INDEX);
    }
    edu_msi(&edu[0], msi_addr(VTD_ENTRIES - 1, true), 1);
    vtd_fault_expect("subhandle beyond the table", edu[0].bdf, VTD_ENTRIES, FAULT_INDEX);
    /* The entry that it would be with 16 bits is a good one. */
    vtd_set(INDEX, good_lo, good_hi);
    edu_msi(&edu[0], msi_addr(0xffff, true), INDEX + 1);
    vtd_fault_expect("handle and subhandle with a sum of 17 bits", edu[0].bdf, -1, FAULT_INDEX);
}

static void by_dma(void)
{
    vtd_set(INDEX, good_lo, good_hi);
    if ( edu_dma_short(&edu[0]) )
    {
        check_error("edu's DMA isn't completed, or doesn't reach beyond 256 MiB: it needs dma_mask=0xffffffff");
        return;
    }
    vtd_expect(bsp, VEC_TEST);
    edu_dma(&edu[0], msi_addr(INDEX, true), 0);
    if ( !vtd_arrived("a message by DMA") )
        return;
    edu_dma(&edu[0], msi_addr(INDEX, true), 0x10000);
    vtd_fault_expect("reserved data bit 16", edu[0].bdf, -1, FAULT_REQ_RSVD);
    edu_dma(&edu[0], msi_addr(INDEX, true), 0x80000000U);
    vtd_fault_expect("reserved data bit 31", edu[0].bdf, -1, FAULT_REQ_RSVD);
    /* Without a subhandle the data has no meaning at all. */
    vtd_expect(bsp, VEC_TEST);
    edu_dma(&edu[0], msi_addr(INDEX, false), 0xffffffffU);
    vtd_arrived("data bits without a subhandle");
}

static void fpd(void)
{
    vtd_set(INDEX, IRTE_FPD, 0);
    edu_msi(&edu[0], msi_addr(INDEX, false), 0);
    vtd_set(INDEX, good_lo | IRTE_FPD | 1U << 12, good_hi);
    edu_msi(&edu[0], msi_addr(INDEX, false), 0);
    vtd_set(INDEX, good_lo | IRTE_FPD, good_hi ^ 0x100);
    edu_msi(&edu[0], msi_addr(INDEX, false), 0);
    /* Twice, and by an entry that is known to the unit. */
    edu_msi(&edu[0], msi_addr(INDEX, false), 0);
    vtd_set(INDEX, good_lo | IRTE_FPD, good_hi);
    vtd_expect(bsp, VEC_TEST);
    edu_msi(&edu[0], msi_addr(INDEX, false), 0);
    vtd_arrived("an entry with FPD that's in order");
    edu_msi(&edu[1], msi_addr(INDEX, false), 0);
    /* Faults come in order, so that one of those would come before this one. */
    edu_msi(&edu[0], msi_addr(INDEX + 1, false), 0);
    vtd_fault_expect("the first without FPD", edu[0].bdf, INDEX + 1, FAULT_ABSENT);
    /* No entry, no FPD. */
    edu_msi(&edu[0], msi_addr(VTD_ENTRIES, false), 0);
    vtd_fault_expect("index beyond the table, after FPD", edu[0].bdf, VTD_ENTRIES, FAULT_INDEX);
}

static void run(void)
{
    if ( !vtd_begin(2) )
        return;
    good_lo = irte_fixed(bsp->id, VEC_TEST);
    good_hi = IRTE_SVT(SVT_SID) | IRTE_SID(edu[0].bdf);

    request("empty entry", 0, 0, FAULT_ABSENT);
    request("entry that's good but not present", good_lo & ~IRTE_P, good_hi, FAULT_ABSENT);
    request("entry that's bad and not present", ~(IRTE_P | IRTE_FPD), ~0ULL, FAULT_ABSENT);
    /* Neither is remembered. */
    vtd.table[INDEX * 2 + 1] = good_hi;
    ((volatile uint64_t *)vtd.table)[INDEX * 2] = good_lo;
    vtd_expect(bsp, VEC_TEST);
    edu_msi(&edu[0], msi_addr(INDEX, false), 0);
    vtd_arrived("an entry that was bad before, without invalidation");
    indexes();
    reserved_bits();

    edu_msi(&edu[0], 0xfee00000U | (bsp->id & 0xff) << 12, VEC_TEST + 1);
    vtd_fault_expect("compatibility format by a device", edu[0].bdf, -1, FAULT_COMPAT);
    if ( edu_find_pin(&edu[0]) )
    {
        ioapic_set(edu[0].pin, (uint64_t)bsp->id << 56 | (VEC_TEST + 1));
        edu_intx_mode(&edu[0]);
        edu_intx(&edu[0], true);
        vtd_fault_expect("compatibility format by the IO-APIC", vtd.ioapic_sid, -1, FAULT_COMPAT);
        edu_intx(&edu[0], false);
        ioapic_set(edu[0].pin, rte_remapped(VTD_ENTRIES + 5) | VEC_TEST);
        edu_intx(&edu[0], true);
        vtd_fault_expect("index beyond the table by the IO-APIC", vtd.ioapic_sid, VTD_ENTRIES + 5, FAULT_INDEX);
        edu_intx(&edu[0], false);
        ioapic_set_low(edu[0].pin, RTE_MASKED);
    }
    fpd();
    by_dma();
    vtd_end();
}

const struct check check_vtd_faults = {
    "vtd-faults", "refused requests are recorded", .needs_aps = true, .run = run,
};
