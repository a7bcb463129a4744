// SPDX-License-Identifier: GPL-2.0-or-later
/* The IO-APIC's registers. */
#include "vtd.h"

struct ioapic ioapic;

static volatile uint32_t *at(unsigned int offset)
{
    return (volatile uint32_t *)(uintptr_t)(ioapic.addr + offset);
}

uint32_t ioapic_reg(unsigned int reg)
{
    *at(0x00) = reg;
    return *at(0x10);
}

static void set_reg(unsigned int reg, uint32_t v)
{
    *at(0x00) = reg;
    *at(0x10) = v;
}

bool ioapic_init(void)
{
    const uint8_t *p, *end;

    if ( ioapic.pins )
        return true;
    if ( !acpi.madt || acpi.madt_error )
        return false;
    p = (uint8_t *)acpi.madt + 44;
    end = (uint8_t *)acpi.madt + acpi.madt->length;
    for ( ; p < end; p += p[1] )
        if ( p[0] == 1 && p[1] >= 12 )
        {
            ioapic.id = p[2];
            memcpy(&ioapic.addr, p + 4, 4);
            memcpy(&ioapic.gsi, p + 8, 4);
            ioapic.pins = (ioapic_reg(1) >> 16 & 0xff) + 1;
            return true;
        }
    return false;
}

uint64_t ioapic_rte(unsigned int pin)
{
    return ioapic_reg(0x10 + 2 * pin) | (uint64_t)ioapic_reg(0x11 + 2 * pin) << 32;
}

void ioapic_set_low(unsigned int pin, uint32_t low)
{
    set_reg(0x10 + 2 * pin, low);
}

void ioapic_set(unsigned int pin, uint64_t rte)
{
    set_reg(0x10 + 2 * pin, RTE_MASKED);
    set_reg(0x11 + 2 * pin, rte >> 32);
    set_reg(0x10 + 2 * pin, rte);
}

void ioapic_mask_all(void)
{
    unsigned int pin;

    for ( pin = 0; pin < ioapic.pins; pin++ )
        ioapic_set_low(pin, RTE_MASKED);
}
