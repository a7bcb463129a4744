// SPDX-License-Identifier: GPL-2.0-or-later
/* Interrupts and exceptions: one table for all CPUs, each interrupt counted by CPU and vector. */
#include "bare.h"

struct gate { uint16_t lo, sel; uint8_t ist, type; uint16_t mid; uint32_t hi, zero; } PACKED;

extern char isr_stubs[];
static struct gate idt[256] __attribute__((aligned(16)));

void (*irq_hook)(unsigned int vector);
bool irq_hook_first;
uint32_t irq_unexpected, irq_unexpected_vector;

void idt_load(void)
{
    struct { uint16_t limit; uint64_t base; } PACKED desc = { sizeof(idt) - 1, (uintptr_t)idt };

    asm volatile ( "lidt %0" :: "m" (desc) );
}

void idt_init(void)
{
    unsigned int i;

    for ( i = 0; i < 256; i++ )
    {
        uintptr_t at = (uintptr_t)isr_stubs + i * 16;

        idt[i] = (struct gate){ .lo = at, .sel = SEL_CODE64, .type = 0x8e, .mid = at >> 16, .hi = at >> 32 };
    }
    idt_load();

    /* Firmware leaves the PICs at the exceptions' vectors: move them, and mask all. */
    outb(0x20, 0x11); outb(0xa0, 0x11);
    outb(0x21, VEC_PIC); outb(0xa1, VEC_PIC + 8);
    outb(0x21, 4); outb(0xa1, 2);
    outb(0x21, 1); outb(0xa1, 1);
    outb(0x21, 0xff); outb(0xa1, 0xff);
}

void isr(struct frame *f)
{
    struct cpu *me = this_cpu();
    unsigned int vec = f->vector;

    if ( vec < 32 && vec != VEC_NMI )
    {
        uint64_t cr2;

        asm volatile ( "mov %%cr2, %0" : "=r" (cr2) );
        panic("vector=%u error=0x%lx rip=0x%lx rsp=0x%lx cr2=0x%lx cpu=%u apic_id=%u", vec, f->error, f->rip,
              f->rsp, cr2, me ? me->index : 0, me ? me->id : 0);
    }
    me->rx[vec]++;
    if ( vec == VEC_NMI )
    {
        if ( irq_hook )
            irq_hook(vec);
        return;
    }
    if ( vec == VEC_SPURIOUS || (vec >= VEC_PIC && vec < VEC_PIC + 16) )
        return;                         /* these want no EOI (the PICs are masked: theirs are spurious) */
    if ( irq_hook_first && irq_hook && vec >= VEC_TEST && vec < VEC_TEST_END )
    {
        irq_hook(vec);
        apic_eoi();
        return;
    }
    apic_eoi();
    if ( vec >= VEC_TEST && vec < VEC_TEST_END )
    {
        if ( irq_hook )
            irq_hook(vec);
    }
    else if ( vec != VEC_TIMER && vec != VEC_WAKE )
    {
        irq_unexpected_vector = vec;
        atomic_inc(&irq_unexpected);
    }
}
