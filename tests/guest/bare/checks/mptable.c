// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mptable: the MP tables (MultiProcessor Specification 1.4), by which an operating system without
 * ACPI finds its CPUs.
 *
 * hvmloader writes them into memory of its own, which the memory map calls reserved.  SeaBIOS copies
 * them to where the specification has one look for them, but not if they are longer than 600 bytes, as
 * they are from 20 CPUs on: then there are none for an operating system to find, with stock Xen too.  So the
 * original is judged in any case, and the copy if there is one, which is missing only for that reason.
 *
 * Checksums; entries that fill the table and are as many as it says, in ascending order of kind; the
 * CPUs of the MADT that an 8-bit field can name, each once and in the MADT's order, and one BSP, the
 * one that this runs on; IO-APICs as the MADT has them; interrupts that go to pins which there are.
 * Without Xen, where other firmware made them, CPUs may be left out and come in any order.
 */
#include "vtd.h"

#include <xen/errno.h>

/* hvmloader's config.h: RESERVED_MEMORY_DYNAMIC_START, and an end far behind what it takes. */
#define HVMLOADER_START 0xfc100000U
#define HVMLOADER_END   0xfc200000U
/* SeaBIOS' config.h: BUILD_MAX_MPTABLE_FSEG. */
#define SEABIOS_LIMIT   600

#define FLOATING        16
#define HEADER          44
#define CPU_ENABLED     1U
#define CPU_BSP         2U

enum kind { CPU, BUS, IOAPIC, IO_INT, LOCAL_INT, KINDS };

static uint16_t get16(const uint8_t *p) { return p[0] | p[1] << 8; }
static uint32_t get32(const uint8_t *p) { return get16(p) | (uint32_t)get16(p + 2) << 16; }

static const uint8_t *scan(uint64_t from, uint64_t to)
{
    const uint8_t *p = (void *)from, *end = (void *)to;

    for ( ; p + FLOATING <= end; p += 16 )
        if ( !memcmp(p, "_MP_", 4) && p[8] == 1 && !acpi_sum(p, FLOATING) )
            return p;
    return NULL;
}

static const uint8_t *find_original(void)
{
    uint64_t at;
    const uint8_t *p;

    /* What isn't RAM is read from the device model: not there, and slow. */
    for ( at = HVMLOADER_START; at < HVMLOADER_END && xen_page_is_ram(at) > 0; at += 4096 )
        if ( (p = scan(at, at + 4096)) )
            return p;
    return NULL;
}

/* Section 4 of the specification: EBDA, the end of base memory, the BIOS. */
static const uint8_t *find(void)
{
    const uint8_t *p = NULL;
    uint16_t ebda, base_kib;

    memcpy(&ebda, (void *)0x40e, sizeof(ebda));
    memcpy(&base_kib, (void *)0x413, sizeof(base_kib));
    if ( ebda && ebda < 0xa000 )
        p = scan((uint64_t)ebda << 4, ((uint64_t)ebda << 4) + 1024);
    if ( !p && base_kib && base_kib <= 640 )
        p = scan((base_kib - 1) * 1024, base_kib * 1024);
    return p ? p : scan(0xf0000, 0x100000);
}

/* A CPU of the MADT, from place @from on, that the tables have room for; acpi.cpus if there's none. */
static unsigned int next_cpu(unsigned int from)
{
    while ( from < acpi.cpus && acpi.cpu[from].id >= 255 )
        from++;
    return from;
}

static void check_cpu(const char *which, const uint8_t *p, unsigned int nr, unsigned int *next)
{
    unsigned int k;

    if ( xen_cpuid_base )
    {
        k = next_cpu(*next);
        if ( k == acpi.cpus )
            check_fail("%s: CPU entry %u, ID %u: the MADT has no more IDs below 255", which, nr, p[1]);
        else if ( acpi.cpu[k].id != p[1] )
            check_fail("%s: CPU entry %u has ID %u, CPU %u of the MADT is the next with %u", which, nr, p[1],
                       acpi.cpu[k].uid, acpi.cpu[k].id);
        *next = k + (k < acpi.cpus);
    }
    else
    {
        for ( k = 0; k < acpi.cpus && acpi.cpu[k].id != p[1]; k++ )
            ;
        if ( k == acpi.cpus )
            check_fail("%s: CPU entry %u has ID %u, which is not in the MADT", which, nr, p[1]);
    }
    if ( k < acpi.cpus && (acpi.cpu[k].flags & MADT_ENABLED) && !(p[3] & CPU_ENABLED) )
        check_fail("%s: CPU entry %u, ID %u, isn't enabled", which, nr, p[1]);
    if ( (p[3] & CPU_BSP) && p[1] != bsp->id )
        check_fail("%s: CPU entry %u, ID %u, is the BSP's, which has ID %u", which, nr, p[1], bsp->id);
}

static void check_ioapic(const char *which, const uint8_t *p)
{
    if ( p[1] != ioapic.id || get32(p + 4) != ioapic.addr )
        check_fail("%s: IO-APIC %u at 0x%x, the MADT has %u at 0x%x", which, p[1], get32(p + 4), ioapic.id,
                   ioapic.addr);
    if ( xen_cpuid_base && p[2] != (ioapic_reg(1) & 0xff) )
        check_fail("%s: version 0x%x of the IO-APIC, its register has 0x%x", which, p[2], ioapic_reg(1) & 0xff);
    if ( !(p[3] & 1) )
        check_fail("%s: the IO-APIC isn't enabled", which);
}

