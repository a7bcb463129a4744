// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench: what an IPI, a port access and an MSI cost, by the TSC.  In a machine that runs by
 * instruction count (scripts/boot --icount) the TSC counts the instructions of all that runs:
 * guest, Xen, and dom0 with its device model.  Only when asked for by checks=.
 *
 * Each is done bench.rounds=24 times for each CPU of a sample, and the least counts, which is the
 * one that nothing else came into.  A target that must not run has its task priority raised,
 * and the interrupt pending already: what is measured then ends in the target's IRR.
 *
 *  - insn:       a thousand instructions that do nothing, to see what the TSC counts
 *  - exit:       CPUID, which Xen emulates
 *  - ipi:        from the BSP to each CPU, which doesn't run
 *  - ipi_trip:   the same to a CPU that sleeps, and sends one back
 *  - port:       by each CPU, to QEMU and back
 *  - mmio, msi_compat, msi_hit, msi_miss: a write to the device edu without effect, and one by which
 *    it sends a message, to a CPU which doesn't run: in compatibility format, without
 *    and (msi_allowed, for which EIME is clear) with remapping; in remappable format, with the entry in
 *    Xen's cache and without
 *  - pt_mmio, pt_compat, pt_allowed, pt_hit, pt_miss: the same with a network card that the guest was
 *    given, so that no device model has a part in it: a physical interrupt, up to the target's IRR
 *  - reg:        a register of the VT-d unit
 *  - inv_index, inv_all: an invalidation, with the descriptor that waits for it
 */
#include "vtd.h"

#define V_BENCH     (VEC_TEST + 1)
#define V_TRIP      (VEC_TEST + 2)
#define TPR_WAKE    0xe0                /* lets VEC_WAKE pass, and none of ours */
#define MAX_SAMPLE  16U

static struct cpu *sample[MAX_SAMPLE];
static unsigned int samples, rounds;
static volatile uint32_t trips;

/* Who sends messages: one device of the device model's, or one that the guest was given. */
struct source {
    unsigned int bdf;
    void (*msi)(uint64_t addr, uint32_t data);
    void (*again)(void);
    void (*settle)(void);               /* before the next one; may be NULL */
};

static void emulated_msi(uint64_t addr, uint32_t data)
{
    edu_msi(&edu[0], addr, data);
}

static void emulated_again(void)
{
    edu_msi_again(&edu[0]);
}

static struct source emulated = { .msi = emulated_msi, .again = emulated_again };
static struct source given = { .msi = e1000e_msi, .again = e1000e_msi_again,
                               .settle = e1000e_settle };

struct series { uint64_t sum, first, last; unsigned int n; };

static void add(struct series *s, uint64_t value)
{
    if ( !s->n++ )
        s->first = value;
    s->last = value;
    s->sum += value;
}

static void report(char *out, size_t size, const char *name, const struct series *s)
{
    size_t n = strlen(out);

    if ( s->n )
        snprintf(out + n, size - n, "%s\"%s\":[%lu,%lu,%lu]", n > 1 ? "," : "", name, s->sum / s->n, s->first, s->last);
}

/* The least of all rounds that STATEMENT takes. */
#define LEAST(statement) ({                                 \
        uint64_t least_ = -1UL, took_;                      \
                                                            \
        for ( unsigned int r_ = 0; r_ < rounds; r_++ )      \
        {                                                   \
            took_ = rdtsc();                                \
            statement;                                      \
            took_ = rdtsc() - took_;                        \
            if ( took_ < least_ )                           \
                least_ = took_;                             \
        }                                                   \
        least_; })

static void set_tpr(struct cpu *me, void *arg)
{
    apic_write(APIC_TPR, (uintptr_t)arg);
}

static void on_cpu(struct cpu *c, void (*fn)(struct cpu *me, void *arg), void *arg)
{
    if ( c == bsp )
    {
        fn(bsp, arg);
        return;
    }
    smp_post(c, fn, arg);
    smp_kick();
    if ( smp_wait() )
        check_fail("CPU %u does not answer", c->index);
}

