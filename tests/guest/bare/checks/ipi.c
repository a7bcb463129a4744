// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ipi: interrupts between CPUs, each counted where it arrives: none lost, none twice, none elsewhere.
 *
 *  - directed, physical: all pairs of a sample (ipi.sample=16 CPUs: the first, the last, those at
 *    the borders of 128, 255, 256, 512 and 1024 by index and by ID, the rest spread), all senders
 *    at once, a vector a sender so that nothing merges; ipi.rounds=2 times; to oneself too
 *  - BSP to each CPU; each CPU to the next, all at once
 *  - self IPI by shorthand, and by x2APIC's own register
 *  - NMI from the BSP to each CPU of the sample
 *  - logical: in x2APIC mode to single CPUs and to whole clusters; in xAPIC mode the flat model
 *  - broadcast, by shorthand with and without oneself, and by the physical broadcast ID
 */
#include "bare.h"

#define MAX_SAMPLE  64U
#define V_PAIR      VEC_TEST
#define V_SWEEP     (VEC_TEST + MAX_SAMPLE)
#define V_RING      (V_SWEEP + 1)
#define V_SELF      (V_SWEEP + 2)
#define V_SELF_X2   (V_SWEEP + 3)
#define V_LOGICAL   (V_SWEEP + 4)
#define V_CLUSTER   (V_SWEEP + 5)
#define V_OTHERS    (V_SWEEP + 6)
#define V_OTHERS_AP (V_SWEEP + 7)
#define V_ALL       (V_SWEEP + 8)
#define V_BROADCAST (V_SWEEP + 9)

static struct cpu *sample[MAX_SAMPLE];
static unsigned int samples;
static uint32_t remaining;          /* interrupts that have still to come in this phase */
static unsigned long sent;

static void hook(unsigned int vec)
{
    if ( !atomic_dec(&remaining) )
        smp_wake_bsp();
}

/* Before the senders start. */
static void expect(struct cpu *c, unsigned int vec)
{
    c->want[vec]++;
    atomic_inc(&remaining);
    sent++;
}

static void expect_all(unsigned int vec, const struct cpu *but)
{
    unsigned int i;

    for ( i = 0; i < cpu_count; i++ )
        if ( cpus[i]->online && cpus[i] != but )
            expect(cpus[i], vec);
}

static void send(struct cpu *me, uint32_t dest, uint32_t low)
{
    if ( !apic_icr(dest, low) )
        me->sends_failed++;
}

/* False: it makes no sense to go on. */
static bool phase_end(const char *what)
{
    unsigned int lost = smp_wait();

    if ( lost )
        check_fail("%s: %u CPUs did not finish sending", what, lost);
    if ( !wait_zero(&remaining, wait_us) )
    {
        check_fail("%s: %d interrupts did not come", what, (int)load(&remaining));
        remaining = 0;
    }
    return !lost;
}

static void send_pairs(struct cpu *me, void *arg)
{
    unsigned int i, si = (uintptr_t)arg;

    for ( i = 0; i < samples; i++ )
        send(me, sample[i]->id, ICR_FIXED | (V_PAIR + si));
}

static void send_ring(struct cpu *me, void *arg)
{
    send(me, ((struct cpu *)me->data)->id, ICR_FIXED | V_RING);
}

static void send_self(struct cpu *me, void *arg)
{
    send(me, 0, ICR_FIXED | ICR_SELF | V_SELF);
    if ( apic_x2 )
        wrmsr(0x83f, V_SELF_X2);
}

static void send_others(struct cpu *me, void *arg)
{
    send(me, 0, ICR_FIXED | ICR_OTHERS | V_OTHERS_AP);
}

static void set_flat(struct cpu *me, void *arg)
{
    apic_write(APIC_DFR, 0xffffffffU);
    apic_write(APIC_LDR, me->data ? (uint32_t)(uintptr_t)me->data << 24 : 0);
}

