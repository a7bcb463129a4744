// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What multiboot hands over (command line and memory map: copied, since both lie in
 * memory that we use later), and memory given out from the end of the kernel on.
 */
#include "bare.h"

struct mbi {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
    uint32_t mods_count, mods_addr, syms[4];
    uint32_t mmap_length, mmap_addr;
} PACKED;

struct mbi_mmap { uint32_t size; uint64_t base, length; uint32_t type; } PACKED;
struct mbi_module { uint32_t start, end, cmdline, reserved; } PACKED;

#define MBI_CMDLINE 0x04U
#define MBI_MODULES 0x08U
#define MBI_MMAP    0x40U

extern char bss_end[];

struct mem_range mem_map[64];
unsigned int mem_ranges;
static uint64_t next, limit;

static void keep(uint64_t end)
{
    if ( end > next )
        next = end;
}

bool mem_is_ram(uint64_t base, uint64_t size)
{
    unsigned int i;

    for ( i = 0; i < mem_ranges; i++ )
        if ( mem_map[i].type == 1 && base >= mem_map[i].base &&
             base + size <= mem_map[i].base + mem_map[i].size )
            return true;
    return false;
}

const char *mem_init(uint32_t magic, uint32_t info)
{
    const struct mbi *mbi = (const void *)(uintptr_t)info;
    uintptr_t p, end;
    unsigned int i;

    if ( magic != 0x2badb002 )
        return "not started by a multiboot loader";
    next = (uintptr_t)bss_end;
    if ( mbi->flags & MBI_CMDLINE )
    {
        const char *line = (const char *)(uintptr_t)mbi->cmdline;

        param_init(line);
        keep((uintptr_t)line + strlen(line) + 1);
    }
    if ( mbi->flags & MBI_MODULES )
    {
        const struct mbi_module *mod = (const void *)(uintptr_t)mbi->mods_addr;

        for ( i = 0; i < mbi->mods_count; i++ )
        {
            keep((uintptr_t)(mod + i + 1));
            keep(mod[i].end);
        }
    }
    if ( !(mbi->flags & MBI_MMAP) )
        return "the multiboot loader gave no memory map";
    end = (uintptr_t)mbi->mmap_addr + mbi->mmap_length;
    for ( p = mbi->mmap_addr; p + sizeof(struct mbi_mmap) <= end && mem_ranges < ARRAY_SIZE(mem_map); )
    {
        const struct mbi_mmap *e = (const void *)p;

        mem_map[mem_ranges++] = (struct mem_range){ e->base, e->length, e->type };
        p += e->size + sizeof(e->size);
    }
    for ( i = 0; i < mem_ranges; i++ )
        if ( mem_map[i].type == 1 && next >= mem_map[i].base && next < mem_map[i].base + mem_map[i].size )
            limit = mem_map[i].base + mem_map[i].size;
    if ( limit > 1ULL << 32 )
        limit = 1ULL << 32;
    return limit ? NULL : "the memory map has no memory where the kernel lies";
}

void *mem_alloc(size_t size, size_t align)
{
    uint64_t at = (next + align - 1) & ~(uint64_t)(align - 1);

    if ( at > limit || size > limit - at )
        return NULL;
    next = at + size;
    return memset((void *)at, 0, size);
}

size_t mem_left(void)
{
    return limit > next ? limit - next : 0;
}
