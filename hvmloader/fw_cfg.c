/* SPDX-License-Identifier: LGPL-2.1-only */
/* QEMU's firmware configuration device, see fw_cfg.h. */

#include "fw_cfg.h"
#include "util.h"

#define PORT_SELECTOR  0x510
#define PORT_DATA      0x511

#define SEL_SIGNATURE  0x0000
#define SEL_DIRECTORY  0x0019

#define NAME_SIZE      56
#define MAX_FILES      1024

static void read_item(uint16_t selector, void *buf, uint32_t size)
{
    uint8_t *p = buf;

    outw(PORT_SELECTOR, selector);
    while ( size-- )
        *p++ = inb(PORT_DATA);
}

/* The next @size bytes, most significant first. */
static uint32_t read_be(unsigned int size)
{
    uint32_t val = 0;

    while ( size-- )
        val = (val << 8) | inb(PORT_DATA);

    return val;
}

bool fw_cfg_find(const char *name, struct fw_cfg_file *file)
{
    char signature[4], entry[NAME_SIZE];
    uint32_t count;

    read_item(SEL_SIGNATURE, signature, sizeof(signature));
    if ( memcmp(signature, "QEMU", sizeof(signature)) )
        return false;

    outw(PORT_SELECTOR, SEL_DIRECTORY);
    count = read_be(4);

    if ( count > MAX_FILES )
        return false;

    while ( count-- )
    {
        unsigned int i;

        file->size = read_be(4);
        file->selector = read_be(2);
        read_be(2);
        for ( i = 0; i < sizeof(entry); i++ )
            entry[i] = inb(PORT_DATA);
        entry[sizeof(entry) - 1] = '\0';

        if ( !strcmp(entry, name) )
            return true;
    }

    return false;
}

void fw_cfg_read(const struct fw_cfg_file *file, void *buf, uint32_t size)
{
    read_item(file->selector, buf, size);
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