static void nothing(struct cpu *me, void *arg)
{
}

static bool pairs(unsigned int rounds)
{
    unsigned int r, s, d;

    for ( r = 0; r < rounds; r++ )
    {
        bool bsp_too = false;
        unsigned int bsp_si = 0;

        for ( s = 0; s < samples; s++ )
            for ( d = 0; d < samples; d++ )
                expect(sample[d], V_PAIR + s);
        for ( s = 0; s < samples; s++ )
            if ( sample[s] == bsp )
            {
                bsp_too = true;
                bsp_si = s;
            }
            else
                smp_post(sample[s], send_pairs, (void *)(uintptr_t)s);
        smp_kick();
        if ( bsp_too )
            send_pairs(bsp, (void *)(uintptr_t)bsp_si);
        if ( !phase_end("all pairs") )
            return false;
    }
    return true;
}

static bool ring(void)
{
    struct cpu *prev = NULL, *first = NULL;
    unsigned int i;

    for ( i = 0; i < cpu_count; i++ )
    {
        if ( !cpus[i]->online )
            continue;
        if ( prev )
            prev->data = cpus[i];
        else
            first = cpus[i];
        prev = cpus[i];
    }
    prev->data = first;
    expect_all(V_RING, NULL);
    if ( smp_all(send_ring, NULL) )
    {
        check_fail("ring: CPUs did not finish sending");
        return false;
    }
    return phase_end("ring");
}

static bool logical_x2(void)
{
    unsigned int i, k, clusters = 0;

    for ( i = 0; i < samples; i++ )
    {
        expect(sample[i], V_LOGICAL);
        send(bsp, sample[i]->id >> 4 << 16 | 1U << (sample[i]->id & 15), ICR_FIXED | ICR_LOGICAL | V_LOGICAL);
    }
    if ( !phase_end("logical, single") )
        return false;
    for ( i = 0; i < samples; i++ )
    {
        uint32_t cluster = sample[i]->id >> 4;

        for ( k = 0; k < i && sample[k]->id >> 4 != cluster; k++ )
            ;
        if ( k < i )
            continue;
        for ( k = 0; k < cpu_count; k++ )
            if ( cpus[k]->online && cpus[k]->id >> 4 == cluster )
                expect(cpus[k], V_CLUSTER);
        send(bsp, cluster << 16 | 0xffff, ICR_FIXED | ICR_LOGICAL | V_CLUSTER);
        clusters++;
    }
    return phase_end("logical, whole clusters");
}

static bool logical_flat(void)
{
    unsigned int i, n = 0;

    for ( i = 0; i < cpu_count; i++ )
    {
        cpus[i]->data = NULL;
        if ( cpus[i]->online && n < 8 )
        {
            cpus[i]->data = (void *)(uintptr_t)(1U << n++);
            expect(cpus[i], V_LOGICAL);
            expect(cpus[i], V_CLUSTER);
        }
    }
    if ( smp_all(set_flat, NULL) )
    {
        check_fail("logical, flat: CPUs did not answer");
        return false;
    }
    for ( i = 0; i < n; i++ )
        send(bsp, 1U << i, ICR_FIXED | ICR_LOGICAL | V_LOGICAL);
    send(bsp, 0xff, ICR_FIXED | ICR_LOGICAL | V_CLUSTER);
    if ( !phase_end("logical, flat") )
        return false;
    for ( i = 0; i < cpu_count; i++ )
        cpus[i]->data = NULL;
    return !smp_all(set_flat, NULL);
}

