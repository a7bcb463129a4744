/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * viommu.c: interrupt remapping of HVM domains.
 *
 * Somebody else has the registers of the IOMMU that the guest sees: the device
 * model, by the XEN_DMOP_viommu_* operations.  Here is what the registers lead
 * to: the guest's interrupt remapping table, a cache of its entries, and the
 * function by which the virtual IO-APIC and MSIs have their interrupts
 * remapped.
 *
 * The table's pages are looked up in the P2M when the table is set, and again
 * when entries in them are invalidated, but not on a miss.  That one can come
 * with irq_lock held, which is taken while emulating MMIO with the P2M lock
 * held.  Pages which the guest gives away keep being read until then, at no
 * harm but its own.
 *
 * Lock order: op_lock, cache.lock; op_lock, P2M, pcidevs and event locks;
 * event_lock or irq_lock, cache.lock, fault_lock.
 *
 * Memory, in addition to what viommu-cache.h says: struct viommu, less than 8
 * kB.  It stays until the domain is destroyed, also when there is no unit any
 * more.
 */

#include <xen/dm.h>
#include <xen/domain_page.h>
#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/nospec.h>
#include <xen/sched.h>
#include <xen/xvmalloc.h>

#include <asm/hvm/irq.h>
#include <asm/hvm/viommu.h>
#include <asm/hvm/vlapic.h>
#include <asm/p2m.h>

#define IRTES_PER_PAGE (PAGE_SIZE / 16)

void viommu_enter(const struct domain *d)
{
    viommu_cache_enter(&d->arch.hvm.viommu->cache, smp_processor_id());
}

void viommu_exit(const struct domain *d)
{
    viommu_cache_exit(&d->arch.hvm.viommu->cache, smp_processor_id());
}

static void record_fault(struct viommu *viommu, unsigned int reason,
                         uint16_t sid, unsigned int index, bool count_only)
{
    bool notify = false;

    spin_lock(&viommu->fault_lock);

    viommu->fault_count[reason - VIOMMU_FAULT_REQ_RSVD]++;

    if ( count_only )
        ;
    else if ( viommu->nr_faults == VIOMMU_MAX_FAULTS )
    {
        viommu->faults_lost = true;
        viommu->fault_lost_count++;
    }
    else
    {
        unsigned int i = (viommu->fault_first + viommu->nr_faults++) %
                         VIOMMU_MAX_FAULTS;

        viommu->faults[i] = (struct xen_dm_op_viommu_fault){
            .sid = sid,
            .index = index,
            .reason = reason,
        };

        notify = !viommu->fault_notified && viommu->fault_port;
        viommu->fault_notified = true;
    }

    if ( notify && !viommu->domain->is_dying )
        notify_via_xen_event_channel(viommu->domain, viommu->fault_port);

    spin_unlock(&viommu->fault_lock);
}

/* Read an entry of the guest's table.  Called with cache.lock held. */
static unsigned int read_irte(const struct viommu *viommu, unsigned int index,
                              bool eim, struct viommu_irte *irte)
{
    const struct page_info *page = viommu->table[index / IRTES_PER_PAGE];
    const uint64_t *entry;
    uint64_t lo, hi, again;
    const void *map;
    unsigned int tries = 4;

    irte->fpd = false;

    if ( !page )
        return VIOMMU_FAULT_TABLE;

    map = __map_domain_page(page);
    entry = map + (index % IRTES_PER_PAGE) * 16;

    /* An entry is written in one go, and the guest may be doing that now. */
    again = read_atomic(&entry[0]);
    do {
        lo = again;
        hi = read_atomic(&entry[1]);
        smp_rmb();
        again = read_atomic(&entry[0]);
    } while ( again != lo && --tries );

    unmap_domain_page(map);

    return viommu_irte_decode(lo, hi, eim, irte);
}

/*
 * Read an entry that isn't in the cache, for @ctrl.  False if that isn't the
 * state any more: then the table may be another one, too.
 */
static bool miss(struct viommu *viommu, unsigned int index, unsigned int ctrl,
                 struct viommu_irte *irte, unsigned int *reason)
{
    bool current_state;

    viommu_cache_prepare(&viommu->cache, index);

    spin_lock(&viommu->cache.lock);

    current_state = viommu->ctrl == ctrl;
    if ( current_state )
    {
        viommu->misses++;
        *reason = read_irte(viommu, index, ctrl & VIOMMU_CTRL_EIM, irte);
        if ( !*reason )
            viommu_cache_store(&viommu->cache, index, viommu_irte_pack(irte));
    }

