// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vtd-msi: messages of a device in remappable format, one to each CPU of the sample (which has
 * the IDs 0, 254, 255, 256 and the highest, if there are such) and back, each counted once.
 *
 * With and without a subhandle, whose sum is the index; with data 0, which stands for other
 * things elsewhere; by an entry that says level; with the redirection hint; twice in a row, so
 * that the second finds the entry in a cache.  Entries that were not present work without an
 * invalidation once they are.  Vectors that no APIC takes (on Xen) and IDs that nobody has do
 * nothing.
 */
#include "vtd.h"

static struct cpu *target[64];

static void run(void)
{
    unsigned int i, n, sent = 0;
    uint64_t hi;
    struct edu *e = &edu[0];
    uint32_t nobody;

    if ( !vtd_begin(1) )
        return;
    n = vtd_targets(target, 24);
    hi = IRTE_SVT(SVT_SID) | IRTE_SID(e->bdf);

    for ( i = 0; i < n; i++ )
    {
        unsigned int index = 3 * i + 1, vec = VEC_TEST + i;

        /* Never used, so never cached: needs no invalidation. */
        vtd.table[index * 2 + 1] = hi;
        ((volatile uint64_t *)vtd.table)[index * 2] = irte_fixed(target[i]->id, vec);
        vtd_expect(target[i], vec);
        edu_msi(e, msi_addr(index, false), 0);
        if ( !vtd_arrived("MSI by entry %u to CPU %u, ID %u", index, target[i]->index, target[i]->id) )
            break;
        vtd_expect(target[i], vec);
        edu_msi_again(e);
        if ( !vtd_arrived("the same again, to ID %u", target[i]->id) )
            break;
        /* Handle + subhandle is the same entry. */
        vtd_expect(target[i], vec);
        edu_msi(e, msi_addr(index - i, true), i);
        if ( !vtd_arrived("MSI with subhandle %u to ID %u", i, target[i]->id) )
            break;
        /* Without the bit that says so the subhandle is no part of it. */
        vtd_expect(target[i], vec);
        edu_msi(e, msi_addr(index, false), 0x4321);
        if ( !vtd_arrived("MSI with data that's to be ignored, to ID %u", target[i]->id) )
            break;
        vtd_set(index, irte_fixed(target[i]->id, vec) | IRTE_LEVEL, hi);
        vtd_expect(target[i], vec);
        edu_msi(e, msi_addr(index, false), 0);
        if ( !vtd_arrived("MSI by an entry of level mode, to ID %u", target[i]->id) )
            break;
        vtd_set(index, irte_fixed(target[i]->id, vec) | IRTE_RH, hi);
        vtd_expect(target[i], vec);
        edu_msi_again(e);
        if ( !vtd_arrived("MSI with redirection hint to ID %u", target[i]->id) )
            break;
        sent += 6;
    }

    /* Not received by anybody (counted at the end), and no fault. */
    for ( nobody = vtd.eime ? 0x12345 : 254; smp_by_id(nobody); nobody-- )
        ;
    vtd_set(0, irte_fixed(nobody, VEC_TEST_END - 1), hi);
    edu_msi(e, msi_addr(0, false), 0);
    /* QEMU's own APIC takes these for exceptions. */
    for ( i = 0; xen_cpuid_base && i < 16; i++ )
    {
        vtd_set(0, irte_fixed(bsp->id, i), hi);
        edu_msi_again(e);
    }
    vtd_settle();
    vtd_fault_none("vectors below 16");
    vtd_set(0, irte_fixed(bsp->id, VEC_TEST), hi);
    vtd_expect(bsp, VEC_TEST);
    edu_msi_again(e);
    vtd_arrived("after vectors below 16");
    check_note("%u messages to %u CPUs, the last ID %u, EIME %u", sent, n, target[n - 1]->id, vtd.eime);
    vtd_end();
}

const struct check check_vtd_msi = { "vtd-msi", "remapped MSIs reach each CPU", .needs_aps = true, .run = run };
