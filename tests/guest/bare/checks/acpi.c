// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * acpi: the tables, above all how the MADT names CPUs (check srat: how the SRAT does).
 *
 * Checksums of the RSDP and of every table; the MADT's CPUs: processor UID equal to the
 * place in the table, IDs unique, LAPIC structures for IDs below 255 and x2APIC ones from
 * there.  Says nothing of the AML in the DSDT (iasl looks at that, on the host).
 */
#include "bare.h"

static void check_madt(void)
{
    unsigned int i;

    if ( acpi.madt_error )
        check_fail("MADT %s", acpi.madt_error);
    if ( acpi.lapic_base != 0xfee00000U )
        check_fail("MADT: local APIC at 0x%x", acpi.lapic_base);
    for ( i = 0; i < acpi.cpus; i++ )
    {
        const struct madt_cpu *c = &acpi.cpu[i];

        if ( c->uid != i )
            check_fail("MADT: CPU structure %u has UID %u", i, c->uid);
        if ( !(c->flags & (MADT_ENABLED | MADT_ONLINE_CAPABLE)) )
            continue;
        if ( c->type == MADT_LAPIC ? c->id >= 255 : c->id < 255 )
            check_fail("MADT: CPU %u, ID %u, has a structure of type %u", i, c->id, c->type);
    }
    for ( i = 1; i < cpu_count && !smp_error; i++ )
    {
        struct cpu *c = smp_by_id(cpus[i]->id);

        if ( c != cpus[i] )
            check_fail("MADT: CPUs %u and %u have ID %u", c->index, cpus[i]->index, c->id);
    }
}

static void run(void)
{
    const uint8_t *rsdp = (void *)acpi.rsdp;
    unsigned int i;

    if ( acpi.error )
    {
        check_fail("%s", acpi.error);
        return;
    }
    if ( rsdp[15] >= 2 && acpi_sum(rsdp, 36) )
        check_fail("RSDP: wrong extended checksum");
    if ( acpi_sum(acpi.root, acpi.root->length) )
        check_fail("%c%c%c%c: wrong checksum", acpi.root->sig[0], acpi.root->sig[1], acpi.root->sig[2],
                   acpi.root->sig[3]);
    for ( i = 0; i < acpi.tables; i++ )
    {
        struct acpi_header *h = acpi.table[i];

        if ( memcmp(h->sig, "FACS", 4) && acpi_sum(h, h->length) )
            check_fail("%c%c%c%c: wrong checksum", h->sig[0], h->sig[1], h->sig[2], h->sig[3]);
    }
    if ( !acpi.fadt )
        check_fail("no FADT");
    if ( !acpi.dsdt || memcmp(acpi.dsdt->sig, "DSDT", 4) )
        check_fail("no DSDT where the FADT says");
    if ( !acpi.madt )
        check_fail("no MADT");
    else
        check_madt();
    if ( smp_error )
        check_error("CPUs: %s", smp_error);
    check_note("%u tables, %u CPUs in the MADT, %u present, %u IO-APICs", acpi.tables, acpi.cpus, cpu_count,
               acpi.ioapics);
}

const struct check check_acpi = { "acpi", "tables' checksums, MADT", .run = run };