    spin_unlock(&viommu->cache.lock);

    return current_state;
}

static bool remap(const struct domain *d, uint64_t addr, uint32_t data,
                  uint16_t sid, bool quiet, struct viommu_memo *memo,
                  struct viommu_irq *irq)
{
    struct viommu *viommu = d->arch.hvm.viommu;
    struct viommu_cache_cpu *cpu = &viommu->cache.cpus[smp_processor_id()];
    struct viommu_irte irte;
    unsigned int ctrl, index = 0, reason;
    bool fpd = false;
    uint64_t packed;

    ASSERT(cpu->seq & 1);

 again:
    ctrl = read_atomic(&viommu->ctrl);

    if ( !(addr & VIOMMU_MSI_REMAPPABLE) || !ctrl )
    {
        if ( ctrl && (ctrl & (VIOMMU_CTRL_EIM | VIOMMU_CTRL_CFI)) !=
                     VIOMMU_CTRL_CFI )
        {
            reason = VIOMMU_FAULT_COMPAT;
            goto fault;
        }

        viommu_compat_irq(addr, 0, data, irq);
        if ( !quiet )
            cpu->compat++;

        return true;
    }

    reason = viommu_request_index(addr, data, &index);
    if ( !reason && index >> (ctrl & VIOMMU_CTRL_ORDER) )
        reason = VIOMMU_FAULT_INDEX;
    if ( reason )
        goto fault;

    index = array_index_nospec(index, 1U << VIOMMU_MAX_ORDER);
    packed = viommu_cache_lookup(&viommu->cache, index);
    if ( likely(packed) )
    {
        viommu_irte_unpack(packed, &irte);
        if ( !quiet )
            cpu->hits++;
    }
    else
    {
        /* Once at most: the next change waits until this CPU is done. */
        if ( unlikely(!miss(viommu, index, ctrl, &irte, &reason)) )
            goto again;

        fpd = irte.fpd;
        if ( reason )
            goto fault;
    }

    if ( unlikely(!viommu_irte_verify(&irte, sid)) )
    {
        reason = VIOMMU_FAULT_SID;
        fpd = irte.fpd;
        goto fault;
    }

    memo->packed = packed;
    memo->index = index;
    *irq = irte.irq;

    return true;

 fault:
    if ( !quiet )
        record_fault(viommu, reason, sid, index, fpd);

    return false;
}

bool viommu_remap(const struct domain *d, uint64_t addr, uint32_t data,
                  uint16_t sid, bool quiet, struct viommu_irq *irq)
{
    struct viommu_memo memo;

    return remap(d, addr, data, sid, quiet, &memo, irq);
}

bool viommu_remap_again(const struct domain *d, uint64_t addr, uint32_t data,
                        uint16_t sid, struct viommu_memo *memo,
                        struct viommu_irq *irq)
{
    struct viommu_cache *cache = &d->arch.hvm.viommu->cache;

    /* A change of state drops all entries; without one there is no cache. */
    if ( likely(memo->packed) && likely(viommu_active(d)) &&
         likely(viommu_cache_lookup(cache, memo->index) == memo->packed) )
    {
        cache->cpus[smp_processor_id()].hits++;

        return true;
    }

    memo->packed = 0;

    return remap(d, addr, data, sid, false, memo, irq);
}

bool viommu_remap_rte(const struct domain *d, uint64_t rte, bool quiet,
                      struct viommu_irq *irq)
{
    return viommu_remap(d, viommu_rte_addr(rte), viommu_rte_data(rte),
                        d->arch.hvm.viommu->ioapic_sid, quiet, irq);
}

/* Whether it is in the IRR now. */
static bool deliver_one(struct vcpu *v, const struct viommu_irq *irq)
{
    struct vlapic *vlapic = vcpu_vlapic(v);

    if ( irq->delivery_mode == VIOMMU_DLM_NMI )
    {
        if ( !test_and_set_bool(v->arch.nmi_pending) )
            vcpu_kick(v);

        return false;
    }

    if ( !vlapic_enabled(vlapic) )
        return false;

    vlapic_set_irq(vlapic, irq->vector, irq->trig_mode);

    return irq->vector >= 16;
}

