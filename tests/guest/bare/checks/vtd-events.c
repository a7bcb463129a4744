// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-events: fault records, fault events and overflow (7.3, 10.4.9 to 10.4.14).
 *
 * The first fault sends one event, to the last CPU, with FSTS.PPF; others send none before all
 * records are cleared.  A second one of the same source may be left out, one of another source
 * finds no room: PFO, after which nothing is recorded until that is cleared.  With IM set the
 * event is pending; unmasked it's sent, and not if the fault was serviced before.  Storms of
 * faults leave the unit working.
 */
#include "vtd.h"

#define V_FAULT VEC_TEST

static void fault(struct edu *e, unsigned int index)
{
    edu_msi(e, msi_addr(VTD_ENTRIES + index, false), 0);
}

static bool wait_fsts(uint32_t bit)
{
    uint64_t end = rdtsc() + us_to_tsc(vtd_patience());

    while ( !(vtd_read(VTD_FSTS) & bit) )
    {
        if ( rdtsc() > end )
            return false;
        relax();
    }
    return true;
}

static void overflow(struct cpu *last)
{
    vtd_expect(last, V_FAULT);
    fault(&edu[0], 1);
    if ( !vtd_arrived("event of the first fault") )
        return;
    if ( !wait_fsts(FSTS_PPF) )
        check_fail("FSTS.PPF isn't set after the event");
    /* The same source: merged into the first; another one: no room. */
    fault(&edu[0], 2);
    fault(&edu[1], 3);
    if ( !wait_fsts(FSTS_PFO) )
    {
        check_fail("no PFO when the records are full, FSTS is 0x%x", vtd_read(VTD_FSTS));
        return;
    }
    vtd_fault_expect("the first of three faults", edu[0].bdf, VTD_ENTRIES + 1, FAULT_INDEX);
    if ( vtd_read(VTD_FSTS) & FSTS_PPF )
        check_fail("FSTS.PPF stays set when all records are cleared");
    if ( !(vtd_read(VTD_FSTS) & FSTS_PFO) )
        check_fail("FSTS.PFO is cleared by clearing a record");
    fault(&edu[1], 4);
    /* Longer than it takes from the request to the record. */
    fault(&edu[0], 5);
    vtd_settle();
    vtd_write(VTD_FSTS, FSTS_PPF);      /* read-only */
    vtd_write(VTD_FSTS, 0);
    if ( !(vtd_read(VTD_FSTS) & FSTS_PFO) )
        check_fail("FSTS.PFO is cleared by writing 0");
    if ( vtd_read(VTD_FSTS) & FSTS_PPF )
        check_fail("a fault is recorded while PFO is set");
    vtd_write(VTD_FSTS, FSTS_PFO);
    if ( vtd_read(VTD_FSTS) & FSTS_PFO )
        check_fail("FSTS.PFO can't be cleared");
}

static void run(void)
{
    struct cpu *targets[2], *last;
    struct vtd_fault f;
    unsigned int i, n = 0;

    if ( !vtd_begin(2) )
        return;
    last = targets[vtd_targets(targets, 2) - 1];
    vtd_event(VTD_FECTL, last, V_FAULT);
    for ( i = 0; i < 5; i++ )
    {
        vtd_expect(last, V_FAULT);
        fault(&edu[i & 1], i);
        if ( !vtd_arrived("event of fault %u", i) )
            break;
        vtd_fault_expect("a single fault", edu[i & 1].bdf, VTD_ENTRIES + i, FAULT_INDEX);
    }
    if ( vtd.frcds == 1 )
        overflow(last);
    vtd_expect(last, V_FAULT);
    fault(&edu[1], 6);
    vtd_arrived("event of the next fault");
    vtd_fault_expect("the next fault", edu[1].bdf, VTD_ENTRIES + 6, FAULT_INDEX);

    /* Pending, then sent. */
    vtd_write(VTD_FECTL, ECTL_IM);
    fault(&edu[0], 7);
    if ( !wait_fsts(FSTS_PPF) )
        check_fail("a fault isn't recorded while FECTL.IM is set");
    if ( !(vtd_read(VTD_FECTL) & ECTL_IP) )
        check_fail("masked fault event: FECTL is 0x%x, without IP", vtd_read(VTD_FECTL));
    vtd_settle();
    vtd_expect(last, V_FAULT);
    vtd_write(VTD_FECTL, 0);
    vtd_arrived("event after it's unmasked");
    if ( vtd_read(VTD_FECTL) & ECTL_IP )
        check_fail("FECTL.IP is still set after the event");
    vtd_fault_expect("the masked fault", edu[0].bdf, VTD_ENTRIES + 7, FAULT_INDEX);

    /* Pending, then serviced: never sent. */
    vtd_write(VTD_FECTL, ECTL_IM);
    fault(&edu[0], 8);
    vtd_fault_expect("another masked fault", edu[0].bdf, VTD_ENTRIES + 8, FAULT_INDEX);
    if ( vtd_read(VTD_FECTL) & ECTL_IP )
        check_fail("FECTL.IP stays set when the last record is cleared");
    vtd_write(VTD_FECTL, 0);
    vtd_settle();

    /* A storm, with nobody to look at it. */
    vtd_write(VTD_FECTL, ECTL_IM);
    for ( i = 0; i < 300; i++ )
        edu_msi_again(&edu[i & 1]);
    if ( !wait_fsts(FSTS_PPF) )
        check_fail("a storm of faults: none is recorded");
    while ( n < 400 && (vtd_fault_take(&f, 200000) || (vtd_read(VTD_FSTS) & FSTS_PFO)) )
    {
        vtd_write(VTD_FSTS, FSTS_PFO);
        n++;
    }
    if ( n == 400 )
        check_fail("a storm of 300 faults leaves more records than that");
    vtd_event(VTD_FECTL, last, V_FAULT);
    vtd_expect(last, V_FAULT);
    fault(&edu[1], 9);
    vtd_arrived("event after a storm");
    vtd_fault_expect("the fault after a storm", edu[1].bdf, VTD_ENTRIES + 9, FAULT_INDEX);
    vtd_write(VTD_FECTL, ECTL_IM);
    check_note("events to ID %u, %u fault records", last->id, vtd.frcds);
    vtd_end();
}

const struct check check_vtd_events = {
    "vtd-events", "fault records, events, overflow", .needs_aps = true, .run = run,
};
