// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-level: level-triggered pins of the IO-APIC in remappable format, above all their end.
 *
 * A line that stays up interrupts again after each end of interrupt, and only then; the handler
 * lowers it at the third time.  So three interrupts come, no more and no less, and remote IRR
 * ends clear: for vector bits of the pin that are the pin's number (as Linux has them), the
 * entry's vector, 0, or another pin's vector; ended by the local APIC alone, or by switching
 * the pin to edge and back before that.  A line held up by a second device, whose interrupt is
 * still in service, isn't ended by the first one's vector, though its pin has that in its
 * vector bits.  An entry that changes its vector or CPU while its interrupt is in service
 * doesn't leave the pin behind.
 */
#include "vtd.h"

#define INDEX   40U
#define V_PIN   VEC_TEST
#define V_OTHER (VEC_TEST + 30)
#define V_MOVED (VEC_TEST + 31)
#define TIMES   3U

static struct cpu *target[16];
static struct edu *e, *other;

/* What the handler of the first pin does, and finds. */
static struct {
    unsigned int vec, moved_vec;        /* before and after the entry changes */
    unsigned int pin;
    uint32_t low;                       /* the pin's, for the switch */
    bool toggle;
    uint32_t times, not_cleared;
} job;

/* The second device's interrupt stays in service until it's told. */
static uint32_t hold, holding, done;

static void hook(unsigned int vec)
{
    if ( vec == V_OTHER )
    {
        /* In service, as long as others work: its acknowledgement follows this. */
        atomic_inc(&holding);
        smp_wake_bsp();
        for ( uint64_t end = rdtsc() + us_to_tsc(2 * vtd_patience()); load(&hold) && rdtsc() < end; )
            relax();
        return;
    }
    if ( vec != job.vec && vec != job.moved_vec )
        return;
    if ( atomic_inc(&job.times) >= TIMES )
        edu_intx(e, false);
    if ( job.toggle )
    {
        ioapic_set_low(job.pin, (job.low & ~RTE_LEVEL) | RTE_MASKED);
        if ( ioapic_rte(job.pin) & RTE_REMOTE_IRR )
            atomic_inc(&job.not_cleared);
        ioapic_set_low(job.pin, job.low);
    }
    /* Before the local APIC has its acknowledgement; the account is settled later. */
    if ( load(&job.times) >= TIMES )
    {
        store(&done, 0);
        smp_wake_bsp();
    }
}

static void nothing(struct cpu *me, void *arg)
{
}

static void settle(struct cpu *c)
{
    if ( c == bsp )
        return;
    smp_post(c, nothing, NULL);
    smp_kick();
    if ( smp_wait() )
        check_fail("CPU %u did not answer", c->index);
}

static bool level(struct cpu *c, unsigned int bits, bool toggle)
{
    uint32_t before;
    bool ok;

    job.vec = job.moved_vec = V_PIN + (c->index & 15);
    job.pin = e->pin;
    job.low = (uint32_t)rte_remapped(INDEX) | RTE_LEVEL | bits;
    job.toggle = toggle;
    job.times = job.not_cleared = 0;
    before = load(&c->rx[job.vec]);
    vtd_set(INDEX, irte_fixed(c->id, job.vec) | IRTE_LEVEL, IRTE_SVT(SVT_SID) | IRTE_SID(vtd.ioapic_sid));
    ioapic_set(e->pin, rte_remapped(INDEX) | RTE_LEVEL | bits);
    store(&done, 1);
    edu_intx(e, true);
    ok = wait_zero(&done, vtd_patience());
    edu_intx(e, false);
    settle(c);
    c->want[job.vec] += TIMES;
    if ( !ok || load(&c->rx[job.vec]) - before != TIMES )
    {
        check_fail("vector bits 0x%x, ended by %s, ID %u: %u interrupts, expected %u", bits,
                   toggle ? "edge and level" : "the local APIC", c->id, load(&c->rx[job.vec]) - before, TIMES);
        c->want[job.vec] = load(&c->rx[job.vec]);
        ok = false;
    }
    if ( job.not_cleared )
        check_fail("vector bits 0x%x: remote IRR isn't cleared by switching to edge", bits);
    if ( ioapic_rte(e->pin) & RTE_REMOTE_IRR )
        check_fail("vector bits 0x%x, ID %u: remote IRR is still set", bits, c->id);
    ioapic_set_low(e->pin, RTE_MASKED);
    return ok;
}

