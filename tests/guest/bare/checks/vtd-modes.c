// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-modes: what an entry can ask for beside a fixed interrupt to one CPU.
 *
 * NMI; logical destinations of one CPU, of several and of a whole cluster; lowest priority and
 * the redirection hint, which pick exactly one CPU of those addressed; broadcast by 0xffffffff
 * in physical and logical mode; and SMI, INIT and ExtINT, which do no harm (on Xen, where they
 * are dropped).  Logical destinations are x2APIC's: without that mode they are left out.
 */
#include "vtd.h"

#define V_ONE       VEC_TEST
#define V_SOME      (VEC_TEST + 1)
#define V_CLUSTER   (VEC_TEST + 2)
#define V_LOWEST    (VEC_TEST + 3)
#define V_HINT      (VEC_TEST + 4)
#define V_PHYSICAL  (VEC_TEST + 5)
#define V_LOGICAL   (VEC_TEST + 6)
#define V_AFTER     (VEC_TEST + 7)

static struct cpu *target[32];
static uint64_t hi;

static void fire(uint64_t lo)
{
    vtd_set(5, lo, hi);
    edu_msi(&edu[0], msi_addr(5, false), 0);
}

static unsigned int expect_members(uint32_t cluster, uint32_t mask, unsigned int vec)
{
    unsigned int i, n = 0;

    for ( i = 0; i < cpu_count; i++ )
        if ( cpus[i]->online && cpus[i]->id >> 4 == cluster && (mask >> (cpus[i]->id & 15) & 1) )
        {
            n++;
            if ( vec )
                vtd_expect(cpus[i], vec);
        }
    return n;
}

static void nothing(struct cpu *me, void *arg)
{
}

/* What the CPUs of the cluster got beside what they should have, so far. */
static unsigned int extra(uint32_t cluster, unsigned int vec, bool accept)
{
    unsigned int k, n = 0;

    for ( k = 0; k < 16; k++ )
    {
        struct cpu *c = smp_by_id(cluster << 4 | k);

        if ( !c )
            continue;
        n += load(&c->rx[vec]) - c->want[vec];
        if ( accept )
            c->want[vec] = load(&c->rx[vec]);
    }
    return n;
}

/* Whoever of these gets it: exactly one. */
static void one_of(const char *what, uint32_t cluster, uint32_t mask, unsigned int vec, uint64_t lo)
{
    unsigned int i, k, got, others = 0;

    for ( i = 0; i < 4; i++ )
    {
        uint64_t end = rdtsc() + us_to_tsc(vtd_patience());

        fire(lo);
        while ( !extra(cluster, vec, false) && rdtsc() < end )
            relax();
        /* A second one would have been sent by now: it's taken before this work is done. */
        for ( k = 0; k < 16; k++ )
        {
            struct cpu *c = smp_by_id(cluster << 4 | k);

            if ( c && c->online && c != bsp )
                smp_post(c, nothing, NULL);
        }
        smp_kick();
        if ( smp_wait() )
            check_fail("%s: CPUs did not answer", what);
        for ( k = 0; k < 16; k++ )
        {
            struct cpu *c = smp_by_id(cluster << 4 | k);

            if ( c && !(mask >> k & 1) && load(&c->rx[vec]) != c->want[vec] )
                others++;
        }
        got = extra(cluster, vec, true);
        if ( got != 1 || others )
        {
            check_fail("%s: %u interrupts in cluster %u for mask 0x%x, %u at others; expected 1", what, got, cluster,
                       mask, others);
            return;
        }
    }
}

