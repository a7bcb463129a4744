// SPDX-License-Identifier: GPL-2.0-or-later
/* The network card 82574L, of which only "other causes" are used: an interrupt by MSI-X at command. */
#include "vtd.h"

#define E1000E_ID       0x10d38086U
#define CTRL_EXT        0x0018
#define CTRL_EXT_IAME   (1U << 27)      /* leaves IMS alone when a cause is cleared by itself */
#define ICS             0x00c8
#define IMS             0x00d0
#define EIAC            0x00dc
#define IVAR            0x00e4
#define IVAR_OTHER_0    (8U << 16)      /* by the first entry of the table */
#define CAUSE_OTHER     (1U << 24)
#define THROTTLE_US     128             /* EITR, which QEMU doesn't let be less */

static volatile uint32_t *entry;        /* the first of the MSI-X table */
static volatile uint8_t *regs;
static unsigned int bdf;

static volatile uint32_t *reg(unsigned int offset)
{
    return (volatile uint32_t *)(regs + offset);
}

int e1000e_init(void)
{
    int found = pci_find(E1000E_ID);
    unsigned int cap;
    uint32_t table;

    if ( found < 0 )
        return -1;
    bdf = found;
    /* Memory and bus mastering, which MSIs need too. */
    pci_write(bdf, 0x04, (pci_read(bdf, 0x04) & 0xffff) | 6);
    cap = pci_cap(bdf, PCI_CAP_MSIX);
    if ( !cap )
        return -1;
    table = pci_read(bdf, cap + 4);
    entry = (void *)(uintptr_t)(pci_mem_bar(bdf, table & 7) + (table & ~7U));
    regs = (void *)(uintptr_t)pci_mem_bar(bdf, 0);
    entry[3] = 1;
    pci_write(bdf, cap, (pci_read(bdf, cap) & ~(1U << 30)) | 1U << 31);
    *reg(CTRL_EXT) |= CTRL_EXT_IAME;
    *reg(IVAR) = IVAR_OTHER_0;
    *reg(EIAC) = CAUSE_OTHER;
    *reg(IMS) = CAUSE_OTHER;
    return bdf;
}

void e1000e_msi(uint64_t addr, uint32_t data)
{
    entry[3] = 1;
    entry[0] = addr;
    entry[1] = addr >> 32;
    entry[2] = data;
    entry[3] = 0;
    e1000e_msi_again();
}

void e1000e_msi_again(void)
{
    *reg(ICS) = CAUSE_OTHER;
}

void e1000e_settle(void)
{
    uint64_t end = rdtsc() + us_to_tsc(THROTTLE_US * 2);

    while ( rdtsc() < end )
        cpu_pause();
}

void e1000e_nothing(void)
{
    *reg(ICS) = 0;
}
