/*
 * Interrupt remapping in Xen for the IOMMU model
 *
 * The model has the registers, Xen has the guest's interrupt remapping table: all
 * interrupts, also those of QEMU's devices, are remapped by Xen.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qapi/error.h"
#include "hw/acpi/aml-build.h"
#include "hw/acpi/bios-linker-loader.h"
#include "hw/i386/acpi-build.h"
#include "hw/i386/fw_cfg.h"
#include "hw/i386/x86.h"
#include "hw/i386/x86-iommu.h"
#include "hw/i386/xen-viommu.h"
#include "hw/i386/intel_iommu_internal.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/pci/pci.h"
#include "hw/pci-host/q35.h"
#include "hw/xen/xen_native.h"
#include "hw/xen/xen_backend_ops.h"
#include "system/system.h"
#include "system/xen.h"
#include "trace.h"

/* Faults to be fetched at once, and that often before others get their turn. */
#define FAULTS 64
#define FAULT_ROUNDS 4

#define ACPI_CHECKSUM_OFFSET 9

static struct {
    IntelIOMMUState *model;
    xenevtchn_handle *evtchn;
    evtchn_port_t port;
    QEMUBH *bh;
    /* What Xen has. */
    uint32_t flags, order;
    uint64_t table;
    Notifier machine_done;
} viommu;

static bool get_caps(struct xen_dm_op_viommu_get_caps *caps, Error **errp)
{
    if (xendevicemodel_viommu_get_caps(xen_dmod, xen_domid, caps)) {
        error_setg_errno(errp, errno,
                         "this Xen can't remap a guest's interrupts "
                         "(no XEN_DMOP_viommu operations)");
        error_append_hint(errp, "Use a Xen that has them, or intremap=off.\n");
        return false;
    }
    if (!(caps->types & (1u << XEN_DMOP_VIOMMU_TYPE_VTD)) ||
        !(caps->flags & XEN_DMOP_VIOMMU_CAP_EIM)) {
        error_setg(errp, "this Xen remaps interrupts, but not for VT-d with "
                   "32-bit destinations (types 0x%x, flags 0x%x)",
                   caps->types, caps->flags);
        return false;
    }
    return true;
}

/*
 * An operation on state that fails means that Xen and the model disagree from now
 * on, which nobody can mend.  The guest has no way to bring this about.
 */
static void check(int rc, const char *what)
{
    if (rc) {
        error_report("interrupt remapping: Xen refused to %s: %s", what,
                     strerror(errno));
    }
}

static void update_state(void)
{
    IntelIOMMUState *s = viommu.model;
    uint32_t flags = 0, order = 0;
    uint64_t table = 0;

    if (s->intr_enabled) {
        flags = XEN_DMOP_VIOMMU_ENABLED;
        if (s->intr_eime) {
            flags |= XEN_DMOP_VIOMMU_EIM;
        }
        if (ldl_le_p(&s->csr[DMAR_GSTS_REG]) & VTD_GSTS_CFIS) {
            flags |= XEN_DMOP_VIOMMU_CFI;
        }
        order = ctz32(s->intr_size);
        table = s->intr_root;
    }

    if (flags == viommu.flags && order == viommu.order &&
        table == viommu.table) {
        if (flags) {
            trace_xen_viommu_invalidate(true, 0, 0);
            check(xendevicemodel_viommu_invalidate(xen_dmod, xen_domid,
                                                   XEN_DMOP_VIOMMU_INV_GLOBAL,
                                                   0, 0), "invalidate");
        }
        return;
    }

    trace_xen_viommu_set_state(flags, table, order);
    check(xendevicemodel_viommu_set_state(xen_dmod, xen_domid, flags, table,
                                          order), "set the state");
    viommu.flags = flags;
    viommu.order = order;
    viommu.table = table;
}

static void iec_notify(void *opaque, bool global, uint32_t index, uint32_t mask)
{
    if (global || mask > 15) {
        update_state();
        return;
    }

    if (viommu.flags) {
        trace_xen_viommu_invalidate(false, index, mask);
        check(xendevicemodel_viommu_invalidate(xen_dmod, xen_domid, 0, index,
                                               mask), "invalidate");
    }
}

static void fetch_faults(void *opaque)
{
    struct xen_dm_op_viommu_fault faults[FAULTS];
    unsigned int i, round;

    for (round = 0; round < FAULT_ROUNDS; round++) {
        uint32_t nr = FAULTS, flags = 0;

        if (xendevicemodel_viommu_get_faults(xen_dmod, xen_domid, faults, &nr,
                                             &flags)) {
            check(-1, "hand over faults");
            return;
        }

        for (i = 0; i < nr; i++) {
            trace_xen_viommu_fault(faults[i].sid, faults[i].index,
                                   faults[i].reason);
            vtd_report_ir_fault(viommu.model, faults[i].sid, faults[i].reason,
                                faults[i].index);
        }
        if (flags & XEN_DMOP_VIOMMU_FAULTS_LOST) {
            trace_xen_viommu_faults_lost();
            vtd_report_fault_overflow(viommu.model);
        }
        if (nr < FAULTS) {
            return;
        }
    }

    /* There is no further event until all are fetched. */
    qemu_bh_schedule(viommu.bh);
}

