// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cpuid: each CPU sees the same leaves as the BSP, but for what names the CPU itself; and the
 * topology in them fits the APIC IDs: no core or socket (by the ID's bits) has more CPUs than its
 * level says, and levels' shifts don't decrease.
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
#define SAME(x) if ( (r.x ^ ours[i].x) & l->x ) \
            { wrong[me->index].reg = #x[0]; wrong[me->index].got = r.x; wrong[me->index].bad = i + 1; }
        SAME(a) SAME(b) SAME(c) SAME(d)
#undef SAME
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

static void run(void)
{
    struct topology t;
    unsigned int i, lost, seen = 0;

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
    lost = smp_all(look, NULL);
    if ( lost )
        check_fail("%u CPUs did not answer", lost);
    for ( i = 0; i < cpu_count; i++ )
    {
        unsigned int bad = wrong[cpus[i]->index].bad;

        if ( bad )
            check_fail("CPU %u: leaf 0x%x.%u e%cx is 0x%x, which differs from the BSP's", cpus[i]->index,
                       leaves[bad - 1].leaf, leaves[bad - 1].subleaf, wrong[cpus[i]->index].reg,
                       wrong[cpus[i]->index].got);
    }
    topology_get(&t);
    if ( leaf_b_valid() )
    {
        if ( t.shift_socket < t.shift_core )
            check_fail("leaf 0xb: shift %u of the core level is below %u of the thread level", t.shift_socket,
                       t.shift_core);
        if ( t.threads_per_core > 1U << t.shift_core ||
             t.threads_per_core * t.cores_per_socket > 1U << t.shift_socket )
            check_fail("leaf 0xb: %u threads in shift %u, %u CPUs in shift %u", t.threads_per_core, t.shift_core,
                       t.threads_per_core * t.cores_per_socket, t.shift_socket);
        check_level("core", t.shift_core, t.threads_per_core);
        check_level("socket", t.shift_socket, t.threads_per_core * t.cores_per_socket);
    }
    check_note("%u leaves same on %u CPUs, %u sockets of %u cores of %u threads (%s)", seen, cpus_online, t.sockets,
               t.cores_per_socket, t.threads_per_core, t.source);
}

const struct check check_cpuid = { "cpuid", "leaves agree with each other", .needs_aps = true, .run = run };
