/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What ACPI tables say about the vCPUs of an x86 guest.  See cpu_tables.h for
 * the functions, ACPI 6.5 sections 5.2.12 (MADT) and 5.2.16 (SRAT) for the
 * structures.
 */

#include LIBACPI_STDUTILS
#include "acpi2_0.h"
#include "cpu_tables.h"
#include "libacpi.h"
#include <xen/hvm/hvm_info_table.h>

bool acpi_cpus_need_manycpu(const struct acpi_config *config)
{
    uint32_t i, nr = config->hvminfo->nr_vcpus;

    if ( nr > ACPI_ANYCPU_MAX_CPUS )
        return true;

    if ( config->lapic_id == NULL )
        return false;

    for ( i = 0; i < nr; i++ )
        if ( acpi_cpu_is_x2apic(i, config->lapic_id(i)) )
            return true;

    return false;
}

static uint32_t cpus_len(const struct acpi_config *config,
                         uint32_t xapic_len, uint32_t x2apic_len)
{
    uint32_t i, len = 0;

    for ( i = 0; i < config->hvminfo->nr_vcpus; i++ )
        len += acpi_cpu_is_x2apic(i, config->lapic_id(i)) ? x2apic_len
                                                          : xapic_len;

    return len;
}

uint32_t acpi_cpus_madt_len(const struct acpi_config *config)
{
    return cpus_len(config, sizeof(struct acpi_20_madt_lapic),
                    sizeof(struct acpi_madt_x2apic));
}

void *acpi_cpus_fill_madt(const struct acpi_config *config, void *p)
{
    const struct hvm_info_table *hvminfo = config->hvminfo;
    uint32_t i;

    /* Processor IDs must match the processor objects' in the DSDT. */
    for ( i = 0; i < hvminfo->nr_vcpus; i++ )
    {
        uint32_t apic_id = config->lapic_id(i);
        uint32_t flags = test_bit(i, hvminfo->vcpu_online)
                         ? ACPI_LOCAL_APIC_ENABLED : 0;

        if ( acpi_cpu_is_x2apic(i, apic_id) )
        {
            struct acpi_madt_x2apic *x2apic = p;

            memset(x2apic, 0, sizeof(*x2apic));
            x2apic->type    = ACPI_PROCESSOR_LOCAL_X2APIC;
            x2apic->length  = sizeof(*x2apic);
            x2apic->apic_id = apic_id;
            x2apic->flags   = flags;
            x2apic->acpi_processor_uid = i;
            p = x2apic + 1;
        }
        else
        {
            struct acpi_20_madt_lapic *lapic = p;

            memset(lapic, 0, sizeof(*lapic));
            lapic->type    = ACPI_PROCESSOR_LOCAL_APIC;
            lapic->length  = sizeof(*lapic);
            lapic->acpi_processor_id = i;
            lapic->apic_id = apic_id;
            lapic->flags   = flags;
            p = lapic + 1;
        }
    }

    return p;
}

uint32_t acpi_cpus_srat_len(const struct acpi_config *config)
{
    return cpus_len(config, sizeof(struct acpi_20_srat_processor),
                    sizeof(struct acpi_srat_x2apic));
}

void *acpi_cpus_fill_srat(const struct acpi_config *config, void *p)
{
    uint32_t i;

    for ( i = 0; i < config->hvminfo->nr_vcpus; i++ )
    {
        uint32_t apic_id = config->lapic_id(i);

        if ( acpi_cpu_is_x2apic(i, apic_id) )
        {
            struct acpi_srat_x2apic *x2apic = p;

            memset(x2apic, 0, sizeof(*x2apic));
            x2apic->type    = ACPI_PROCESSOR_X2APIC_AFFINITY;
            x2apic->length  = sizeof(*x2apic);
            x2apic->domain  = config->numa.vcpu_to_vnode[i];
            x2apic->apic_id = apic_id;
            x2apic->flags   = ACPI_LOCAL_APIC_AFFIN_ENABLED;
            p = x2apic + 1;
        }
        else
        {
            struct acpi_20_srat_processor *processor = p;

            memset(processor, 0, sizeof(*processor));
            processor->type    = ACPI_PROCESSOR_AFFINITY;
            processor->length  = sizeof(*processor);
            processor->domain  = config->numa.vcpu_to_vnode[i];
            processor->apic_id = apic_id;
            processor->flags   = ACPI_LOCAL_APIC_AFFIN_ENABLED;
            p = processor + 1;
        }
    }

    return p;
}

uint32_t acpi_cpus_build_slots(struct acpi_ctxt *ctxt,
                               const struct acpi_config *config, void *first)
{
    const struct hvm_info_table *hvminfo = config->hvminfo;
    struct acpi_cpu_slot *slots;
    uint8_t *entry = first;
    uint32_t i;

    slots = ctxt->mem_ops.alloc(ctxt, sizeof(*slots) * hvminfo->nr_vcpus, 16);
    if ( !slots )
        return 0;

    for ( i = 0; i < hvminfo->nr_vcpus; i++ )
    {
        bool x2apic = entry[0] == ACPI_PROCESSOR_LOCAL_X2APIC;

        slots[i] = (struct acpi_cpu_slot){
            .madt_addr = ctxt->mem_ops.v2p(ctxt, entry),
            .madt_len  = entry[1],
            .flags_off = x2apic ? offsetof(struct acpi_madt_x2apic, flags)
                                : offsetof(struct acpi_20_madt_lapic, flags),
            .enabled   = !!test_bit(i, hvminfo->vcpu_online),
        };
        entry += entry[1];
    }

    return ctxt->mem_ops.v2p(ctxt, slots);
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
