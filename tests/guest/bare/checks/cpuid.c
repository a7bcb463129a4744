// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cpuid: each CPU sees the same leaves as the BSP, but for what names the CPU itself; the
 * topology in leaf 0xb fits the APIC IDs: no core or socket (by the ID's bits) has more CPUs than its
 * level says, and levels' shifts don't decrease; and the vendor's other leaves say the same, as far
 * as their fields reach.  Without leaf 0xb there is no TOPOEXT either.
 */
#include "bare.h"

static const struct leaf { uint32_t leaf, subleaf, a, b, c, d; } leaves[] = {
    /* The masks are of what must agree. */
    { 0x0, 0, ~0U, ~0U, ~0U, ~0U },
    { 0x1, 0, ~0U, 0x00ffffff, ~(1U << 27), ~0U },          /* initial APIC ID; OSXSAVE */
    { 0x4, 0, ~0U, ~0U, ~0U, ~0U },
    { 0x4, 1, ~0U, ~0U, ~0U, ~0U },
    { 0x4, 2, ~0U, ~0U, ~0U, ~0U },
    { 0x4, 3, ~0U, ~0U, ~0U, ~0U },
    { 0x7, 0, ~0U, ~0U, ~0U, ~0U },
    { 0xb, 0, ~0U, ~0U, ~0U, 0 },
    { 0xb, 1, ~0U, ~0U, ~0U, 0 },
    { 0xb, 2, ~0U, ~0U, ~0U, 0 },
    { 0x1f, 0, ~0U, ~0U, ~0U, 0 },
    { 0x1f, 1, ~0U, ~0U, ~0U, 0 },
    { 0x1f, 2, ~0U, ~0U, ~0U, 0 },
    { 0x80000000U, 0, ~0U, ~0U, ~0U, ~0U },
    { 0x80000001U, 0, ~0U, ~0U, ~0U, ~0U },
    { 0x80000008U, 0, ~0U, ~0U, ~0U, ~0U },
    { 0x8000001dU, 0, ~0U, ~0U, ~0U, ~0U },
    { 0x8000001dU, 3, ~0U, ~0U, ~0U, ~0U },
    { 0x8000001eU, 0, 0, 0xff00, 0x700, ~0U },              /* ID; core; node */
    { 0x80000026U, 0, ~0U, ~0U, ~0U, 0 },
    { 0x80000026U, 1, ~0U, ~0U, ~0U, 0 },
};

static struct regs4 ours[ARRAY_SIZE(leaves)];
static struct { uint8_t bad; char reg; uint32_t got; } *wrong;

static bool present(const struct leaf *l)
{
    return l->leaf <= cpuid(l->leaf & 0x80000000U, 0).a;
}

static struct topology topo;

static bool vendor_amd(void)
{
    uint32_t b = cpuid(0, 0).b;

    return b == 0x68747541 || b == 0x6f677948;                  /* "Auth"enticAMD, "Hygo"nGenuine */
}

static bool topoext(void)
{
    return vendor_amd() && cpuid(0x80000000U, 0).a >= 0x8000001eU && (cpuid(0x80000001U, 0).c & (1U << 22));
}

static void look(struct cpu *me, void *arg)
{
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(leaves) && !wrong[me->index].bad; i++ )
    {
        const struct leaf *l = &leaves[i];
        struct regs4 r;

        if ( !present(l) )
            continue;
        r = cpuid(l->leaf, l->subleaf);
#define WRONG(x) { wrong[me->index].reg = #x[0]; wrong[me->index].got = r.x; wrong[me->index].bad = i + 1; }
#define SAME(x) if ( (r.x ^ ours[i].x) & l->x ) WRONG(x)
        SAME(a) SAME(b) SAME(c) SAME(d)
#undef SAME
        /* Threads, core and node by this CPU's ID; numbers are 8 bits wide. */
        if ( l->leaf == 0x8000001eU && leaf_b_valid() && topoext() )
        {
            uint8_t core = (me->id & ((1U << topo.shift_socket) - 1)) >> topo.shift_core;
            uint8_t node = me->id >> topo.shift_socket;

            if ( (r.b & 0xffff) != ((topo.threads_per_core - 1) << 8 | core) )
                WRONG(b)
            else if ( (r.c & 0xff) != node )
                WRONG(c)
        }
#undef WRONG
    }
}

/* CPUs with the same ID above the level's shift lie side by side when sorted. */
static void check_level(const char *what, unsigned int shift, unsigned int most)
{
    unsigned int i, j;

    for ( i = 0; i < cpu_count; i = j )
    {
        uint32_t first = cpus_by_id[i]->id;

        for ( j = i; j < cpu_count && cpus_by_id[j]->id >> shift == first >> shift; j++ )
            ;
        if ( j - i > most )
        {
            check_fail("%u CPUs share a %s with ID %u (shift %u), CPUID says %u at most", j - i, what, first, shift,
                       most);
            return;
        }
    }
}

