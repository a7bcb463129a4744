// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mmio: as ioreq, but by memory-mapped registers, of which there are enough for a value of each
 * CPU's own: an Intel network card's multicast and VLAN tables (2 x 128 registers that only keep
 * what is written).  In groups of 256 CPUs; all CPUs of a group write, then read back, at once.
 *
 * Skipped without such a card: add device_model_args_hvm = [ "-device", "e1000" ] to the guest.
 */
#include "bare.h"

#define MTA     0x5200
#define VFTA    0x5600
#define REGS    256U

static struct { uint32_t want, got; } *answer;
static uint32_t bar;

static void work(struct cpu *me, void *arg)
{
    unsigned int group = (uintptr_t)arg, n = me->index % REGS;
    volatile uint32_t *reg = (void *)(uintptr_t)(bar + (n < 128 ? MTA : VFTA) + n % 128 * 4);

    if ( me->index / REGS != group )
        return;
    answer[me->index].want = 0x5a000000U | me->index << 8 | (n ^ 0x5a);
    *reg = answer[me->index].want;
    answer[me->index].got = *reg;
}

static void run(void)
{
    static const uint32_t ids[] = { 0x100e8086, 0x10d38086, 0x100f8086 };
    unsigned int i, group, lost = 0;
    int bdf = -1;
    uint64_t t0 = rdtsc();

    for ( i = 0; i < ARRAY_SIZE(ids) && bdf < 0; i++ )
        bdf = pci_find(ids[i]);
    bar = bdf < 0 ? 0 : pci_mem_bar(bdf, 0);
    if ( !bar )
    {
        check_skip("no e1000 or e1000e with its registers below 4 GiB");
        return;
    }
    pci_write(bdf, 0x04, (pci_read(bdf, 0x04) & 0xffff) | 2);
    answer = mem_alloc(acpi.cpus * sizeof(*answer), 16);
    if ( !answer )
    {
        check_error("no memory left");
        return;
    }
    for ( group = 0; group * REGS < acpi.cpus && !lost; group++ )
        lost = smp_all_at_once(work, (void *)(uintptr_t)group);
    if ( lost )
        check_fail("%u CPUs did not come back", lost);
    for ( i = 0; i < cpu_count; i++ )
        if ( answer[cpus[i]->index].want != answer[cpus[i]->index].got )
            check_fail("CPU %u wrote 0x%x and read 0x%x", cpus[i]->index, answer[cpus[i]->index].want,
                       answer[cpus[i]->index].got);
    check_note("%u CPUs in %u groups, %lu us", cpus_online, group, tsc_to_us(rdtsc() - t0));
}

const struct check check_mmio = { "mmio", "memory-mapped I/O of all CPUs at once", .needs_aps = true, .run = run };
