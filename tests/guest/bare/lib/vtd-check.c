// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the checks of the VT-d unit share: a known state at the beginning, and an account of
 * each interrupt that should come, kept by CPU and vector, and compared on all CPUs at the end.
 */
#include "vtd.h"

static uint32_t remaining;
static uint32_t unexpected_before;

static void hook(unsigned int vec)
{
    struct cpu *me = this_cpu();
    uint32_t left = load(&remaining);

    /* Not those which nobody asked for, or waits for any more: they would end a wait for others. */
    if ( load(&me->rx[vec]) > load(&me->want[vec]) )
        return;
    while ( left && !__atomic_compare_exchange_n(&remaining, &left, left - 1, false, __ATOMIC_SEQ_CST,
                                                 __ATOMIC_SEQ_CST) )
        ;
    if ( left == 1 )
        smp_wake_bsp();
}

static void nothing(struct cpu *me, void *arg)
{
}

static bool faults_clear(void)
{
    unsigned int i;

    for ( i = 0; i < vtd.frcds; i++ )
        vtd_write(vtd.frcd + 16 * i + 12, 1U << 31);
    vtd_write(VTD_FSTS, FSTS_PFO | FSTS_IQE);
    return !(vtd_read(VTD_FSTS) & (FSTS_PFO | FSTS_PPF | FSTS_IQE));
}

static bool off(void)
{
    unsigned int i;
    bool ok = true;

    for ( i = 0; i < edus; i++ )
        edu_intx_mode(&edu[i]);
    ioapic_mask_all();
    vtd_write(VTD_FECTL, ECTL_IM);
    vtd_write(VTD_IECTL, ECTL_IM);
    ok = faults_clear() && ok;
    vtd_write(VTD_ICS, ICS_IWC);
    if ( vtd_read(VTD_GSTS) & GCMD_IRE )
        ok = vtd_command(GCMD_IRE, false) && ok;
    ok = vtd_command(GCMD_CFI, false) && ok;
    return vtd_queue_off() && ok;
}

static const char *on(void)
{
    if ( !off() )
        return "the unit can't be brought into a known state";
    memset(vtd.table, 0, VTD_ENTRIES * 16);
    if ( !vtd_queue_on(0) )
        return "GSTS.QIES isn't set";
    if ( !vtd_set_table((uintptr_t)vtd.table, VTD_ORDER, apic_x2 && (vtd.ecap & ECAP_EIM)) )
        return "GSTS.IRTPS isn't set, or the invalidation isn't completed";
    if ( !vtd_command(GCMD_IRE, true) )
        return "GSTS.IRES isn't set";
    return NULL;
}

bool vtd_begin(unsigned int need_edus)
{
    const char *wrong;
    unsigned int i;

    vtd_init();
    if ( vtd.missing )
    {
        check_skip("%s", vtd.missing);
        return false;
    }
    if ( edus < need_edus )
    {
        check_skip("there are %u edu devices, this needs %u", edus, need_edus);
        return false;
    }
    for ( i = 0; i < cpu_count; i++ )
    {
        memset(cpus[i]->rx, 0, sizeof(cpus[i]->rx));
        memset(cpus[i]->want, 0, sizeof(cpus[i]->want));
    }
    remaining = 0;
    unexpected_before = irq_unexpected;
    irq_hook = hook;
    wrong = on();
    if ( wrong )
        check_fail("%s: GSTS 0x%x, FSTS 0x%x, IQH 0x%lx, IQT 0x%lx", wrong, vtd_read(VTD_GSTS), vtd_read(VTD_FSTS),
                   vtd_read64(VTD_IQH), vtd_read64(VTD_IQT));
    return !wrong;
}

void vtd_expect(struct cpu *c, unsigned int vector)
{
    if ( load(&c->rx[vector]) > c->want[vector] )
    {
        check_fail("CPU %u, ID %u, got vector 0x%x %u times, expected %u by now", c->index, c->id, vector,
                   c->rx[vector], c->want[vector]);
        c->want[vector] = load(&c->rx[vector]);
    }
    atomic_inc(&remaining);
    atomic_inc(&c->want[vector]);
}

bool vtd_arrived(const char *fmt, ...)
{
    char what[120];
    va_list ap;
    bool all = wait_zero(&remaining, vtd_patience());

    if ( !all )
    {
        va_start(ap, fmt);
        vsnprintf(what, sizeof(what), fmt, ap);
        va_end(ap);
        check_fail("%s: %d interrupts did not come", what, (int)load(&remaining));
        remaining = 0;
    }
    return all;
}

bool vtd_settle(void)
{
    /* What a CPU's APIC has when its wake-up comes is taken before the work is done. */
    if ( !smp_all(nothing, NULL) )
        return true;
    check_fail("CPUs did not answer");
    return false;
}