bool viommu_deliver(struct domain *d, const struct viommu_irq *irq)
{
    bool pending = false;
    uint16_t vcpus[APIC_MAP_MAX_TARGETS];
    struct vlapic *target;
    struct vcpu *v;
    int i, n;

    switch ( irq->delivery_mode )
    {
    case VIOMMU_DLM_LOWEST:
        target = vlapic_lowest_prio(d, NULL, APIC_DEST_NOSHORT, irq->dest,
                                    irq->dest_mode);
        if ( target )
            pending = deliver_one(vlapic_vcpu(target), irq);
        break;

    case VIOMMU_DLM_FIXED:
    case VIOMMU_DLM_NMI:
        n = vlapic_map_lookup(d, irq->dest, irq->dest_mode, vcpus);

        for ( i = 0; i < n; i++ )
            pending |= deliver_one(d->vcpu[vcpus[i]], irq);

        if ( n >= 0 )
            break;

        for_each_vcpu ( d, v )
            if ( vlapic_match_dest(vcpu_vlapic(v), NULL, APIC_DEST_NOSHORT,
                                   irq->dest, irq->dest_mode) )
                pending |= deliver_one(v, irq);
        break;

    default:
        break;
    }

    return pending;
}

int viommu_inject_msi(struct domain *d, uint64_t addr, uint32_t data,
                      uint16_t sid, unsigned int flags)
{
    struct viommu_irq irq;

    if ( flags & ~XEN_DMOP_VIOMMU_MSI_DIRECT )
        return -EINVAL;

    if ( flags & XEN_DMOP_VIOMMU_MSI_DIRECT )
    {
        viommu_compat_irq(addr, addr >> 32, data, &irq);
        viommu_deliver(d, &irq);

        return 0;
    }

    if ( !(addr & VIOMMU_MSI_REMAPPABLE) &&
         (!viommu_active(d) ||
          /* No vector, and the address has a pIRQ: not an interrupt at all. */
          (!(uint8_t)data && has_pirq(d))) )
        return hvm_inject_msi(d, addr, data);

    viommu_enter(d);

    if ( viommu_remap(d, addr, data, sid, false, &irq) )
        viommu_deliver(d, &irq);

    viommu_exit(d);

    return 0;
}

static unsigned int table_pages(unsigned int order)
{
    return DIV_ROUND_UP(1U << order, IRTES_PER_PAGE);
}

/*
 * Make pages[] what the guest has now for @nr pages of the table at @gpa, from
 * @first on.  NULL is for what isn't RAM.
 */
static void get_pages(struct viommu *viommu, uint64_t gpa, unsigned int first,
                      unsigned int nr)
{
    unsigned int i;

    ASSERT(spin_is_locked(&viommu->op_lock));

    for ( i = first; i < first + nr; i++ )
    {
        p2m_type_t t;
        struct page_info *page =
            get_page_from_gfn(viommu->domain, PFN_DOWN(gpa) + i, &t, P2M_ALLOC);

        if ( page && !p2m_is_ram(t) )
        {
            put_page(page);
            page = NULL;
        }

        viommu->pages[i] = page;
    }
}

/*
 * Change to @ctrl and to @nr pages of pages[], from @first on; drop entries,
 * as viommu_cache_drop() does; and see to it that nobody uses the old ones any
 * more.  pages[] is all NULL afterwards.  follow() is to come next.
 */
static void change(struct viommu *viommu, unsigned int ctrl,
                   unsigned int index, unsigned int mask,
                   unsigned int first, unsigned int nr)
{
    unsigned int i;

    ASSERT(spin_is_locked(&viommu->op_lock));

    spin_lock(&viommu->cache.lock);

    write_atomic(&viommu->ctrl, ctrl);
    viommu_cache_drop(&viommu->cache, index, mask);
    for ( i = first; i < first + nr; i++ )
        SWAP(viommu->table[i], viommu->pages[i]);

    spin_unlock(&viommu->cache.lock);

    viommu_cache_sync(&viommu->cache);

    for ( i = first; i < first + nr; i++ )
    {
        if ( viommu->pages[i] )
            put_page(viommu->pages[i]);
        viommu->pages[i] = NULL;
    }

    /* Pin 0 can route the 8259's interrupts, by an entry that has changed. */
    if ( !vioapic_get_mask(viommu->domain, 0) )
    {
        spin_lock(&viommu->domain->arch.hvm.irq_lock);
        vlapic_adjust_i8259_target(viommu->domain);
        spin_unlock(&viommu->domain->arch.hvm.irq_lock);
    }
}

/*
 * Have the passed through devices' interrupts follow a change.  It may be
 * long: with @opaque, of the operation, it stops half way with -ERESTART, and
 * goes on there when the operation comes again.
 */
