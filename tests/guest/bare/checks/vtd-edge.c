// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-edge: edge-triggered pins of the IO-APIC in remappable format.
 *
 * A device's INTx line, to each CPU of the sample: one interrupt for each rise, none for a fall
 * or while masked, by the entry's vector whatever the pin's vector bits are.  Then the PIT on
 * pin 2 and the RTC on pin 8, whose ticks Xen itself makes and counts by vector: they go on
 * ticking with an entry's vector, and follow the entry to another CPU.
 */
#include "vtd.h"

#define V_PIN   VEC_TEST
#define V_PIT   (VEC_TEST + 40)
#define V_RTC   (VEC_TEST + 41)
#define TICKS   5U

static struct cpu *target[32];

static uint8_t rtc_read(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static void rtc_write(uint8_t reg, uint8_t v)
{
    outb(0x70, reg);
    outb(0x71, v);
}

static void pit_start(void)
{
    /* Channel 0, mode 2, 100 Hz. */
    outb(0x43, 0x34);
    outb(0x40, 11932 & 0xff);
    outb(0x40, 11932 >> 8);
}

static void pit_stop(void)
{
    /* Mode 0: once more, while it's masked. */
    outb(0x43, 0x30);
    outb(0x40, 0xff);
    outb(0x40, 0xff);
}

static void rtc_start(void)
{
    rtc_write(0x0a, (rtc_read(0x0a) & 0xf0) | 10);      /* 64 Hz */
    rtc_write(0x0b, rtc_read(0x0b) | 0x40);
    rtc_read(0x0c);
}

static void rtc_stop(void)
{
    rtc_write(0x0b, rtc_read(0x0b) & ~0x40);
    rtc_read(0x0c);
}

static void ticks(const char *what, unsigned int pin, struct cpu *c, unsigned int vec, bool rtc)
{
    uint64_t end = rdtsc() + us_to_tsc(vtd_patience());
    uint32_t before = load(&c->rx[vec]), never = 1, got, most;
    uint64_t t0 = rdtsc();

    vtd_set(pin, irte_fixed(c->id, vec), IRTE_SVT(SVT_SID) | IRTE_SID(vtd.ioapic_sid));
    /* Afresh: what it had pending while it was masked would come all at once. */
    (rtc ? rtc_start : pit_start)();
    ioapic_set(pin, rte_remapped(pin) | pin);
    while ( load(&c->rx[vec]) - before < TICKS && rdtsc() < end )
    {
        wait_zero(&never, 5000);
        if ( rtc )
            rtc_read(0x0c);             /* else there's no next one */
    }
    ioapic_set_low(pin, RTE_MASKED);
    (rtc ? rtc_stop : pit_stop)();
    vtd_settle();
    got = load(&c->rx[vec]) - before;
    /* 100 or 64 a second, and some that were late; a tick that isn't seen as delivered comes again and again. */
    most = tsc_to_us(rdtsc() - t0) / 5000 + 3;
    if ( got < TICKS || got > most )
        check_fail("%s to ID %u: %u ticks, expected %u to %u", what, c->id, got, TICKS, most);
    c->want[vec] = load(&c->rx[vec]);
}

static void run(void)
{
    unsigned int i, k, n;
    struct edu *e = &edu[0];
    uint64_t hi;

    if ( !vtd_begin(1) )
        return;
    hi = IRTE_SVT(SVT_SID) | IRTE_SID(vtd.ioapic_sid);
    n = vtd_targets(target, 16);
    if ( edu_find_pin(e) )
    {
        edu_intx_mode(e);
        for ( i = 0; i < n; i++ )
        {
            unsigned int vec = V_PIN + i, bits[] = { e->pin, vec, 0, 0xff };

            vtd_set(i, irte_fixed(target[i]->id, vec), hi);
            for ( k = 0; k < ARRAY_SIZE(bits); k++ )
            {
                ioapic_set(e->pin, rte_remapped(i) | bits[k]);
                vtd_expect(target[i], vec);
                edu_intx(e, true);
                if ( !vtd_arrived("pin %d with vector bits 0x%x to ID %u", e->pin, bits[k], target[i]->id) )
                    break;
                edu_intx(e, false);
            }
            /* A rise while it's masked is lost, as it is an edge. */
            ioapic_set_low(e->pin, (uint32_t)rte_remapped(i) | RTE_MASKED);
            edu_intx(e, true);
            edu_intx(e, false);
            ioapic_set_low(e->pin, (uint32_t)rte_remapped(i));
            vtd_expect(target[i], vec);
            edu_intx(e, true);
            if ( !vtd_arrived("pin %d unmasked again, to ID %u", e->pin, target[i]->id) )
                break;
            edu_intx(e, false);
        }
        ioapic_set_low(e->pin, RTE_MASKED);
    }
    /* Xen gives the PIT's ticks to vCPU 0 alone. */
    ticks("PIT", 2, bsp, V_PIT, false);
    ticks("PIT, another vector", 2, bsp, V_PIT + 8, false);
    ticks("RTC", 8, bsp, V_RTC, true);
    ticks("RTC", 8, target[n - 1], V_RTC, true);
    check_note("pin %d to %u CPUs, the last ID %u; PIT and RTC", e->pin, n, target[n - 1]->id);
    vtd_end();
}

const struct check check_vtd_edge = {
    "vtd-edge", "edge-triggered pins, remapped", .needs_aps = true, .run = run,
};
