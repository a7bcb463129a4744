// SPDX-License-Identifier: GPL-2.0-or-later
/* QEMU's device "edu" (docs/specs/edu.rst): interrupts at command, and DMA. */
#include "vtd.h"

#define EDU_ID          0x11e81234U
#define REG_RAISE       0x60
#define REG_LOWER       0x64
#define REG_DMA_SRC     0x80
#define REG_DMA_DST     0x88
#define REG_DMA_CNT     0x90
#define REG_DMA_CMD     0x98
#define DMA_BUFFER      0x40000U
#define DMA_RUN         1U
#define DMA_OUT         2U

struct edu edu[2];
unsigned int edus;

static volatile uint32_t *reg(struct edu *e, unsigned int offset)
{
    return (volatile uint32_t *)(e->reg + offset);
}

void edu_init(void)
{
    unsigned int n;

    for ( n = 0; edus < ARRAY_SIZE(edu); n++ )
    {
        struct edu *e = &edu[edus];
        int bdf = pci_find_nth(EDU_ID, n);

        if ( bdf < 0 )
            break;
        e->bdf = bdf;
        e->pin = -1;
        e->reg = (void *)(uintptr_t)pci_mem_bar(bdf, 0);
        e->buffer = mem_alloc(8, 64);
        /* Memory and bus mastering, which MSIs need too. */
        pci_write(bdf, 0x04, (pci_read(bdf, 0x04) & 0xffff) | 6);
        e->msi = pci_cap(bdf, PCI_CAP_MSI);
        if ( e->reg && e->msi && e->buffer )
            edus++;
    }
}

static void msi_switch(struct edu *e, bool on)
{
    uint32_t v = pci_read(e->bdf, e->msi);

    /* Raised before: it would pull INTx when MSI goes off. */
    *reg(e, REG_LOWER) = ~0U;
    pci_write(e->bdf, e->msi, on ? v | 1U << 16 : v & ~(1U << 16));
    e->msi_on = on;
}

void edu_msi(struct edu *e, uint64_t addr, uint32_t data)
{
    if ( !e->msi_on || e->addr != addr || e->data != data )
    {
        pci_write(e->bdf, e->msi + 4, addr);
        pci_write(e->bdf, e->msi + 8, addr >> 32);
        pci_write(e->bdf, e->msi + 12, data);
        e->addr = addr;
        e->data = data;
    }
    if ( !e->msi_on )
        msi_switch(e, true);
    edu_msi_again(e);
}

void edu_msi_again(struct edu *e)
{
    *reg(e, REG_RAISE) = 1;
}

void edu_nothing(struct edu *e)
{
    *reg(e, REG_LOWER) = 0;
}

void edu_intx_mode(struct edu *e)
{
    msi_switch(e, false);
}

void edu_intx(struct edu *e, bool high)
{
    *reg(e, high ? REG_RAISE : REG_LOWER) = 1;
}

static bool dma(struct edu *e, uint64_t src, uint64_t dst, unsigned int size, uint32_t cmd)
{
    uint64_t end = rdtsc() + us_to_tsc(vtd_patience());

    *reg(e, REG_DMA_SRC) = src;
    *reg(e, REG_DMA_DST) = dst;
    *reg(e, REG_DMA_CNT) = size;
    *reg(e, REG_DMA_CMD) = cmd | DMA_RUN;
    while ( *reg(e, REG_DMA_CMD) & DMA_RUN )
    {
        uint32_t never = 1;

        if ( rdtsc() > end )
            return false;
        wait_zero(&never, 10000);
    }
    return true;
}

bool edu_dma(struct edu *e, uint64_t addr, uint32_t data)
{
    *e->buffer = data;
    return dma(e, (uintptr_t)e->buffer, DMA_BUFFER, 4, 0) && dma(e, DMA_BUFFER, addr, 4, DMA_OUT);
}

bool edu_dma_short(struct edu *e)
{
    volatile uint32_t *seen = e->buffer + 1, *far = (void *)((uintptr_t)seen + 0x10000000);
    uint32_t was = *far;

    if ( (uintptr_t)seen >> 28 )
        return true;
    *seen = 0;
    if ( !edu_dma(e, (uintptr_t)far, 0x600d) )
        return true;
    *far = was;
    return *seen;
}