static int follow(struct viommu *viommu, unsigned int index, unsigned int mask,
                  uint32_t *opaque)
{
    unsigned int next = opaque && *opaque ? *opaque - 1 : 0;
    int rc = hvm_dpci_irte_changed(viommu->domain, index, mask,
                                   opaque ? &next : NULL);

    if ( rc )
        *opaque = next + 1;

    return rc;
}

/* The unit, with its op_lock held; or NULL. */
static struct viommu *get_viommu(struct domain *d)
{
    struct viommu *viommu = ACCESS_ONCE(d->arch.hvm.viommu);

    if ( !viommu )
        return NULL;

    spin_lock(&viommu->op_lock);

    if ( viommu->type && !d->is_dying )
        return viommu;

    spin_unlock(&viommu->op_lock);

    return NULL;
}

static int get_caps(struct xen_dm_op_viommu_get_caps *caps)
{
    caps->types = 1U << XEN_DMOP_VIOMMU_TYPE_VTD;
    caps->flags = XEN_DMOP_VIOMMU_CAP_EIM;
    caps->max_order = VIOMMU_MAX_ORDER;
    caps->max_faults = VIOMMU_MAX_FAULTS;

    return 0;
}

/* A domain's struct viommu, made if there is none. */
static struct viommu *alloc_viommu(struct domain *d)
{
    struct viommu *viommu = ACCESS_ONCE(d->arch.hvm.viommu), *old;

    if ( viommu )
        return viommu;

    viommu = xvzalloc(struct viommu);
    if ( !viommu )
        return NULL;

    if ( viommu_cache_init(&viommu->cache, nr_cpu_ids) )
    {
        xvfree(viommu);
        return NULL;
    }

    viommu->domain = d;
    spin_lock_init(&viommu->op_lock);
    spin_lock_init(&viommu->fault_lock);

    old = cmpxchgptr(&d->arch.hvm.viommu, NULL, viommu);
    if ( old )
    {
        viommu_cache_free(&viommu->cache, true);
        xvfree(viommu);
        viommu = old;
    }

    return viommu;
}

static int create(struct domain *d, struct xen_dm_op_viommu_create *op)
{
    struct viommu *viommu;
    int rc;

    if ( op->pad || op->pad2 || op->type != XEN_DMOP_VIOMMU_TYPE_VTD ||
         !has_vlapic(d) || !has_vioapic(d) || !d->max_vcpus || !d->vcpu[0] )
        return -EINVAL;

    viommu = alloc_viommu(d);
    if ( !viommu )
        return -ENOMEM;

    spin_lock(&viommu->op_lock);

    rc = -ESRCH;
    if ( d->is_dying )
        goto out;

    rc = -EEXIST;
    if ( viommu->type )
        goto out;

    rc = alloc_unbound_xen_event_channel(d, 0, current->domain->domain_id,
                                         NULL);
    if ( rc < 0 )
        goto out;

    op->fault_port = rc;
    viommu->ioapic_sid = op->ioapic_sid;

    spin_lock(&viommu->fault_lock);
    viommu->fault_port = rc;
    viommu->fault_first = viommu->nr_faults = 0;
    viommu->faults_lost = viommu->fault_notified = false;
    spin_unlock(&viommu->fault_lock);

    viommu->type = op->type;
    rc = 0;

 out:
    spin_unlock(&viommu->op_lock);

    return rc;
}

/* With op_lock held. */
static int destroy(struct viommu *viommu, uint32_t *opaque)
{
    evtchn_port_t port;
    int rc;

    /* Somebody may have come in between, and set it again. */
    if ( !opaque || !*opaque || viommu->ctrl )
    {
        change(viommu, 0, 0, VIOMMU_MAX_ORDER, 0, VIOMMU_TABLE_PAGES);
        if ( opaque )
            *opaque = 0;
    }

    rc = follow(viommu, 0, VIOMMU_MAX_ORDER, opaque);
    if ( rc )
        return rc;

    /* Remapping is off, so nobody looks at them. */
    viommu_cache_free(&viommu->cache, false);

    spin_lock(&viommu->fault_lock);
    port = viommu->fault_port;
    viommu->fault_port = 0;
    spin_unlock(&viommu->fault_lock);

    if ( port )
        free_xen_event_channel(viommu->domain, port);

    viommu->table_gpa = 0;
    viommu->type = 0;

    return 0;
}

