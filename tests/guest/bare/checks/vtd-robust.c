// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-robust: a guest can't hurt its device model, nor itself for good, by the unit's registers.
 *
 * Reads and writes of 1, 2, 4 and 8 bytes at each offset of the registers, of ones and of zeros,
 * also where registers are narrower, read-only or not there.  Then capabilities are the same,
 * commands' status is off, and the unit, set up again, remaps as before.  If QEMU aborts, there
 * is no report at all.
 */
#include "vtd.h"

static void write_at(uintptr_t at, unsigned int size, bool ones)
{
    switch ( size )
    {
    case 1: *(volatile uint8_t *)at = ones ? 0xff : 0; break;
    case 2: *(volatile uint16_t *)at = ones ? 0xffff : 0; break;
    case 4: *(volatile uint32_t *)at = ones ? ~0U : 0; break;
    case 8: *(volatile uint64_t *)at = ones ? ~0ULL : 0; break;
    }
}

static uint64_t read_at(uintptr_t at, unsigned int size)
{
    switch ( size )
    {
    case 1: return *(volatile uint8_t *)at;
    case 2: return *(volatile uint16_t *)at;
    case 4: return *(volatile uint32_t *)at;
    default: return *(volatile uint64_t *)at;
    }
}

static void works(const char *when)
{
    vtd_set(7, irte_fixed(bsp->id, VEC_TEST), IRTE_SVT(SVT_SID) | IRTE_SID(edu[0].bdf));
    vtd_expect(bsp, VEC_TEST);
    edu_msi(&edu[0], msi_addr(7, false), 0);
    vtd_arrived("%s", when);
}

static void run(void)
{
    unsigned int end, at, size, accesses = 0;
    uint64_t t0 = rdtsc();
    uint32_t status;

    if ( !vtd_begin(1) )
        return;
    end = vtd.frcd + vtd.frcds * 16 + 16;
    works("before");
    if ( !vtd_command(GCMD_IRE, false) || !vtd_queue_off() )
        check_fail("remapping and queue can't be switched off");
    vtd_write64(VTD_IQT, 0);
    for ( at = 0; at < end; at++ )
        for ( size = 1; size <= 8; size *= 2, accesses += 3 )
        {
            /* The queue that GCMD switches on has done all that is in it. */
            write_at(vtd.base + at, size, true);
            read_at(vtd.base + at, size);
            write_at(vtd.base + at, size, false);
        }
    for ( ; at < 4096; at += 60, accesses += 2 )
    {
        read_at(vtd.base + at, at & 8 ? 4 : 8);
        write_at(vtd.base + at, 4, true);
    }
    status = vtd_read(VTD_GSTS) & (GCMD_TE | GCMD_QIE | GCMD_IRE | GCMD_CFI);
    if ( status )
        check_fail("GSTS is 0x%x after all was written with 0", vtd_read(VTD_GSTS));
    if ( vtd_read64(VTD_CAP) != vtd.cap || vtd_read64(VTD_ECAP) != vtd.ecap )
        check_fail("CAP 0x%lx, ECAP 0x%lx, which were 0x%lx and 0x%lx", vtd_read64(VTD_CAP), vtd_read64(VTD_ECAP),
                   vtd.cap, vtd.ecap);
    vtd_end();
    if ( !vtd_begin(1) )
        return;
    works("after");
    check_note("%u accesses, %lu us", accesses, tsc_to_us(rdtsc() - t0));
    vtd_end();
}

const struct check check_vtd_robust = {
    "vtd-robust", "any access to the unit's registers", .needs_aps = true, .run = run,
};
