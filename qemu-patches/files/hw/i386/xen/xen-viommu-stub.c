/*
 * Interrupt remapping in Xen: stubs for builds without Xen, or with a libxen that
 * doesn't know of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/i386/xen-viommu.h"

bool xen_viommu_realize(IntelIOMMUState *s, Error **errp)
{
    error_setg(errp, "this QEMU can't have Xen remap a guest's interrupts: "
               "build it with a libxendevicemodel that has "
               "xendevicemodel_viommu_create, or use intremap=off");
    return false;
}

bool xen_viommu_active(void)
{
    return false;
}

void xen_viommu_fetch_faults(void)
{
}

void xen_viommu_print_info(GString *buf)
{
}

void xen_viommu_inject_msi(uint64_t addr, uint32_t data, uint16_t sid)
{
    g_assert_not_reached();
}

void xen_viommu_inject_event(uint64_t addr, uint32_t data)
{
    g_assert_not_reached();
}