static unsigned int least(unsigned int a, unsigned int b)
{
    return a < b ? a : b;
}

static void must_be(const char *what, unsigned int got, unsigned int want)
{
    if ( got != want )
        check_fail("%s is %u, by leaf 0xb %u", what, got, want);
}

/* Leaves 4 and 0x8000001d have the same layout: who shares a cache, counted in IDs. */
static unsigned int check_caches(uint32_t leaf, const struct topology *t)
{
    unsigned int i;

    for ( i = 0; i < 16; i++ )
    {
        struct regs4 r = cpuid(leaf, i);
        unsigned int shift = (r.a >> 5 & 7) < 3 ? t->shift_core : t->shift_socket;

        if ( !(r.a & 0x1f) )
            break;
        if ( (r.a >> 14 & 0xfff) + 1 != least(1U << shift, 4096) )
            check_fail("leaf 0x%x.%u: %u IDs share it, by leaf 0xb %u", leaf, i, (r.a >> 14 & 0xfff) + 1,
                       least(1U << shift, 4096));
        if ( leaf == 4 )
            must_be("leaf 4, IDs of cores", (r.a >> 26) + 1, least(1U << (t->shift_socket - t->shift_core), 64));
    }
    return i;
}

static unsigned int check_others(const struct topology *t)
{
    unsigned int nr = t->threads_per_core * t->cores_per_socket;
    struct regs4 r = cpuid(1, 0);

    must_be("leaf 1, HTT", r.d >> 28 & 1, nr > 1);
    if ( !vendor_amd() )
    {
        must_be("leaf 1, IDs of a socket", r.b >> 16 & 0xff, least(1U << t->shift_socket, 255));
        return cpuid(0, 0).a >= 4 ? check_caches(4, t) : 0;
    }
    must_be("leaf 1, CPUs of a socket", r.b >> 16 & 0xff, least(nr, 255));
    r = cpuid(0x80000008U, 0);
    must_be("leaf 0x80000008, CPUs of a socket", (r.c & 0xff) + 1, least(nr, 256));
    must_be("leaf 0x80000008, bits of IDs", r.c >> 12 & 0xf, least(t->shift_socket, 15));
    if ( !topoext() )
    {
        check_fail("no TOPOEXT in leaf 0x80000001 ECX");
        return 0;
    }
    return check_caches(0x8000001dU, t);
}

static void run(void)
{
    unsigned int i, lost, seen = 0, caches = 0;

    wrong = mem_alloc(acpi.cpus * sizeof(*wrong), 16);
    if ( !wrong )
    {
        check_error("no memory left");
        return;
    }
    for ( i = 0; i < ARRAY_SIZE(leaves); i++ )
        if ( present(&leaves[i]) )
        {
            ours[i] = cpuid(leaves[i].leaf, leaves[i].subleaf);
            seen++;
        }
    topology_get(&topo);
    lost = smp_all(look, NULL);
    if ( lost )
        check_fail("%u CPUs did not answer", lost);
    for ( i = 0; i < cpu_count; i++ )
    {
        unsigned int bad = wrong[cpus[i]->index].bad;

        if ( bad )
            check_fail("CPU %u: leaf 0x%x.%u e%cx is 0x%x, which isn't the BSP's or what its ID says", cpus[i]->index,
                       leaves[bad - 1].leaf, leaves[bad - 1].subleaf, wrong[cpus[i]->index].reg,
                       wrong[cpus[i]->index].got);
    }
    if ( !leaf_b_valid() )
    {
        if ( topoext() )
            check_fail("TOPOEXT in leaf 0x80000001 ECX, but leaf 0xb is empty");
    }
    else
    {
        if ( topo.shift_socket < topo.shift_core )
            check_fail("leaf 0xb: shift %u of the core level is below %u of the thread level", topo.shift_socket,
                       topo.shift_core);
        if ( topo.threads_per_core > 1U << topo.shift_core ||
             topo.threads_per_core * topo.cores_per_socket > 1U << topo.shift_socket )
            check_fail("leaf 0xb: %u threads in shift %u, %u CPUs in shift %u", topo.threads_per_core, topo.shift_core,
                       topo.threads_per_core * topo.cores_per_socket, topo.shift_socket);
        check_level("core", topo.shift_core, topo.threads_per_core);
        check_level("socket", topo.shift_socket, topo.threads_per_core * topo.cores_per_socket);
        caches = check_others(&topo);
    }
    check_note("%u leaves same on %u CPUs, %u sockets of %u cores of %u threads (%s), %u caches by them", seen,
               cpus_online, topo.sockets, topo.cores_per_socket, topo.threads_per_core, topo.source, caches);
}

const struct check check_cpuid = { "cpuid", "leaves agree with each other", .needs_aps = true, .run = run };