static void cpu_exit(struct cpu *me, void *arg)
{
    add(arg, LEAST(cpuid(0, 0)));
}

static void port(struct cpu *me, void *arg)
{
    add(arg, LEAST(inw(0xcfc)));
}

static void hook(unsigned int vec)
{
    if ( vec != V_TRIP )
        return;
    if ( this_cpu() == bsp )
        trips++;
    else
        apic_icr(bsp->id, ICR_FIXED | V_TRIP);
}

static void trip(struct cpu *c)
{
    uint32_t before = trips;

    apic_icr(c->id, ICR_FIXED | V_TRIP);
    for ( ;; )
    {
        irq_off();
        if ( trips != before )
            break;
        irq_on_halt();
    }
    irq_on();
}

/* Messages to each CPU of the sample; the vector is pending after the first. */
static void msis(struct series *s, const struct source *from,
                 uint64_t addr_of(const struct source *from, struct cpu *c), uint32_t data, bool miss)
{
    unsigned int i, r;

    for ( i = 0; i < samples; i++ )
    {
        struct cpu *c = sample[i];
        uint64_t least = -1UL;

        if ( data && c->id > 254 )
            continue;
        on_cpu(c, set_tpr, (void *)TPR_WAKE);
        if ( from->settle )
            from->settle();
        from->msi(addr_of(from, c), data);
        for ( r = 0; r < rounds; r++ )
        {
            uint64_t t0;

            if ( from->settle )
                from->settle();
            if ( miss )
                vtd_invalidate(c->index % VTD_ENTRIES, 0);
            t0 = rdtsc();
            from->again();
            t0 = rdtsc() - t0;
            if ( t0 < least )
                least = t0;
        }
        add(s, least);
        if ( from->settle )
            from->settle();
        on_cpu(c, set_tpr, (void *)0);
        if ( load(&c->rx[V_BENCH]) == c->want[V_BENCH] )
            check_fail("CPU %u, ID %u, got no message", c->index, c->id);
        c->want[V_BENCH] = load(&c->rx[V_BENCH]);
    }
}

static uint64_t compat_addr(const struct source *from, struct cpu *c)
{
    return 0xfee00000U | c->id << 12;
}

static uint64_t remapped_addr(const struct source *from, struct cpu *c)
{
    unsigned int index = c->index % VTD_ENTRIES;

    vtd.table[index * 2 + 1] = IRTE_SVT(SVT_SID) | IRTE_SID(from->bdf);
    ((volatile uint64_t *)vtd.table)[index * 2] = irte_fixed(c->id, V_BENCH);
    vtd_invalidate(index, 0);
    return msi_addr(index, false);
}

/* With EIME it is blocked. */
static bool allow_compat(void)
{
    if ( vtd_set_table((uintptr_t)vtd.table, VTD_ORDER, false) && vtd_command(GCMD_CFI, true) )
        return true;
    check_fail("EIME can't be cleared, or GSTS.CFIS can't be set");
    return false;
}

