// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds and parses the ACPI tables that checks need.  What is wrong is recorded; checks judge. */
#include "bare.h"

struct acpi acpi;

uint8_t acpi_sum(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint8_t sum = 0;

    while ( n-- )
        sum += *b++;
    return sum;
}

static uint32_t get32(const void *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static uint64_t get64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static bool scan_rsdp(uint64_t from, uint64_t to)
{
    for ( ; from + 36 <= to; from += 16 )
        if ( !memcmp((void *)from, "RSD PTR ", 8) && !acpi_sum((void *)from, 20) )
        {
            acpi.rsdp = from;
            return true;
        }
    return false;
}

static struct acpi_header *add_table(uint64_t at)
{
    struct acpi_header *h = (void *)at;

    if ( !at || at >> 32 || acpi.tables == ARRAY_SIZE(acpi.table) ||
         h->length < sizeof(*h) || h->length > 64U << 20 )
    {
        acpi.error = "the root table points to something that is no table below 4 GiB";
        return NULL;
    }
    acpi.table[acpi.tables++] = h;
    return h;
}

/* Calls fn for each structure; returns what is wrong with the list, or NULL. */
static const char *each(struct acpi_header *h, size_t from, void (*fn)(const uint8_t *p, unsigned int len))
{
    const uint8_t *p = (uint8_t *)h + from, *end = (uint8_t *)h + h->length;

    if ( h->length < from )
        return "is shorter than its fixed part";
    while ( p < end )
    {
        if ( end - p < 2 || p[1] < 2 || p[1] > end - p )
            return "has a structure that doesn't fit";
        fn(p, p[1]);
        p += p[1];
    }
    return NULL;
}

static void madt_count(const uint8_t *p, unsigned int len)
{
    if ( (p[0] == MADT_LAPIC && len >= 8) || (p[0] == MADT_X2APIC && len >= 16) )
        acpi.cpus++;
    if ( p[0] == 1 )
        acpi.ioapics++;
}

static void madt_fill(const uint8_t *p, unsigned int len)
{
    struct madt_cpu *c = &acpi.cpu[acpi.cpus];

    if ( p[0] == MADT_LAPIC && len >= 8 )
        *c = (struct madt_cpu){ .uid = p[2], .id = p[3], .flags = get32(p + 4), .type = MADT_LAPIC };
    else if ( p[0] == MADT_X2APIC && len >= 16 )
        *c = (struct madt_cpu){ .uid = get32(p + 12), .id = get32(p + 4), .flags = get32(p + 8),
                                .type = MADT_X2APIC };
    else
        return;
    acpi.cpus++;
}

static void srat_count(const uint8_t *p, unsigned int len)
{
    if ( (p[0] == SRAT_LAPIC && len >= 16) || (p[0] == SRAT_X2APIC && len >= 24) )
        acpi.srat_cpus++;
    else if ( p[0] == SRAT_MEMORY && len >= 40 )
        acpi.srat_mems++;
    else
        acpi.srat_others++;
}

static void srat_fill(const uint8_t *p, unsigned int len)
{
    struct srat_cpu *c = &acpi.srat_cpu[acpi.srat_cpus];

    if ( p[0] == SRAT_MEMORY && len >= 40 )
        acpi.srat_mem[acpi.srat_mems++] = (struct srat_mem){ .base = get64(p + 8), .size = get64(p + 16),
                                                             .domain = get32(p + 2), .flags = get32(p + 28) };
    if ( p[0] == SRAT_LAPIC && len >= 16 )
        *c = (struct srat_cpu){ .id = p[3], .domain = p[2] | (get32(p + 8) & 0xffffff00U), .flags = get32(p + 4),
                                .type = SRAT_LAPIC };
    else if ( p[0] == SRAT_X2APIC && len >= 24 )
        *c = (struct srat_cpu){ .id = get32(p + 8), .domain = get32(p + 4), .flags = get32(p + 12),
                                .type = SRAT_X2APIC };
    else
        return;
    acpi.srat_cpus++;
}

void acpi_init(void)
{
    uint16_t ebda;
    const uint8_t *rsdp, *f;
    unsigned int i, n, width = 4;
    uint64_t dsdt;

    memcpy(&ebda, (void *)0x40e, sizeof(ebda));
    if ( !(ebda && ebda < 0xa000 && scan_rsdp((uint64_t)ebda << 4, ((uint64_t)ebda << 4) + 1024)) &&
         !scan_rsdp(0xe0000, 0x100000) )
    {
        acpi.error = "no RSDP";
        return;
    }
    rsdp = (void *)acpi.rsdp;
    if ( rsdp[15] >= 2 && get64(rsdp + 24) )
        width = 8;
    acpi.root = add_table(width == 8 ? get64(rsdp + 24) : get32(rsdp + 16));
    if ( !acpi.root )
        return;
    acpi.tables = 0;
    n = (acpi.root->length - sizeof(*acpi.root)) / width;
    for ( i = 0; i < n; i++ )
    {
        const uint8_t *p = (uint8_t *)(acpi.root + 1) + i * width;
        struct acpi_header *h = add_table(width == 8 ? get64(p) : get32(p));

        if ( !h )
            return;
        if ( !memcmp(h->sig, "APIC", 4) )
            acpi.madt = h;
        else if ( !memcmp(h->sig, "SRAT", 4) )
            acpi.srat = h;
        else if ( !memcmp(h->sig, "SLIT", 4) )
            acpi.slit = h;
        else if ( !memcmp(h->sig, "FACP", 4) )
            acpi.fadt = h;
    }
    if ( acpi.fadt && acpi.fadt->length >= 116 )
    {
        f = (uint8_t *)acpi.fadt;
        acpi.pm1a_cnt = get32(f + 64);
        acpi.pm_timer = get32(f + 76);
        dsdt = acpi.fadt->length >= 148 && get64(f + 140) ? get64(f + 140) : get32(f + 40);
        if ( dsdt )
            acpi.dsdt = add_table(dsdt);
    }
    if ( acpi.madt )
    {
        acpi.lapic_base = get32((uint8_t *)acpi.madt + 36);
        acpi.madt_error = each(acpi.madt, 44, madt_count);
        acpi.cpu = mem_alloc(acpi.cpus * sizeof(*acpi.cpu), 16);
        acpi.cpus = 0;
        if ( acpi.cpu )
            each(acpi.madt, 44, madt_fill);
        else
            acpi.error = "not enough memory for the MADT's list";
    }
    if ( acpi.srat )
    {
        acpi.srat_error = each(acpi.srat, 48, srat_count);
        acpi.srat_cpu = mem_alloc(acpi.srat_cpus * sizeof(*acpi.srat_cpu), 16);
        acpi.srat_mem = mem_alloc(acpi.srat_mems * sizeof(*acpi.srat_mem), 16);
        acpi.srat_cpus = acpi.srat_mems = 0;
        if ( acpi.srat_cpu && acpi.srat_mem )
            each(acpi.srat, 48, srat_fill);
        else
            acpi.error = "not enough memory for the SRAT's list";
    }
}

unsigned int acpi_nodes(void)
{
    unsigned int i, k, n = 0;

    for ( i = 0; i < acpi.srat_cpus; i++ )
    {
        const struct srat_cpu *c = acpi.srat_cpu;

        if ( !(c[i].flags & SRAT_ENABLED) )
            continue;
        for ( k = 0; k < i && !(c[k].domain == c[i].domain && (c[k].flags & SRAT_ENABLED)); k++ )
            ;
        n += k == i;
    }
    return n;
}

void acpi_poweroff(void)
{
    const uint8_t *p, *end;

    if ( !acpi.dsdt || !acpi.pm1a_cnt )
        return;
    p = (uint8_t *)acpi.dsdt;
    end = p + acpi.dsdt->length - 12;
    for ( p += sizeof(struct acpi_header); p < end; p++ )
    {
        /* Name (_S5_, Package () { SLP_TYPa, ...: name op, package op, length, count, byte prefix */
        if ( p[-1] != 0x08 || memcmp(p, "_S5_", 4) || p[4] != 0x12 )
            continue;
        p += 6 + (p[5] >> 6) + 1;
        if ( *p == 0x0a )
            p++;
        outw(acpi.pm1a_cnt, (uint16_t)((*p & 7) << 10 | 0x2000));
        return;
    }
}
