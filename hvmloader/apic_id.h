/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * APIC IDs of the vCPUs.  The toolstack chooses them; hvmloader takes them
 * from each vCPU itself, and from here they go into ACPI and MP tables.
 */

#ifndef __HVMLOADER_APIC_ID_H__
#define __HVMLOADER_APIC_ID_H__

#include <stdbool.h>
#include <stdint.h>

/*
 * First APIC ID that xAPIC mode can't address, where 255 is the broadcast
 * destination.  One such vCPU makes x2APIC mode necessary for all of them, as
 * in xAPIC mode its ID would be cut to 8 bits and match another's.
 */
#define XAPIC_ID_LIMIT 255U

/* CPUID of a vCPU: what there is to know about its APIC ID. */
struct apic_id_cpuid {
    uint32_t max_leaf;  /* Leaf 0, EAX */
    uint32_t ebx1;      /* Leaf 1, EBX */
    uint32_t ecx1;      /* Leaf 1, ECX */
    uint32_t edxb;      /* Leaf 0xb, EDX, 0 if there is no such leaf */
};

/* Can this vCPU be switched to x2APIC mode? */
bool apic_id_x2apic_capable(const struct apic_id_cpuid *c);

/*
 * 32-bit APIC ID by CPUID.  Only 8 bits of it are known without x2APIC, or if
 * leaf 0xb is missing or doesn't agree with leaf 1.
 */
uint32_t apic_id_from_cpuid(const struct apic_id_cpuid *c);

/*
 * Table of APIC IDs, indexed by vCPU, which must be below HVM_LIMIT_VCPUS.  Each
 * vCPU may set its own entry while others do; read it when all have done so.
 */
void apic_id_set(unsigned int vcpu, uint32_t apic_id);
uint32_t apic_id_get(unsigned int vcpu);

/* Do vCPUs [0, nr_vcpus) have to be in x2APIC mode? */
bool apic_ids_need_x2apic(unsigned int nr_vcpus);

/* Largest ID among them. */
uint32_t apic_ids_max(unsigned int nr_vcpus);

/* How many of them can be named by an 8-bit ID? */
unsigned int apic_ids_nr_xapic(unsigned int nr_vcpus);

#endif /* __HVMLOADER_APIC_ID_H__ */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
