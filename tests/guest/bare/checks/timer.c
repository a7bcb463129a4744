// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * timer: each CPU's own APIC timer interrupts it (timer.us=1000 after it was set), all at once.
 * Only when asked for by checks=: with many vCPUs on few host CPUs it takes long.
 */
#include "bare.h"

static uint32_t silent;

static void work(struct cpu *me, void *arg)
{
    uint32_t before = load(&me->rx[VEC_TIMER]);
    uint64_t end = rdtsc() + us_to_tsc(wait_us / 2);

    irq_off();
    apic_write(APIC_TIMER_DIV, 0xb);
    apic_timer_arm((uintptr_t)arg);
    while ( load(&me->rx[VEC_TIMER]) == before && rdtsc() < end )
        ap_sleep();                     /* the BSP's repeated wake-ups bound this */
    irq_on();
    if ( load(&me->rx[VEC_TIMER]) == before )
        atomic_inc(&silent);
}

static void run(void)
{
    unsigned int lost = smp_all(work, (void *)param_num("timer.us", 1000));

    if ( lost )
        check_fail("%u CPUs still wait for their timer", lost);
    if ( silent )
        check_fail("%u CPUs' timers did not interrupt", silent);
    check_note("%u CPUs", cpus_online);
}

const struct check check_timer = { "timer", "each CPU's APIC timer", .needs_aps = true, .optional = true, .run = run };
