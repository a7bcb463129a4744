// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An xHCI controller of NEC's, as QEMU has it, of which only the interrupters are used (xHCI 4.17):
 * each is a vector of its MSI capability, or an entry of its MSI-X table.  The controller isn't run and has no events; acknowledging
 * some that aren't there (a dequeue pointer which differs from its own) has it interrupt again.
 */
#include "vtd.h"

#define XHCI_ID         0x01941033U
#define CAPLENGTH       0x00
#define RTSOFF          0x18
#define USBCMD          0x00
#define USBCMD_HCRST    (1U << 1)
#define USBCMD_INTE     (1U << 2)
#define IR(n)           (0x20 + 0x20 * (n))
#define IMAN            0x00
#define IMAN_IE         (1U << 1)
#define ERSTSZ          0x08
#define ERSTBA          0x10
#define ERDP            0x18
#define ERDP_EHB        (1U << 3)
#define RING_TRBS       16
#define TRB_SIZE        16

#define MSI_ON          (1U << 16)
#define MSI_MMC(v)      ((v) >> 17 & 7)
#define MSI_MME(n)      ((n) << 20)
#define MSI_64          (1U << 23)

struct xhci xhci;
static volatile uint8_t *runtime;
static uint64_t ring;

static volatile uint32_t *interrupter(unsigned int n, unsigned int reg)
{
    return (volatile uint32_t *)(runtime + IR(n) + reg);
}

bool xhci_init(void)
{
    int found = pci_find(XHCI_ID);
    volatile uint8_t *regs;
    volatile uint32_t *usbcmd;
    uint64_t *segment;
    unsigned int i;
    uint32_t control;

    if ( found < 0 )
        return false;
    xhci.bdf = found;
    xhci.msi = pci_cap(xhci.bdf, PCI_CAP_MSI);
    regs = (void *)(uintptr_t)pci_mem_bar(xhci.bdf, 0);
    segment = mem_alloc(16, 64);
    ring = (uintptr_t)mem_alloc(RING_TRBS * TRB_SIZE, 64);
    if ( !regs || !segment || !ring )
        return false;
    if ( xhci.msi )
    {
        control = pci_read(xhci.bdf, xhci.msi);
        if ( !(control & MSI_64) )
            return false;
        xhci.max_order = MSI_MMC(control);
    }
    /* Memory and bus mastering, which MSIs need too. */
    pci_write(xhci.bdf, 0x04, (pci_read(xhci.bdf, 0x04) & 0xffff) | 6);

    usbcmd = (volatile uint32_t *)(regs + regs[CAPLENGTH] + USBCMD);
    *usbcmd = USBCMD_HCRST;
    for ( uint64_t end = rdtsc() + us_to_tsc(1000000); *usbcmd & USBCMD_HCRST; )
        if ( rdtsc() > end )
            return false;
    runtime = regs + *(volatile uint32_t *)(regs + RTSOFF);
    segment[0] = ring;
    segment[1] = RING_TRBS;
    if ( !xhci.msi && !msix_init(&xhci.msix, xhci.bdf) )
        return false;
    for ( i = 0; i < (xhci.msi ? 1U << xhci.max_order : xhci.msix.entries); i++ )
    {
        *interrupter(i, ERSTSZ) = 1;
        *interrupter(i, ERSTBA) = (uintptr_t)segment;
        *interrupter(i, ERSTBA + 4) = (uintptr_t)segment >> 32;
        *interrupter(i, ERDP + 4) = ring >> 32;
    }
    *usbcmd = USBCMD_INTE;
    return true;
}

void xhci_msi_change(uint64_t addr, uint32_t data)
{
    pci_write(xhci.bdf, xhci.msi + 4, addr);
    pci_write(xhci.bdf, xhci.msi + 8, addr >> 32);
    pci_write(xhci.bdf, xhci.msi + 12, data);
}

void xhci_msi(uint64_t addr, uint32_t data, unsigned int order)
{
    xhci_msi_off();
    xhci_msi_change(addr, data);
    pci_write(xhci.bdf, xhci.msi, MSI_MME(order) | MSI_ON);
}

void xhci_msi_off(void)
{
    pci_write(xhci.bdf, xhci.msi, 0);
}

void xhci_interrupt(unsigned int n)
{
    /* By this QEMU's has an entry of MSI-X in use, if that is on by now. */
    *interrupter(n, IMAN) = IMAN_IE;
    *interrupter(n, ERDP) = (uint32_t)(ring + TRB_SIZE) | ERDP_EHB;
}
