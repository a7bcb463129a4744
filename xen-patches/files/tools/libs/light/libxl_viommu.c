/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A virtual IOMMU of an HVM guest: registers in the device model, interrupt
 * remapping in Xen.
 */

#include "libxl_osdeps.h" /* must come before any other headers */

#include "libxl_internal.h"

#include <xendevicemodel.h>

/* QEMU's name of the device. */
#define INTEL_DRIVER "intel-iommu"

static bool args_have_unit(char *const *args)
{
    for (; args && *args; args++)
        if (strstr(*args, INTEL_DRIVER))
            return true;

    return false;
}

bool libxl__viommu_configured(const libxl_domain_build_info *b_info)
{
    return b_info->arch_x86.viommu != LIBXL_VIOMMU_TYPE_NONE ||
           args_have_unit(b_info->extra) || args_have_unit(b_info->extra_hvm);
}

int libxl__viommu_check(libxl__gc *gc, const libxl_domain_config *d_config,
                        uint32_t domid)
{
    const libxl_domain_build_info *b_info = &d_config->b_info;
    const char *type, *whynot;

    if (b_info->arch_x86.viommu == LIBXL_VIOMMU_TYPE_NONE)
        return 0;

    type = libxl_viommu_type_to_string(b_info->arch_x86.viommu);
    if (!type) {
        LOGD(ERROR, domid, "viommu: %d is no type of a virtual IOMMU",
             b_info->arch_x86.viommu);
        return ERROR_INVAL;
    }

    whynot =
        d_config->c_info.type != LIBXL_DOMAIN_TYPE_HVM ?
            "only HVM guests can have a virtual IOMMU" :
        b_info->device_model_version != LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN ?
            "needs the device model qemu-xen, also in a stub domain" :
        !libxl__acpi_defbool_val(b_info) ?
            "the guest would not find it with acpi=0" :
        args_have_unit(b_info->extra) || args_have_unit(b_info->extra_hvm) ?
            "device_model_args has an " INTEL_DRIVER " already, and there can "
            "be only one" :
        NULL;

    if (whynot) {
        LOGD(ERROR, domid, "viommu=\"%s\": %s", type, whynot);
        return ERROR_INVAL;
    }

    return 0;
}

int libxl__viommu_dm_args(libxl__gc *gc, uint32_t domid,
                          const libxl_domain_config *d_config,
                          flexarray_t *dm_args)
{
    struct xen_dm_op_viommu_get_caps caps;
    xendevicemodel_handle *dmod;
    int r, saved_errno;

    if (d_config->b_info.arch_x86.viommu == LIBXL_VIOMMU_TYPE_NONE)
        return 0;

    /* The device model would say so too, but in a log of its own. */
    dmod = xendevicemodel_open(CTX->lg, 0);
    if (!dmod) {
        LOGED(ERROR, domid, "viommu: can't open Xen's device model interface");
        return ERROR_FAIL;
    }
    r = xendevicemodel_viommu_get_caps(dmod, domid, &caps);
    saved_errno = errno;
    xendevicemodel_close(dmod);
    if (r) {
        LOGEVD(ERROR, saved_errno, domid,
               "viommu=\"intel\": this Xen can't remap a guest's interrupts");
        return ERROR_FAIL;
    }

    /*
     * A physical device's DMA isn't translated by the unit.  So don't let the
     * guest think so if it can have one.
     */
    flexarray_append_pair(dm_args, "-device",
        d_config->c_info.passthrough == LIBXL_PASSTHROUGH_DISABLED ?
            INTEL_DRIVER ",intremap=on,eim=on" :
            INTEL_DRIVER ",intremap=on,eim=on,dma-translation=off");

    return 0;
}

/*
 * Local variables:
 * mode: C
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