static void fault_event(void *opaque)
{
    int port = qemu_xen_evtchn_pending(viommu.evtchn);

    if (port < 0) {
        return;
    }
    qemu_xen_evtchn_unmask(viommu.evtchn, port);
    fetch_faults(NULL);
}

/*
 * QEMU's ACPI tables aren't for Xen guests, which have hvmloader's.  But only QEMU
 * knows what to say of the unit, so let hvmloader have that.
 */
static void add_dmar(Notifier *notifier, void *unused)
{
    X86MachineState *x86ms = X86_MACHINE(qdev_get_machine());
    FWCfgState *fw_cfg = fw_cfg_find();
    GArray *table = g_array_new(false, true, 1);
    BIOSLinker *linker = bios_linker_loader_init();
    uint8_t sum = 0;
    unsigned int i;

    bios_linker_loader_alloc(linker, ACPI_BUILD_TABLE_FILE, table, 64, false);
    build_dmar(table, linker, x86ms->oem_id, x86ms->oem_table_id, true);
    bios_linker_loader_cleanup(linker);

    for (i = 0; i < table->len; i++) {
        sum += (uint8_t)table->data[i];
    }
    table->data[ACPI_CHECKSUM_OFFSET] -= sum;

    if (!fw_cfg) {
        fw_cfg = fw_cfg_init_io_dma(FW_CFG_IO_BASE, FW_CFG_IO_BASE + 4,
                                    &address_space_memory);
    }
    fw_cfg_add_file(fw_cfg, XEN_VIOMMU_DMAR_FILE, table->data, table->len);
    g_array_free(table, false);
}

bool xen_viommu_realize(IntelIOMMUState *s, Error **errp)
{
    struct xen_dm_op_viommu_get_caps caps;
    evtchn_port_t port;
    int rc;

    if (!get_caps(&caps, errp)) {
        return false;
    }

    viommu.evtchn = qemu_xen_evtchn_open();
    if (!viommu.evtchn) {
        error_setg_errno(errp, errno, "can't open Xen's event channels");
        return false;
    }

    rc = xendevicemodel_viommu_create(xen_dmod, xen_domid,
                                      XEN_DMOP_VIOMMU_TYPE_VTD,
                                      PCI_BUILD_BDF(Q35_PSEUDO_BUS_PLATFORM,
                                                    Q35_PSEUDO_DEVFN_IOAPIC),
                                      &port);
    if (rc) {
        error_setg_errno(errp, errno, "Xen can't give the guest an IOMMU");
        goto fail;
    }

    rc = qemu_xen_evtchn_bind_interdomain(viommu.evtchn, xen_domid, port);
    if (rc < 0) {
        error_setg_errno(errp, errno,
                         "can't bind the event channel for IOMMU faults");
        xendevicemodel_viommu_destroy(xen_dmod, xen_domid);
        goto fail;
    }

    viommu.port = rc;
    viommu.model = s;
    viommu.bh = qemu_bh_new(fetch_faults, NULL);
    qemu_set_fd_handler(qemu_xen_evtchn_fd(viommu.evtchn), fault_event, NULL,
                        NULL);
    x86_iommu_iec_register_notifier(X86_IOMMU_DEVICE(s), iec_notify, NULL);

    viommu.machine_done.notify = add_dmar;
    qemu_add_machine_init_done_notifier(&viommu.machine_done);

    return true;

fail:
    qemu_xen_evtchn_close(viommu.evtchn);
    viommu.evtchn = NULL;
    return false;
}

bool xen_viommu_active(void)
{
    return viommu.model;
}

static void inject(uint16_t flags, uint64_t addr, uint32_t data, uint16_t sid)
{
    trace_xen_viommu_inject(flags, addr, data, sid);
    if (xendevicemodel_viommu_inject_msi(xen_dmod, xen_domid, flags, sid, addr,
                                         data)) {
        /* Such as a delivery mode that Xen doesn't have: the guest's affair. */
        trace_xen_viommu_inject_failed(errno);
    }
}

void xen_viommu_inject_msi(uint64_t addr, uint32_t data, uint16_t sid)
{
    inject(0, addr, data, sid);
}

void xen_viommu_inject_event(uint64_t addr, uint32_t data)
{
    inject(XEN_DMOP_VIOMMU_MSI_DIRECT, addr, data, 0);
}