static void logical(unsigned int n)
{
    unsigned int i, k;

    for ( i = 0; i < n; i++ )
    {
        uint32_t cluster = target[i]->id >> 4, bit = 1U << (target[i]->id & 15), some = 0;

        vtd_expect(target[i], V_ONE);
        fire(IRTE_P | IRTE_LOGICAL | irte_dest(cluster << 16 | bit) | IRTE_VECTOR(V_ONE));
        if ( !vtd_arrived("logical, ID %u alone", target[i]->id) )
            return;
        for ( k = 0; k < i && target[k]->id >> 4 != cluster; k++ )
            ;
        if ( k < i )
            continue;
        expect_members(cluster, 0xffff, V_CLUSTER);
        fire(IRTE_P | IRTE_LOGICAL | irte_dest(cluster << 16 | 0xffff) | IRTE_VECTOR(V_CLUSTER));
        if ( !vtd_arrived("logical, all of cluster %u", cluster) )
            return;
        /* Every other one that there is. */
        for ( k = 0; k < 16; k++ )
            if ( smp_by_id(cluster << 4 | k) && (some ^= 0x10000) & 0x10000 )
                some |= 1U << k;
        some &= 0xffff;
        expect_members(cluster, some, V_SOME);
        fire(IRTE_P | IRTE_LOGICAL | irte_dest(cluster << 16 | some) | IRTE_VECTOR(V_SOME));
        if ( !vtd_arrived("logical, 0x%x of cluster %u", some, cluster) )
            return;
        if ( i < 2 || i + 1 == n )
        {
            one_of("lowest priority", cluster, 0xffff, V_LOWEST,
                   IRTE_P | IRTE_LOGICAL | IRTE_DLM(DLM_LOWEST) | irte_dest(cluster << 16 | 0xffff) |
                   IRTE_VECTOR(V_LOWEST));
            one_of("redirection hint", cluster, some, V_HINT,
                   IRTE_P | IRTE_LOGICAL | IRTE_RH | irte_dest(cluster << 16 | some) | IRTE_VECTOR(V_HINT));
        }
    }
    for ( i = 0; i < cpu_count; i++ )
        if ( cpus[i]->online )
            vtd_expect(cpus[i], V_LOGICAL);
    fire(IRTE_P | IRTE_LOGICAL | irte_dest(0xffffffffU) | IRTE_VECTOR(V_LOGICAL));
    vtd_arrived("logical broadcast");
}

static void run(void)
{
    static const unsigned int harmless[] = { DLM_SMI, DLM_INIT, DLM_EXTINT };
    unsigned int i, n;

    if ( !vtd_begin(1) )
        return;
    n = vtd_targets(target, 16);
    hi = IRTE_SVT(SVT_SID) | IRTE_SID(edu[0].bdf);
    for ( i = 0; i < n; i++ )
    {
        if ( target[i] == bsp )
            continue;
        vtd_expect(target[i], VEC_NMI);
        fire(IRTE_P | IRTE_DLM(DLM_NMI) | irte_dest(target[i]->id));
        if ( !vtd_arrived("NMI to ID %u", target[i]->id) )
            break;
        vtd_expect(target[i], V_ONE);
        fire(irte_fixed(target[i]->id, V_ONE) | IRTE_DLM(DLM_LOWEST));
        if ( !vtd_arrived("lowest priority, physical, ID %u", target[i]->id) )
            break;
    }
    if ( vtd.eime )
        logical(n);
    for ( i = 0; i < cpu_count; i++ )
        if ( cpus[i]->online )
            vtd_expect(cpus[i], V_PHYSICAL);
    fire(IRTE_P | irte_dest(0xffffffffU) | IRTE_VECTOR(V_PHYSICAL));
    vtd_arrived("physical broadcast");
    if ( xen_cpuid_base )
        for ( i = 0; i < ARRAY_SIZE(harmless) && n > 1; i++ )
        {
            struct cpu *c = target[n - 1] == bsp ? target[0] : target[n - 1];

            fire(IRTE_P | IRTE_DLM(harmless[i]) | irte_dest(c->id));
            vtd_fault_none("SMI, INIT or ExtINT");
            vtd_expect(c, V_AFTER);
            fire(irte_fixed(c->id, V_AFTER));
            if ( !vtd_arrived("after delivery mode %u", harmless[i]) )
                break;
        }
    check_note("%u CPUs%s", n, vtd.eime ? "" : ", physical modes only");
    vtd_end();
}

const struct check check_vtd_modes = { "vtd-modes", "all delivery modes of an entry", .needs_aps = true, .run = run };