/* The other pin has our vector in its bits. */
static void mistaken(struct cpu *mine, struct cpu *theirs)
{
    unsigned int vec = V_PIN + (mine->index & 15);
    uint32_t never = 1, before = load(&theirs->rx[V_OTHER]);

    vtd_set(INDEX + 1, irte_fixed(theirs->id, V_OTHER) | IRTE_LEVEL, IRTE_SVT(SVT_SID) | IRTE_SID(vtd.ioapic_sid));
    ioapic_set(other->pin, rte_remapped(INDEX + 1) | RTE_LEVEL | vec);
    holding = 0;
    store(&hold, 1);
    edu_intx(other, true);
    for ( unsigned int i = 0; i < 1000 && !load(&holding); i++ )
        wait_zero(&never, vtd_patience() / 1000);
    if ( !load(&holding) )
        check_fail("the other pin's interrupt did not come");
    else
    {
        level(mine, e->pin, false);
        if ( !(ioapic_rte(other->pin) & RTE_REMOTE_IRR) )
            check_fail("the end of vector 0x%x has ended the pin with that in its vector bits, whose entry says 0x%x",
                       vec, V_OTHER);
    }
    edu_intx(other, false);
    store(&hold, 0);
    settle(theirs);
    theirs->want[V_OTHER]++;
    if ( load(&theirs->rx[V_OTHER]) - before != 1 )
    {
        check_fail("the other pin interrupted %u times, expected 1", load(&theirs->rx[V_OTHER]) - before);
        theirs->want[V_OTHER] = load(&theirs->rx[V_OTHER]);
    }
    if ( ioapic_rte(other->pin) & RTE_REMOTE_IRR )
        check_fail("the other pin's remote IRR is still set after its own end");
    ioapic_set_low(other->pin, RTE_MASKED);
}

/* Holds the interrupt in service while its entry changes; then the next ones come by the new entry. */
static void moved(struct cpu *from, struct cpu *to, unsigned int bits)
{
    uint32_t never = 1, before = load(&to->rx[V_MOVED]);
    uint64_t hi = IRTE_SVT(SVT_SID) | IRTE_SID(vtd.ioapic_sid);

    job.vec = V_MOVED + 1;              /* none of these */
    job.moved_vec = V_MOVED;
    job.pin = e->pin;
    job.toggle = false;
    job.times = 0;
    vtd_set(INDEX, irte_fixed(from->id, V_OTHER) | IRTE_LEVEL, hi);
    ioapic_set(e->pin, rte_remapped(INDEX) | RTE_LEVEL | bits);
    holding = 0;
    store(&hold, 1);
    from->want[V_OTHER]++;
    store(&done, 1);
    edu_intx(e, true);
    for ( unsigned int i = 0; i < 1000 && !load(&holding); i++ )
        wait_zero(&never, vtd_patience() / 1000);
    vtd_set(INDEX, irte_fixed(to->id, V_MOVED) | IRTE_LEVEL, hi);
    store(&hold, 0);
    if ( !wait_zero(&done, vtd_patience()) )
        check_fail("vector bits 0x%x: an entry changes while its interrupt is in service: %u interrupts by the new one, "
                   "expected %u", bits, load(&to->rx[V_MOVED]) - before, TIMES);
    edu_intx(e, false);
    settle(from);
    settle(to);
    to->want[V_MOVED] = load(&to->rx[V_MOVED]);
    ioapic_set_low(e->pin, RTE_MASKED);
}

static void run(void)
{
    struct cpu *mine, *theirs = NULL;
    unsigned int i, k, n;
    bool ok = true;

    if ( !vtd_begin(2) )
        return;
    e = &edu[0];
    other = &edu[1];
    n = vtd_targets(target, 6);
    if ( !edu_find_pin(e) || !edu_find_pin(other) || e->pin == other->pin )
    {
        check_error("no two pins");
        vtd_end();
        return;
    }
    edu_intx_mode(e);
    edu_intx_mode(other);
    irq_hook_first = true;
    irq_hook = hook;
    /* Our pin's vector is in the masked other pin's bits, too. */
    ioapic_set_low(other->pin, RTE_MASKED | RTE_LEVEL | V_PIN);
    for ( i = 0; i < n && ok; i++ )
    {
        unsigned int bits[] = { e->pin, V_PIN + (target[i]->index & 15), 0, V_OTHER };

        for ( k = 0; k < 2 * ARRAY_SIZE(bits) && ok; k++ )
            ok = level(target[i], bits[k / 2], k & 1);
    }
    mine = target[n - 1];
    for ( i = 0; i < n; i++ )
        if ( target[i] != bsp && target[i] != mine )
            theirs = target[i];
    if ( theirs && mine != bsp )
    {
        mistaken(mine, theirs);
        mistaken(bsp, theirs);
        moved(theirs, mine, V_OTHER);
        moved(theirs, bsp, e->pin);
    }
    else
        check_note("pins %d and %d, %u CPUs: too few for two at once", e->pin, other->pin, n);
    irq_hook = NULL;
    irq_hook_first = false;
    check_note("pins %d and %d, %u CPUs, the last ID %u", e->pin, other->pin, n, target[n - 1]->id);
    vtd_end();
}

const struct check check_vtd_level = {
    "vtd-level", "level-triggered pins, remapped, and their end", .needs_aps = true, .run = run,
};
