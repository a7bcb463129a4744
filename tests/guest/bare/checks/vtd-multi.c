// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-multi: a device that the guest was given, with several vectors in its MSI capability, whose
 * messages differ in the low bits of their data only.
 *
 * In remappable format these add to the index, so that each vector has its entry: one to each CPU of
 * the sample, one after the other and all at once.  An entry that is changed takes its own vector
 * along and no other; one that isn't present faults, with its own index, and the others go on; the
 * interrupt of a vector comes again after it faulted.  With fewer vectors than the device has, those
 * are shared.  With remapping off, the low bits are in the interrupt's vector.  Only when asked for by
 * checks=; what it can't tell apart: whether the device or Xen has put a vector's number into its data.
 */
#include "vtd.h"

#define BASE        5U          /* not aligned: the sum counts */
#define ROUNDS      4U
#define V_COMPAT    0xa0U       /* aligned to as many vectors as there can be */
#define MAX_VECTORS 32U

static struct cpu *target[MAX_VECTORS];
static unsigned int targets, vectors;
static uint64_t hi;

static struct cpu *cpu_of(unsigned int i)
{
    return target[i % targets];
}

static void entry_to(unsigned int i, const struct cpu *c)
{
    vtd_set(BASE + i, irte_fixed(c->id, VEC_TEST + i), hi);
}

static void expect(unsigned int i, unsigned int shared_by)
{
    vtd_expect(cpu_of(i % shared_by), VEC_TEST + i % shared_by);
}

static void each(const char *what, unsigned int shared_by)
{
    unsigned int i;

    for ( i = 0; i < vectors; i++ )
    {
        expect(i, shared_by);
        xhci_interrupt(i);
        if ( !vtd_arrived("%s: vector %u to ID %u", what, i % shared_by, cpu_of(i % shared_by)->id) )
            return;
    }
}

static void remapped(void)
{
    struct cpu *was;
    unsigned int i, k;

    for ( i = 0; i < vectors; i++ )
        entry_to(i, cpu_of(i));
    xhci_msi(msi_addr(BASE, true), 0, xhci.max_order);
    each("remapped", vectors);

    for ( k = 0; k < ROUNDS; k++ )
    {
        for ( i = 0; i < vectors; i++ )
            expect(i, vectors);
        for ( i = 0; i < vectors; i++ )
            xhci_interrupt(i);
        if ( !vtd_arrived("all at once, round %u", k) )
            return;
    }

    for ( i = 0; i < vectors; i++ )
    {
        was = cpu_of(i);
        entry_to(i, bsp);
        vtd_expect(bsp, VEC_TEST + i);
        xhci_interrupt(i);
        vtd_arrived("vector %u, whose entry was changed", i);
        expect((i + 1) % vectors, vectors);
        xhci_interrupt((i + 1) % vectors);
        vtd_arrived("vector %u, beside one whose entry was changed", (i + 1) % vectors);
        vtd_set(BASE + i, 0, 0);
        xhci_interrupt(i);
        vtd_fault_expect("an entry that isn't present", xhci.bdf, BASE + i, FAULT_ABSENT);
        expect((i + 1) % vectors, vectors);
        xhci_interrupt((i + 1) % vectors);
        vtd_arrived("vector %u, beside one that faulted", (i + 1) % vectors);
        entry_to(i, was);
        expect(i, vectors);
        xhci_interrupt(i);
        vtd_arrived("vector %u, after it faulted", i);
    }

    vtd_set(BASE + 1, irte_fixed(bsp->id, VEC_TEST), IRTE_SVT(SVT_SID) | IRTE_SID(xhci.bdf ^ 1));
    xhci_interrupt(1);
    vtd_fault_expect("an entry of another device", xhci.bdf, BASE + 1, FAULT_SID);
    entry_to(1, cpu_of(1));

    /* Another message while vectors are on. */
    xhci_msi_change(msi_addr(BASE - 1, true), 0);
    for ( i = 1; i < vectors; i++ )
    {
        vtd_expect(cpu_of(i - 1), VEC_TEST + i - 1);
        xhci_interrupt(i);
        vtd_arrived("vector %u, by the entry before", i);
    }

    for ( k = 0; k < xhci.max_order; k++ )
    {
        xhci_msi(msi_addr(BASE, true), 0, k);
        each("fewer vectors", 1U << k);
    }
}

static void run(void)
{
    unsigned int i;

    if ( !vtd_begin(0) )
        return;
    if ( !xhci_init() || !xhci.max_order )
    {
        check_skip("no xHCI controller of NEC's with several vectors by MSI");
        vtd_end();
        return;
    }
    vectors = 1U << xhci.max_order;
    targets = vtd_targets(target, vectors);
    hi = IRTE_SVT(SVT_SID) | IRTE_SID(xhci.bdf);
    remapped();
    xhci_msi_off();

    if ( !vtd_command(GCMD_IRE, false) )
        check_fail("GSTS.IRES can't be cleared");
    xhci_msi(0xfee00000U | (bsp->id & 0xff) << 12, V_COMPAT, xhci.max_order);
    for ( i = 0; i < vectors; i++ )
    {
        vtd_expect(bsp, V_COMPAT + i);
        xhci_interrupt(i);
        if ( !vtd_arrived("compatibility format, vector %u", i) )
            break;
    }
    xhci_msi_off();
    check_note("%u vectors to %u CPUs, the last ID %u", vectors, targets, target[targets - 1]->id);
    vtd_end();
}

const struct check check_vtd_multi = {
    "vtd-multi", "MSI with several vectors of a device that the guest was given", .needs_aps = true, .optional = true,
    .run = run,
};
