/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What Xen has to say about a domain's virtual IOMMU.
 */

#include "libxl_osdeps.h" /* must come before any other headers */

#include "libxl_internal.h"

#include <xendevicemodel.h>

static int get_info(libxl__gc *gc, uint32_t domid,
                    struct xen_dm_op_viommu_get_info *info)
{
    xendevicemodel_handle *dmod = xendevicemodel_open(CTX->lg, 0);
    int r, saved_errno;

    if (!dmod) {
        LOGED(ERROR, domid, "Can't open Xen's device model interface");
        return ERROR_FAIL;
    }

    r = xendevicemodel_viommu_get_info(dmod, domid, info);
    saved_errno = errno;
    xendevicemodel_close(dmod);
    if (!r)
        return 0;

    switch (saved_errno) {
    case ENODEV:
        return ERROR_NOTFOUND;
    case ESRCH:
        return ERROR_DOMAIN_NOTFOUND;
    case EOPNOTSUPP:
        LOGD(ERROR, domid, "This Xen has no virtual IOMMUs");
        return ERROR_NI;
    default:
        LOGEVD(ERROR, saved_errno, domid, "Querying the virtual IOMMU");
        return ERROR_FAIL;
    }
}

int libxl_viommu_get_info(libxl_ctx *ctx, uint32_t domid,
                          libxl_viommu_info *info_r)
{
    GC_INIT(ctx);
    struct xen_dm_op_viommu_get_info info;
    int i, rc;

    switch (libxl__domain_type(gc, domid)) {
    case LIBXL_DOMAIN_TYPE_HVM:
        rc = get_info(gc, domid, &info);
        break;
    case LIBXL_DOMAIN_TYPE_INVALID:
        rc = ERROR_DOMAIN_NOTFOUND;
        break;
    default:
        rc = ERROR_NOTFOUND;
        break;
    }
    if (rc)
        goto out;

    info_r->type = info.type == XEN_DMOP_VIOMMU_TYPE_VTD
        ? LIBXL_VIOMMU_TYPE_INTEL : LIBXL_VIOMMU_TYPE_NONE;
    info_r->ioapic_sid = info.ioapic_sid;
    info_r->remapping = info.flags & XEN_DMOP_VIOMMU_ENABLED;
    info_r->eim = info.flags & XEN_DMOP_VIOMMU_EIM;
    info_r->compat_allowed = info.flags & XEN_DMOP_VIOMMU_CFI;
    if (info_r->remapping) {
        info_r->table = info.table;
        info_r->table_entries = 1U << info.order;
    }
    info_r->cached = info.cached;
    info_r->memory = info.memory;
    info_r->hits = info.hits;
    info_r->misses = info.misses;
    info_r->compat = info.compat;
    info_r->inv_global = info.inv_global;
    info_r->inv_index = info.inv_index;
    info_r->num_faults = ARRAY_SIZE(info.faults);
    info_r->faults = libxl__calloc(NOGC, info_r->num_faults,
                                   sizeof(*info_r->faults));
    for (i = 0; i < info_r->num_faults; i++)
        info_r->faults[i] = info.faults[i];
    info_r->faults_lost = info.faults_lost;

 out:
    GC_FREE;
    return rc;
}

/*
 * Local variables:
 * mode: C
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
