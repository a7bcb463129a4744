// SPDX-License-Identifier: GPL-2.0-or-later
/* PCI configuration space by ports 0xcf8 and 0xcfc.  BSP only: the pair has no lock. */
#include "bare.h"

uint32_t pci_read(unsigned int bdf, unsigned int reg)
{
    outl(0xcf8, 0x80000000U | bdf << 8 | (reg & 0xfc));
    return inl(0xcfc);
}

void pci_write(unsigned int bdf, unsigned int reg, uint32_t v)
{
    outl(0xcf8, 0x80000000U | bdf << 8 | (reg & 0xfc));
    outl(0xcfc, v);
}

int pci_find(uint32_t id)
{
    return pci_find_nth(id, 0);
}

int pci_find_nth(uint32_t id, unsigned int n)
{
    unsigned int dev, fn;

    for ( dev = 0; dev < 32; dev++ )
    {
        unsigned int fns = 1;

        for ( fn = 0; fn < fns; fn++ )
        {
            unsigned int bdf = dev << 3 | fn;
            uint32_t v = pci_read(bdf, 0);

            if ( v == 0xffffffffU )
                continue;
            if ( v == id && !n-- )
                return bdf;
            if ( !fn && (pci_read(bdf, 0x0c) & 0x800000) )
                fns = 8;
        }
    }
    return -1;
}

unsigned int pci_cap(unsigned int bdf, unsigned int kind)
{
    unsigned int cap = pci_read(bdf, 0x34) & 0xfc;

    while ( cap && (pci_read(bdf, cap) & 0xff) != kind )
        cap = pci_read(bdf, cap) >> 8 & 0xfc;
    return cap;
}

uint32_t pci_mem_bar(unsigned int bdf, unsigned int bar)
{
    uint32_t v = pci_read(bdf, 0x10 + bar * 4);

    if ( (v & 1) || ((v & 6) == 4 && pci_read(bdf, 0x14 + bar * 4)) )
        return 0;
    return v & ~0xfU;
}
