/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Twice used: libacpi includes it for the functions of its environment, and it
 * is the interface of the library made of it.
 */
#ifndef SHIM_UTILS
#define SHIM_UTILS
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#define ASSERT(x) assert(x)
/* Standard output is the test's. */
#define printf(...) fprintf(stderr, __VA_ARGS__)
static inline int test_bit(unsigned int b, const void *p)
{
    return !!(((const uint8_t *)p)[b >> 3] & (1u << (b & 7)));
}
#endif

#ifdef LIBACPI_SHIM_MAIN
#include "acpi2_0.h"
#include "libacpi.h"
#include "libacpi-shim.h"
#include <xen/memory.h>
#include <xen/hvm/hvm_info_table.h>

#ifndef HVM_LIMIT_VCPUS /* stock Xen's header */
#define HVM_LIMIT_VCPUS HVM_MAX_VCPUS
#endif

extern const unsigned char dsdt_anycpu[], dsdt_15cpu[], dsdt_anycpu_qemu_xen[], dsdt_pvh[];
extern const int dsdt_anycpu_len, dsdt_15cpu_len, dsdt_anycpu_qemu_xen_len, dsdt_pvh_len;
#ifdef HAVE_MANYCPU
extern const unsigned char dsdt_manycpu_qemu_xen[];
extern const int dsdt_manycpu_qemu_xen_len;
#endif

static const struct shim_in *in;
static uint32_t used, allocs;

/* As hvmloader's. */
static void *mem_alloc(struct acpi_ctxt *ctxt, uint32_t size, uint32_t align)
{
    uint32_t s;

    if ( ++allocs == in->fail_at )
        return NULL;
    if ( align < 16 )
        align = 16;
    s = (used + align - 1) & ~(align - 1);
    if ( s + size > in->mem_len )
        return NULL;
    used = s + size;
    return in->mem + s;
}

static unsigned long v2p(struct acpi_ctxt *ctxt, void *v)
{
    return in->phys_base + ((uint8_t *)v - in->mem);
}

static uint32_t lapic_id(unsigned cpu)
{
    return in->apic_ids[cpu];
}

uint32_t shim_max_vcpus(void)
{
    return HVM_LIMIT_VCPUS;
}

int shim_build(const struct shim_in *shim_in, struct shim_out *out)
{
    static unsigned int vcpu_to_vnode[4096], vdistance[16];
    static struct xen_vmemrange ranges[4];
    struct acpi_ctxt ctxt = { .mem_ops = { .alloc = mem_alloc, .v2p = v2p } };
    struct hvm_info_table hvminfo = { .nr_vcpus = shim_in->nr_vcpus, .apic_mode = 1 };
    struct acpi_config config = {
        .hvminfo = &hvminfo,
        .pci_start = 0xf0000000, .pci_len = 0xc000000,
        .table_flags = shim_in->table_flags,
        .acpi_revision = shim_in->dsdt == SHIM_PVH ? 5 : 4,
        .numa = { .nr_vnodes = shim_in->nr_vnodes, .nr_vmemranges = shim_in->nr_vnodes,
                  .vcpu_to_vnode = vcpu_to_vnode, .vdistance = vdistance, .vmemrange = ranges },
        .infop = (unsigned long)out->info,
        .rsdp = (unsigned long)out->rsdp,
        .lapic_id = lapic_id,
        .lapic_base_address = 0xfee00000, .ioapic_base_address = 0xfec00000,
        .pci_isa_irq_mask = 0x0c20, .ioapic_id = shim_in->ioapic_id,
    };
    uint32_t i;
    int rc;

    memset(out, 0, sizeof(*out));
    in = shim_in;
    used = allocs = 0;

    assert(in->nr_vcpus <= HVM_LIMIT_VCPUS && in->nr_vnodes <= 4);
    memcpy(hvminfo.vcpu_online, in->online, (in->nr_vcpus + 7) / 8);
    for ( i = 0; i < in->nr_vcpus; i++ )
        vcpu_to_vnode[i] = in->nr_vnodes ? i % in->nr_vnodes : 0;
    for ( i = 0; i < in->nr_vnodes; i++ )
        ranges[i] = (struct xen_vmemrange){ .start = (uint64_t)i << 30,
                                            .end = (uint64_t)(i + 1) << 30, .nid = i };
    for ( i = 0; i < 16; i++ )
        vdistance[i] = 10 + i;

    switch ( in->dsdt )
    {
    case SHIM_QEMU_XEN:
        config.dsdt_anycpu = dsdt_anycpu_qemu_xen;
        config.dsdt_anycpu_len = dsdt_anycpu_qemu_xen_len;
#ifdef HAVE_MANYCPU
        config.dsdt_manycpu = dsdt_manycpu_qemu_xen;
        config.dsdt_manycpu_len = dsdt_manycpu_qemu_xen_len;
#endif
        break;

    case SHIM_TRADITIONAL:
        config.dsdt_anycpu = dsdt_anycpu;
        config.dsdt_anycpu_len = dsdt_anycpu_len;
        config.dsdt_15cpu = dsdt_15cpu;
        config.dsdt_15cpu_len = dsdt_15cpu_len;
        break;

    default:
        config.dsdt_anycpu = config.dsdt_15cpu = dsdt_pvh;
        config.dsdt_anycpu_len = config.dsdt_15cpu_len = dsdt_pvh_len;
        break;
    }

    rc = acpi_build_tables(&ctxt, &config);
    out->mem_used = used;

    return rc;
}
#endif
