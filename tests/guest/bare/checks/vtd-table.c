// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-table: the interrupt remapping table's size and place (IRTA_REG).
 *
 * The smallest (2 entries) and the largest (64 Ki): entries at borders of pages and at the end,
 * by a device and by the IO-APIC, whose bit 15 of the index is at another place; what is beyond
 * is fault 0x21.  A table that moves: the new one counts, the old one not.  Tables that aren't
 * RAM: in the unit's own registers, beyond all memory, at the highest address; and one whose
 * first page is the last before the hole below 1 MiB: fault 0x23 where there's none, and afterwards a good one works.
 */
#include "vtd.h"

static uint64_t hi_edu, hi_ioapic;
static unsigned int vec_next;

static void set_in(uint64_t *table, unsigned int index, uint64_t lo, uint64_t hi)
{
    table[index * 2 + 1] = hi;
    ((volatile uint64_t *)table)[index * 2] = lo;
}

/* By an entry that nobody used since the table was set. */
static void works(const char *what, uint64_t *table, unsigned int index)
{
    unsigned int vec = VEC_TEST + vec_next++ % 64;

    set_in(table, index, irte_fixed(bsp->id, vec), hi_edu);
    vtd_expect(bsp, vec);
    edu_msi(&edu[0], msi_addr(index, false), 0);
    vtd_arrived("%s, entry %u", what, index);
}

static void refused(const char *what, unsigned int index, unsigned int reason)
{
    edu_msi(&edu[0], msi_addr(index, false), 0);
    vtd_fault_expect(what, edu[0].bdf, index, reason);
}

static void large(uint64_t *table)
{
    static const unsigned int indexes[] = { 0, 1, 255, 256, 511, 512, 4095, 4096, 32767, 32768, 40001, 65280, 65535 };
    unsigned int i;

    if ( !vtd_set_table((uintptr_t)table, 16, vtd.eime) )
        check_fail("a table of 64 Ki entries can't be set");
    for ( i = 0; i < ARRAY_SIZE(indexes); i++ )
        works("table of 64 Ki", table, indexes[i]);
    refused("table of 64 Ki", 65534, FAULT_ABSENT);
    edu_msi(&edu[0], msi_addr(65535, true), 6);
    vtd_fault_expect("65535 and a subhandle", edu[0].bdf, -1, FAULT_INDEX);
    edu_intx_mode(&edu[0]);
    for ( i = 9; i < ARRAY_SIZE(indexes); i++ )
    {
        set_in(table, indexes[i], irte_fixed(bsp->id, VEC_TEST + 64 + i), hi_ioapic);
        vtd_invalidate(indexes[i], 0);
        ioapic_set(edu[0].pin, rte_remapped(indexes[i]) | i);
        vtd_expect(bsp, VEC_TEST + 64 + i);
        edu_intx(&edu[0], true);
        vtd_arrived("table of 64 Ki, IO-APIC, entry %u", indexes[i]);
        edu_intx(&edu[0], false);
    }
    ioapic_set_low(edu[0].pin, RTE_MASKED);
}

static void not_ram(void)
{
    uint64_t places[] = { vtd.base, 0xfee00000U, 0xfec00000U, 0x7ffffff000ULL, 0xfffffffff000ULL };
    uint64_t *low = (uint64_t *)0x9f000, was[2] = { low[255 * 2], low[255 * 2 + 1] };
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(places); i++ )
    {
        if ( !vtd_set_table(places[i], VTD_ORDER, vtd.eime) )
            check_fail("the table can't be set to 0x%lx", places[i]);
        refused("a table that isn't RAM", 3, FAULT_TABLE);
        refused("a table that isn't RAM, again", 3, FAULT_TABLE);
    }
    /* The last page before the hole for video memory, of which just one entry is changed. */
    vtd_set_table((uintptr_t)low, 12, vtd.eime);
    works("table across the end of RAM", low, 255);
    refused("table across the end of RAM", 256, FAULT_TABLE);
    refused("table across the end of RAM", 4095, FAULT_TABLE);
    low[255 * 2] = was[0];
    low[255 * 2 + 1] = was[1];
    vtd_set_table((uintptr_t)vtd.table, VTD_ORDER, vtd.eime);
    works("the usual table again", vtd.table, 100);
}

static void run(void)
{
    uint64_t *spare;
    size_t size = 16U << 16;

    if ( !vtd_begin(1) )
        return;
    hi_edu = IRTE_SVT(SVT_SID) | IRTE_SID(edu[0].bdf);
    hi_ioapic = IRTE_SVT(SVT_SID) | IRTE_SID(vtd.ioapic_sid);
    spare = mem_left() > size + 65536 ? mem_alloc(size, 4096) : NULL;
    if ( !spare || !edu_find_pin(&edu[0]) )
    {
        check_error("no pin, or not enough memory for a table of 64 Ki entries");
        vtd_end();
        return;
    }

    /* Cached by the old table, then moved: that's the same index of another table. */
    works("the usual table", vtd.table, 1);
    vtd_set_table((uintptr_t)spare, 1, vtd.eime);
    refused("table of 2 that's empty", 1, FAULT_ABSENT);
    works("table of 2", spare, 0);
    works("table of 2", spare, 1);
    refused("table of 2", 2, FAULT_INDEX);
    refused("table of 2", 3, FAULT_INDEX);
    vtd_set_table((uintptr_t)spare, 2, vtd.eime);
    works("table of 4", spare, 3);
    refused("table of 4", 4, FAULT_INDEX);
    memset(spare, 0, 4096);
    large(spare);
    not_ram();
    check_note("2 entries to 64 Ki, and 5 places that aren't RAM");
    vtd_end();
}

const struct check check_vtd_table = {
    "vtd-table", "size and place of the remapping table", .needs_aps = true, .run = run,
};
