/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The DMAR table, by which a guest finds its virtual IOMMU (VT-d specification,
 * chapter 8).  It comes from the device model, which has the unit.
 */

#ifndef __HVMLOADER_DMAR_H__
#define __HVMLOADER_DMAR_H__

#include <stdint.h>

/* More than any device model has to say. */
#define DMAR_MAX_SIZE 4096U

/*
 * Check a DMAR table of @size bytes at @table, which can be anything, and have it
 * name the IO-APIC by @ioapic_id, as the MADT does.
 *
 * Returns NULL if the table is good, or else what is wrong with it.
 */
const char *dmar_adopt(void *table, uint32_t size, uint8_t ioapic_id);

/* The device model's table, checked, or NULL if there is none that is good. */
const void *dmar_get(uint8_t ioapic_id);

#endif

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
