// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-order: once an invalidation's wait descriptor is written, no interrupt goes by what the
 * entry was before; and none is lost on the way.
 *
 * An AP sends interrupts, one after the other, each after the one before has arrived.  The BSP
 * changes the entry's vector and CPU meanwhile, vtd.epochs=40 times, and invalidates it: by
 * index, by index with a mask, or all.  Before it sends, the AP looks which invalidations are
 * completed.  What it then gets must be by the entry of the last of these, or a later one.
 *
 * Sent by a device's MSI; and by a pin of the IO-APIC whose level-triggered line is up, which
 * interrupts when it's unmasked: that one doesn't pass the device model, so it meets the
 * invalidation on another CPU.
 */
#include "vtd.h"

#define INDEX   43U
#define VECTORS 120U

static struct cpu *target[8], *sender;
static unsigned int targets, epochs;
static uint32_t *inv_of;                /* the wait descriptor of each epoch's invalidation */
static uint32_t written;                /* the last epoch whose entry may be seen */
static uint32_t stop, fired, hits, hit_vec, hit_cpu, stale, wrong, wrong_vec, wrong_cpu, wrong_epoch, lost;
static bool by_pin;

static unsigned int vec_of(uint32_t epoch)    { return VEC_TEST + epoch % VECTORS; }
static struct cpu *cpu_of(uint32_t epoch)     { return target[epoch % targets]; }

static void hook(unsigned int vec)
{
    if ( vec < VEC_TEST )
        return;
    /* The line is still up: not again before the next time. */
    if ( by_pin )
        ioapic_set_low(edu[0].pin, RTE_MASKED);
    hit_vec = vec;
    hit_cpu = this_cpu()->index;
    atomic_inc(&hits);
}

static void send(void)
{
    if ( by_pin )
        ioapic_set_low(edu[0].pin, (uint32_t)rte_remapped(INDEX) | RTE_LEVEL | edu[0].pin);
    else
        edu_msi_again(&edu[0]);
}

static void sending(struct cpu *me, void *arg)
{
    uint32_t first = 0, e;

    while ( !load(&stop) )
    {
        uint32_t before = load(&hits), last;
        uint64_t end = rdtsc() + us_to_tsc(vtd_patience());

        while ( first < load(&written) && inv_of[first + 1] &&
                (int32_t)(vtd.inv_done - inv_of[first + 1]) >= 0 )
            first++;
        send();
        while ( load(&hits) == before && rdtsc() < end )
            relax();
        if ( load(&hits) == before )
        {
            atomic_inc(&lost);
            break;
        }
        last = load(&written);
        for ( e = first; e <= last && (hit_vec != vec_of(e) || hit_cpu != cpu_of(e)->index); e++ )
            ;
        if ( e > last )
        {
            wrong_vec = hit_vec;
            wrong_cpu = hit_cpu;
            wrong_epoch = first;
            atomic_inc(&wrong);
        }
        else if ( e < last )
            atomic_inc(&stale);
        atomic_inc(&fired);
    }
}

static void change(uint32_t epoch)
{
    /* The invalidation takes 8 entries: the others are of no use, but must stay as they are. */
    unsigned int mask = epoch % 3 == 1 ? 3 : 0;

    store(&written, epoch);
    ((volatile uint64_t *)vtd.table)[INDEX * 2] = irte_fixed(cpu_of(epoch)->id, vec_of(epoch)) |
                                                  (by_pin ? IRTE_LEVEL : 0);
    if ( epoch % 3 == 2 )
        vtd_queue_put(INV_IEC_ALL, 0);
    else
        vtd_queue_put(INV_IEC(mask ? INDEX & ~7U : INDEX, mask), 0);
    vtd_queue_put_wait(INV_WAIT_SW);
    store(&inv_of[epoch], vtd.inv_sent);
    if ( !vtd_queue_sync() )
        check_fail("invalidation %u isn't completed", epoch);
}

static uint32_t churn(const char *what)
{
    uint32_t epoch, i, v, all = 0;

    memset(inv_of, 0, (epochs + 2) * sizeof(*inv_of));
    stop = fired = hits = stale = wrong = lost = written = 0;
    vtd_set(INDEX, irte_fixed(cpu_of(0)->id, vec_of(0)) | (by_pin ? IRTE_LEVEL : 0),
            IRTE_SVT(SVT_SID) | IRTE_SID(by_pin ? vtd.ioapic_sid : edu[0].bdf));
    smp_post(sender, sending, NULL);
    smp_kick();
    for ( epoch = 1; epoch <= epochs && !load(&lost) && !load(&wrong); epoch++ )
    {
        uint64_t end = rdtsc() + us_to_tsc(2 * vtd_patience());
        uint32_t before = load(&fired);

        /* Two that begin after the last change: they must be by that. */
        while ( load(&fired) - before < 3 && !load(&lost) && rdtsc() < end )
            relax();
        change(epoch);
    }
    store(&stop, 1);
    if ( smp_wait() )
        check_fail("%s: the sender did not finish", what);
    if ( lost )
        check_fail("%s: interrupt %u was lost, in epoch %u", what, fired, epoch - 1);
    if ( wrong )
        check_fail("%s: vector 0x%x came to CPU %u, but epoch %u had completed, with 0x%x for CPU %u", what, wrong_vec,
                   wrong_cpu, wrong_epoch, vec_of(wrong_epoch), cpu_of(wrong_epoch)->index);
    vtd_settle();
    for ( i = 0; i < cpu_count; i++ )
        for ( v = VEC_TEST; v < VEC_TEST_END; v++ )
        {
            all += cpus[i]->rx[v] - cpus[i]->want[v];
            cpus[i]->want[v] = cpus[i]->rx[v];
        }
    if ( all != fired + lost && !wrong )
        check_fail("%s: %u interrupts came of %u that were sent", what, all, fired);
    return fired;
}

