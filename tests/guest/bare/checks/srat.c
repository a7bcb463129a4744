// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * srat: the NUMA nodes that ACPI tells of are the virtual ones that Xen has for the guest.
 *
 * Without such nodes there's neither an SRAT nor a SLIT.  With them, each CPU of the MADT, enabled
 * or not, has exactly one enabled affinity structure, of the LAPIC kind for IDs below 255 and of the
 * x2APIC kind from there, in the domain of the vCPU's node; the memory structures are Xen's ranges,
 * don't overlap, and leave no RAM out; the SLIT has Xen's distances.  Without Xen the tables are
 * held against each other and against the MADT alone.
 */
#include "bare.h"

#define NODES_SHOWN 8

static struct xen_numa numa;

static void check_cpus(void)
{
    unsigned int i, k;
    uint8_t *times = mem_alloc(acpi.cpus, 1);

    if ( !times )
    {
        check_error("no memory left");
        return;
    }
    for ( i = 0; i < acpi.srat_cpus; i++ )
    {
        const struct srat_cpu *s = &acpi.srat_cpu[i];

        if ( !(s->flags & SRAT_ENABLED) )
        {
            if ( xen_cpuid_base )
                check_fail("ID %u: its structure isn't enabled", s->id);
            continue;
        }
        if ( s->type == SRAT_LAPIC ? s->id >= 255 : s->id < 255 )
            check_fail("ID %u has a structure of type %u", s->id, s->type);
        for ( k = 0; k < acpi.cpus && acpi.cpu[k].id != s->id; k++ )
            ;
        if ( k == acpi.cpus )
        {
            check_fail("ID %u is not in the MADT", s->id);
            continue;
        }
        if ( times[k]++ )
            check_fail("CPU %u, ID %u, is there twice", acpi.cpu[k].uid, s->id);
        if ( !numa.nodes )
            continue;
        if ( acpi.cpu[k].uid >= numa.vcpus )
            check_fail("CPU %u, ID %u: Xen has %u vCPUs", acpi.cpu[k].uid, s->id, numa.vcpus);
        else if ( s->domain != numa.vcpu_node[acpi.cpu[k].uid] )
            check_fail("CPU %u, ID %u, is in domain %u, the vCPU on node %u", acpi.cpu[k].uid, s->id, s->domain,
                       numa.vcpu_node[acpi.cpu[k].uid]);
    }
    for ( k = 0; k < acpi.cpus; k++ )
        if ( !times[k] )
            check_fail("CPU %u, ID %u, has no structure", acpi.cpu[k].uid, acpi.cpu[k].id);
    if ( numa.nodes && numa.vcpus != acpi.cpus )
        check_fail("Xen has %u vCPUs, the MADT %u", numa.vcpus, acpi.cpus);
}

/* Is all of it in enabled structures? */
static bool covered(uint64_t at, uint64_t end)
{
    unsigned int i;

    while ( at < end )
    {
        for ( i = 0; i < acpi.srat_mems; i++ )
        {
            const struct srat_mem *m = &acpi.srat_mem[i];

            if ( (m->flags & SRAT_ENABLED) && at >= m->base && at - m->base < m->size )
                break;
        }
        /* The second: one that ends beyond what an address can be. */
        if ( i == acpi.srat_mems || acpi.srat_mem[i].base + acpi.srat_mem[i].size <= at )
            return false;
        at = acpi.srat_mem[i].base + acpi.srat_mem[i].size;
    }
    return true;
}

static void check_memory(void)
{
    unsigned int i, k;

    for ( i = 0; i < acpi.srat_mems; i++ )
    {
        const struct srat_mem *m = &acpi.srat_mem[i], *o;

        if ( !(m->flags & SRAT_ENABLED) )
        {
            if ( xen_cpuid_base )
                check_fail("memory 0x%lx+0x%lx: its structure isn't enabled", m->base, m->size);
            continue;
        }
        if ( !m->size || m->base + m->size < m->base )
            check_fail("memory 0x%lx+0x%lx: no range", m->base, m->size);
        for ( k = 0; k < i; k++ )
        {
            o = &acpi.srat_mem[k];
            if ( (o->flags & SRAT_ENABLED) && m->base < o->base + o->size && o->base < m->base + m->size )
                check_fail("memory 0x%lx+0x%lx overlaps 0x%lx+0x%lx", m->base, m->size, o->base, o->size);
        }
        if ( !numa.nodes )
            continue;
        for ( k = 0; k < numa.ranges; k++ )
            if ( numa.range[k].base == m->base && numa.range[k].size == m->size )
                break;
        if ( k == numa.ranges )
            check_fail("memory 0x%lx+0x%lx is no range of Xen's", m->base, m->size);
        else if ( numa.range[k].node != m->domain )
            check_fail("memory 0x%lx+0x%lx is in domain %u, the range on node %u", m->base, m->size, m->domain,
                       numa.range[k].node);
    }
    if ( numa.nodes && acpi.srat_mems != numa.ranges )
        check_fail("%u memory structures, Xen has %u ranges", acpi.srat_mems, numa.ranges);
    for ( i = 0; i < mem_ranges; i++ )
        if ( mem_map[i].type == 1 && !covered(mem_map[i].base, mem_map[i].base + mem_map[i].size) )
            check_fail("RAM 0x%lx+0x%lx isn't all in memory structures", mem_map[i].base, mem_map[i].size);
}

