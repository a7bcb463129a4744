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

#define ACPI_CHECKSUM_OFFSET 9

static struct {
    IntelIOMMUState *model;
    xenevtchn_handle *evtchn;
    /* Room for more than Xen keeps. */
    struct xen_dm_op_viommu_fault *faults;
    uint32_t max_faults;
    /* What Xen has. */
    uint32_t flags, order;
    uint64_t table;
    Notifier machine_done;
} viommu;

/* Of a table's size, as IRTA_REG.S has it (less 1). */
#define IRTA_MAX_ORDER 16

static bool get_caps(IntelIOMMUState *s, struct xen_dm_op_viommu_get_caps *caps,
                     Error **errp)
{
    if (xendevicemodel_viommu_get_caps(xen_dmod, xen_domid, caps)) {
        error_setg_errno(errp, errno,
                         "this Xen can't remap a guest's interrupts: use "
                         "one with XEN_DMOP_viommu_*, or intremap=off");
        return false;
    }
    if (!(caps->types & (1u << XEN_DMOP_VIOMMU_TYPE_VTD)) ||
        caps->max_order < IRTA_MAX_ORDER) {
        error_setg(errp, "this Xen remaps interrupts, but not for VT-d with "
                   "tables of 2^%d entries (types 0x%x, order %u)",
                   IRTA_MAX_ORDER, caps->types, caps->max_order);
        return false;
    }
    if (s->intr_eim == ON_OFF_AUTO_ON &&
        !(caps->flags & XEN_DMOP_VIOMMU_CAP_EIM)) {
        error_setg(errp, "this Xen remaps interrupts, but not with 32-bit "
                   "destinations: use eim=off");
        return false;
    }
    return true;
}

/*
 * An operation on state that fails means that Xen and the model disagree from
 * now on, which nobody can mend.  The guest has no way to bring this about, but
 * when the domain is dying all of them fail.
 */
#define check(rc, what)                                                 \
    do {                                                                \
        if (rc) {                                                       \
            error_report_once("interrupt remapping: Xen refused to "    \
                              what ": %s", strerror(errno));            \
        }                                                               \
    } while (0)

static void update_state(void)
{
    IntelIOMMUState *s = viommu.model;
    uint32_t flags = 0, order = 0;
    uint64_t table = 0;
    int rc;

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
    rc = xendevicemodel_viommu_set_state(xen_dmod, xen_domid, flags, table,
                                         order);
    check(rc, "set the state");
    if (rc) {
        return;
    }
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

static void fetch_faults(void)
{
    uint32_t i, nr = viommu.max_faults, flags = 0;
    int rc;

    rc = xendevicemodel_viommu_get_faults(xen_dmod, xen_domid, viommu.faults,
                                          &nr, &flags);
    check(rc, "hand over faults");
    if (rc) {
        return;
    }

    for (i = 0; i < nr; i++) {
        const struct xen_dm_op_viommu_fault *f = &viommu.faults[i];

        trace_xen_viommu_fault(f->sid, f->index, f->reason);
        vtd_report_ir_fault(viommu.model, f->sid, f->reason, f->index);
    }
    if (flags & XEN_DMOP_VIOMMU_FAULTS_LOST) {
        trace_xen_viommu_faults_lost();
        vtd_report_fault_overflow(viommu.model);
    }
}

static void fault_event(void *opaque)
{
    int port = qemu_xen_evtchn_pending(viommu.evtchn);

    if (port < 0) {
        return;
    }
    qemu_xen_evtchn_unmask(viommu.evtchn, port);
    fetch_faults();
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
        fw_cfg = fw_cfg_init_io_dma(FW_CFG_IO_BASE, 0, NULL);
    }
    fw_cfg_add_file(fw_cfg, XEN_VIOMMU_DMAR_FILE, table->data, table->len);
    g_array_free(table, false);
}

bool xen_viommu_realize(IntelIOMMUState *s, Error **errp)
{
    struct xen_dm_op_viommu_get_caps caps;
    evtchn_port_t port;
    int rc;

    if (!get_caps(s, &caps, errp)) {
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

    viommu.model = s;
    viommu.max_faults = caps.max_faults + 1;
    viommu.faults = g_new(struct xen_dm_op_viommu_fault, viommu.max_faults);
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

void xen_viommu_fetch_faults(void)
{
    if (xen_viommu_active()) {
        fetch_faults();
    }
}

void xen_viommu_print_info(GString *buf)
{
    struct xen_dm_op_viommu_get_info info;
    unsigned int i;

    if (!xen_viommu_active()) {
        return;
    }
    if (xendevicemodel_viommu_get_info(xen_dmod, xen_domid, &info)) {
        g_string_append_printf(buf, "xen: no information: %s\n",
                               strerror(errno));
        return;
    }

    g_string_append_printf(buf, "xen: intr=%d table=%"PRIx64" entries=%x "
                           "eim=%d cfi=%d ioapic=%04x\n",
                           !!(info.flags & XEN_DMOP_VIOMMU_ENABLED), info.table,
                           info.flags & XEN_DMOP_VIOMMU_ENABLED ?
                           1u << info.order : 0,
                           !!(info.flags & XEN_DMOP_VIOMMU_EIM),
                           !!(info.flags & XEN_DMOP_VIOMMU_CFI),
                           info.ioapic_sid);
    g_string_append_printf(buf, "xen: hits=%"PRIu64" misses=%"PRIu64
                           " compat=%"PRIu64" cached=%u memory=%u "
                           "inv-global=%"PRIu64" inv-index=%"PRIu64"\n",
                           info.hits, info.misses, info.compat, info.cached,
                           info.memory, info.inv_global, info.inv_index);
    g_string_append(buf, "xen: faults");
    for (i = 0; i < ARRAY_SIZE(info.faults); i++) {
        g_string_append_printf(buf, " 0x%x=%"PRIu64, VTD_FR_IR_REQ_RSVD + i,
                               info.faults[i]);
    }
    g_string_append_printf(buf, " lost=%"PRIu64"\n", info.faults_lost);
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
