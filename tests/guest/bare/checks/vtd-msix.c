// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-msix: a device that the guest was given, with a table of messages (MSI-X): a network card, or a
 * USB controller.  Only when asked for by checks=.
 *
 *  - each message by an entry of the unit's, to each CPU of the sample; entries whose indexes have
 *    their lower bits in common, of which one is changed
 *  - what was to be sent while the entry, or the function, was masked comes when it no longer is: once,
 *    and by the message and the unit's entry of that time, whatever was changed meanwhile
 *  - the same changes while another CPU has the device interrupt all the time (vtd.epochs=40 of them):
 *    nothing comes by a message or an entry that was replaced before, and nothing is lost
 *  - faults, with the device's source id: index beyond the table, entry that isn't present or is another
 *    device's, compatibility format when that is blocked
 *  - compatibility format beside remapped messages when CFI allows it, and with remapping off
 *
 * The card sends each message twice, 128 us apart.  Where one is to be counted exactly, the entry is
 * masked while the card is told to interrupt, and is reset before the mask is lifted.  The USB controller
 * has no such habit.
 */
#include "vtd.h"

#define BASE        20U         /* subhandles are subtracted from it */
#define BLOCK       64U         /* indexes that have their lower bits in common are that far apart */
#define OTHER       32U         /* from a message's entry of the unit to its second one */
#define MAX_ENTRIES 16U
#define V_FIRST     VEC_TEST
#define V_SECOND    (VEC_TEST + MAX_ENTRIES)
#define V_COMPAT    (VEC_TEST + 2 * MAX_ENTRIES)
#define VECTORS     100U        /* in flight */

static const struct msix *table;
static void (*fire)(unsigned int n);
static void (*quiet)(void);             /* for a device that sends what it sends twice, else NULL */
static struct cpu *target[16], *sender;
static unsigned int targets, entries, bdf;
static uint64_t hi;

static unsigned int index_of(unsigned int n)    { return BASE + BLOCK * (n % 3) + n / 3; }
static struct cpu *cpu_of(unsigned int n)       { return target[n % targets]; }

/* By handle alone, or with a subhandle, so that the data counts. */
static void message(unsigned int n, unsigned int index)
{
    if ( n & 1 )
        msix_message(table, n, msi_addr(index - n, true), n);
    else
        msix_message(table, n, msi_addr(index, false), 0);
}

static void message_set(unsigned int n, unsigned int index)
{
    msix_mask(table, n, true);
    message(n, index);
    msix_mask(table, n, false);
}

static uint32_t compat_addr(const struct cpu *c)
{
    return 0xfee00000U | (c->id & 0xff) << 12;
}

/* Has the device send one message, or more than one at a time of which one is sent. */
static void fire_masked(unsigned int n)
{
    fire(n);
    if ( quiet )
        quiet();
    if ( !msix_pending(table, n) )
        check_error("entry %u is masked, and the device doesn't say that it has something to send", n);
}

static void once(unsigned int n)
{
    if ( !quiet )
    {
        fire(n);
        return;
    }
    msix_mask(table, n, true);
    fire_masked(n);
    msix_mask(table, n, false);
}

static void mask(unsigned int n, bool function, bool masked)
{
    if ( function )
        msix_mask_all(table, masked);
    else
        msix_mask(table, n, masked);
}

static bool comes(unsigned int n, struct cpu *c, unsigned int vector, const char *what)
{
    vtd_expect(c, vector);
    once(n);
    return vtd_arrived("entry %u, %s, to ID %u", n, what, c->id);
}

/* All messages to all CPUs, as they are sent without a mask. */
static bool remapped(void)
{
    unsigned int n, first;

    for ( first = 0; first < targets; first += entries )
    {
        for ( n = 0; n < entries; n++ )
            vtd_set(index_of(n), irte_fixed(cpu_of(first + n)->id, V_FIRST + n), hi);
        for ( n = 0; n < entries; n++ )
        {
            struct cpu *c = cpu_of(first + n);

            if ( !first )
                message_set(n, index_of(n));
            vtd_expect(c, V_FIRST + n);
            fire(n);
            if ( !vtd_arrived("entry %u to ID %u", n, c->id) )
                return false;
            if ( !quiet )
                continue;
            quiet();
            vtd_settle();
            if ( load(&c->rx[V_FIRST + n]) == c->want[V_FIRST + n] + 1 )
                c->want[V_FIRST + n]++;
        }
    }
    for ( n = 0; n < entries; n++ )
        vtd_set(index_of(n), irte_fixed(cpu_of(n)->id, V_FIRST + n), hi);
    msix_mask_all(table, true);
    for ( n = 0; n < entries; n++ )
    {
        vtd_expect(cpu_of(n), V_FIRST + n);
        fire_masked(n);
    }
    msix_mask_all(table, false);
    return vtd_arrived("all that was masked at once");
}