/* Entries of a block, changed all at once. */
static void masks(void)
{
    uint64_t hi = IRTE_SVT(SVT_SID) | IRTE_SID(edu[0].bdf);
    unsigned int mask, i, first = 64, round;

    for ( mask = 0; mask <= 6; mask += 2 )
    {
        for ( round = 0; round < 2; round++ )
        {
            for ( i = first; i < first + (1U << mask); i++ )
            {
                vtd.table[i * 2 + 1] = hi;
                ((volatile uint64_t *)vtd.table)[i * 2] = irte_fixed(bsp->id, VEC_TEST + 64 * round + i - first);
            }
            if ( round && !vtd_invalidate(first, mask) )
                check_fail("invalidation with mask %u isn't completed", mask);
            else if ( !round )
                vtd_invalidate_all();
            for ( i = first; i < first + (1U << mask); i++ )
            {
                vtd_expect(bsp, VEC_TEST + 64 * round + i - first);
                edu_msi(&edu[0], msi_addr(i, false), 0);
                if ( !vtd_arrived("entry %u after an invalidation with mask %u", i, mask) )
                    return;
            }
        }
    }
    /* No longer present. */
    ((volatile uint64_t *)vtd.table)[first * 2] = 0;
    vtd_invalidate(first, 0);
    edu_msi(&edu[0], msi_addr(first, false), 0);
    vtd_fault_expect("an entry that was removed", edu[0].bdf, first, FAULT_ABSENT);
}

static void run(void)
{
    uint32_t msis, pins = 0, old;
    unsigned int i, k, n;

    if ( !vtd_begin(1) )
        return;
    masks();
    epochs = param_num("vtd.epochs", 40);
    epochs = epochs < 1 ? 1 : epochs > 100000 ? 100000 : epochs;
    inv_of = mem_alloc((epochs + 2) * sizeof(*inv_of), 64);
    n = vtd_targets(target, ARRAY_SIZE(target));
    /* One CPU sends, the BSP invalidates, the others get interrupts. */
    sender = NULL;
    for ( i = k = 0; i < n; i++ )
        if ( target[i] == bsp )
            continue;
        else if ( !sender )
            sender = target[i];
        else
            target[k++] = target[i];
    targets = k;
    if ( !sender || !targets || !inv_of )
    {
        check_error("needs 3 CPUs, there are %u, or more memory", cpus_online);
        vtd_end();
        return;
    }
    edu_msi(&edu[0], msi_addr(VTD_ENTRIES, false), 0);  /* so that the capability is on */
    vtd_fault_expect("index beyond the table", edu[0].bdf, VTD_ENTRIES, FAULT_INDEX);
    edu[0].addr = 0;
    vtd_set(INDEX, irte_fixed(bsp->id, VEC_TEST), IRTE_SVT(SVT_SID) | IRTE_SID(edu[0].bdf));
    vtd_expect(bsp, VEC_TEST);
    edu_msi(&edu[0], msi_addr(INDEX, false), 0);
    vtd_arrived("a first MSI");

    irq_hook = hook;
    by_pin = false;
    msis = churn("MSI");
    old = stale;
    if ( edu_find_pin(&edu[0]) )
    {
        edu_intx_mode(&edu[0]);
        ioapic_set(edu[0].pin, rte_remapped(INDEX) | RTE_LEVEL | RTE_MASKED);
        edu_intx(&edu[0], true);
        by_pin = irq_hook_first = true;
        pins = churn("IO-APIC");
        by_pin = irq_hook_first = false;
        ioapic_set_low(edu[0].pin, RTE_MASKED);
        edu_intx(&edu[0], false);
    }
    check_note("%u changes each, during %u MSIs (%u by an older entry, in time) and %u of a pin (%u)", epochs, msis, old,
               pins, stale);
    vtd_end();
}

const struct check check_vtd_order = {
    "vtd-order", "no interrupt by an entry that was invalidated", .needs_aps = true, .run = run,
};