static void run(void)
{
    static char out[1024];
    struct series insn = {}, leave = {}, ipi = {}, ipi_trip = {}, ports = {}, mmio = {}, compat = {}, allowed = {}, hit = {},
                  miss = {}, reg = {}, inv_index = {}, inv_all = {}, pt_mmio = {}, pt_compat = {}, pt_allowed = {},
                  pt_hit = {}, pt_miss = {};
    unsigned int i;

    rounds = param_num("bench.rounds", 24);
    samples = smp_sample(sample, MAX_SAMPLE);
    irq_hook = hook;
    for ( i = 0; i < cpu_count; i++ )
    {
        memset(cpus[i]->rx, 0, sizeof(cpus[i]->rx));
        memset(cpus[i]->want, 0, sizeof(cpus[i]->want));
    }
    add(&insn, LEAST(asm volatile ( ".rept 1000; nop; .endr" )));
    pci_read(0, 0);                     /* leaves 0xcf8 at the bridge's IDs */

    for ( i = 0; i < samples; i++ )
    {
        struct cpu *c = sample[i];

        on_cpu(c, cpu_exit, &leave);
        on_cpu(c, port, &ports);
        if ( c == bsp )
            continue;
        add(&ipi_trip, LEAST(trip(c)));
        on_cpu(c, set_tpr, (void *)TPR_WAKE);
        apic_icr(c->id, ICR_FIXED | V_BENCH);
        add(&ipi, LEAST(apic_icr(c->id, ICR_FIXED | V_BENCH)));
        on_cpu(c, set_tpr, (void *)0);
        if ( load(&c->rx[V_BENCH]) != 2 && load(&c->rx[V_BENCH]) != 1 )
            check_fail("CPU %u, ID %u, got the pending IPI %u times", c->index, c->id, load(&c->rx[V_BENCH]));
        c->want[V_BENCH] = load(&c->rx[V_BENCH]);
    }

    vtd_init();
    if ( !edus )
        edu_init();                     /* which that does only with a unit */
    if ( edus )
    {
        emulated.bdf = edu[0].bdf;
        emulated.msi(compat_addr(&emulated, bsp), V_BENCH);
        add(&mmio, LEAST(edu_nothing(&edu[0])));
        msis(&compat, &emulated, compat_addr, V_BENCH, false);
    }
    if ( e1000e_init() )
    {
        given.bdf = e1000e.bdf;
        add(&pt_mmio, LEAST(e1000e_nothing()));
        msis(&pt_compat, &given, compat_addr, V_BENCH, false);
        if ( !vtd.missing && vtd_begin(0) )
        {
            msis(&pt_hit, &given, remapped_addr, 0, false);
            msis(&pt_miss, &given, remapped_addr, 0, true);
            if ( allow_compat() )
                msis(&pt_allowed, &given, compat_addr, V_BENCH, false);
            vtd_end();
        }
    }
    if ( edus && !vtd.missing && vtd_begin(1) )
    {
        add(&reg, LEAST(vtd_read(VTD_GSTS)));
        msis(&hit, &emulated, remapped_addr, 0, false);
        msis(&miss, &emulated, remapped_addr, 0, true);
        add(&inv_index, LEAST(vtd_invalidate(1, 0)));
        add(&inv_all, LEAST(vtd_invalidate_all()));
        if ( allow_compat() )
            msis(&allowed, &emulated, compat_addr, V_BENCH, false);
        vtd_end();
    }

    snprintf(out, sizeof(out), "{");
    report(out, sizeof(out), "insn", &insn);
    report(out, sizeof(out), "exit", &leave);
    report(out, sizeof(out), "ipi", &ipi);
    report(out, sizeof(out), "ipi_trip", &ipi_trip);
    report(out, sizeof(out), "port", &ports);
    report(out, sizeof(out), "mmio", &mmio);
    report(out, sizeof(out), "msi_compat", &compat);
    report(out, sizeof(out), "msi_allowed", &allowed);
    report(out, sizeof(out), "msi_hit", &hit);
    report(out, sizeof(out), "msi_miss", &miss);
    report(out, sizeof(out), "reg", &reg);
    report(out, sizeof(out), "inv_index", &inv_index);
    report(out, sizeof(out), "inv_all", &inv_all);
    report(out, sizeof(out), "pt_mmio", &pt_mmio);
    report(out, sizeof(out), "pt_compat", &pt_compat);
    report(out, sizeof(out), "pt_allowed", &pt_allowed);
    report(out, sizeof(out), "pt_hit", &pt_hit);
    report(out, sizeof(out), "pt_miss", &pt_miss);
    report_add("bench", "%s}", out);
    check_note("%u CPUs, %u rounds", samples, rounds);
}

const struct check check_bench = { "bench", "what interrupts and I/O cost", .needs_aps = true, .optional = true, .run = run };