static int set_state(struct viommu *viommu,
                     struct xen_dm_op_viommu_set_state *op)
{
    unsigned int ctrl = 0;
    uint64_t table = 0;

    if ( op->opaque )
        goto follow;

    if ( op->pad ||
         (op->flags & ~(XEN_DMOP_VIOMMU_ENABLED | XEN_DMOP_VIOMMU_EIM |
                        XEN_DMOP_VIOMMU_CFI)) )
        return -EINVAL;

    if ( op->flags & XEN_DMOP_VIOMMU_ENABLED )
    {
        if ( !op->order || op->order > VIOMMU_MAX_ORDER ||
             (op->table & ~PAGE_MASK) )
            return -EINVAL;

        table = op->table;
        ctrl = VIOMMU_CTRL_ENABLED | op->order |
               (op->flags & XEN_DMOP_VIOMMU_EIM ? VIOMMU_CTRL_EIM : 0) |
               (op->flags & XEN_DMOP_VIOMMU_CFI ? VIOMMU_CTRL_CFI : 0);

        get_pages(viommu, table, 0, table_pages(op->order));
    }

    viommu->table_gpa = table;
    change(viommu, ctrl, 0, VIOMMU_MAX_ORDER, 0, VIOMMU_TABLE_PAGES);

 follow:
    return follow(viommu, 0, VIOMMU_MAX_ORDER, &op->opaque);
}

static int invalidate(struct viommu *viommu,
                      struct xen_dm_op_viommu_invalidate *op)
{
    unsigned int index = op->index, mask = op->mask, first, nr, order;

    if ( op->pad || (op->flags & ~XEN_DMOP_VIOMMU_INV_GLOBAL) ||
         mask > VIOMMU_MAX_ORDER )
        return -EINVAL;

    if ( op->flags & XEN_DMOP_VIOMMU_INV_GLOBAL )
        mask = VIOMMU_MAX_ORDER;

    if ( op->opaque )
        goto follow;

    if ( op->flags & XEN_DMOP_VIOMMU_INV_GLOBAL )
        viommu->inv_global++;
    else
        viommu->inv_index++;

    if ( !viommu->ctrl )
        return 0;

    order = viommu->ctrl & VIOMMU_CTRL_ORDER;
    first = ((index >> mask) << mask) / IRTES_PER_PAGE;
    if ( first >= table_pages(order) )
        return 0;
    nr = min(table_pages(order) - first, table_pages(mask));

    get_pages(viommu, viommu->table_gpa, first, nr);
    change(viommu, viommu->ctrl, index, mask, first, nr);

 follow:
    return follow(viommu, index, mask, &op->opaque);
}

static int get_faults(struct viommu *viommu, const struct dmop_args *args,
                      struct xen_dm_op_viommu_get_faults *op)
{
    struct xen_dm_op_viommu_fault faults[VIOMMU_MAX_FAULTS];
    unsigned int i, nr;
    bool lost = false;
    int rc = 0;

    if ( op->flags || !op->nr || args->nr_bufs != 2 ||
         args->buf[1].size / sizeof(faults[0]) < op->nr )
        return -EINVAL;

    spin_lock(&viommu->fault_lock);

    nr = min(op->nr, viommu->nr_faults);
    for ( i = 0; i < nr; i++ )
        faults[i] = viommu->faults[(viommu->fault_first + i) %
                                   VIOMMU_MAX_FAULTS];

    if ( nr < op->nr )
    {
        lost = viommu->faults_lost;
        viommu->faults_lost = false;
        viommu->fault_notified = false;
    }

    spin_unlock(&viommu->fault_lock);

    if ( nr && copy_to_guest_offset(args->buf[1].h, 0, (void *)faults,
                                    nr * sizeof(faults[0])) )
        rc = -EFAULT;

    spin_lock(&viommu->fault_lock);

    /* With op_lock held, others may have added records, but not taken any. */
    if ( !rc )
    {
        viommu->fault_first = (viommu->fault_first + nr) % VIOMMU_MAX_FAULTS;
        viommu->nr_faults -= nr;
    }
    else if ( lost )
        viommu->faults_lost = true;

    spin_unlock(&viommu->fault_lock);

    op->nr = nr;
    op->flags = lost ? XEN_DMOP_VIOMMU_FAULTS_LOST : 0;

    return rc;
}

static int get_info(struct viommu *viommu,
                    struct xen_dm_op_viommu_get_info *info)
{
    struct viommu_cache *c = &viommu->cache;
    unsigned int cpu, ctrl = viommu->ctrl;

