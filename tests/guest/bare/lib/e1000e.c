// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The network card 82574L, of which only the causes of its queues and of the rest are used: each is an
 * entry of its MSI-X table, and interrupts at command.
 */
#include "vtd.h"

#define E1000E_ID       0x10d38086U
#define CTRL            0x0000
#define CTRL_RST        (1U << 26)
#define CTRL_EXT        0x0018
#define CTRL_EXT_IAME   (1U << 27)      /* leaves IMS alone when a cause is cleared by itself */
#define ICS             0x00c8
#define IMS             0x00d0
#define EIAC            0x00dc
#define IVAR            0x00e4
#define IVAR_EACH       0xba98U         /* two queues each way, and others: by entries 0 to 4 */
#define IVAR_OTHER      (0xcU << 16)
#define CAUSE(n)        (1U << (20 + (n)))
#define CAUSES          (0x1fU << 20)
#define THROTTLE_US     128             /* EITR, which QEMU doesn't let be less */

struct e1000e e1000e;
static volatile uint8_t *regs;

static volatile uint32_t *reg(unsigned int offset)
{
    return (volatile uint32_t *)(regs + offset);
}

static void start(void)
{
    *reg(CTRL_EXT) |= CTRL_EXT_IAME;
    *reg(IVAR) = IVAR_EACH | IVAR_OTHER;
    *reg(EIAC) = CAUSES;
    *reg(IMS) = CAUSES;
}

bool e1000e_init(void)
{
    int found = pci_find(E1000E_ID);

    if ( found < 0 )
        return false;
    e1000e.bdf = found;
    /* Memory and bus mastering, which MSIs need too. */
    pci_write(e1000e.bdf, 0x04, (pci_read(e1000e.bdf, 0x04) & 0xffff) | 6);
    regs = (void *)(uintptr_t)pci_mem_bar(e1000e.bdf, 0);
    if ( !regs || !msix_init(&e1000e.msix, e1000e.bdf) || e1000e.msix.entries != E1000E_ENTRIES )
        return false;
    e1000e_quiet();
    return true;
}

void e1000e_msi(uint64_t addr, uint32_t data)
{
    msix_set(&e1000e.msix, 0, addr, data);
    e1000e_msi_again();
}

void e1000e_msi_again(void)
{
    e1000e_interrupt(0);
}

void e1000e_interrupt(unsigned int n)
{
    *reg(ICS) = CAUSE(n);
}

void e1000e_settle(void)
{
    uint64_t end = rdtsc() + us_to_tsc(THROTTLE_US * 2);

    while ( rdtsc() < end )
        cpu_pause();
}

void e1000e_quiet(void)
{
    *reg(CTRL) = CTRL_RST;
    start();
}

void e1000e_nothing(void)
{
    *reg(ICS) = 0;
}
