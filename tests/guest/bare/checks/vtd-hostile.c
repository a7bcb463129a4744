// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-hostile: what no driver does to a unit, and a guest that wants to hurt its host might.
 *
 * The invalidation queue where there is no RAM: the unit's own registers, other holes, a page
 * that was given back to Xen.  Each is an error of the queue (FSTS.IQE), which can be switched
 * off then.  Wait descriptors whose status goes to such places, among them IQT_REG, whose
 * write would have the queue run inside of itself.  Then random writes of registers,
 * with random descriptors in the queue (vtd.rounds of them, from vtd.seed).  Afterwards the
 * unit, set up again, remaps as before.  If QEMU aborts or hangs, there is no report.
 *
 * Left alone: where events go and when, as those would interrupt this guest at random.
 */
#include "vtd.h"

#define VTD_RTADDR  0x20
#define VTD_CCMD    0x28
#define INV_FIELDS  0xfffffffffffffff0ULL

static uint64_t state, scratch[2], places[7];
static unsigned int nr_places;

static uint64_t rnd(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void queue_set(uint64_t iqa)
{
    vtd_write64(VTD_IQT, 0);
    vtd_write64(VTD_IQA, iqa);
}

static bool quiet(void)
{
    vtd_write64(VTD_IQT, 0);
    vtd_write(VTD_GCMD, 0);
    vtd_write(VTD_FSTS, ~0U);
    vtd_write(vtd.frcd + 12, 1U << 31);
    vtd_write(VTD_ICS, ICS_IWC);
    return !(vtd_read(VTD_GSTS) & (GCMD_TE | GCMD_QIE | GCMD_IRE | GCMD_CFI)) && !vtd_read64(VTD_IQH);
}

static void bad_queue(uint64_t at)
{
    queue_set(at);
    if ( !vtd_command(GCMD_QIE, true) )
        check_fail("queue at 0x%lx: it can't be switched on", at);
    vtd_write64(VTD_IQT, 16);
    if ( !(vtd_read(VTD_FSTS) & FSTS_IQE) )
        check_fail("queue at 0x%lx: FSTS is 0x%x", at, vtd_read(VTD_FSTS));
    if ( !vtd_command(GCMD_QIE, false) )
        check_fail("queue at 0x%lx: it can't be switched off", at);
    if ( !quiet() )
        check_fail("queue at 0x%lx: GSTS 0x%x, IQH 0x%lx afterwards", at, vtd_read(VTD_GSTS), vtd_read64(VTD_IQH));
}

/* A good descriptor behind it is done if the bad write is no error, or isn't if it's one. */
static void bad_status(uint64_t at)
{
    memset(vtd.queue, 0, 4096);
    scratch[0] = 0;
    vtd.queue[0] = INV_WAIT | INV_WAIT_SW | 0x20ULL << 32;
    vtd.queue[1] = at;
    vtd.queue[2] = INV_WAIT | INV_WAIT_SW | 1ULL << 32;
    vtd.queue[3] = (uintptr_t)scratch;
    queue_set((uintptr_t)vtd.queue);
    vtd_command(GCMD_QIE, true);
    vtd_write64(VTD_IQT, 32);
    if ( !*(volatile uint64_t *)scratch != !!(vtd_read(VTD_FSTS) & FSTS_IQE) )
        check_fail("status to 0x%lx: the next one is 0x%lx, FSTS 0x%x", at, scratch[0], vtd_read(VTD_FSTS));
    if ( !vtd_command(GCMD_QIE, false) || !quiet() )
        check_fail("status to 0x%lx: the queue can't be switched off", at);
}

static void descriptors(void)
{
    static const uint8_t types[] = { 1, 2, 3, 4, 4, 4, 6, 7, 8, 15 };
    unsigned int i;

    for ( i = 0; i < 1024; i += 2 )
    {
        uint64_t sparse = rnd() & rnd() & rnd();

        vtd.queue[i] = (rnd() & 1 ? sparse : sparse & 0xffff0000ffff0030ULL & INV_FIELDS) | types[rnd() % sizeof(types)];
        vtd.queue[i + 1] = rnd() & 1 ? 0 : rnd() & rnd();
        if ( rnd() % 8 )
            continue;
        vtd.queue[i] = INV_WAIT | (rnd() & (INV_WAIT_SW | INV_WAIT_IF)) | rnd() << 32;
        vtd.queue[i + 1] = rnd() & 1 ? (uintptr_t)scratch : rnd() & 1 ? vtd.base + VTD_IQT : places[rnd() % nr_places];
    }
}

static void any_register(void)
{
    unsigned int at = rnd() % (vtd.frcd + 16) & ~3U;
    bool wide = !(at & 7) && (rnd() & 1);

    if ( at == 0x34 || (at >= VTD_FECTL && at <= VTD_FEUADDR) || (at >= VTD_IECTL && at <= VTD_IEUADDR) ||
         at == VTD_ICS || (at >= VTD_IQA && at < VTD_IQA + 8) || at == VTD_GCMD )
        vtd_read(at);
    else if ( wide )
        vtd_write64(at, rnd());
    else
        vtd_write(at, rnd());
}

static void step(void)
{
    switch ( rnd() % 12 )
    {
    case 0: case 1: vtd_write(VTD_GCMD, rnd() & 0xff800000U); break;
    case 2: vtd_write(VTD_GCMD, GCMD_QIE | (rnd() & 0xff800000U)); break;
    case 3: vtd_write64(VTD_IQT, rnd() & (rnd() & 1 ? 0x1ff0 : ~0ULL)); break;
    case 4: vtd_write(VTD_IQT, rnd() & 0x1ff0); break;
    case 5:
        if ( rnd() & 1 )
            vtd_write64(VTD_IQA, (uintptr_t)vtd.queue | (rnd() & 0x801));
        else
            vtd_write64(VTD_IQA, places[rnd() % nr_places]);
        break;
    case 6: vtd_write64(VTD_IRTA, rnd() & (rnd() & 1 ? ~0ULL : 0x3fff80fULL)); break;
    case 7: vtd_write64(VTD_RTADDR, rnd() & (rnd() & 1 ? ~0ULL : 0x3fff000ULL)); break;
    case 8: vtd_write64(VTD_CCMD, rnd()); break;
    case 9: descriptors(); break;
    case 10: vtd_write(VTD_FSTS, ~0U); break;
    case 11: any_register(); break;
    }
}

static void works(const char *when)
{
    vtd_set(7, irte_fixed(bsp->id, VEC_TEST), IRTE_SVT(SVT_SID) | IRTE_SID(edu[0].bdf));
    vtd_expect(bsp, VEC_TEST);
    edu_msi(&edu[0], msi_addr(7, false), 0);
    vtd_arrived("%s", when);
}

static void run(void)
{
    unsigned int i, rounds = param_num("vtd.rounds", 1000);
    uint64_t *hole, t0;
    bool gone;

    state = param_num("vtd.seed", 1) | 1ULL << 40;
    if ( !vtd_begin(1) )
        return;
    works("before");
    hole = mem_alloc(4096, 4096);
    if ( !hole )
    {
        check_error("not enough memory");
        vtd_end();
        return;
    }
    gone = xen_page_give_back((uintptr_t)hole);
    places[0] = vtd.base;
    places[1] = 0xfec00000U;
    places[2] = 0xfee00000U;
    places[3] = 0xa0000;
    places[4] = 0x7ffffff000ULL;
    places[5] = 0xfffffffff000ULL;
    places[6] = (uintptr_t)hole;
    nr_places = gone ? 7 : 6;
    vtd_settle();
    if ( !vtd_command(GCMD_IRE, false) || !vtd_queue_off() || !quiet() )
        check_fail("remapping and queue can't be switched off");
    for ( i = 0; i < nr_places; i++ )
    {
        /* What isn't there may read as anything but a descriptor. */
        bad_queue(places[i]);
        bad_status(places[i]);
    }
    bad_status(vtd.base + VTD_IQT);
    t0 = rdtsc();
    for ( i = 0; i < rounds; i++ )
        step();
    vtd_command(GCMD_QIE, false);
    if ( !quiet() )
        check_fail("GSTS is 0x%x, IQH 0x%lx after everything was switched off", vtd_read(VTD_GSTS), vtd_read64(VTD_IQH));
    check_note("%u random steps, %lu us%s", rounds, tsc_to_us(rdtsc() - t0), gone ? "" : ", no page given back");
    if ( gone && !xen_page_take((uintptr_t)hole) )
        check_error("the page that was given back can't be had again");
    vtd_end();
    if ( !vtd_begin(1) )
        return;
    works("after");
    vtd_end();
}

const struct check check_vtd_hostile = {
    "vtd-hostile", "queues where there's no RAM, and random writes", .needs_aps = true, .run = run,
};
