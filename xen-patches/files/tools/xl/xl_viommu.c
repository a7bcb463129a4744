/* SPDX-License-Identifier: LGPL-2.1-only */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <libxl.h>
#include <libxl_utils.h>
#include <libxlutil.h>

#include <xen-tools/common-macros.h>

#include "xl.h"
#include "xl_utils.h"

/* By the VT-d specification's table of fault reasons, from 0x20 on. */
static const char *const fault_reasons[] = {
    "reserved bits in the request",
    "index beyond the table",
    "entry not present",
    "table not readable",
    "reserved bits in the entry",
    "compatibility format blocked",
    "source id refused",
};
#define FAULT_REASON_FIRST 0x20

static void row(const char *name, uint64_t value)
{
    printf("%-40s %12"PRIu64"\n", name, value);
}

static void print_info(uint32_t domid, const libxl_viommu_info *info)
{
    char *name = libxl_domid_to_name(ctx, domid);
    unsigned int i;

    printf("Virtual IOMMU of %s (%"PRIu32"): %s\n", name ?: "?", domid,
           libxl_viommu_type_to_string(info->type));
    free(name);

    if (info->remapping) {
        printf("%-24s on, %s destinations\n", "Interrupt remapping",
               info->eim ? "32-bit" : "8-bit");
        printf("%-24s %"PRIu32" entries at %#"PRIx64"\n", "Table",
               info->table_entries, info->table);
        printf("%-24s %s\n", "Compatibility format",
               info->compat_allowed && !info->eim ? "let through" : "blocked");
    } else
        printf("%-24s off\n", "Interrupt remapping");

    printf("%-24s %02x:%02x.%x\n", "IO-APIC's source id", info->ioapic_sid >> 8,
           (info->ioapic_sid >> 3) & 0x1f, info->ioapic_sid & 7);
    printf("%-24s %"PRIu32" entries, %"PRIu32" KiB in Xen\n", "Cache",
           info->cached, info->memory / 1024);

    row("Requests, from the cache", info->hits);
    row("Requests, from the table", info->misses);
    row("Requests, compatibility format", info->compat);
    row("Invalidations, of all entries", info->inv_global);
    row("Invalidations, by index", info->inv_index);

    for (i = 0; i < info->num_faults; i++) {
        char what[64];

        if (i < ARRAY_SIZE(fault_reasons))
            snprintf(what, sizeof(what), "Faults %#x, %s",
                     FAULT_REASON_FIRST + i, fault_reasons[i]);
        else if (info->faults[i])
            snprintf(what, sizeof(what), "Faults %#x", FAULT_REASON_FIRST + i);
        else
            continue;
        row(what, info->faults[i]);
    }
    row("Faults lost before they were fetched", info->faults_lost);
}

int main_viommuinfo(int argc, char **argv)
{
    libxl_viommu_info info;
    uint32_t domid;
    int opt, rc;

    SWITCH_FOREACH_OPT(opt, "", NULL, "viommu-info", 1) {
        /* No options */
    }

    domid = find_domain(argv[optind]);

    libxl_viommu_info_init(&info);
    rc = libxl_viommu_get_info(ctx, domid, &info);
    if (rc == ERROR_NOTFOUND)
        fprintf(stderr, "Domain %"PRIu32" has no virtual IOMMU that remaps "
                "interrupts.\n", domid);
    else if (rc == ERROR_DOMAIN_NOTFOUND)
        fprintf(stderr, "Domain %"PRIu32" does not exist.\n", domid);
    else if (rc)
        fprintf(stderr, "libxl_viommu_get_info failed domid=%"PRIu32
                ", rc: %d\n", domid, rc);
    else
        print_info(domid, &info);
    libxl_viommu_info_dispose(&info);

    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}

/*
 * Local variables:
 * mode: C
 * c-basic-offset: 4
 * indent-tabs-mode: nil
 * End:
 */
