/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What ACPI tables say about the vCPUs of an x86 guest: their structures in
 * the MADT and the SRAT, and the slots by which the DSDT of a large guest
 * finds the former.
 */

#ifndef __LIBACPI_CPU_TABLES_H__
#define __LIBACPI_CPU_TABLES_H__

#include <stdbool.h>
#include <stdint.h>

struct acpi_config;
struct acpi_ctxt;

/*
 * First value that the 8-bit fields of a Processor Local APIC structure can't
 * hold: 255 stands for all processors (ACPI 6.5, 5.2.12.2 and 5.2.12.12).
 */
#define ACPI_XAPIC_LIMIT      255U

/* vCPUs that dsdt_anycpu* and dsdt_pvh have an object for. */
#define ACPI_ANYCPU_MAX_CPUS  128U

/*
 * One per vCPU, at acpi_info.cpu_slots_addr, indexed by vCPU.  Must match the
 * fields of a slot in dsdt_manycpu.asl and in mk_dsdt.c.
 */
struct acpi_cpu_slot {
    uint32_t madt_addr;     /* 0 - Physical address of the MADT structure */
    uint8_t  madt_len;      /* 4 - Its length in bytes */
    uint8_t  flags_off;     /* 5 - Offset of the flags in it */
    uint8_t  enabled;       /* 6 - Bit 0: copy of the enabled flag */
    uint8_t  reserved;      /* 7 */
};

/*
 * Must a processor be described by x2APIC structures?  @uid is its ACPI
 * Processor UID (the vCPU id), @apic_id its 32-bit APIC ID.
 */
static inline bool acpi_cpu_is_x2apic(uint32_t uid, uint32_t apic_id)
{
    return uid >= ACPI_XAPIC_LIMIT || apic_id >= ACPI_XAPIC_LIMIT;
}

/*
 * Is the DSDT for large guests needed, because of the number of vCPUs or
 * because a MADT structure isn't 8 bytes long?
 */
bool acpi_cpus_need_manycpu(const struct acpi_config *config);

/* Bytes that the processors' structures take in the MADT. */
uint32_t acpi_cpus_madt_len(const struct acpi_config *config);

/* Writes these structures at @p, in vCPU order; returns their end. */
void *acpi_cpus_fill_madt(const struct acpi_config *config, void *p);

/* The same two for the SRAT. */
uint32_t acpi_cpus_srat_len(const struct acpi_config *config);
void *acpi_cpus_fill_srat(const struct acpi_config *config, void *p);

/*
 * Allocates and fills the slots; @first is the first processor's structure in
 * the finished MADT.  Returns the physical address, 0 when out of memory.
 */
uint32_t acpi_cpus_build_slots(struct acpi_ctxt *ctxt,
                               const struct acpi_config *config, void *first);

#endif /* __LIBACPI_CPU_TABLES_H__ */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
