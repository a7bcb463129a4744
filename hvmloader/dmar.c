/* SPDX-License-Identifier: LGPL-2.1-only */
/* The DMAR table from the device model, see dmar.h. */

#include "dmar.h"
#include "fw_cfg.h"
#include "util.h"

#define FILE_NAME "etc/acpi/dmar"

const void *dmar_get(uint8_t ioapic_id)
{
    struct fw_cfg_file file;
    const char *why;
    void *table;

    if ( !fw_cfg_find(FILE_NAME, &file) )
        return NULL;

    if ( file.size > DMAR_MAX_SIZE )
        why = "size";
    else
    {
        table = scratch_alloc(file.size, 0);
        fw_cfg_read(&file, table, file.size);
        why = dmar_adopt(table, file.size, ioapic_id);
        if ( !why )
            return table;
    }

    printf("The device model's DMAR table is bad (%s): left out, the guest "
           "will have no IOMMU.\n", why);

    return NULL;
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