/* Returns the length of the whole, or 0 if it can't be told. */
static unsigned int check_tables(const char *which, const uint8_t *mp)
{
    const uint8_t *t = (void *)(uintptr_t)get32(mp + 4), *p, *end;
    unsigned int i, left, length, next = 0, bsps = 0, count[KINDS] = { 0 };
    uint8_t buses[32] = { 0 };                  /* a bit for each number */

    if ( mp[11] )
        check_fail("%s: default configuration %u instead of a table", which, mp[11]);
    if ( !get32(mp + 4) || memcmp(t, "PCMP", 4) || get16(t + 4) < HEADER )
    {
        check_fail("%s: no table at 0x%x", which, get32(mp + 4));
        return 0;
    }
    length = get16(t + 4);
    if ( acpi_sum(t, length) )
        check_fail("%s: wrong checksum", which);
    if ( get32(t + 36) != acpi.lapic_base )
        check_fail("%s: local APIC at 0x%x, the MADT has it at 0x%x", which, get32(t + 36), acpi.lapic_base);
    if ( get16(t + 40) && xen_cpuid_base )
        check_fail("%s: %u bytes of extended entries", which, get16(t + 40));

    end = t + length;
    for ( p = t + HEADER, i = CPU, left = get16(t + 34); left; left-- )
    {
        unsigned int size = p < end && *p == CPU ? 20 : 8;

        if ( p + size > end )
        {
            check_fail("%s: %u entries are left at its end, 0x%x bytes from its start", which, left,
                       (unsigned int)(p - t));
            return FLOATING + length;
        }
        if ( *p >= KINDS || *p < i )
        {
            check_fail("%s: entry of kind %u after those of kind %u", which, *p, i);
            return FLOATING + length;
        }
        i = *p;
        switch ( i )
        {
        case CPU:
            check_cpu(which, p, count[CPU], &next);
            bsps += !!(p[3] & CPU_BSP);
            break;
        case BUS:
            buses[p[1] / 8] |= 1U << (p[1] % 8);
            break;
        case IOAPIC:
            check_ioapic(which, p);
            break;
        case IO_INT:
            if ( !(buses[p[4] / 8] & (1U << (p[4] % 8))) )
                check_fail("%s: interrupt %u of bus %u, which there isn't", which, p[5], p[4]);
            if ( p[6] != ioapic.id || p[7] >= ioapic.pins )
                check_fail("%s: interrupt %u goes to pin %u of IO-APIC %u, there's one with %u pins and ID %u", which,
                           p[5], p[7], p[6], ioapic.pins, ioapic.id);
            break;
        }
        count[i]++;
        p += size;
    }
    if ( p != end )
        check_fail("%s: %u bytes are left after its last entry", which, (unsigned int)(end - p));
    if ( xen_cpuid_base && next_cpu(next) < acpi.cpus )
        check_fail("%s: %u CPUs, without ID %u", which, count[CPU], acpi.cpu[next_cpu(next)].id);
    if ( bsps != 1 )
        check_fail("%s: %u BSPs", which, bsps);
    if ( count[IOAPIC] != acpi.ioapics )
        check_fail("%s: %u IO-APICs, the MADT has %u", which, count[IOAPIC], acpi.ioapics);
    if ( !count[IO_INT] )
        check_fail("%s: no interrupts", which);
    check_note("%u CPUs in %u bytes", count[CPU], FLOATING + length);
    return FLOATING + length;
}

static void run(void)
{
    const uint8_t *copy, *original;
    unsigned int length, cpus_there = 0, i;

    if ( acpi.error || acpi.madt_error || !acpi.cpus || !ioapic_init() )
    {
        check_error("nothing to compare with: no CPUs, or no IO-APIC, in the MADT");
        return;
    }
    copy = find();
    if ( !xen_cpuid_base )
    {
        if ( copy )
            check_tables("MP table", copy);
        else
            check_skip("no MP table, which this firmware may leave out");
        return;
    }
    original = find_original();
    if ( !original )
    {
        if ( xen_page_is_ram(HVMLOADER_START) == -XEN_EACCES )
            check_skip("Xen's policy doesn't let the guest look for hvmloader's memory (HVMOP_get_mem_type)");
        else
            check_fail("hvmloader made no MP table");
        return;
    }
    length = check_tables("hvmloader's MP table", original);
    if ( copy )
    {
        check_tables("MP table", copy);
        if ( length && memcmp((void *)(uintptr_t)get32(original + 4), (void *)(uintptr_t)get32(copy + 4),
                              length - FLOATING) )
            check_fail("the MP table isn't hvmloader's");
    }
    else if ( length && length <= SEABIOS_LIMIT )
        check_fail("the firmware didn't copy hvmloader's MP table, though it has only %u bytes", length);
    for ( i = next_cpu(0); i < acpi.cpus; i = next_cpu(i + 1) )
        cpus_there++;
    check_note("%u of %u CPUs in %u bytes, %s", cpus_there, acpi.cpus, length,
               copy ? "with a copy to be found" : "too long for the firmware to copy");
}

const struct check check_mptable = { "mptable", "MP tables fit the MADT", .run = run };
