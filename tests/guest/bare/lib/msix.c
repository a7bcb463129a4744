// SPDX-License-Identifier: GPL-2.0-or-later
/* A device's table of messages (MSI-X).  BSP only, as what is in configuration space has no lock. */
#include "bare.h"

#define CONTROL_ON      (1U << 31)
#define CONTROL_MASK    (1U << 30)
#define CONTROL_LAST(v) ((v) >> 16 & 0x7ff)
#define MASKED          1U

static volatile uint32_t *entry(const struct msix *m, unsigned int n)
{
    return m->table + n * 4;
}

static void control(const struct msix *m, uint32_t flags)
{
    pci_write(m->bdf, m->cap, (pci_read(m->bdf, m->cap) & ~(CONTROL_ON | CONTROL_MASK)) | flags);
}

static volatile uint32_t *memory(const struct msix *m, unsigned int reg)
{
    uint32_t where = pci_read(m->bdf, m->cap + reg), bar = pci_mem_bar(m->bdf, where & 7);

    return bar ? (void *)(uintptr_t)(bar + (where & ~7U)) : NULL;
}

bool msix_init(struct msix *m, unsigned int bdf)
{
    unsigned int n;

    m->bdf = bdf;
    m->cap = pci_cap(bdf, PCI_CAP_MSIX);
    if ( !m->cap )
        return false;
    m->entries = CONTROL_LAST(pci_read(bdf, m->cap)) + 1;
    m->table = memory(m, 4);
    m->pending = memory(m, 8);
    if ( !m->table || !m->pending )
        return false;
    for ( n = 0; n < m->entries; n++ )
        msix_mask(m, n, true);
    msix_mask_all(m, false);
    return true;
}

void msix_off(const struct msix *m)
{
    control(m, 0);
}

void msix_mask(const struct msix *m, unsigned int n, bool masked)
{
    entry(m, n)[3] = masked ? MASKED : 0;
}

void msix_mask_all(const struct msix *m, bool masked)
{
    control(m, CONTROL_ON | (masked ? CONTROL_MASK : 0));
}

void msix_message(const struct msix *m, unsigned int n, uint64_t addr, uint32_t data)
{
    entry(m, n)[0] = addr;
    entry(m, n)[1] = addr >> 32;
    entry(m, n)[2] = data;
}

void msix_set(const struct msix *m, unsigned int n, uint64_t addr, uint32_t data)
{
    msix_mask(m, n, true);
    msix_message(m, n, addr, data);
    msix_mask(m, n, false);
}

bool msix_pending(const struct msix *m, unsigned int n)
{
    return m->pending[n / 32] >> n % 32 & 1;
}
