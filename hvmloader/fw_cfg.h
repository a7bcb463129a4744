/* SPDX-License-Identifier: LGPL-2.1-only */
/* QEMU's firmware configuration device (QEMU's docs/specs/fw_cfg.rst). */

#ifndef __HVMLOADER_FW_CFG_H__
#define __HVMLOADER_FW_CFG_H__

#include <stdbool.h>
#include <stdint.h>

struct fw_cfg_file {
    uint32_t size;      /* In bytes, as the device says. */
    uint16_t selector;
};

/* Find a file.  False also if there is no such device. */
bool fw_cfg_find(const char *name, struct fw_cfg_file *file);

/* Read the first @size bytes of a file. */
void fw_cfg_read(const struct fw_cfg_file *file, void *buf, uint32_t size);

#endif

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
