// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * boot: what the firmware handed over.
 *
 * The memory map doesn't overlap, the local APIC is on, at its usual address, in a mode
 * that CPUID offers, and its timer interrupts.  On Xen, hypercalls and the console work
 * (or this line would not be read).
 */
#include "bare.h"

static void run(void)
{
    uint64_t ram = 0, base = bsp->apic_base;
    unsigned int i, j;

    for ( i = 0; i < mem_ranges; i++ )
    {
        if ( mem_map[i].type == 1 )
            ram += mem_map[i].size;
        for ( j = 0; j < i; j++ )
            if ( mem_map[i].base < mem_map[j].base + mem_map[j].size &&
                 mem_map[j].base < mem_map[i].base + mem_map[i].size )
                check_fail("memory map: 0x%lx+0x%lx overlaps 0x%lx+0x%lx", mem_map[i].base, mem_map[i].size,
                           mem_map[j].base, mem_map[j].size);
    }
    if ( !(base & APIC_BASE_ON) || !(base & 0x100) )
        check_fail("APIC_BASE 0x%lx: off, or not the BSP's", base);
    if ( (base & 0xffffff000ULL) != 0xfee00000 )
        check_fail("APIC_BASE 0x%lx: not at 0xfee00000", base);
    if ( (base & APIC_BASE_X2) && !(cpuid(1, 0).c & (1U << 21)) )
        check_fail("in x2APIC mode, which CPUID doesn't offer");
    if ( !apic_timer_works )
        check_fail("the local APIC's timer doesn't interrupt");
    if ( xen_cpuid_base && !console_ring )
        check_error("no PV console ring");
    check_note("%lu MiB, %s, %s, TSC %u kHz (%s)", ram >> 20, base & APIC_BASE_X2 ? "x2apic" : "xapic",
               console_ring ? "console ring" : "debug port", tsc_khz, tsc_source);
}

const struct check check_boot = { "boot", "what the firmware handed over", .run = run };
