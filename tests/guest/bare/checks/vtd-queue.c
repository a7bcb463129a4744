// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-queue: the queued invalidation interface (6.5.2).
 *
 *  - IQH follows IQT; a queue of 256 and one of 512 descriptors wraps several times, by one
 *    pair of descriptors at a time and by as many as fit; the wait descriptors' statuses are
 *    written in order
 *  - completion interrupts: to the last CPU, none while IWC is set, held back by IM
 *  - a bad descriptor of each kind stops the queue at it: FSTS.IQE and a fault event; nothing
 *    behind it is done before the error is cleared, all is done after that
 *  - a tail beyond the queue is an error, too
 */
#include "vtd.h"

#define V_DONE  VEC_TEST
#define V_ERROR (VEC_TEST + 1)

static bool wait_bits(unsigned int reg, uint32_t mask, uint32_t value)
{
    uint64_t end = rdtsc() + us_to_tsc(vtd_patience());

    while ( (vtd_read(reg) & mask) != value )
    {
        if ( rdtsc() > end )
            return false;
        relax();
    }
    return true;
}

static bool wrap(unsigned int qs)
{
    unsigned int i, k;

    if ( !vtd_queue_off() || !vtd_queue_on(qs) )
    {
        check_fail("the queue can't be changed to %u descriptors", 256U << qs);
        return false;
    }
    for ( i = 0; i < vtd.queue_size + 10; i++ )
        if ( !vtd_invalidate(i % VTD_ENTRIES, i % 9) )
        {
            check_fail("queue of %u: pair %u isn't done", vtd.queue_size, i);
            return false;
        }
    for ( i = 0; i < 5; i++ )
    {
        /* One place stays free: a full queue would look like an empty one. */
        for ( k = 0; k < vtd.queue_size - 2; k++ )
            vtd_queue_put(k & 1 ? INV_IEC_ALL : INV_IEC(k % VTD_ENTRIES, 0), 0);
        vtd_queue_put_wait(INV_WAIT_SW);
        if ( !vtd_queue_sync() )
        {
            check_fail("queue of %u: full round %u isn't done", vtd.queue_size, i);
            return false;
        }
        if ( vtd_read64(VTD_IQH) != vtd.tail * 16 )
            check_fail("queue of %u: IQH is 0x%lx after all is done, IQT 0x%x", vtd.queue_size, vtd_read64(VTD_IQH),
                       vtd.tail * 16);
    }
    return true;
}

static void completion(struct cpu *target)
{
    vtd_event(VTD_IECTL, target, V_DONE);
    vtd_expect(target, V_DONE);
    vtd_queue_put_wait(INV_WAIT_SW | INV_WAIT_IF);
    if ( !vtd_queue_sync() || !vtd_arrived("completion interrupt") )
        return;
    if ( !(vtd_read(VTD_ICS) & ICS_IWC) )
        check_fail("ICS.IWC isn't set by a completion interrupt");
    /* One that isn't acknowledged is no second interrupt (counted at the end). */
    vtd_queue_put_wait(INV_WAIT_SW | INV_WAIT_IF);
    if ( !vtd_queue_sync() )
        check_fail("a wait descriptor with IF isn't done while IWC is set");
    vtd_settle();
    vtd_write(VTD_ICS, ICS_IWC);
    if ( vtd_read(VTD_ICS) & ICS_IWC )
        check_fail("ICS.IWC can't be cleared");
    /* Masked: pending, and sent when it's unmasked. */
    vtd_write(VTD_IECTL, ECTL_IM);
    vtd_queue_put_wait(INV_WAIT_IF);
    vtd_queue_put_wait(INV_WAIT_SW);
    if ( !vtd_queue_sync() )
        check_fail("a wait descriptor with IF and without SW isn't done");
    if ( !(vtd_read(VTD_IECTL) & ECTL_IP) || !(vtd_read(VTD_ICS) & ICS_IWC) )
        check_fail("masked completion interrupt: IECTL 0x%x, ICS 0x%x", vtd_read(VTD_IECTL), vtd_read(VTD_ICS));
    vtd_settle();
    vtd_expect(target, V_DONE);
    vtd_write(VTD_IECTL, 0);
    vtd_arrived("completion interrupt after it's unmasked");
    if ( vtd_read(VTD_IECTL) & ECTL_IP )
        check_fail("IECTL.IP is still set after the interrupt");
    vtd_write(VTD_ICS, ICS_IWC);
    /* Pending, and acknowledged before it is unmasked: never sent. */
    vtd_write(VTD_IECTL, ECTL_IM);
    vtd_queue_put_wait(INV_WAIT_SW | INV_WAIT_IF);
    vtd_queue_sync();
    vtd_write(VTD_ICS, ICS_IWC);
    if ( vtd_read(VTD_IECTL) & ECTL_IP )
        check_fail("IECTL.IP stays set when IWC is cleared");
    vtd_write(VTD_IECTL, 0);
    vtd_settle();
    vtd_write(VTD_IECTL, ECTL_IM);
}