/* Entries that have their lower bits in common: a change of one, and an invalidation of all. */
static void shared(void)
{
    unsigned int n;

    for ( n = 0; n < entries; n++ )
    {
        vtd_set(index_of(n), irte_fixed(bsp->id, V_SECOND + n), hi);
        comes(n, bsp, V_SECOND + n, "whose entry of the unit was changed");
        if ( n + 3 < entries )
            comes(n + 3, cpu_of(n + 3), V_FIRST + n + 3, "beside it");
        comes((n + 1) % entries, n + 1 < entries ? cpu_of(n + 1) : bsp, n + 1 < entries ? V_FIRST + n + 1 : V_SECOND,
              "whose entry of the unit has another's lower bits");
    }
    for ( n = 0; n < entries; n++ )
        ((volatile uint64_t *)vtd.table)[index_of(n) * 2] = irte_fixed(cpu_of(n)->id, V_FIRST + n);
    if ( !vtd_invalidate(0, VTD_ORDER) )
        check_fail("the invalidation of all entries by a mask isn't completed");
    for ( n = 0; n < entries; n++ )
        comes(n, cpu_of(n), V_FIRST + n, "after an invalidation of all by a mask");
}

/* What is masked, and changed before that ends. */
static void masked(unsigned int n, bool function)
{
    const char *by = function ? "function" : "entry";
    unsigned int other = index_of(n) + OTHER;
    struct cpu *was = cpu_of(n), *to = cpu_of(n + 1);

    vtd_set(index_of(n), irte_fixed(was->id, V_FIRST + n), hi);
    vtd_set(other, irte_fixed(to->id, V_SECOND + n), hi);

    mask(n, function, true);
    fire_masked(n);
    message(n, other);
    vtd_expect(to, V_SECOND + n);
    mask(n, function, false);
    if ( !vtd_arrived("%s %u masked, another message", by, n) )
        return;
    if ( msix_pending(table, n) )
        check_error("%s %u is no longer masked, and the device still has something to send", by, n);
    comes(n, to, V_SECOND + n, "after it got another message");

    mask(n, function, true);
    fire_masked(n);
    vtd_set(other, irte_fixed(was->id, V_FIRST + n), hi);
    vtd_expect(was, V_FIRST + n);
    mask(n, function, false);
    vtd_arrived("%s %u masked, its entry of the unit changed", by, n);

    mask(n, function, true);
    fire_masked(n);
    vtd_set(other, 0, 0);
    mask(n, function, false);
    vtd_fault_expect("an entry that was removed while the message was masked", bdf, other, FAULT_ABSENT);

    /* Both at once; and nothing if there was nothing. */
    mask(n, function, true);
    fire_masked(n);
    vtd_set(index_of(n), irte_fixed(to->id, V_SECOND + n), hi);
    message(n, index_of(n));
    vtd_expect(to, V_SECOND + n);
    mask(n, function, false);
    vtd_arrived("%s %u masked, both changed", by, n);
    mask(n, function, true);
    vtd_set(index_of(n), irte_fixed(was->id, V_FIRST + n), hi);
    mask(n, function, false);
    vtd_settle();
    comes(n, was, V_FIRST + n, "after all of that");
}

static void faults(unsigned int n)
{
    unsigned int index = index_of(n);

    msix_set(table, n, msi_addr(VTD_ENTRIES, false), 0);
    once(n);
    vtd_fault_expect("index beyond the table", bdf, VTD_ENTRIES, FAULT_INDEX);
    msix_set(table, n, msi_addr(VTD_ENTRIES - 1, true), 2);
    once(n);
    vtd_fault_expect("handle and subhandle beyond the table", bdf, VTD_ENTRIES + 1, FAULT_INDEX);
    message_set(n, index);
    vtd_set(index, 0, 0);
    once(n);
    vtd_fault_expect("an entry that isn't present", bdf, index, FAULT_ABSENT);
    vtd_set(index, irte_fixed(bsp->id, V_FIRST + n), IRTE_SVT(SVT_SID) | IRTE_SID(bdf ^ 1));
    once(n);
    vtd_fault_expect("an entry of another device", bdf, index, FAULT_SID);
    msix_set(table, n, compat_addr(bsp), V_COMPAT + n);
    once(n);
    vtd_fault_expect("compatibility format", bdf, -1, FAULT_COMPAT);
    vtd_set(index, irte_fixed(cpu_of(n)->id, V_FIRST + n), hi);
    message_set(n, index);
    comes(n, cpu_of(n), V_FIRST + n, "after it faulted");
}

