// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The local APIC in both modes.  Firmware chooses the mode (x2APIC when an ID needs
 * it); apic=x2apic on the command line makes us change to x2APIC ourselves.
 */
#include "bare.h"

#define LAPIC_BASE 0xfee00000U

bool apic_x2, apic_timer_works;
static uint64_t timer_khz;

static volatile uint32_t *mmio(unsigned int reg)
{
    return (volatile uint32_t *)(uintptr_t)(LAPIC_BASE + reg);
}

uint32_t apic_read(unsigned int reg)
{
    return apic_x2 ? (uint32_t)rdmsr(0x800 + (reg >> 4)) : *mmio(reg);
}

void apic_write(unsigned int reg, uint32_t v)
{
    if ( apic_x2 )
        wrmsr(0x800 + (reg >> 4), v);
    else
        *mmio(reg) = v;
}

void apic_eoi(void)
{
    apic_write(APIC_EOI, 0);
}

static bool icr_idle(void)
{
    unsigned int tries = 100000;

    while ( *mmio(APIC_ICR) & 0x1000 )
    {
        if ( !--tries )
            return false;
        cpu_pause();
    }
    return true;
}

bool apic_icr(uint32_t dest, uint32_t low)
{
    bool irqs, done;
    uint32_t icr2;

    low |= ICR_ASSERT;
    if ( apic_x2 )
    {
        asm volatile ( "mfence; lfence" ::: "memory" );   /* the MSR write doesn't order earlier stores */
        wrmsr(0x830, (uint64_t)dest << 32 | low);
        return true;
    }
    if ( dest > 0xff )
        return false;
    irqs = irq_save();
    /* An NMI's handler may come between the two writes of what it interrupts: it puts ICR2 back. */
    icr2 = *mmio(APIC_ICR2);
    done = icr_idle();
    if ( done )
    {
        *mmio(APIC_ICR2) = dest << 24;
        *mmio(APIC_ICR) = low;
        done = icr_idle();
        *mmio(APIC_ICR2) = icr2;
    }
    irq_restore(irqs);
    return done;
}

uint32_t apic_hw_id(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    return base & APIC_BASE_X2 ? (uint32_t)rdmsr(0x802) : *mmio(APIC_ID) >> 24;
}

void apic_enable(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);

    if ( apic_x2 && !(base & APIC_BASE_X2) )
        wrmsr(MSR_APIC_BASE, base | APIC_BASE_ON | APIC_BASE_X2);
    apic_write(APIC_LVT_LINT0, 0x10000);
    apic_write(APIC_LVT_TIMER, 0x10000);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_SVR, 0x100 | VEC_SPURIOUS);
}

void apic_init(bool want_x2)
{
    apic_x2 = rdmsr(MSR_APIC_BASE) & APIC_BASE_X2;
    if ( want_x2 && (cpuid(1, 0).c & (1U << 21)) )
        apic_x2 = true;
    apic_enable();
}

void apic_timer_arm(uint64_t us)
{
    uint64_t ticks = us * timer_khz / 1000;

    apic_write(APIC_LVT_TIMER, VEC_TIMER);
    apic_write(APIC_TIMER_INIT, ticks > 0xffffffffU ? 0xffffffffU : ticks ? ticks : 1);
}

/* Against the TSC; it only bounds waits, so a coarse figure will do. */
void apic_timer_calibrate(void)
{
    uint64_t t0, end;
    uint32_t left, before;

    apic_write(APIC_TIMER_DIV, 0xb);
    apic_write(APIC_LVT_TIMER, 0x10000 | VEC_TIMER);
    apic_write(APIC_TIMER_INIT, 0xffffffffU);
    t0 = rdtsc();
    end = t0 + us_to_tsc(1000);
    while ( rdtsc() < end )
        cpu_pause();
    left = apic_read(APIC_TIMER_NOW);
    timer_khz = (uint64_t)(0xffffffffU - left) * tsc_khz / (rdtsc() - t0);
    apic_write(APIC_TIMER_INIT, 0);
    if ( !timer_khz )
        return;

    before = load(&this_cpu()->rx[VEC_TIMER]);
    apic_timer_arm(100);
    end = rdtsc() + us_to_tsc(1000000);
    irq_on();
    while ( load(&this_cpu()->rx[VEC_TIMER]) == before && rdtsc() < end )
        cpu_pause();
    apic_timer_works = load(&this_cpu()->rx[VEC_TIMER]) != before;
}
