/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vlapic-map.c: the APIC map of each HVM domain.
 *
 * A map is a snapshot of all vCPUs' APIC IDs, modes, and x2APIC LDRs.  It is
 * filled anew whenever one of them changes:
 *
 *  - bring-up: the domain is created, arch_domain_creation_finished().  There
 *    is none before that, nor for a domain that lacks some of its vCPUs;
 *  - mode:     IA32_APIC_BASE is written, guest_wrmsr_apic_base().  This is
 *    also what sets an x2APIC's ID and LDR;
 *  - ID:       it is written in xAPIC mode, vlapic_reg_write();
 *  - reset:    S3, hvm_s3_suspend();
 *  - restore:  LAPIC records are loaded, hvm_load().
 *
 * An INIT leaves all of them as they are.  Writes to LDR and DFR don't matter:
 * they are possible in xAPIC mode only, and then logical destinations aren't
 * in the map.  A policy with other IDs comes before bring-up.
 *
 * Locking: a writer first changes what is to be in the map, then calls
 * vlapic_map_update(), which returns when the map has the change.  Interrupts
 * which others send in between may go by the old state, as if they had come
 * before it.  lock is a leaf lock, which serialises writers.  Readers take
 * none: seq tells them whether the map changed under their hands, and then
 * they do without.  An RCU protected map, replaced at each change, would need
 * memory then, and a guest which goes on changing IDs could have any number of
 * old ones wait for being freed.
 *
 * Memory: APIC_MAP_SIZE(1 + highest APIC ID) bytes for each domain, that is 1
 * kB and, by X86_TOPO_MAX_APIC_ID, 16 kB at most.  If there is none, each vCPU
 * is asked, as ever.
 */

#include <xen/lib/x86/topology.h>
#include <xen/nospec.h>
#include <xen/sched.h>
#include <xen/xvmalloc.h>

#include <asm/apicdef.h>
#include <asm/hvm/vlapic.h>

/* Caller holds the lock. */
static void vlapic_map_fill(const struct domain *d, struct apic_map *map)
{
    const struct vcpu *v;

    apic_map_init(map, map->nr_ids);

    for_each_vcpu ( d, v )
    {
        const struct vlapic *vlapic = vcpu_vlapic(v);
        struct apic_map_vcpu e = {
            .vcpu_id = v->vcpu_id,
            .x2apic = vlapic_x2apic_mode(vlapic),
            .id = vlapic_get_reg(vlapic, APIC_ID),
            .ldr = vlapic_get_reg(vlapic, APIC_LDR),
        };

        /*
         * The mode and the registers of another vCPU may be changing right
         * now.  What is made of them doesn't live long: that vCPU is about to
         * have the map filled again.
         */
        if ( !e.x2apic )
            e.id = GET_xAPIC_ID(e.id);

        apic_map_add(map, &e);
    }
}

void vlapic_map_update(struct domain *d)
{
    struct hvm_apic_map *m = &d->arch.hvm.apic_map;
    unsigned int change;

    if ( !m->map )
        return;

    /* A full barrier, after what the caller changed. */
    change = arch_fetch_and_add(&m->changes, 1U) + 1;

    spin_lock(&m->lock);

    /* Who held the lock before may have seen this change as well. */
    if ( (int)(m->filled - change) < 0 )
    {
        m->filled = ACCESS_ONCE(m->changes);
        smp_mb();

        ACCESS_ONCE(m->seq)++;
        smp_wmb();
        vlapic_map_fill(d, m->map);
        smp_wmb();
        ACCESS_ONCE(m->seq)++;
    }

    spin_unlock(&m->lock);
}

void vlapic_map_init(struct domain *d)
{
    unsigned int nr_ids = APIC_MAP_MIN_IDS, nr_vcpus = 0;
    struct apic_map *map;
    const struct vcpu *v;

    if ( !has_vlapic(d) || d->arch.hvm.apic_map.map )
        return;

    for_each_vcpu ( d, v )
    {
        uint32_t id = vcpu_vlapic(v)->hw.x2apic_id;

        if ( id >= nr_ids && id <= X86_TOPO_MAX_APIC_ID )
            nr_ids = id + 1;
        nr_vcpus++;
    }

    /* A vCPU which is still to come would be missing. */
    if ( nr_vcpus != d->max_vcpus )
        return;

    map = xvmalloc_flex_struct(struct apic_map, slots, 2 * nr_ids);
    if ( !map )
        return;

    map->nr_ids = nr_ids;
    vlapic_map_fill(d, map);
    smp_wmb();
    d->arch.hvm.apic_map.map = map;
}

void vlapic_map_destroy(struct domain *d)
{
    XVFREE(d->arch.hvm.apic_map.map);
}

int vlapic_map_lookup(const struct domain *d, uint32_t dest, bool dest_mode,
                      uint16_t vcpus[APIC_MAP_MAX_TARGETS])
{
    const struct hvm_apic_map *m = &d->arch.hvm.apic_map;
    const struct apic_map *map = ACCESS_ONCE(m->map);
    unsigned int seq = ACCESS_ONCE(m->seq);
    int i, n;

    if ( !map || (seq & 1) )
        return -1;

    smp_rmb();
    n = apic_map_lookup(map, dest, dest_mode, vcpus);
    smp_rmb();

    if ( ACCESS_ONCE(m->seq) != seq )
        return -1;

    /* Slots without a vCPU aren't ids, which speculation may not know. */
    for ( i = 0; i < n; i++ )
        vcpus[i] = array_index_nospec(vcpus[i], d->max_vcpus);

    return n;
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