static void bad(struct cpu *target, const char *what, uint64_t lo, uint64_t hi)
{
    unsigned int at = vtd.tail;
    uint32_t before = vtd.inv_done;
    bool went_on;

    vtd_event(VTD_FECTL, target, V_ERROR);
    vtd_expect(target, V_ERROR);
    vtd_queue_put(lo, hi);
    vtd_queue_put_wait(INV_WAIT_SW);
    vtd_queue_go();
    if ( !wait_bits(VTD_FSTS, FSTS_IQE, FSTS_IQE) )
    {
        check_fail("%s: FSTS.IQE isn't set, FSTS is 0x%x", what, vtd_read(VTD_FSTS));
        vtd_queue_sync();
        return;
    }
    vtd_arrived("%s: fault event", what);
    if ( vtd_read64(VTD_IQH) != at * 16 )
        check_fail("%s: IQH is 0x%lx, the bad descriptor at 0x%x", what, vtd_read64(VTD_IQH), at * 16);
    /* More work doesn't get it past the error. */
    vtd_queue_put_wait(INV_WAIT_SW);
    vtd_queue_go();
    if ( vtd.inv_done != before )
        check_fail("%s: the queue goes on behind it", what);
    /* As Linux does: make it a good one, clear the error; the unit fetches it again. */
    vtd.queue[at * 2] = INV_IEC_ALL;
    vtd.queue[at * 2 + 1] = 0;
    barrier();
    vtd_write(VTD_FECTL, ECTL_IM);
    vtd_write(VTD_FSTS, FSTS_IQE);
    if ( vtd_read(VTD_FSTS) & FSTS_IQE )
        check_fail("%s: FSTS.IQE can't be cleared", what);
    went_on = wait_bits(VTD_IQH, 0x7fff0, vtd.tail * 16);
    if ( !went_on )
        check_fail("%s: the queue doesn't go on when FSTS.IQE is cleared", what);
    if ( !vtd_queue_sync() )
        check_fail("%s: the queue doesn't recover", what);
}

static void bad_tail(struct cpu *target)
{
    vtd_event(VTD_FECTL, target, V_ERROR);
    vtd_expect(target, V_ERROR);
    vtd_write64(VTD_IQT, vtd.queue_size * 16 + 16);
    if ( !wait_bits(VTD_FSTS, FSTS_IQE, FSTS_IQE) )
        check_fail("IQT beyond the queue: FSTS.IQE isn't set");
    vtd_arrived("IQT beyond the queue: fault event");
    vtd_write(VTD_FECTL, ECTL_IM);
    vtd_write64(VTD_IQT, vtd.tail * 16);
    vtd_write(VTD_FSTS, FSTS_IQE);
    if ( !vtd_invalidate_all() )
        check_fail("IQT beyond the queue: it doesn't recover");
}

static void run(void)
{
    struct cpu *targets[2], *last;

    if ( !vtd_begin(0) )
        return;
    last = targets[vtd_targets(targets, 2) - 1];
    if ( wrap(1) && wrap(0) )
    {
        completion(last);
        bad(last, "descriptor of type 0", 0, 0);
        bad(last, "descriptor of an unknown type", 0xf, 0);
        bad(last, "IEC descriptor with a reserved bit", INV_IEC_ALL | 1U << 5, 0);
        bad(last, "IEC descriptor with a reserved bit above", INV_IEC_ALL, 1);
        bad(last, "wait descriptor with a reserved bit", INV_WAIT | INV_WAIT_SW | 1U << 12, (uintptr_t)vtd.queue);
        bad_tail(last);
    }
    check_note("%u wait descriptors, events to ID %u", vtd.inv_sent, last->id);
    vtd_end();
}

const struct check check_vtd_queue = {
    "vtd-queue", "queued invalidation: wrap, completion interrupts, errors", .needs_aps = true, .run = run,
};
