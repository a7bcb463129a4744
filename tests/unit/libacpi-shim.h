/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the libacpi of either tree is asked to build, independent of the layout
 * of its own structures; made into a library by libacpi-gen.sh.
 */
#ifndef LIBACPI_SHIM_H
#define LIBACPI_SHIM_H

#include <stdint.h>

enum shim_dsdt { SHIM_QEMU_XEN, SHIM_TRADITIONAL, SHIM_PVH };

struct shim_in {
    uint32_t nr_vcpus;
    uint32_t dsdt;              /* enum shim_dsdt */
    uint32_t table_flags;
    uint32_t nr_vnodes;         /* 0: no SRAT and SLIT */
    uint32_t ioapic_id;
    uint32_t fail_at;           /* The allocation that fails, 0 for none */
    const uint32_t *apic_ids;   /* By vCPU */
    const uint8_t *online;      /* Bitmap by vCPU */
    uint32_t phys_base;         /* Of mem */
    uint8_t *mem;               /* Where tables go, zeroed */
    uint32_t mem_len;
};

struct shim_out {
    uint32_t mem_used;
    uint8_t info[4096];         /* struct acpi_info and the rest of its page */
    uint8_t rsdp[64];
};

/* Returns what acpi_build_tables() does. */
int shim_build(const struct shim_in *in, struct shim_out *out);

/* HVM_LIMIT_VCPUS that this library was built with. */
uint32_t shim_max_vcpus(void);

#endif
