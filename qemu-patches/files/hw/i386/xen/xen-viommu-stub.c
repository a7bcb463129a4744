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
    error_setg(errp, "this QEMU was built with a libxen that can't remap "
               "a guest's interrupts (no xendevicemodel_viommu functions)");
    error_append_hint(errp, "Build it with one that can, or use "
                      "intremap=off.\n");
    return false;
}

bool xen_viommu_active(void)
{
    return false;
}

void xen_viommu_inject_msi(uint64_t addr, uint32_t data, uint16_t sid)
{
    g_assert_not_reached();
}

void xen_viommu_inject_event(uint64_t addr, uint32_t data)
{
    g_assert_not_reached();
}