static void check_slit(void)
{
    const uint8_t *entry = (uint8_t *)acpi.slit + 44;
    uint64_t n;
    unsigned int i, k;

    if ( acpi.slit->length < 44 )
    {
        check_fail("SLIT is shorter than its fixed part");
        return;
    }
    memcpy(&n, entry - 8, sizeof(n));
    if ( n > 255 || acpi.slit->length != 44 + n * n )
    {
        check_fail("SLIT of %lu domains is %u bytes long", n, acpi.slit->length);
        return;
    }
    if ( numa.nodes ? n != numa.nodes : n < acpi_nodes() )
    {
        check_fail("SLIT of %lu domains, there are %u", n, numa.nodes ? numa.nodes : acpi_nodes());
        return;
    }
    for ( i = 0; i < n; i++ )
        for ( k = 0; k < n; k++ )
            if ( numa.nodes && entry[i * n + k] != numa.distance[i * n + k] )
                check_fail("SLIT has %u from domain %u to %u, Xen has %u", entry[i * n + k], i, k,
                           numa.distance[i * n + k]);
}

/* What a person, or a test that knows the guest's configuration, may want to compare. */
static void report(void)
{
    static char buf[1024];
    size_t len = 0;
    unsigned int i, k, nodes = acpi_nodes(), shown = 0;
    uint32_t domain;

    if ( nodes > NODES_SHOWN )
        return;
    /* Domains are small numbers in practice; one that isn't gets no entry, which is one too few. */
    for ( domain = 0; domain < 256 && shown < nodes; domain++ )
    {
        unsigned int cpus_in = 0, first = 0, last = 0;
        uint64_t size = 0;

        for ( i = 0; i < acpi.srat_cpus; i++ )
        {
            if ( acpi.srat_cpu[i].domain != domain || !(acpi.srat_cpu[i].flags & SRAT_ENABLED) )
                continue;
            for ( k = 0; k < acpi.cpus; k++ )
                if ( acpi.cpu[k].id == acpi.srat_cpu[i].id )
                {
                    first = !cpus_in || acpi.cpu[k].uid < first ? acpi.cpu[k].uid : first;
                    last = !cpus_in || acpi.cpu[k].uid > last ? acpi.cpu[k].uid : last;
                    cpus_in++;
                }
        }
        if ( !cpus_in )
            continue;
        for ( i = 0; i < acpi.srat_mems; i++ )
            if ( acpi.srat_mem[i].domain == domain && (acpi.srat_mem[i].flags & SRAT_ENABLED) )
                size += acpi.srat_mem[i].size;
        len += snprintf(buf + len, sizeof(buf) - len,
                        "%s{\"domain\":%u,\"cpus\":%u,\"first\":%u,\"last\":%u,\"memory_mib\":%lu}",
                        shown ? "," : "", domain, cpus_in, first, last, size >> 20);
        shown++;
    }
    report_add("nodes", "[%s]", buf);
}

static void run(void)
{
    const char *wrong = xen_cpuid_base ? xen_numa_get(&numa) : NULL;

    if ( acpi.error || wrong )
    {
        check_error("%s", acpi.error ? acpi.error : wrong);
        return;
    }
    if ( !acpi.srat )
    {
        if ( numa.nodes )
            check_fail("no SRAT, but Xen has %u nodes for the guest", numa.nodes);
        if ( acpi.slit )
            check_fail("a SLIT, but no SRAT");
        check_note("absent%s", xen_cpuid_base ? ", as Xen has no nodes for the guest" : "");
        return;
    }
    if ( xen_cpuid_base && !numa.nodes )
        check_fail("there's an SRAT, but Xen has no nodes for the guest");
    if ( acpi.srat_error )
        check_fail("SRAT %s", acpi.srat_error);
    if ( acpi.srat_others && xen_cpuid_base )
        check_fail("%u structures of another kind, or too short", acpi.srat_others);
    check_cpus();
    check_memory();
    if ( acpi.slit )
        check_slit();
    else if ( xen_cpuid_base )
        check_fail("no SLIT beside the SRAT");
    report();
    check_note("%u CPUs and %u ranges of memory in %u domains%s", acpi.srat_cpus, acpi.srat_mems, acpi_nodes(),
               numa.nodes ? ", as Xen has them" : "");
}

const struct check check_srat = { "srat", "NUMA: SRAT and SLIT", .run = run };