/* Every second message in compatibility format. */
static void compat(void)
{
    unsigned int n, round;

    for ( n = 0; n < entries; n++ )
    {
        vtd_set(index_of(n), irte_fixed(cpu_of(n)->id, V_FIRST + n), hi);
        if ( n & 1 )
            msix_set(table, n, compat_addr(cpu_of(n)), V_COMPAT + n);
        else
            message_set(n, index_of(n));
    }
    for ( round = 0; round < 2; round++ )
        for ( n = 0; n < entries; n++ )
            comes(n, cpu_of(n), n & 1 ? V_COMPAT + n : V_FIRST + n, n & 1 ? "compatibility format" : "remapped");
    for ( n = 0; n < entries; n++ )
    {
        msix_mask(table, n, true);
        fire_masked(n);
        if ( n & 1 )
            message(n, index_of(n));
        else
            msix_message(table, n, compat_addr(cpu_of(n)), V_COMPAT + n);
        vtd_expect(cpu_of(n), n & 1 ? V_FIRST + n : V_COMPAT + n);
        msix_mask(table, n, false);
        vtd_arrived("entry %u, masked and given the other format", n);
    }
}

/* ---- in flight ---- */
static uint32_t written, done, stop, fired, hits, hit_vec, hit_cpu, wrong, wrong_vec, wrong_cpu, wrong_epoch, lost;

static unsigned int vec_at(uint32_t epoch)      { return VEC_TEST + epoch % VECTORS; }
static struct cpu *cpu_at(uint32_t epoch)       { return target[epoch % targets]; }

static void hook(unsigned int vec)
{
    if ( vec < VEC_TEST )
        return;
    hit_vec = vec;
    hit_cpu = this_cpu()->index;
    atomic_inc(&hits);
}

static void sending(struct cpu *me, void *arg)
{
    uint32_t first, before_that = 0, e, last;

    while ( !load(&stop) )
    {
        uint32_t before = load(&hits);
        uint64_t end = rdtsc() + us_to_tsc(vtd_patience());

        first = load(&done);
        fire(0);
        while ( load(&hits) == before && rdtsc() < end )
            relax();
        if ( load(&hits) == before )
        {
            atomic_inc(&lost);
            break;
        }
        last = load(&written);
        /* The second of two may be from the time before. */
        for ( e = quiet ? before_that : first; e <= last && (hit_vec != vec_at(e) || hit_cpu != cpu_at(e)->index); e++ )
            ;
        if ( e > last )
        {
            wrong_vec = hit_vec;
            wrong_cpu = hit_cpu;
            wrong_epoch = first;
            atomic_inc(&wrong);
        }
        before_that = first;
        atomic_inc(&fired);
        if ( quiet )
            quiet();
    }
}

