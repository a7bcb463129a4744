/*
 * Interrupt remapping in Xen for the IOMMU model
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_XEN_VIOMMU_H
#define HW_I386_XEN_VIOMMU_H

#include "hw/i386/intel_iommu.h"

/* The unit's DMAR table in fw_cfg, complete and with its checksum. */
#define XEN_VIOMMU_DMAR_FILE "etc/acpi/dmar"

/* Of an MSI's address: the format that names an entry of the guest's table. */
#define XEN_VIOMMU_MSI_REMAPPABLE (1u << 4)

/**
 * xen_viommu_realize - give the domain a unit, and have it follow the model
 *
 * The state of interrupt remapping and invalidations of its entries are mirrored
 * into Xen as the model's IEC notifiers tell them.  Faults that Xen finds are
 * recorded in the model's registers.  The firmware gets a DMAR table.  Runs with the
 * BQL held, as do the functions below.
 *
 * @s: the model, of which there is one
 * @errp: says what is missing if this Xen can't do it
 */
bool xen_viommu_realize(IntelIOMMUState *s, Error **errp);

/** xen_viommu_active - whether xen_viommu_realize() succeeded */
bool xen_viommu_active(void);

/**
 * xen_viommu_fetch_faults - record the faults that Xen has found by now
 *
 * They are fetched anyway, but later.
 */
void xen_viommu_fetch_faults(void);

/** xen_viommu_print_info - append what Xen has of the unit, if there is one */
void xen_viommu_print_info(GString *buf);

/**
 * xen_viommu_inject_msi - inject an MSI as the guest wrote it
 *
 * @addr: address, of 64 bits
 * @data: data
 * @sid: requester id of who wrote
 */
void xen_viommu_inject_msi(uint64_t addr, uint32_t data, uint16_t sid);

/**
 * xen_viommu_inject_event - inject an event of the unit itself, not remapped
 *
 * @addr: address; the upper half holds bits 31:8 of the destination
 * @data: data
 */
void xen_viommu_inject_event(uint64_t addr, uint32_t data);

#endif