void vtd_end(void)
{
    unsigned int i, v;

    vtd_fault_none("at the end");
    if ( !off() )
        check_fail("the unit can't be switched off: GSTS 0x%x, FSTS 0x%x", vtd_read(VTD_GSTS), vtd_read(VTD_FSTS));
    vtd_settle();
    irq_hook = NULL;
    for ( i = 0; i < cpu_count; i++ )
    {
        struct cpu *c = cpus[i];

        for ( v = 0; v < VEC_TEST_END; v++ )
            if ( (v == VEC_NMI || v >= VEC_TEST) && c->rx[v] != c->want[v] )
                check_fail("CPU %u, ID %u, got vector 0x%x %u times, expected %u", c->index, c->id, v, c->rx[v],
                           c->want[v]);
    }
    if ( irq_unexpected != unexpected_before )
        check_fail("%u interrupts of other vectors, the last 0x%x", irq_unexpected - unexpected_before,
                   irq_unexpected_vector);
}

bool vtd_fault_take(struct vtd_fault *f, uint64_t us)
{
    uint64_t end = rdtsc() + us_to_tsc(us);
    unsigned int at;

    while ( !(vtd_read(VTD_FSTS) & FSTS_PPF) )
    {
        if ( rdtsc() > end )
            return false;
        relax();
    }
    at = vtd.frcd + 16 * FSTS_FRI(vtd_read(VTD_FSTS));
    f->lo = vtd_read64(at);
    f->hi = vtd_read64(at + 8);
    f->sid = f->hi;
    f->reason = f->hi >> 32;
    f->index = f->lo >> 48;
    if ( !(f->hi >> 63) )
        check_fail("FSTS.PPF is set, but not F of record %u, which FRI names", FSTS_FRI(vtd_read(VTD_FSTS)));
    vtd_write(at + 12, 1U << 31);
    return true;
}

void vtd_fault_expect(const char *what, uint16_t sid, int index, unsigned int reason)
{
    struct vtd_fault f;

    if ( !vtd_fault_take(&f, vtd_patience()) )
        check_fail("%s: no fault is recorded", what);
    else if ( f.reason != reason || f.sid != sid || (index >= 0 && f.index != index) )
        check_fail("%s: fault 0x%x of source 0x%x, index %u, expected 0x%x of 0x%x, index %d", what, f.reason, f.sid,
                   f.index, reason, sid, index);
    else if ( index >= 0 && (f.lo & 0xffffffffffffULL) )
        check_fail("%s: reserved bits in the fault's information, 0x%lx", what, f.lo);
}

void vtd_fault_none(const char *what)
{
    struct vtd_fault f;
    unsigned int n = 0;

    for ( ; vtd_fault_take(&f, 0) && n < 64; n++ )
        check_fail("%s: fault 0x%x of source 0x%x, index %u, which was not expected", what, f.reason, f.sid, f.index);
    if ( vtd_read(VTD_FSTS) & (FSTS_PFO | FSTS_IQE) )
        check_fail("%s: FSTS is 0x%x", what, vtd_read(VTD_FSTS));
}

void vtd_event(unsigned int ectl, const struct cpu *c, unsigned int vector)
{
    vtd_write(ectl, ECTL_IM);
    vtd_write(ectl + 4, vector);
    vtd_write(ectl + 8, 0xfee00000U | (c->id & 0xff) << 12);
    if ( vtd.ecap & ECAP_EIM )
        vtd_write(ectl + 12, c->id & 0xffffff00U);
    vtd_write(ectl, 0);
}

unsigned int vtd_targets(struct cpu **out, unsigned int max)
{
    unsigned int i, n = 0, count = smp_sample(out, max);

    for ( i = 0; i < count; i++ )
        if ( vtd.eime || out[i]->id < 255 )
            out[n++] = out[i];
    return n;
}

/* Each pin in turn sends its own vector; the entry of a pin has its number. */
bool edu_find_pin(struct edu *e)
{
    unsigned int pin;

    if ( e->pin >= 0 )
        return true;
    edu_intx_mode(e);
    vtd_set(VTD_ENTRIES - 1, irte_fixed(bsp->id, VEC_TEST_END - 1), IRTE_SVT(SVT_SID) | IRTE_SID(vtd.ioapic_sid));
    for ( pin = 16; pin < ioapic.pins && e->pin < 0; pin++ )
    {
        uint32_t before = load(&bsp->rx[VEC_TEST_END - 1]);

        ioapic_set(pin, rte_remapped(VTD_ENTRIES - 1) | (VEC_TEST_END - 1));
        edu_intx(e, true);
        edu_intx(e, false);
        ioapic_set_low(pin, RTE_MASKED);
        /* It goes to this CPU, and was sent before. */
        for ( unsigned int tries = 0; tries < 100 && load(&bsp->rx[VEC_TEST_END - 1]) == before; tries++ )
            cpu_pause();
        if ( load(&bsp->rx[VEC_TEST_END - 1]) != before )
            e->pin = pin;
    }
    bsp->want[VEC_TEST_END - 1] = load(&bsp->rx[VEC_TEST_END - 1]);
    if ( e->pin < 0 )
        check_error("INTx of device 0x%x doesn't come to any pin of the IO-APIC", e->bdf);
    return e->pin >= 0;
}