static uint32_t in_flight(unsigned int epochs)
{
    void (*others)(unsigned int vector) = irq_hook;
    uint32_t epoch, pending = 0, all = 0;
    unsigned int index = index_of(0), i, v;

    vtd_set(index, irte_fixed(cpu_at(0)->id, vec_at(0)), hi);
    message_set(0, index);
    vtd_settle();
    stop = fired = hits = wrong = lost = written = done = 0;
    irq_hook = hook;
    smp_post(sender, sending, NULL);
    smp_kick();
    for ( epoch = 1; epoch <= epochs && !load(&lost) && !load(&wrong); epoch++ )
    {
        uint64_t end = rdtsc() + us_to_tsc(2 * vtd_patience());
        uint32_t before = load(&fired);
        unsigned int was = index;

        /* Two that begin after the last change: they must be by that. */
        while ( load(&fired) - before < 3 && !load(&lost) && rdtsc() < end )
            relax();
        /* Another message, or the same with its entry of the unit changed. */
        if ( epoch % 3 )
        {
            index = index == index_of(0) ? index_of(0) + OTHER : index_of(0);
            vtd_set(index, irte_fixed(cpu_at(epoch)->id, vec_at(epoch)), hi);
        }
        mask(0, epoch % 3 == 2, true);
        /* Every second change only when something waits for it. */
        end = rdtsc() + us_to_tsc(vtd_patience());
        while ( epoch % 2 && !msix_pending(table, 0) && !load(&lost) && rdtsc() < end )
            relax();
        pending += msix_pending(table, 0);
        store(&written, epoch);
        if ( index != was )
        {
            i = epoch % 5;
            msix_message(table, 0, msi_addr(i ? index - i : index, i), i);
        }
        else
            vtd_set(index, irte_fixed(cpu_at(epoch)->id, vec_at(epoch)), hi);
        mask(0, epoch % 3 == 2, false);
        store(&done, epoch);
    }
    store(&stop, 1);
    if ( smp_wait() )
        check_fail("in flight: the sender did not finish");
    if ( lost )
        check_fail("in flight: message %u was lost, in epoch %u", fired, epoch - 1);
    if ( wrong )
        check_fail("in flight: vector 0x%x came to CPU %u, but epoch %u was over, with 0x%x for CPU %u", wrong_vec,
                   wrong_cpu, wrong_epoch, vec_at(wrong_epoch), cpu_at(wrong_epoch)->index);
    if ( quiet )
        quiet();
    vtd_settle();
    irq_hook = others;
    for ( i = 0; i < cpu_count; i++ )
        for ( v = VEC_TEST; v < VEC_TEST_END; v++ )
        {
            all += cpus[i]->rx[v] - cpus[i]->want[v];
            cpus[i]->want[v] = cpus[i]->rx[v];
        }
    if ( all < fired || all > fired * (quiet ? 2 : 1) )
        check_fail("in flight: %u interrupts came of %u that were sent", all, fired);
    if ( !pending )
        check_error("in flight: nothing was pending at any change");
    check_note("%u entries to %u CPUs, the last ID %u; %u changes during %u messages, %u of them pending", entries,
               targets, target[targets - 1]->id, epochs, fired, pending);
    return fired;
}

static bool find(void)
{
    if ( e1000e_init() )
    {
        table = &e1000e.msix;
        bdf = e1000e.bdf;
        fire = e1000e_interrupt;
        quiet = e1000e_quiet;
    }
    else if ( xhci_init() && xhci.msix.entries )
    {
        table = &xhci.msix;
        bdf = xhci.bdf;
        fire = xhci_interrupt;
        quiet = NULL;
    }
    else
        return false;
    entries = table->entries < MAX_ENTRIES ? table->entries : MAX_ENTRIES;
    return true;
}

static void run(void)
{
    unsigned int i, epochs = param_num("vtd.epochs", 40);

    if ( !vtd_begin(0) )
        return;
    if ( !find() )
    {
        check_skip("neither an e1000e nor an xHCI controller of NEC's with MSI-X");
        vtd_end();
        return;
    }
    hi = IRTE_SVT(SVT_SID) | IRTE_SID(bdf);
    targets = vtd_targets(target, ARRAY_SIZE(target));
    /* Interrupts go to the others, as the BSP is the one that changes. */
    sender = NULL;
    for ( i = 0; i < targets; i++ )
        if ( target[i] != bsp )
            sender = target[i];
    if ( !sender )
    {
        check_error("needs 2 CPUs, there are %u", cpus_online);
        vtd_end();
        return;
    }
    if ( remapped() )
    {
        shared();
        for ( i = 0; i < entries; i++ )
        {
            masked(i, false);
            masked(i, true);
        }
        for ( i = 0; i < entries; i++ )
            faults(i);
        in_flight(epochs < 1 ? 1 : epochs);
    }
    msix_off(table);

    /* From nothing, with what a guest without EIME can do besides. */
    if ( !vtd_set_table((uintptr_t)vtd.table, VTD_ORDER, false) )
        check_fail("EIME can't be cleared");
    targets = vtd_targets(target, ARRAY_SIZE(target));
    msix_init((struct msix *)table, bdf);
    faults(0);
    if ( !vtd_command(GCMD_CFI, true) )
        check_fail("GSTS.CFIS can't be set");
    compat();
    vtd_command(GCMD_CFI, false);
    if ( !vtd_command(GCMD_IRE, false) )
        check_fail("GSTS.IRES can't be cleared");
    msix_set(table, 0, compat_addr(bsp), V_COMPAT);
    comes(0, bsp, V_COMPAT, "remapping off");
    msix_off(table);
    vtd_end();
}

const struct check check_vtd_msix = {
    "vtd-msix", "MSI-X of a device that the guest was given", .needs_aps = true, .optional = true, .run = run,
};