static void all_phases(void)
{
    unsigned int i;
    struct cpu *last = sample[samples - 1];

    if ( !pairs(param_num("ipi.rounds", 2)) )
        return;

    expect_all(V_SWEEP, bsp);
    for ( i = 0; i < cpu_count; i++ )
        if ( cpus[i]->online && cpus[i] != bsp )
            send(bsp, cpus[i]->id, ICR_FIXED | V_SWEEP);
    if ( !phase_end("BSP to each") || !ring() )
        return;

    for ( i = 0; i < samples; i++ )
    {
        expect(sample[i], V_SELF);
        if ( apic_x2 )
            expect(sample[i], V_SELF_X2);
    }
    for ( i = 0; i < samples; i++ )
        if ( sample[i] != bsp )
            smp_post(sample[i], send_self, NULL);
    smp_kick();
    for ( i = 0; i < samples; i++ )
        if ( sample[i] == bsp )
            send_self(bsp, NULL);
    if ( !phase_end("self") )
        return;

    for ( i = 0; i < samples; i++ )
        if ( sample[i] != bsp )
            expect(sample[i], VEC_NMI);
    for ( i = 0; i < samples; i++ )
        if ( sample[i] != bsp )
            send(bsp, sample[i]->id, ICR_NMI);
    if ( !phase_end("NMI") )
        return;

    if ( !(apic_x2 ? logical_x2() : logical_flat()) )
        return;

    expect_all(V_OTHERS, bsp);
    send(bsp, 0, ICR_FIXED | ICR_OTHERS | V_OTHERS);
    if ( !phase_end("all but self, from the BSP") )
        return;
    if ( last != bsp )
    {
        expect_all(V_OTHERS_AP, last);
        smp_post(last, send_others, NULL);
        smp_kick();
        if ( !phase_end("all but self, from the last CPU") )
            return;
    }
    expect_all(V_ALL, NULL);
    send(bsp, 0, ICR_FIXED | ICR_ALL | V_ALL);
    if ( !phase_end("all and self") )
        return;
    expect_all(V_BROADCAST, NULL);
    send(bsp, apic_x2 ? 0xffffffffU : 0xff, ICR_FIXED | V_BROADCAST);
    phase_end("broadcast ID");
}

static void run(void)
{
    unsigned int i, v, size = param_num("ipi.sample", 16);
    uint32_t unexpected = irq_unexpected, rekicks = smp_rekicks;
    uint64_t t0 = rdtsc();

    samples = smp_sample(sample, size < 2 ? 2 : size > MAX_SAMPLE ? MAX_SAMPLE : size);
    for ( i = 0; i < cpu_count; i++ )
    {
        memset(cpus[i]->rx, 0, sizeof(cpus[i]->rx));
        memset(cpus[i]->want, 0, sizeof(cpus[i]->want));
        cpus[i]->sends_failed = 0;
    }
    remaining = 0;
    irq_hook = hook;
    all_phases();

    /* One that is late, or comes twice, arrives before the CPU does this. */
    if ( smp_all(nothing, NULL) )
        check_fail("CPUs did not answer at the end");
    irq_hook = NULL;
    for ( i = 0; i < cpu_count; i++ )
    {
        struct cpu *c = cpus[i];

        for ( v = 0; v < VEC_TEST_END; v++ )
            if ( (v == VEC_NMI || v >= VEC_TEST) && c->rx[v] != c->want[v] )
                check_fail("CPU %u, ID %u, got vector 0x%x %u times, expected %u", c->index, c->id, v, c->rx[v],
                           c->want[v]);
        if ( c->sends_failed )
            check_fail("CPU %u could not send %u IPIs", c->index, c->sends_failed);
    }
    if ( irq_unexpected != unexpected )
        check_fail("%u interrupts of other vectors, the last 0x%x", irq_unexpected - unexpected,
                   irq_unexpected_vector);
    if ( smp_rekicks != rekicks )
        check_fail("a wake-up had to be repeated %u times", smp_rekicks - rekicks);
    report_add("ipi", "{\"sample\":%u,\"sent\":%lu,\"us\":%lu}", samples, sent, tsc_to_us(rdtsc() - t0));
    check_note("%lu interrupts, sample of %u, each counted once", sent, samples);
}

const struct check check_ipi = { "ipi", "IPIs of all kinds arrive, once", .needs_aps = true, .run = run };