    *info = (struct xen_dm_op_viommu_get_info){
        .type = viommu->type,
        .flags = (ctrl & VIOMMU_CTRL_ENABLED ? XEN_DMOP_VIOMMU_ENABLED : 0) |
                 (ctrl & VIOMMU_CTRL_EIM ? XEN_DMOP_VIOMMU_EIM : 0) |
                 (ctrl & VIOMMU_CTRL_CFI ? XEN_DMOP_VIOMMU_CFI : 0),
        .order = ctrl & VIOMMU_CTRL_ORDER,
        .ioapic_sid = viommu->ioapic_sid,
        .table = viommu->table_gpa,
        .inv_global = viommu->inv_global,
        .inv_index = viommu->inv_index,
    };

    for ( cpu = 0; cpu < c->nr_cpus; cpu++ )
    {
        info->hits += read_atomic(&c->cpus[cpu].hits);
        info->compat += read_atomic(&c->cpus[cpu].compat);
    }

    spin_lock(&c->lock);
    info->misses = viommu->misses;
    info->cached = c->nr_cached;
    info->memory = sizeof(*viommu) + c->nr_cpus * sizeof(c->cpus[0]) +
                   c->nr_leaves * VIOMMU_LEAF_ENTRIES * sizeof(*c->leaf[0]);
    spin_unlock(&c->lock);

    spin_lock(&viommu->fault_lock);
    memcpy(info->faults, viommu->fault_count, sizeof(info->faults));
    info->faults_lost = viommu->fault_lost_count;
    spin_unlock(&viommu->fault_lock);

    return 0;
}

int viommu_dm_op(struct domain *d, const struct dmop_args *args,
                 struct xen_dm_op *op, bool *const_op)
{
    struct viommu *viommu;
    int rc;

    switch ( op->op )
    {
    case XEN_DMOP_viommu_get_caps:
        *const_op = false;
        return get_caps(&op->u.viommu_get_caps);

    case XEN_DMOP_viommu_create:
        *const_op = false;
        return create(d, &op->u.viommu_create);

    case XEN_DMOP_viommu_inject_msi:
    {
        const struct xen_dm_op_viommu_inject_msi *data =
            &op->u.viommu_inject_msi;

        viommu = ACCESS_ONCE(d->arch.hvm.viommu);
        if ( !viommu || !ACCESS_ONCE(viommu->type) )
            return -ENODEV;

        return viommu_inject_msi(d, data->addr, data->data, data->sid,
                                 data->flags);
    }

    case XEN_DMOP_viommu_destroy:
    case XEN_DMOP_viommu_set_state:
    case XEN_DMOP_viommu_invalidate:
    case XEN_DMOP_viommu_get_faults:
    case XEN_DMOP_viommu_get_info:
        break;

    default:
        return -EOPNOTSUPP;
    }

    viommu = get_viommu(d);
    if ( !viommu )
        return -ENODEV;

    switch ( op->op )
    {
    case XEN_DMOP_viommu_destroy:
        rc = -EINVAL;
        if ( op->u.viommu_destroy.pad )
            break;
        rc = destroy(viommu, &op->u.viommu_destroy.opaque);
        break;

    case XEN_DMOP_viommu_set_state:
        rc = set_state(viommu, &op->u.viommu_set_state);
        break;

    case XEN_DMOP_viommu_invalidate:
        rc = invalidate(viommu, &op->u.viommu_invalidate);
        break;

    case XEN_DMOP_viommu_get_faults:
        *const_op = false;
        rc = get_faults(viommu, args, &op->u.viommu_get_faults);
        break;

    default:
        *const_op = false;
        rc = get_info(viommu, &op->u.viommu_get_info);
        break;
    }

    spin_unlock(&viommu->op_lock);

    /* What has to come back when the operation goes on. */
    if ( rc == -ERESTART )
        *const_op = false;

    return rc;
}

void viommu_reset(struct domain *d)
{
    struct viommu *viommu = ACCESS_ONCE(d->arch.hvm.viommu);

    if ( !viommu )
        return;

    spin_lock(&viommu->op_lock);
    if ( viommu->type )
        destroy(viommu, NULL);
    spin_unlock(&viommu->op_lock);
}

void viommu_free(struct domain *d)
{
    struct viommu *viommu = d->arch.hvm.viommu;

    if ( !viommu )
        return;

    ASSERT(!viommu->type);

    viommu_cache_free(&viommu->cache, true);
    XVFREE(d->arch.hvm.viommu);
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
