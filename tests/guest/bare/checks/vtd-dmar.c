// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-dmar: the DMAR table, and what it says of the unit and of the IO-APIC.
 *
 * The table offers interrupt remapping and doesn't ask to stay out of x2APIC mode; its one
 * unit's registers are where it says and not in RAM; the IO-APIC has a scope, by the ID that
 * the MADT and its own register have, and a source id that no PCI function has; each edu
 * device is in the unit's scope.  With CPUs whose ID is over 254 the unit offers EIM.
 */
#include "vtd.h"

static uint16_t get16(const uint8_t *p) { return p[0] | p[1] << 8; }

static bool in_scope(unsigned int bdf)
{
    const uint8_t *s, *end = vtd.drhd + get16(vtd.drhd + 2);

    if ( vtd.drhd[4] & 1 )
        return true;                    /* all of the segment */
    for ( s = vtd.drhd + 16; s + 6 <= end && s[1] >= 6; s += s[1] )
        if ( (s[0] == 1 || s[0] == 2) && s[1] == 8 && ((unsigned int)s[5] << 8 | s[6] << 3 | s[7]) == bdf )
            return true;
    return false;
}

static void run(void)
{
    const uint8_t *d;
    unsigned int i, ioapics = 0;
    uint32_t max_id = 0;

    vtd_init();
    if ( !vtd.dmar )
    {
        check_skip("%s", vtd.missing);
        return;
    }
    if ( vtd.missing )
    {
        check_fail("%s", vtd.missing);
        return;
    }
    d = (uint8_t *)vtd.dmar;
    if ( acpi_sum(d, vtd.dmar->length) )
        check_fail("wrong checksum");
    if ( !(d[37] & 1) || (d[37] & 2) )
        check_fail("flags 0x%x: interrupt remapping not offered, or x2APIC mode not wanted", d[37]);
    if ( vtd.drhds != 1 || get16(vtd.drhd + 6) )
        check_fail("%u units, the first in segment %u", vtd.drhds, get16(vtd.drhd + 6));
    if ( mem_is_ram(vtd.base, 4096) )
        check_fail("the memory map has RAM at the unit's registers, 0x%lx", vtd.base);
    for ( i = 0; i < mem_ranges; i++ )
        if ( mem_map[i].type == 1 && vtd.base < mem_map[i].base + mem_map[i].size &&
             mem_map[i].base < vtd.base + 4096 )
            check_fail("RAM 0x%lx+0x%lx overlaps the unit's registers", mem_map[i].base, mem_map[i].size);
    if ( vtd.frcd < 0x100 || vtd.frcd + vtd.frcds * 16 > 4096 )
        check_fail("CAP 0x%lx: fault records outside of the registers' page", vtd.cap);
    ioapics = acpi.ioapics;
    if ( ioapics != 1 )
        check_fail("%u IO-APICs in the MADT, of which one has a scope", ioapics);
    if ( vtd.ioapic_scope_id != ioapic.id )
        check_fail("the scope is for an IO-APIC with ID %u, the MADT's has %u", vtd.ioapic_scope_id, ioapic.id);
    if ( ioapic_reg(0) >> 24 != ioapic.id )
        check_fail("the MADT's IO-APIC has ID %u, its register %u", ioapic.id, ioapic_reg(0) >> 24);
    if ( !(vtd.ioapic_sid >> 8) && pci_read(vtd.ioapic_sid, 0) != 0xffffffffU )
        check_fail("the IO-APIC's source id 0x%x is that of a PCI function", vtd.ioapic_sid);
    for ( i = 0; i < edus; i++ )
        if ( !in_scope(edu[i].bdf) )
            check_fail("PCI function 0x%x isn't in the unit's scope", edu[i].bdf);
    for ( i = 0; i < cpu_count; i++ )
        if ( cpus[i]->id > max_id )
            max_id = cpus[i]->id;
    if ( max_id > 254 && !(vtd.ecap & ECAP_EIM) )
        check_fail("there's an APIC ID %u, and ECAP 0x%lx is without EIM", max_id, vtd.ecap);
    check_note("unit at 0x%lx, ECAP 0x%lx%s, IO-APIC %u is source 0x%x, %u edu devices", vtd.base, vtd.ecap,
               vtd.ecap & ECAP_EIM ? " (EIM)" : "", ioapic.id, vtd.ioapic_sid, edus);
}

const struct check check_vtd_dmar = { "vtd-dmar", "the DMAR table fits the MADT and the machine", .run = run };
