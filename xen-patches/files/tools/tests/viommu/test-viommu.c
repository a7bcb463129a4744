/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Test the virtual IOMMU of HVM domains (XEN_DMOP_viommu_*), and the LAPIC
 * records of their context, in the hypervisor that runs.
 *
 * Domains are made for it, whose vCPUs never run: what an interrupt did is seen
 * in the LAPICs' registers.
 *
 * With "bindings" it is the passed through MSIs instead that are tested, by those
 * of a physical device, which nobody else may have.  An NVMe controller is made to
 * interrupt.  See usage() for the arguments.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <xencall.h>
#include <xenctrl.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xen-tools/common-macros.h>

#include <xen/hvm/dm_op.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/save.h>

static unsigned int nr_checks, nr_failures;

static xc_interface *xch;
static xencall_handle *call;
static xenforeignmemory_handle *fh;
static xendevicemodel_handle *dh;
static xenevtchn_handle *eh;

static xc_physinfo_t physinfo;
static uint64_t seed;
static unsigned int nr_ops = 20000;
static uint32_t create_flags; /* More XEN_DOMCTL_CDF_* for HVM domains. */

/* One line for each check. */
static bool __attribute__((format(printf, 2, 3)))
check(bool ok, const char *fmt, ...)
{
    va_list args;

    nr_checks++;
    nr_failures += !ok;

    printf("  %s: ", ok ? "ok" : "Fail");
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    printf("\n");
    fflush(stdout);

    return ok;
}

/* @rc is of a call that sets errno; it's to be @error, or 0 for success. */
static bool check_rc(int rc, int error, const char *what)
{
    int got = rc ? errno : 0;

    if ( got == error )
        return check(true, "%s: %s", what,
                     error ? strerror(error) : "success");

    return check(false, "%s: %s (%d), expected %s (%d)", what,
                 got ? strerror(got) : "success", got,
                 error ? strerror(error) : "success", error);
}

static void section(const char *name)
{
    printf("Test %s\n", name);
    fflush(stdout);
}

static uint64_t random_of(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;

    return *state * 0x2545f4914f6cdd1dULL;
}

static unsigned int random_below(uint64_t *state, unsigned int n)
{
    return (random_of(state) >> 32) % n;
}

/*
 * Domains.
 */

enum kind { PV, PVH, HVM };

/* Frames of RAM from 0 on.  A table with all entries fits twice. */
#define RAM_PAGES   640U
#define TABLE_GFN   0x100U
#define TABLE       ((uint64_t)TABLE_GFN << XC_PAGE_SHIFT)
#define SPARE_GFN   0x240U
#define HOLE_GFN    0x1000U

#define IOAPIC_SID  0xf0f8
#define SID         0x0123

#define ENABLED     XEN_DMOP_VIOMMU_ENABLED
#define EIM         XEN_DMOP_VIOMMU_EIM
#define CFI         XEN_DMOP_VIOMMU_CFI

struct dom {
    uint32_t id;
    unsigned int vcpus;
    uint8_t *ram;
    unsigned int vector;            /* Used last. */
    uint64_t header[16];            /* Record, with its descriptor. */
    unsigned int header_len;
};

static void domain_kill(struct dom *d)
{
    if ( d->ram )
        xenforeignmemory_unmap(fh, d->ram, RAM_PAGES);
    d->ram = NULL;

    if ( xc_domain_destroy(xch, d->id) )
        check(false, "destroy d%u: %s", d->id, strerror(errno));
}

static bool domain_make(struct dom *d, enum kind kind, unsigned int vcpus,
                        unsigned int pages)
{
    struct xen_domctl_createdomain create = {
        .max_vcpus = vcpus,
        .max_evtchn_port = -1,
        .max_grant_frames = 4,
        .max_maptrack_frames = 4,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
    };
    static xen_pfn_t gfns[RAM_PAGES];

    memset(d, 0, sizeof(*d));
    d->vcpus = vcpus;

    if ( kind != PV )
    {
        create.flags = XEN_DOMCTL_CDF_hvm | create_flags;
        if ( physinfo.capabilities & XEN_SYSCTL_PHYSCAP_hap )
            create.flags |= XEN_DOMCTL_CDF_hap;
        create.arch.emulation_flags =
            kind == PVH ? XEN_X86_EMU_LAPIC
                        : XEN_X86_EMU_ALL & ~(XEN_X86_EMU_VPCI |
                                              XEN_X86_EMU_USE_PIRQ);
    }

    if ( xc_domain_create(xch, &d->id, &create) )
        return check(false, "create a domain: %s", strerror(errno));

    for ( unsigned int i = 0; i < pages; i++ )
        gfns[i] = i;

    if ( xc_domain_setmaxmem(xch, d->id, -1) ||
         (pages && xc_domain_populate_physmap_exact(xch, d->id, pages, 0, 0,
                                                    gfns)) )
    {
        check(false, "populate d%u: %s", d->id, strerror(errno));
        domain_kill(d);
        return false;
    }

    if ( pages == RAM_PAGES )
    {
        d->ram = xenforeignmemory_map(fh, d->id, PROT_READ | PROT_WRITE, pages,
                                      gfns, NULL);
        if ( !d->ram )
        {
            check(false, "map RAM of d%u: %s", d->id, strerror(errno));
            domain_kill(d);
            return false;
        }
        memset(d->ram, 0, RAM_PAGES << XC_PAGE_SHIFT);
    }

    return true;
}

static bool hvm_make(struct dom *d, unsigned int vcpus)
{
    if ( !domain_make(d, HVM, vcpus, RAM_PAGES) )
        return false;

    if ( xc_domain_max_vcpus(xch, d->id, vcpus) )
    {
        check(false, "%u vCPUs of d%u: %s", vcpus, d->id, strerror(errno));
        domain_kill(d);
        return false;
    }

    return true;
}

static bool viommu_make(struct dom *d, unsigned int vcpus)
{
    evtchn_port_t port;

    if ( !hvm_make(d, vcpus) )
        return false;

    if ( xendevicemodel_viommu_create(dh, d->id, XEN_DMOP_VIOMMU_TYPE_VTD,
                                      IOAPIC_SID, &port) )
    {
        check(false, "create the unit of d%u: %s", d->id, strerror(errno));
        domain_kill(d);
        return false;
    }

    return true;
}

static int set_state(const struct dom *d, uint32_t flags, uint64_t table,
                     uint32_t order)
{
    return xendevicemodel_viommu_set_state(dh, d->id, flags, table, order);
}

static int inv_index(const struct dom *d, uint16_t index, uint16_t mask)
{
    return xendevicemodel_viommu_invalidate(dh, d->id, 0, index, mask);
}

static int inv_global(const struct dom *d)
{
    return xendevicemodel_viommu_invalidate(dh, d->id,
                                            XEN_DMOP_VIOMMU_INV_GLOBAL, 0, 0);
}

static struct xen_dm_op_viommu_get_info get_info(const struct dom *d)
{
    struct xen_dm_op_viommu_get_info info = {};

    if ( xendevicemodel_viommu_get_info(dh, d->id, &info) )
        check(false, "get_info: %s", strerror(errno));

    return info;
}

/* Entries: what all of them have, and the destination by 32 bits. */
#define P               1ULL
#define FPD             2ULL
#define LOGICAL         4ULL
#define RH              8ULL
#define LEVEL           16ULL
#define DLM(n)          ((uint64_t)(n) << 5)
#define VECTOR(n)       ((uint64_t)(n) << 16)
#define DST(n)          ((uint64_t)(n) << 32)
#define ENTRY_SID(sid)  ((1ULL << 18) | (sid))

static uint64_t *entry_of(const struct dom *d, unsigned int gfn,
                          unsigned int index)
{
    return (uint64_t *)(d->ram + ((uint64_t)gfn << XC_PAGE_SHIFT)) + 2 * index;
}

static void entry_at(const struct dom *d, unsigned int gfn, unsigned int index,
                     uint64_t lo, uint64_t hi)
{
    volatile uint64_t *entry = entry_of(d, gfn, index);

    entry[1] = hi;
    entry[0] = lo;
}

static void entry(const struct dom *d, unsigned int index, uint64_t lo,
                  uint64_t hi)
{
    entry_at(d, TABLE_GFN, index, lo, hi);
}

#define SHV 8U

static uint32_t msi_addr(unsigned int handle)
{
    return 0xfee00010U | ((handle & 0x7fff) << 5) | ((handle >> 13) & 4);
}

static int inject_raw(const struct dom *d, uint64_t addr, uint32_t data,
                      uint16_t sid)
{
    return xendevicemodel_viommu_inject_msi(dh, d->id, 0, sid, addr, data);
}

static int inject(const struct dom *d, unsigned int index)
{
    return inject_raw(d, msi_addr(index), 0, SID);
}

/*
 * LAPICs.
 */

#define REG_ID    0x020
#define REG_LDR   0x0d0
#define REG_SPIV  0x0f0
#define REG_IRR   0x200

#define BASE_BSP  (1U << 8)
#define BASE_EXTD (1U << 10)
#define BASE_EN   (1U << 11)

struct record {
    uint16_t type, instance;
    uint32_t len;
    const void *data;
};

/* Load records, after the domain's own header: xc_domain_hvm_setcontext(). */
static int set_records(struct dom *d, const struct record *r, unsigned int nr)
{
    struct hvm_save_descriptor *desc;
    unsigned int len, i;
    uint8_t *buf;
    int rc, error;

    if ( !d->header_len )
    {
        int size = xc_domain_hvm_getcontext(xch, d->id, NULL, 0);

        buf = size > 0 ? malloc(size) : NULL;
        if ( !buf || xc_domain_hvm_getcontext(xch, d->id, buf, size) < 0 )
        {
            error = errno;
            free(buf);
            check(false, "get the context of d%u: %s", d->id, strerror(error));
            errno = error;
            return -1;
        }

        desc = (void *)buf;
        d->header_len = sizeof(*desc) + desc->length;
        if ( d->header_len > sizeof(d->header) )
            errx(1, "header of %u bytes", d->header_len);
        memcpy(d->header, buf, d->header_len);
        free(buf);
    }

    len = d->header_len + sizeof(*desc);
    for ( i = 0; i < nr; i++ )
        len += sizeof(*desc) + r[i].len;

    buf = calloc(1, len);
    if ( !buf )
        err(1, "calloc");
    memcpy(buf, d->header, d->header_len);
    desc = (void *)buf + d->header_len;

    for ( i = 0; i < nr; i++ )
    {
        desc->typecode = r[i].type;
        desc->instance = r[i].instance;
        desc->length = r[i].len;
        memcpy(desc + 1, r[i].data, r[i].len);
        desc = (void *)(desc + 1) + r[i].len;
    }
    desc->typecode = HVM_SAVE_CODE(END);

    rc = xc_domain_hvm_setcontext(xch, d->id, buf, len);
    error = errno;
    free(buf);
    errno = error;

    return rc;
}

/* The domain's whole context; *@size is its length. */
static uint8_t *get_context(const struct dom *d, int *size)
{
    int max = xc_domain_hvm_getcontext(xch, d->id, NULL, 0);
    uint8_t *buf = max > 0 ? calloc(1, max) : NULL;

    if ( buf )
        *size = xc_domain_hvm_getcontext(xch, d->id, buf, max);

    if ( !buf || *size < 0 )
    {
        check(false, "get the context of d%u: %s", d->id, strerror(errno));
        free(buf);
        buf = NULL;
    }

    return buf;
}

/* Copy a record's data, at most @max bytes; returns its length, or -1. */
static int find_record(const uint8_t *buf, int size, unsigned int type,
                       unsigned int instance, void *data, unsigned int max)
{
    const struct hvm_save_descriptor *desc = (const void *)buf;

    while ( (const uint8_t *)(desc + 1) <= buf + size &&
            desc->typecode != HVM_SAVE_CODE(END) )
    {
        if ( desc->typecode == type && desc->instance == instance )
        {
            memcpy(data, desc + 1, min(desc->length, max));
            return desc->length;
        }

        desc = (const void *)(desc + 1) + desc->length;
    }

    return -1;
}

static int get_lapic(const struct dom *d, unsigned int vcpu,
                     HVM_SAVE_TYPE(LAPIC) *hw)
{
    int size, len;
    uint8_t *buf = get_context(d, &size);

    if ( !buf )
        return -1;

    memset(hw, 0, sizeof(*hw));
    len = find_record(buf, size, HVM_SAVE_CODE(LAPIC), vcpu, hw, sizeof(*hw));
    free(buf);

    return len;
}

static uint32_t get_reg(const HVM_SAVE_TYPE(LAPIC_REGS) *regs, unsigned int reg)
{
    uint32_t val;

    memcpy(&val, &regs->data[reg], sizeof(val));

    return val;
}

static void set_reg(HVM_SAVE_TYPE(LAPIC_REGS) *regs, unsigned int reg,
                    uint32_t val)
{
    memcpy(&regs->data[reg], &val, sizeof(val));
}

static bool get_regs(const struct dom *d, unsigned int vcpu,
                     HVM_SAVE_TYPE(LAPIC_REGS) *regs)
{
    return !xc_domain_hvm_getcontext_partial(xch, d->id,
                                             HVM_SAVE_CODE(LAPIC_REGS), vcpu,
                                             regs, sizeof(*regs)) ||
           check(false, "registers of LAPIC %u: %s", vcpu, strerror(errno));
}

static HVM_SAVE_TYPE(LAPIC) make_lapic(unsigned int vcpu, uint32_t id, bool x2)
{
    return (HVM_SAVE_TYPE(LAPIC)){
        .apic_base_msr = 0xfee00000U | BASE_EN | (x2 ? BASE_EXTD : 0) |
                         (vcpu ? 0 : BASE_BSP),
        .x2apic_id = id,
    };
}

#define MAX_VCPUS 4

/* Switch all LAPICs on, with these IDs and nothing pending. */
static bool set_lapics(struct dom *d, const uint32_t *ids, bool x2)
{
    static HVM_SAVE_TYPE(LAPIC_REGS) regs[MAX_VCPUS];
    HVM_SAVE_TYPE(LAPIC) hw[MAX_VCPUS];
    struct record r[2 * MAX_VCPUS];

    for ( unsigned int i = 0; i < d->vcpus; i++ )
    {
        hw[i] = make_lapic(i, ids[i], x2);
        memset(&regs[i], 0, sizeof(regs[i]));
        set_reg(&regs[i], REG_SPIV, 0x1ff);
        set_reg(&regs[i], REG_ID, x2 ? ids[i] : ids[i] << 24);
        if ( x2 )
            set_reg(&regs[i], REG_LDR,
                    ((ids[i] & ~0xfU) << 12) | (1U << (ids[i] & 0xf)));

        r[2 * i] = (struct record){ HVM_SAVE_CODE(LAPIC), i, sizeof(hw[i]),
                                    &hw[i] };
        r[2 * i + 1] = (struct record){ HVM_SAVE_CODE(LAPIC_REGS), i,
                                        sizeof(regs[i]), &regs[i] };
    }

    d->vector = 0x1f;

    return !set_records(d, r, 2 * d->vcpus) ||
           check(false, "set LAPICs of d%u: %s", d->id, strerror(errno));
}

/* A vector that is pending nowhere. */
static unsigned int new_vector(struct dom *d)
{
    if ( ++d->vector > 0xfe )
        errx(1, "out of vectors");

    return d->vector;
}

/* Bit n for each vCPU n that has the vector pending. */
static unsigned int pending(const struct dom *d, unsigned int vector)
{
    static HVM_SAVE_TYPE(LAPIC_REGS) regs;
    unsigned int vcpus = 0;

    for ( unsigned int i = 0; i < d->vcpus; i++ )
        if ( get_regs(d, i, &regs) &&
             (get_reg(&regs, REG_IRR + vector / 32 * 16) >> (vector % 32)) & 1 )
            vcpus |= 1U << i;

    return vcpus;
}

static void check_pending(const struct dom *d, unsigned int vector,
                          unsigned int expected, const char *what)
{
    unsigned int got = pending(d, vector);

    check(got == expected, "%s: pending on vCPUs %#x, expected %#x", what, got,
          expected);
}

/*
 * Faults.
 */

typedef struct xen_dm_op_viommu_fault fault_t;

static int get_faults(const struct dom *d, fault_t *faults, uint32_t *nr,
                      uint32_t *flags)
{
    *flags = 0;

    return xendevicemodel_viommu_get_faults(dh, d->id, faults, nr, flags);
}

/* All that there are, to be this one and no other; or with reason 0, none. */
static void check_fault(const struct dom *d, const char *what,
                        unsigned int reason, uint16_t sid, uint16_t index)
{
    fault_t f[8] = {};
    uint32_t nr = ARRAY_SIZE(f), flags;

    if ( get_faults(d, f, &nr, &flags) )
        check(false, "%s: get_faults: %s", what, strerror(errno));
    else if ( nr != !!reason || flags )
        check(false, "%s: %u faults, expected %u, flags %#x, first %#x", what,
              nr, !!reason, flags, f[0].reason);
    else if ( !reason )
        check(true, "%s: no fault", what);
    else
        check(f[0].reason == reason && f[0].sid == sid &&
              f[0].index == index && !f[0].pad[0] && !f[0].pad[1] &&
              !f[0].pad[2],
              "%s: fault %#x sid %#06x index %#06x, expected %#x %#06x %#06x",
              what, f[0].reason, f[0].sid, f[0].index, reason, sid, index);
}

/* Inject by @index, and look at what comes of it. */
static void check_inject(const struct dom *d, const char *what,
                         unsigned int index, unsigned int reason)
{
    if ( inject(d, index) )
        check(false, "%s: inject_msi: %s", what, strerror(errno));
    else
        check_fault(d, what, reason, SID, index);
}

/*
 * Operations as no library makes them.  Buffer 0 holds *@op, and is said to be
 * of @size; buffer 1 is where @buf1 says, mapped or not.
 */
static int raw_op(uint32_t domid, unsigned int nr_bufs, struct xen_dm_op *op,
                  size_t size, void *buf1, size_t size1)
{
    static xen_dm_op_buf_t *bufs;
    static struct xen_dm_op *copy;
    int rc, error;

    if ( !bufs )
    {
        bufs = xencall_alloc_buffer(call, 4 * sizeof(*bufs));
        copy = xencall_alloc_buffer(call, XC_PAGE_SIZE);
        if ( !bufs || !copy )
            err(1, "xencall_alloc_buffer");
    }

    *copy = *op;
    memset(bufs, 0, 4 * sizeof(*bufs));
    set_xen_guest_handle_raw(bufs[0].h, copy);
    bufs[0].size = size;
    set_xen_guest_handle_raw(bufs[1].h, buf1);
    bufs[1].size = size1;

    rc = xencall3(call, __HYPERVISOR_dm_op, domid, nr_bufs,
                  (unsigned long)bufs);
    error = errno;
    *op = *copy;
    errno = error;

    return rc;
}

#define OP_HEAD offsetof(struct xen_dm_op, u)

static const struct {
    unsigned int op;
    size_t size;
    const char *name;
} ops[] = {
#define O(x) { XEN_DMOP_viommu_ ## x, \
               sizeof(struct xen_dm_op_viommu_ ## x), #x }
    O(get_caps), O(create), O(destroy), O(set_state), O(invalidate),
    O(inject_msi), O(get_faults), O(get_info),
#undef O
};

static struct xen_dm_op make_op(unsigned int i)
{
    struct xen_dm_op op = { .op = ops[i].op };

    switch ( ops[i].op )
    {
    case XEN_DMOP_viommu_create:
        op.u.viommu_create.type = XEN_DMOP_VIOMMU_TYPE_VTD;
        break;

    case XEN_DMOP_viommu_inject_msi:
        op.u.viommu_inject_msi.addr = msi_addr(0);
        break;

    case XEN_DMOP_viommu_get_faults:
        op.u.viommu_get_faults.nr = 1;
        break;
    }

    return op;
}

static fault_t *raw_faults(void)
{
    static fault_t *faults;

    if ( !faults )
        faults = xencall_alloc_buffer(call, XC_PAGE_SIZE);
    if ( !faults )
        err(1, "xencall_alloc_buffer");

    return faults;
}

/* Every operation, well-formed, is to have these results. */
static void check_all_ops(uint32_t domid, const char *what, int caps_error,
                          int create_error, int error)
{
    char name[80];

    for ( unsigned int i = 0; i < ARRAY_SIZE(ops); i++ )
    {
        struct xen_dm_op op = make_op(i);
        int expected = ops[i].op == XEN_DMOP_viommu_get_caps ? caps_error :
                       ops[i].op == XEN_DMOP_viommu_create ? create_error :
                       error;

        snprintf(name, sizeof(name), "%s: %s", what, ops[i].name);
        check_rc(raw_op(domid, 2, &op, sizeof(op), raw_faults(), XC_PAGE_SIZE),
                 expected, name);
    }
}

static void test_refused(void)
{
    struct dom d;

    section("domains that can have no unit");

    if ( physinfo.capabilities & XEN_SYSCTL_PHYSCAP_pv )
    {
        if ( domain_make(&d, PV, 2, 1) )
        {
            if ( xc_domain_max_vcpus(xch, d.id, 2) )
                check(false, "vCPUs of PV: %s", strerror(errno));
            check_all_ops(d.id, "PV", EINVAL, EINVAL, EINVAL);
            domain_kill(&d);
            check_all_ops(d.id, "destroyed", ESRCH, ESRCH, ESRCH);
        }
    }
    else
        printf("  Skip: PV not available\n");

    if ( domain_make(&d, PVH, 2, 1) )
    {
        if ( xc_domain_max_vcpus(xch, d.id, 2) )
            check(false, "vCPUs of PVH: %s", strerror(errno));
        check_all_ops(d.id, "PVH without IO-APIC", 0, EINVAL, ENODEV);
        domain_kill(&d);
    }

    if ( domain_make(&d, HVM, 2, 1) )
    {
        check_all_ops(d.id, "HVM without vCPUs", 0, EINVAL, ENODEV);
        domain_kill(&d);
    }

    check_all_ops(0, "the caller itself", EPERM, EPERM, EPERM);
    check_all_ops(DOMID_SELF, "DOMID_SELF", ESRCH, ESRCH, ESRCH);
    check_all_ops(0x7fe0, "no such domain", ESRCH, ESRCH, ESRCH);
    check_all_ops(DOMID_INVALID, "DOMID_INVALID", ESRCH, ESRCH, ESRCH);
}

static void test_arguments(void)
{
    static const uint32_t types[] = { 0, 2, 3, 32, 33, 0x101, ~0U };
    struct xen_dm_op_viommu_get_caps caps = {};
    struct xen_dm_op_viommu_get_info info;
    struct xen_dm_op op;
    evtchn_port_t port = 0;
    struct dom d;
    char name[80];
    int rc;

    section("arguments and states");

    if ( !hvm_make(&d, 2) )
        return;

    rc = xendevicemodel_viommu_get_caps(dh, d.id, &caps);
    check(!rc && caps.types == 1U << XEN_DMOP_VIOMMU_TYPE_VTD &&
          caps.flags == XEN_DMOP_VIOMMU_CAP_EIM && caps.max_order == 16 &&
          caps.max_faults,
          "caps: types %#x flags %#x max_order %u max_faults %u", caps.types,
          caps.flags, caps.max_order, caps.max_faults);

    /* Without a unit only creation can be refused for its arguments. */
    for ( unsigned int i = 0; i < ARRAY_SIZE(types); i++ )
    {
        snprintf(name, sizeof(name), "create, type %#x", types[i]);
        check_rc(xendevicemodel_viommu_create(dh, d.id, types[i], 0, &port),
                 EINVAL, name);
    }

    op = make_op(1);
    op.u.viommu_create.pad = 1;
    check_rc(raw_op(d.id, 1, &op, sizeof(op), NULL, 0), EINVAL, "create, pad");
    op = make_op(1);
    op.u.viommu_create.pad2 = 0x80000000U;
    check_rc(raw_op(d.id, 1, &op, sizeof(op), NULL, 0), EINVAL, "create, pad2");

    for ( unsigned int i = 2; i < ARRAY_SIZE(ops); i++ )
    {
        snprintf(name, sizeof(name), "%s without a unit", ops[i].name);
        op = make_op(i);
        check_rc(raw_op(d.id, 2, &op, sizeof(op), raw_faults(), XC_PAGE_SIZE),
                 ENODEV, name);
    }

    /* How operations are handed over, without and with a unit. */
    for ( unsigned int pass = 0; pass < 2; pass++ )
    {
        const char *when = pass ? "with" : "without";

        if ( pass )
        {
            rc = xendevicemodel_viommu_create(
                dh, d.id, XEN_DMOP_VIOMMU_TYPE_VTD, IOAPIC_SID, &port);
            check_rc(rc, 0, "create");
            check(port, "create: port %u", port);
            check_rc(xendevicemodel_viommu_create(
                         dh, d.id, XEN_DMOP_VIOMMU_TYPE_VTD, 1, &port),
                     EEXIST, "create, twice");
        }

        for ( unsigned int i = 0; i < ARRAY_SIZE(ops); i++ )
        {
            op = make_op(i);
            op.pad = 1;
            snprintf(name, sizeof(name), "%s %s a unit, pad of the op",
                     ops[i].name, when);
            check_rc(raw_op(d.id, 2, &op, sizeof(op), raw_faults(),
                            XC_PAGE_SIZE), EINVAL, name);

            for ( unsigned int j = 0; j < 5; j++ )
            {
                const size_t sizes[] = { 0, 4, OP_HEAD - 1, OP_HEAD,
                                         OP_HEAD + ops[i].size - 1 };

                op = make_op(i);
                snprintf(name, sizeof(name), "%s %s a unit, buffer of %zu",
                         ops[i].name, when, sizes[j]);
                check_rc(raw_op(d.id, 2, &op, sizes[j], raw_faults(),
                                XC_PAGE_SIZE), EFAULT, name);
            }

            op = make_op(i);
            snprintf(name, sizeof(name), "%s %s a unit, no buffer",
                     ops[i].name, when);
            check_rc(raw_op(d.id, 0, &op, sizeof(op), NULL, 0), ENODATA, name);
            op = make_op(i);
            snprintf(name, sizeof(name), "%s %s a unit, 3 buffers",
                     ops[i].name, when);
            check_rc(raw_op(d.id, 3, &op, sizeof(op), NULL, 0), E2BIG, name);
        }

        op = (struct xen_dm_op){ .op = XEN_DMOP_viommu_get_info + 1 };
        check_rc(raw_op(d.id, 1, &op, sizeof(op), NULL, 0), EOPNOTSUPP,
                 "the op after the last");
        op = (struct xen_dm_op){ .op = ~0U };
        check_rc(raw_op(d.id, 1, &op, sizeof(op), NULL, 0), EOPNOTSUPP,
                 "op ~0");
    }

    /* Just as long as needed. */
    op = make_op(7);
    check_rc(raw_op(d.id, 1, &op, OP_HEAD + ops[7].size, NULL, 0), 0,
             "get_info, buffer of just its size");

    info = get_info(&d);
    check(info.type == XEN_DMOP_VIOMMU_TYPE_VTD && !info.flags &&
          !info.order && !info.table && info.ioapic_sid == IOAPIC_SID &&
          !info.pad && !info.hits && !info.misses && !info.compat &&
          !info.inv_global && !info.inv_index && !info.faults_lost &&
          !info.cached && info.memory,
          "what was refused left no trace, %u bytes", info.memory);

    op = make_op(2);
    op.u.viommu_destroy.pad = 1U << 31;
    check_rc(raw_op(d.id, 1, &op, sizeof(op), NULL, 0), EINVAL, "destroy, pad");
    op = make_op(3);
    op.u.viommu_set_state.pad = 1;
    check_rc(raw_op(d.id, 1, &op, sizeof(op), NULL, 0), EINVAL,
             "set_state, pad");
    op = make_op(4);
    op.u.viommu_invalidate.pad = 1U << 31;
    check_rc(raw_op(d.id, 1, &op, sizeof(op), NULL, 0), EINVAL,
             "invalidate, pad");
    /* What an operation that goes on has there changes nothing by itself. */
    op = make_op(3);
    op.u.viommu_set_state.flags = ENABLED;
    op.u.viommu_set_state.order = 8;
    op.u.viommu_set_state.opaque = ~0U;
    check_rc(raw_op(d.id, 1, &op, sizeof(op), NULL, 0), 0, "set_state, opaque");
    check(!get_info(&d).flags, "set_state, opaque: a state was set");

    /* set_state. */
    for ( unsigned int bit = 3; bit < 32; bit++ )
    {
        snprintf(name, sizeof(name), "set_state, flag %u", bit);
        check_rc(set_state(&d, ENABLED | (1U << bit), TABLE, 8), EINVAL, name);
    }
    check_rc(set_state(&d, 8, 0, 0), EINVAL, "set_state, off, flag 3");
    check_rc(set_state(&d, ENABLED, TABLE, 0), EINVAL, "set_state, order 0");
    check_rc(set_state(&d, ENABLED, TABLE, 17), EINVAL, "set_state, order 17");
    check_rc(set_state(&d, ENABLED, TABLE, 0x100), EINVAL,
             "set_state, order 256");
    check_rc(set_state(&d, ENABLED, TABLE, 0x80000001U), EINVAL,
             "set_state, order 2^31 + 1");
    for ( unsigned int bit = 0; bit < XC_PAGE_SHIFT; bit++ )
    {
        snprintf(name, sizeof(name), "set_state, table bit %u", bit);
        check_rc(set_state(&d, ENABLED, TABLE | (1U << bit), 8), EINVAL, name);
    }
    info = get_info(&d);
    check(!info.flags && !info.table && !info.order && !info.misses,
          "remapping is still off");
    check_rc(set_state(&d, 0, ~0ULL, ~0U), 0,
             "set_state, off, table and order ignored");
    check_rc(set_state(&d, EIM | CFI, 0, 0), 0, "set_state, off, EIM and CFI");
    info = get_info(&d);
    check(!info.flags && !info.table && !info.order, "remapping is off");

    for ( unsigned int order = 1; order <= 16; order++ )
    {
        uint32_t flags = ENABLED | (order & 1 ? EIM : 0) |
                         (order & 2 ? CFI : 0);

        snprintf(name, sizeof(name), "set_state, order %u", order);
        check_rc(set_state(&d, flags, TABLE, order), 0, name);
        info = get_info(&d);
        check(info.flags == flags && info.table == TABLE &&
              info.order == order,
              "set_state, order %u: flags %#x table %#"PRIx64" order %u",
              order, info.flags, info.table, info.order);
    }

    check_rc(set_state(&d, ENABLED, TABLE + 1, 4), EINVAL,
             "set_state, bad, when on");
    info = get_info(&d);
    check(info.flags == ENABLED && info.table == TABLE && info.order == 16,
          "the state of before stays");

    /* invalidate. */
    for ( unsigned int bit = 1; bit < 32; bit++ )
    {
        snprintf(name, sizeof(name), "invalidate, flag %u", bit);
        check_rc(xendevicemodel_viommu_invalidate(dh, d.id, 1U << bit, 0, 0),
                 EINVAL, name);
    }
    check_rc(inv_index(&d, 0, 17), EINVAL, "invalidate, mask 17");
    check_rc(inv_index(&d, 0, 0xffff), EINVAL, "invalidate, mask 0xffff");
    check_rc(xendevicemodel_viommu_invalidate(
                 dh, d.id, XEN_DMOP_VIOMMU_INV_GLOBAL, 0, 17),
             EINVAL, "invalidate, global, mask 17");
    info = get_info(&d);
    check(!info.inv_global && !info.inv_index, "none of them counted");
    for ( unsigned int mask = 0; mask <= 16; mask++ )
    {
        snprintf(name, sizeof(name), "invalidate, index 0xffff mask %u", mask);
        check_rc(inv_index(&d, 0xffff, mask), 0, name);
    }
    check_rc(inv_global(&d), 0, "invalidate, global");
    info = get_info(&d);
    check(info.inv_global == 1 && info.inv_index == 17,
          "%"PRIu64" global, %"PRIu64" by index, expected 1, 17",
          info.inv_global, info.inv_index);
    check_rc(set_state(&d, ENABLED, TABLE, 4), 0, "set_state, order 4");
    check_rc(inv_index(&d, 16, 0), 0, "invalidate, index beyond the table");
    check_rc(inv_index(&d, 0xffff, 4), 0, "invalidate, far beyond the table");
    check_rc(set_state(&d, 0, 0, 0), 0, "set_state, off");
    check_rc(inv_index(&d, 0, 0), 0, "invalidate, when off");
    check_rc(inv_global(&d), 0, "invalidate, global, when off");

    /* inject_msi. */
    for ( unsigned int bit = 1; bit < 16; bit++ )
    {
        snprintf(name, sizeof(name), "inject_msi, flag %u", bit);
        check_rc(xendevicemodel_viommu_inject_msi(dh, d.id, 1U << bit, SID,
                                                  msi_addr(0), 0),
                 EINVAL, name);
    }

    /* get_faults. */
    op = make_op(6);
    op.u.viommu_get_faults.flags = 1;
    check_rc(raw_op(d.id, 2, &op, sizeof(op), raw_faults(), XC_PAGE_SIZE),
             EINVAL, "get_faults, flag");
    op = make_op(6);
    op.u.viommu_get_faults.nr = 0;
    check_rc(raw_op(d.id, 2, &op, sizeof(op), raw_faults(), XC_PAGE_SIZE),
             EINVAL, "get_faults, no room");
    op = make_op(6);
    check_rc(raw_op(d.id, 1, &op, sizeof(op), NULL, 0), EINVAL,
             "get_faults, one buffer");
    op = make_op(6);
    check_rc(raw_op(d.id, 2, &op, sizeof(op), raw_faults(),
                    sizeof(fault_t) - 1), EINVAL,
             "get_faults, less than a record");
    op = make_op(6);
    op.u.viommu_get_faults.nr = 3;
    check_rc(raw_op(d.id, 2, &op, sizeof(op), raw_faults(),
                    2 * sizeof(fault_t)), EINVAL, "get_faults, 3 into 2");
    op = make_op(6);
    op.u.viommu_get_faults.nr = ~0U;
    check_rc(raw_op(d.id, 2, &op, sizeof(op), raw_faults(), XC_PAGE_SIZE),
             EINVAL, "get_faults, 2^32 - 1 into a page");
    op = make_op(6);
    op.u.viommu_get_faults.nr = ~0U;
    rc = raw_op(d.id, 2, &op, sizeof(op), raw_faults(),
                (1ULL << 32) * sizeof(fault_t));
    check(!rc && !op.u.viommu_get_faults.nr && !op.u.viommu_get_faults.flags,
          "get_faults, 2^32 - 1, none there: %u",
          op.u.viommu_get_faults.nr);

    check_rc(xendevicemodel_viommu_destroy(dh, d.id), 0, "destroy");
    check_rc(xendevicemodel_viommu_destroy(dh, d.id), ENODEV,
             "destroy, twice");
    check_rc(set_state(&d, ENABLED, TABLE, 8), ENODEV,
             "set_state after destroy");
    check_rc(inject(&d, 0), ENODEV, "inject_msi after destroy");
    check_rc(xendevicemodel_viommu_create(dh, d.id, XEN_DMOP_VIOMMU_TYPE_VTD,
                                          7, &port), 0, "create, again");
    info = get_info(&d);
    check(info.ioapic_sid == 7 && !info.flags && !info.cached,
          "it is off, and has its own source id");

    domain_kill(&d);
}

static void test_reasons(void)
{
    static const uint64_t bad_lo[] = {
        1ULL << 12, 1ULL << 13, 1ULL << 14, 1ULL << 15, 1ULL << 24, 1ULL << 31,
        DLM(3), DLM(6),
    };
    struct xen_dm_op_viommu_get_info before, info;
    const unsigned int order = 10, nr = 1U << order;
    const uint64_t good = P | VECTOR(0x40);
    struct dom d;
    char name[80];

    section("remapping: faults, hits and misses");

    if ( !viommu_make(&d, 2) )
        return;

    check_rc(inject_raw(&d, 0xfee00000U, 0x40, SID), 0,
             "compatibility format, off");
    inject(&d, 5);
    check_fault(&d, "off", 0, 0, 0);
    check_rc(set_state(&d, ENABLED | EIM, TABLE, order), 0, "set_state");

    /* 0x20: reserved in the request. */
    inject_raw(&d, msi_addr(9) | SHV, 0x10000, SID);
    check_fault(&d, "data bits 31:16", 0x20, SID, 9);
    inject_raw(&d, msi_addr(0x8009) | (1ULL << 32), 0, SID);
    check_fault(&d, "address bit 32", 0x20, SID, 0x8009);
    inject_raw(&d, msi_addr(9) | (1ULL << 63), 0, SID);
    check_fault(&d, "address bit 63", 0x20, SID, 9);
    inject_raw(&d, 0x10, 0, SID);
    check_fault(&d, "not an interrupt's address", 0x20, SID, 0);

    /* 0x21: index. */
    check_inject(&d, "last entry", nr - 1, 0x22);
    check_inject(&d, "beyond the last entry", nr, 0x21);
    check_inject(&d, "handle with bit 15", 0x8000, 0x21);
    check_inject(&d, "handle 0xffff", 0xffff, 0x21);
    inject_raw(&d, msi_addr(nr - 1) | SHV, 1, SID);
    check_fault(&d, "subhandle beyond", 0x21, SID, nr);
    inject_raw(&d, msi_addr(0xffff) | SHV, 0xffff, SID);
    check_fault(&d, "handle and subhandle 0xffff", 0x21, SID, 0xfffe);

    /* 0x22: not present, with everything else wrong as well. */
    entry(&d, 1, ~P & ~FPD, ~0ULL);
    check_inject(&d, "not present", 1, 0x22);

    /* 0x24: reserved in the entry. */
    for ( unsigned int i = 0; i < ARRAY_SIZE(bad_lo); i++ )
    {
        entry(&d, 2, good | bad_lo[i], 0);
        snprintf(name, sizeof(name), "entry with %#"PRIx64, bad_lo[i]);
        check_inject(&d, name, 2, 0x24);
    }
    entry(&d, 2, good, 1ULL << 20);
    check_inject(&d, "entry with bit 84", 2, 0x24);
    entry(&d, 2, good, 1ULL << 63);
    check_inject(&d, "entry with bit 127", 2, 0x24);
    entry(&d, 2, good | 0xf00, 0);
    check_inject(&d, "entry with software's bits", 2, 0);

    /* 0x25: compatibility format. */
    inject_raw(&d, 0xfee00000U, 0x41, SID);
    check_fault(&d, "compatibility format, EIM", 0x25, SID, 0);
    set_state(&d, ENABLED | EIM | CFI, TABLE, order);
    inject_raw(&d, 0xfee00000U, 0x41, SID);
    check_fault(&d, "compatibility format, EIM and CFI", 0x25, SID, 0);
    set_state(&d, ENABLED, TABLE, order);
    inject_raw(&d, 0xfee00000U, 0, SID);
    check_fault(&d, "compatibility format, vector 0", 0x25, SID, 0);
    set_state(&d, ENABLED | CFI, TABLE, order);
    before = get_info(&d);
    inject_raw(&d, 0xfee00000U, 0x41, SID);
    check_fault(&d, "compatibility format, CFI", 0, 0, 0);
    info = get_info(&d);
    check(info.compat == before.compat + 1 && info.hits == before.hits &&
          info.misses == before.misses, "counted as such");

    /* 0x24 that depends on EIM. */
    entry(&d, 3, good | DST(0x200), 0);
    check_inject(&d, "8-bit destination", 3, 0);
    entry(&d, 3, good | DST(1), 0);
    inv_index(&d, 3, 0);
    check_inject(&d, "destination bit 0 without EIM", 3, 0x24);
    entry(&d, 3, good | DST(0x10000), 0);
    check_inject(&d, "destination bit 16 without EIM", 3, 0x24);
    set_state(&d, ENABLED | EIM, TABLE, order);
    check_inject(&d, "the same with EIM", 3, 0);

    /* 0x26: source ids. */
    entry(&d, 4, good, ENTRY_SID(SID));
    check_inject(&d, "source id", 4, 0);
    inject_raw(&d, msi_addr(4), 0, SID ^ 1);
    check_fault(&d, "another source id, hit", 0x26, SID ^ 1, 4);
    inv_index(&d, 4, 0);
    inject_raw(&d, msi_addr(4), 0, SID ^ 0x8000);
    check_fault(&d, "another source id, miss", 0x26, SID ^ 0x8000, 4);
    for ( unsigned int sq = 0; sq < 4; sq++ )
    {
        static const uint16_t ignored[] = { 0, 4, 6, 7 };

        entry(&d, 4, good, ENTRY_SID(SID) | ((uint64_t)sq << 16));
        inv_index(&d, 4, 0);
        for ( unsigned int x = 0; x < 9; x++ )
        {
            snprintf(name, sizeof(name), "SQ %u, differs by %#x", sq, x);
            inject_raw(&d, msi_addr(4), 0, SID ^ x);
            check_fault(&d, name, x & ~ignored[sq] ? 0x26 : 0, SID ^ x, 4);
        }
    }
    entry(&d, 4, good, (2ULL << 18) | 0x1012);
    inv_index(&d, 4, 0);
    for ( unsigned int bus = 0x0f; bus <= 0x13; bus++ )
    {
        snprintf(name, sizeof(name), "buses 0x10 to 0x12, from %#x", bus);
        inject_raw(&d, msi_addr(4), 0, (bus << 8) | 0xff);
        check_fault(&d, name, bus < 0x10 || bus > 0x12 ? 0x26 : 0,
                    (bus << 8) | 0xff, 4);
    }
    entry(&d, 4, good, 3ULL << 18);
    inv_index(&d, 4, 0);
    check_inject(&d, "SVT 3", 4, 0x26);

    /* FPD: counted, but not told. */
    before = get_info(&d);
    entry(&d, 5, FPD, 0);
    check_inject(&d, "FPD, not present", 5, 0);
    entry(&d, 6, good | FPD | (1 << 12), 0);
    check_inject(&d, "FPD, reserved", 6, 0);
    entry(&d, 7, good | FPD, ENTRY_SID(0));
    check_inject(&d, "FPD, source id, miss", 7, 0);
    check_inject(&d, "FPD, source id, hit", 7, 0);
    info = get_info(&d);
    check(info.faults[2] == before.faults[2] + 1 &&
          info.faults[4] == before.faults[4] + 1 &&
          info.faults[6] == before.faults[6] + 2, "FPD: all of them counted");

    /* 0x23: no table. */
    set_state(&d, ENABLED | EIM, (uint64_t)HOLE_GFN << XC_PAGE_SHIFT, order);
    check_inject(&d, "no table", 0, 0x23);

    /* Hits and misses, through all of a table. */
    set_state(&d, ENABLED | EIM, TABLE, 16);
    for ( unsigned int i = 0; i < 0x10000; i++ )
        entry(&d, i, P | VECTOR(0x40), 0);
    before = get_info(&d);
    check(!before.cached, "none cached");
    for ( unsigned int i = 0; i < 0x10000; i += 0x101 )
        inject(&d, i);
    info = get_info(&d);
    check(info.misses == before.misses + 256 && info.hits == before.hits &&
          info.cached == 256,
          "256 misses: %"PRIu64", hits %"PRIu64", cached %u",
          info.misses - before.misses, info.hits - before.hits, info.cached);
    for ( unsigned int i = 0; i < 0x10000; i += 0x101 )
        inject_raw(&d, msi_addr(i & 0xff00) | SHV, i & 0xff, SID);
    info = get_info(&d);
    check(info.misses == before.misses + 256 &&
          info.hits == before.hits + 256 && info.cached == 256,
          "256 hits, by handle and subhandle: %"PRIu64,
          info.hits - before.hits);
    check(info.memory <= 128 * 4096 + 8192 +
                           (physinfo.max_cpu_id + 1) * 256,
          "all leaves are there, in %u bytes", info.memory);
    check_fault(&d, "all of the table", 0, 0, 0);
    for ( unsigned int i = 0; i < 0x10000; i += 0x101 )
        entry(&d, i, 0, 0);
    set_state(&d, 0, 0, 0);
    info = get_info(&d);
    check(!info.cached, "none cached when off");
    set_state(&d, ENABLED | EIM, TABLE, 16);
    check_inject(&d, "nor when on again", 0x101, 0x22);

    /* What delivers nothing. */
    for ( unsigned int dlm = 0; dlm < 8; dlm++ )
        for ( unsigned int vector = 0; vector < 32; vector += 15 )
        {
            entry(&d, 8, P | VECTOR(vector) | DLM(dlm), 0);
            inv_index(&d, 8, 0);
            snprintf(name, sizeof(name), "delivery mode %u, vector %u, miss",
                     dlm, vector);
            check_inject(&d, name, 8, dlm == 3 || dlm == 6 ? 0x24 : 0);
            snprintf(name, sizeof(name), "delivery mode %u, vector %u, again",
                     dlm, vector);
            check_inject(&d, name, 8, dlm == 3 || dlm == 6 ? 0x24 : 0);
        }

    domain_kill(&d);
}

/* Where interrupts arrive, which takes an APIC map or goes without one. */
static void test_delivery(void)
{
    static const struct {
        const char *name;
        bool run;               /* Only then there is a map... */
        bool before;            /* ... for the IDs of before or after. */
        uint32_t ids[MAX_VCPUS];
    } maps[] = {
        { "no map", .ids = { 0, 2, 300, 301 } },
        { "map", .run = true, .before = true, .ids = { 0, 2, 300, 301 } },
        { "map too small", .run = true, .ids = { 0, 2, 4076, 4077 } },
    };
    const unsigned int index = 77;
    struct dom d;
    char name[80];

    section("remapping: delivery");

    for ( unsigned int m = 0; m < ARRAY_SIZE(maps); m++ )
    {
        const uint32_t *ids = maps[m].ids;
        uint32_t cluster = (ids[2] / 16) << 16;
        const struct {
            const char *name;
            uint64_t lo;
            unsigned int vcpus;
            bool one;
        } tests[] = {
            { "physical, ID 0", DST(ids[0]), 1 },
            { "physical, ID 2", DST(ids[1]), 2 },
            { "physical, high ID", DST(ids[3]), 8 },
            { "physical, level", DST(ids[3]) | LEVEL, 8 },
            { "physical, nobody", DST(ids[3] + 1), 0 },
            { "physical, nobody's low bits", DST(ids[3] + 0x100), 0 },
            { "physical, nobody's high bits", DST(ids[1] | (1U << 24)), 0 },
            { "physical, 0xff", DST(0xff), 0 },
            { "physical, broadcast", DST(0xffffffffU), 0xf },
            { "logical, one", DST(cluster | (1U << ids[2] % 16)) | LOGICAL,
              4 },
            { "logical, two", DST(cluster | (3U << ids[2] % 16)) | LOGICAL,
              0xc },
            { "logical, whole cluster", DST(cluster | 0xffff) | LOGICAL,
              0xc },
            { "logical, cluster 0", DST(0xffff) | LOGICAL, 3 },
            { "logical, nobody in it", DST(cluster | 1) | LOGICAL, 0 },
            { "logical, nobody's cluster", DST(0xabcdffffU) | LOGICAL, 0 },
            { "logical, broadcast", DST(0xffffffffU) | LOGICAL, 0xf },
            { "lowest priority, one", DST(ids[2]) | RH, 4 },
            { "lowest priority, two",
              DST(cluster | (3U << ids[2] % 16)) | LOGICAL | RH, 0xc, true },
            { "lowest priority by DLM",
              DST(0xffff) | LOGICAL | DLM(1), 3, true },
            { "lowest priority, nobody", DST(0x1234) | RH, 0 },
            { "SMI", DST(ids[0]) | DLM(2), 0 },
            { "INIT", DST(ids[0]) | DLM(5), 0 },
            { "ExtINT", DST(ids[0]) | DLM(7), 0 },
        };

        if ( !viommu_make(&d, MAX_VCPUS) )
            return;

        if ( maps[m].run && !maps[m].before )
            check_rc(xc_domain_unpause(xch, d.id), 0, "unpause");
        set_lapics(&d, ids, true);
        if ( maps[m].run && maps[m].before )
            check_rc(xc_domain_unpause(xch, d.id), 0, "unpause");
        check_rc(set_state(&d, ENABLED | EIM, TABLE, 8), 0, "set_state");

        for ( unsigned int i = 0; i < ARRAY_SIZE(tests); i++ )
        {
            unsigned int vector = new_vector(&d), got;

            entry(&d, index, P | VECTOR(vector) | tests[i].lo, ENTRY_SID(SID));
            inv_index(&d, index, 0);
            snprintf(name, sizeof(name), "%s: %s", maps[m].name,
                     tests[i].name);

            if ( inject(&d, index) )
            {
                check(false, "%s: %s", name, strerror(errno));
                continue;
            }

            if ( !tests[i].one )
            {
                check_pending(&d, vector, tests[i].vcpus, name);
                continue;
            }

            got = pending(&d, vector);
            check(got && !(got & (got - 1)) && !(got & ~tests[i].vcpus),
                  "%s: pending on vCPUs %#x, expected one of %#x", name, got,
                  tests[i].vcpus);
        }

        /* What goes another way. */
        {
            unsigned int vector = new_vector(&d);
            uint64_t addr = 0xfee00000U | ((uint64_t)(ids[3] >> 8) << 40) |
                            ((ids[3] & 0xff) << 12);

            xendevicemodel_viommu_inject_msi(dh, d.id,
                                             XEN_DMOP_VIOMMU_MSI_DIRECT, 0,
                                             addr, vector);
            check_pending(&d, vector, 8, "the unit's own event");
            vector = new_vector(&d);
            entry(&d, index, P | VECTOR(vector) | DST(ids[3]), ENTRY_SID(0));
            inv_index(&d, index, 0);
            inject(&d, index);
            check_fault(&d, "source id", 0x26, SID, index);
            check_pending(&d, vector, 0, "a fault");
        }

        domain_kill(&d);
    }

    /* xAPIC mode. */
    {
        static const uint32_t ids[MAX_VCPUS] = { 0, 2, 4, 0xfe };
        static const struct {
            const char *name;
            uint32_t flags;
            uint64_t dst;
            unsigned int vcpus;
        } tests[] = {
            { "ID 0", ENABLED, DST(0), 1 },
            { "ID 4", ENABLED, DST(4 << 8), 4 },
            { "ID 0xfe", ENABLED, DST(0xfe << 8), 8 },
            { "nobody", ENABLED, DST(6 << 8), 0 },
            { "broadcast", ENABLED, DST(0xff << 8), 0xf },
            { "EIM, ID 4", ENABLED | EIM, DST(4), 4 },
            { "EIM, ID 0x104", ENABLED | EIM, DST(0x104), 0 },
            { "EIM, 0xff", ENABLED | EIM, DST(0xff), 0xf },
        };

        if ( !viommu_make(&d, MAX_VCPUS) )
            return;

        set_lapics(&d, ids, false);
        check_rc(xc_domain_unpause(xch, d.id), 0, "unpause");

        for ( unsigned int i = 0; i < ARRAY_SIZE(tests); i++ )
        {
            unsigned int vector = new_vector(&d);

            entry(&d, index, P | VECTOR(vector) | tests[i].dst, 0);
            set_state(&d, tests[i].flags, TABLE, 8);
            inject(&d, index);
            snprintf(name, sizeof(name), "xAPIC: %s", tests[i].name);
            check_pending(&d, vector, tests[i].vcpus, name);
        }

        for ( unsigned int i = 0; i < 2; i++ )
        {
            unsigned int vector = new_vector(&d);

            set_state(&d, i ? ENABLED | CFI : 0, TABLE, 8);
            inject_raw(&d, 0xfee00000U | (4 << 12), vector, SID);
            check_pending(&d, vector, 4,
                          i ? "xAPIC: compatibility format, CFI"
                            : "xAPIC: compatibility format, off");
        }

        domain_kill(&d);
    }
}

/*
 * Invalidation: an entry is used as it was cached until it's dropped, and never
 * after that.
 */
static void test_invalidation(void)
{
    static const struct {
        uint16_t index, mask;
    } invs[] = {
        { 8, 0 }, { 9, 1 }, { 10, 2 }, { 15, 3 }, { 255, 0 }, { 256, 0 },
        { 250, 4 }, { 256, 8 }, { 511, 9 }, { 513, 9 }, { 1023, 10 },
        { 0xffff, 0 }, { 0xfff0, 16 }, { 0, 16 },
    };
    const unsigned int order = 10, nr = 1U << order;
    struct xen_dm_op_viommu_get_info before, info;
    static const uint32_t ids[2] = { 0, 2 };
    struct dom d;

    section("invalidation");

    if ( !viommu_make(&d, 2) )
        return;

    check_rc(set_state(&d, ENABLED | EIM, TABLE, order), 0, "set_state");

    for ( unsigned int n = 0; n < ARRAY_SIZE(invs) + 2; n++ )
    {
        bool state = n > ARRAY_SIZE(invs), global = n == ARRAY_SIZE(invs);
        unsigned int index = global || state ? 0 : invs[n].index;
        unsigned int mask = global || state ? 16 : invs[n].mask;
        unsigned int stale = 0, fresh = 0, wrong = 0, expected = 0;

        /* Cached entries are present, those in the table aren't. */
        for ( unsigned int i = 0; i < nr; i++ )
            entry(&d, i, P | VECTOR(0x40), 0);
        inv_global(&d);
        for ( unsigned int i = 0; i < nr; i++ )
            inject(&d, i);
        for ( unsigned int i = 0; i < nr; i++ )
            entry(&d, i, FPD, 0);

        before = get_info(&d);
        for ( unsigned int i = 0; i < nr; i++ )
            inject(&d, i);
        info = get_info(&d);
        stale = info.hits - before.hits;

        if ( state )
            set_state(&d, ENABLED | EIM, TABLE, order);
        else if ( global )
            inv_global(&d);
        else
            inv_index(&d, index, mask);

        for ( unsigned int i = 0; i < nr; i++ )
        {
            bool dropped = i >> mask == index >> mask;
            uint64_t hits, faults;

            expected += dropped;
            /* That many look-ups of the counters take long in emulation. */
            if ( nr > 64 && !dropped && i % 37 )
                continue;
            if ( nr > 64 && dropped && mask > 4 && i % 13 )
                continue;

            before = get_info(&d);
            inject(&d, i);
            info = get_info(&d);
            hits = info.hits - before.hits;
            faults = info.faults[2] - before.faults[2];
            fresh += faults;
            if ( dropped ? hits || faults != 1 : hits != 1 || faults )
                wrong++;
        }

        info = get_info(&d);
        check(stale == nr && !wrong && info.cached == nr - expected,
              "%s index %#x mask %u: %u old before; after it %u by the table, "
              "%u wrong, %u still cached, expected %u",
              state ? "set_state," : global ? "global," : "by index,", index,
              mask, stale, fresh, wrong, info.cached, nr - expected);
    }

    check_fault(&d, "none of that was told, by FPD", 0, 0, 0);

    /* The same by where interrupts arrive. */
    set_lapics(&d, ids, true);
    for ( unsigned int n = 0; n < 4; n++ )
    {
        unsigned int old = new_vector(&d), new = new_vector(&d), vcpus;

        entry(&d, 3, P | VECTOR(old) | DST(0), 0);
        inv_index(&d, 3, 0);
        inject(&d, 3);
        check_pending(&d, old, 1, "entry");
        entry(&d, 3, P | VECTOR(new) | DST(2), 0);
        inject(&d, 3);
        check_pending(&d, new, 0, "changed entry, before the invalidation");
        switch ( n )
        {
        case 0: inv_index(&d, 3, 0); break;
        case 1: inv_index(&d, 0, 3); break;
        case 2: inv_global(&d); break;
        case 3: set_state(&d, ENABLED | EIM, TABLE, order); break;
        }
        inject(&d, 3);
        check_pending(&d, new, 2, "changed entry, after the invalidation");
        vcpus = pending(&d, old);
        check(vcpus == 1, "the old vector came to vCPUs %#x, expected 0x1",
              vcpus);
    }

    /* Another table. */
    {
        unsigned int one = new_vector(&d), two = new_vector(&d);

        entry(&d, 3, P | VECTOR(one) | DST(0), 0);
        entry_at(&d, SPARE_GFN, 3, P | VECTOR(two) | DST(0), 0);
        set_state(&d, ENABLED | EIM, TABLE, order);
        inject(&d, 3);
        set_state(&d, ENABLED | EIM, (uint64_t)SPARE_GFN << XC_PAGE_SHIFT,
                  order);
        check_pending(&d, two, 0, "second table, before");
        inject(&d, 3);
        check_pending(&d, two, 1, "second table, after");
        set_state(&d, ENABLED | EIM, (uint64_t)SPARE_GFN << XC_PAGE_SHIFT, 1);
        check_inject(&d, "shrunk table", 3, 0x21);
    }

    domain_kill(&d);
}

/* Tables where none should be. */
static void test_places(void)
{
    static const struct {
        const char *name;
        uint64_t table;
    } places[] = {
        { "hole above RAM", (uint64_t)HOLE_GFN << XC_PAGE_SHIFT },
        { "just above RAM", (uint64_t)RAM_PAGES << XC_PAGE_SHIFT },
        { "LAPIC", 0xfee00000U },
        { "IO-APIC", 0xfec00000U },
        { "the unit's registers", 0xfed90000U },
        { "end of 4 GiB", 0xfffff000U },
        { "4 GiB", 1ULL << 32 },
        { "1 TiB", 1ULL << 40 },
        { "2^48 - 1 MiB", (1ULL << 48) - (1ULL << 20) },
        { "2^52", 1ULL << 52 },
        { "2^56", 1ULL << 56 },
        { "2^63", 1ULL << 63 },
        { "2^64 - 4 KiB", ~0xfffULL },
    };
    const uint64_t good = P | VECTOR(0x40);
    struct dom d, other;
    xen_ulong_t idx = 5;
    xen_pfn_t gfn;
    int rc, error = 0;

    section("places for a table");

    if ( !viommu_make(&d, 2) )
        return;

    for ( unsigned int i = 0; i < ARRAY_SIZE(places); i++ )
    {
        check_rc(set_state(&d, ENABLED | EIM, places[i].table, 16), 0,
                 places[i].name);
        check_inject(&d, places[i].name, 0, 0x23);
        check_inject(&d, places[i].name, 0xffff, 0x23);
        check_rc(inv_index(&d, 0, 0), 0, places[i].name);
        check_rc(inv_global(&d), 0, places[i].name);
        check_inject(&d, places[i].name, 0x1234, 0x23);
    }

    /* Partly in RAM. */
    entry_at(&d, RAM_PAGES - 2, 511, good, 0);
    set_state(&d, ENABLED, (RAM_PAGES - 2ULL) << XC_PAGE_SHIFT, 16);
    check_inject(&d, "last entry in RAM", 511, 0);
    check_inject(&d, "next to the last entry in RAM", 512, 0x23);

    /* RAM that comes: seen when invalidated, by index or whole. */
    for ( unsigned int i = 0; i < 2; i++ )
    {
        uint64_t *page;

        gfn = HOLE_GFN + 1 + i;
        set_state(&d, ENABLED, (uint64_t)HOLE_GFN << XC_PAGE_SHIFT, 16);
        check_inject(&d, "hole", 256 + 256 * i, 0x23);
        check_rc(xc_domain_populate_physmap_exact(xch, d.id, 1, 0, 0, &gfn),
                 0, "RAM comes there");
        page = xenforeignmemory_map(fh, d.id, PROT_READ | PROT_WRITE, 1, &gfn,
                                    NULL);
        if ( page )
        {
            page[0] = good;
            page[1] = 0; /* Not what a debug build of Xen leaves in new RAM. */
            xenforeignmemory_unmap(fh, page, 1);
        }
        check_inject(&d, "RAM that came", 256 + 256 * i, 0x23);
        inv_index(&d, 255, 0);
        check_inject(&d, "RAM that came, another page invalidated",
                     256 + 256 * i, 0x23);
        if ( i )
            inv_global(&d);
        else
            inv_index(&d, 257, 0);
        check_inject(&d, "RAM that came, invalidated", 256 + 256 * i, 0);
    }

    /* RAM that goes: may be read until it's invalidated. */
    for ( unsigned int i = 0; i < 2; i++ )
    {
        uint64_t *page;

        gfn = HOLE_GFN + 1 + i;
        check_rc(xc_domain_decrease_reservation_exact(xch, d.id, 1, 0, &gfn),
                 0, "RAM is ballooned out");
        check_inject(&d, "RAM that went, cached", 256 + 256 * i, 0);
        if ( i )
            inv_global(&d);
        else
            inv_index(&d, 256, 0);
        check_inject(&d, "RAM that went, invalidated", 256 + 256 * i, 0x23);
        check_rc(xc_domain_populate_physmap_exact(xch, d.id, 1, 0, 0, &gfn),
                 0, "other RAM comes there");
        /* Or what was there before, with the same in it. */
        page = xenforeignmemory_map(fh, d.id, PROT_READ | PROT_WRITE, 1, &gfn,
                                    NULL);
        if ( page )
        {
            page[0] = 0;
            page[1] = 0;
            xenforeignmemory_unmap(fh, page, 1);
        }
        inv_global(&d);
        check_inject(&d, "other RAM", 256 + 256 * i, 0x22);
        check_rc(xc_domain_decrease_reservation_exact(xch, d.id, 1, 0, &gfn),
                 0, "it is ballooned out, with the table in it");
    }

    /* By type of memory. */
    set_state(&d, ENABLED, (uint64_t)SPARE_GFN << XC_PAGE_SHIFT, 8);
    entry_at(&d, SPARE_GFN, 1, good, 0);
    check_rc(xendevicemodel_set_mem_type(dh, d.id, HVMMEM_ram_ro, SPARE_GFN, 1),
             0, "RAM becomes read-only");
    inv_global(&d);
    check_inject(&d, "read-only RAM", 1, 0);
    check_rc(xendevicemodel_set_mem_type(dh, d.id, HVMMEM_ram_rw, SPARE_GFN, 1),
             0, "RAM becomes writable");
    check_rc(xendevicemodel_set_mem_type(dh, d.id, HVMMEM_mmio_dm, SPARE_GFN,
                                         1), 0, "RAM becomes emulated MMIO");
    inv_global(&d);
    check_inject(&d, "emulated MMIO", 1, 0x23);

    /* Pages of Xen's. */
    check_rc(xc_domain_add_to_physmap(xch, d.id, XENMAPSPACE_shared_info, 0,
                                      SPARE_GFN + 1), 0, "shared info");
    set_state(&d, ENABLED, (SPARE_GFN + 1ULL) << XC_PAGE_SHIFT, 8);
    check_rc(inject(&d, 255), 0, "table in the shared info");
    check_rc(xc_domain_add_to_physmap(xch, d.id, XENMAPSPACE_grant_table, 0,
                                      SPARE_GFN + 2), 0, "grant table");
    set_state(&d, ENABLED, (SPARE_GFN + 2ULL) << XC_PAGE_SHIFT, 8);
    check_rc(inject(&d, 255), 0, "table in the grant table");

    {
        fault_t f[64];
        uint32_t nr = ARRAY_SIZE(f), flags;

        check_rc(get_faults(&d, f, &nr, &flags), 0, "get_faults");
        for ( unsigned int i = 0; i < nr; i++ )
            check(f[i].sid == SID && f[i].index == 255 && f[i].reason > 0x20 &&
                  f[i].reason < 0x27, "fault %#x there", f[i].reason);
    }

    /* The machine's. */
    if ( xc_domain_iomem_permission(xch, d.id, 0xb8, 1, 1) ||
         xc_domain_memory_mapping(xch, d.id, HOLE_GFN + 17, 0xb8, 1,
                                  DPCI_ADD_MAPPING) )
        printf("  Skip: MMIO: %s\n", strerror(errno));
    else
    {
        set_state(&d, ENABLED, (HOLE_GFN + 17ULL) << XC_PAGE_SHIFT, 8);
        check_inject(&d, "the machine's MMIO", 0, 0x23);
        check_rc(xc_domain_memory_mapping(xch, d.id, HOLE_GFN + 17, 0xb8, 1,
                                          DPCI_REMOVE_MAPPING), 0,
                 "MMIO is taken away");
    }

    /* Another domain's, which this one may map. */
    if ( !hvm_make(&other, 1) )
        goto out;

    check_rc(xc_domain_set_target(xch, d.id, other.id), 0, "set_target");
    gfn = HOLE_GFN + 16;
    rc = xc_domain_add_to_physmap_batch(xch, d.id, other.id,
                                        XENMAPSPACE_gmfn_foreign, 1, &idx,
                                        &gfn, &error);
    if ( rc || error )
        printf("  Skip: foreign pages: %s\n", strerror(rc ? errno : -error));
    else
    {
        entry_at(&other, 5, 0, good, 0);
        set_state(&d, ENABLED, (uint64_t)gfn << XC_PAGE_SHIFT, 8);
        check_inject(&d, "another domain's page", 0, 0x23);
        check_rc(inv_global(&d), 0, "invalidate, global");
    }
    domain_kill(&other);

 out:
    domain_kill(&d);
}

/* Whether there's an event within @ms milliseconds; the port is unmasked. */
static bool got_event(int ms)
{
    struct pollfd p = { .fd = xenevtchn_fd(eh), .events = POLLIN };
    xenevtchn_port_or_error_t port;

    if ( poll(&p, 1, ms) != 1 )
        return false;

    port = xenevtchn_pending(eh);
    if ( port < 0 || xenevtchn_unmask(eh, port) )
    {
        check(false, "event channel: %s", strerror(errno));
        return false;
    }

    return true;
}

static void test_fault_ring(void)
{
    struct xen_dm_op_viommu_get_caps caps = {};
    struct xen_dm_op_viommu_get_info before, info;
    xenevtchn_port_or_error_t local;
    unsigned int max, bad;
    fault_t f[256];
    uint32_t nr, flags;
    struct xen_dm_op op;
    evtchn_port_t port;
    struct dom d;

    section("fault records");

    if ( !hvm_make(&d, 2) )
        return;

    check_rc(xendevicemodel_viommu_get_caps(dh, d.id, &caps), 0, "get_caps");
    max = caps.max_faults;
    if ( max >= ARRAY_SIZE(f) - 1 )
        errx(1, "%u faults", max);

    check_rc(xendevicemodel_viommu_create(dh, d.id, XEN_DMOP_VIOMMU_TYPE_VTD,
                                          IOAPIC_SID, &port), 0, "create");
    local = xenevtchn_bind_interdomain(eh, d.id, port);
    check(local > 0, "bind the event channel: %d", local);
    got_event(200); /* Binding raises one. */
    check(!got_event(50), "no event before there is a fault");

    /* Unconsumed before the unit is on? */
    inject(&d, 1);
    check(!got_event(50), "no event when off");
    set_state(&d, ENABLED | EIM, TABLE, 8);
    inject(&d, 0);
    check(got_event(1000), "event with the first fault");
    inject(&d, 1);
    check(!got_event(50), "no event with the second");
    nr = 1;
    check_rc(get_faults(&d, f, &nr, &flags), 0, "get_faults, first of two");
    check(nr == 1 && f[0].index == 0, "it's the oldest");
    inject(&d, 2);
    check(!got_event(50), "no event while there are some");
    nr = 2;
    check_rc(get_faults(&d, f, &nr, &flags), 0, "get_faults, just as many");
    check(nr == 2 && f[0].index == 1 && f[1].index == 2, "in their order");
    inject(&d, 3);
    check(!got_event(50), "no event while it wasn't told that there are none");
    nr = 5;
    check_rc(get_faults(&d, f, &nr, &flags), 0, "get_faults, all");
    check(nr == 1 && f[0].index == 3, "%u", nr);
    inject(&d, 4);
    check(got_event(1000), "event with the next fault");

    /* Overflow. */
    before = get_info(&d);
    for ( unsigned int i = 0; i < 2 * max; i++ )
        inject(&d, i & 0xff);
    info = get_info(&d);
    check(info.faults_lost - before.faults_lost == max + 1 &&
          info.faults[2] - before.faults[2] == 2 * max,
          "overflow: %"PRIu64" of %"PRIu64" lost, expected %u of %u",
          info.faults_lost - before.faults_lost,
          info.faults[2] - before.faults[2], max + 1, 2 * max);
    nr = max;
    check_rc(get_faults(&d, f, &nr, &flags), 0, "get_faults");
    for ( bad = 0; bad < nr; bad++ )
        if ( f[bad].sid != SID || f[bad].reason != 0x22 ||
             f[bad].index != (bad ? bad - 1 : 4) )
            break;
    check(nr == max && bad == nr && !flags,
          "%u faults, the oldest, %u in order, flags %#x", nr, bad, flags);
    inject(&d, 0x55);
    nr = max;
    check_rc(get_faults(&d, f, &nr, &flags), 0, "get_faults");
    check(nr == 1 && f[0].index == 0x55 &&
          flags == XEN_DMOP_VIOMMU_FAULTS_LOST,
          "after the last of them: %u more, flags %#x", nr, flags);
    nr = 1;
    check_rc(get_faults(&d, f, &nr, &flags), 0, "get_faults");
    check(!nr && !flags, "told once: %u, flags %#x", nr, flags);
    got_event(100);

    /* A buffer that can't be written: nothing is to be lost by that. */
    inject(&d, 0x56);
    inject(&d, 0x57);
    op = make_op(6);
    op.u.viommu_get_faults.nr = 4;
    check_rc(raw_op(d.id, 2, &op, sizeof(op), (void *)8, 4 * sizeof(*f)),
             EFAULT, "get_faults, bad buffer");
    nr = 4;
    check_rc(get_faults(&d, f, &nr, &flags), 0, "get_faults");
    check(nr == 2 && !flags && f[0].index == 0x56 && f[1].index == 0x57,
          "faults are still there: %u, flags %#x", nr, flags);
    got_event(100);

    /* Neither a new unit nor another table has the old faults. */
    inject(&d, 0x58);
    set_state(&d, 0, 0, 0);
    check_fault(&d, "off, with a fault from before", 0x22, SID, 0x58);
    set_state(&d, ENABLED | EIM, TABLE, 8);
    inject(&d, 0x59);
    check_rc(xendevicemodel_viommu_destroy(dh, d.id), 0, "destroy");
    check_rc(xendevicemodel_viommu_create(dh, d.id, XEN_DMOP_VIOMMU_TYPE_VTD,
                                          IOAPIC_SID, &port), 0, "create");
    check_fault(&d, "a new unit", 0, 0, 0);
    check_rc(xenevtchn_unbind(eh, local), 0, "unbind");
    local = xenevtchn_bind_interdomain(eh, d.id, port);
    check(local > 0, "bind the new unit's event channel: %d", local);
    got_event(200);
    set_state(&d, ENABLED | EIM, TABLE, 8);
    inject(&d, 1);
    check(got_event(1000), "event of the new unit");
    check_fault(&d, "new unit", 0x22, SID, 1);

    /* Left bound, with a fault, when the domain goes. */
    inject(&d, 2);
    domain_kill(&d);
    if ( local > 0 )
        xenevtchn_unbind(eh, local);
}

/* The IO-APIC's requests. */
static void test_ioapic(void)
{
    static const uint32_t ids[2] = { 0, 300 };
    HVM_SAVE_TYPE(IOAPIC) ioapic;
    struct dom d;
    int size;
    uint8_t *buf;
    const unsigned int pin = 4;

    section("IO-APIC");

    if ( !viommu_make(&d, 2) )
        return;

    set_lapics(&d, ids, true);
    check_rc(set_state(&d, ENABLED | EIM, TABLE, 16), 0, "set_state");

    buf = get_context(&d, &size);
    if ( !buf ||
         find_record(buf, size, HVM_SAVE_CODE(IOAPIC), 0, &ioapic,
                     sizeof(ioapic)) != sizeof(ioapic) )
    {
        check(false, "no IO-APIC in the context");
        free(buf);
        goto out;
    }
    free(buf);

    for ( unsigned int n = 0; n < 8; n++ )
    {
        static const struct {
            const char *name;
            unsigned int index;
            bool compat, present;
            uint16_t sid;
            unsigned int reason;
        } tests[] = {
            { "entry", 100, false, true, IOAPIC_SID, 0 },
            { "entry again", 100, false, true, IOAPIC_SID, 0 },
            { "handle with bit 15", 0x8123, false, true, IOAPIC_SID, 0 },
            { "not present", 101, false, false, 0, 0x22 },
            { "another source id", 102, false, true, SID, 0x26 },
            { "compatibility format", 0, true, false, 0, 0x25 },
            { "entry after faults", 103, false, true, IOAPIC_SID, 0 },
            { "last entry", 0xffff, false, true, IOAPIC_SID, 0 },
        };
        unsigned int vector = new_vector(&d), index = tests[n].index;
        const struct record r = { HVM_SAVE_CODE(IOAPIC), 0, sizeof(ioapic),
                                  &ioapic };

        entry(&d, index, tests[n].present ? P | VECTOR(vector) | DST(300) : 0,
              ENTRY_SID(tests[n].sid));
        inv_index(&d, index, 0);
        ioapic.redirtbl[pin].bits = tests[n].compat ? vector :
            ((uint64_t)(index & 0x7fff) << 49) | (1ULL << 48) |
            ((index & 0x8000) >> 4) | (pin + 1);
        check_rc(set_records(&d, &r, 1), 0, tests[n].name);
        check_rc(xendevicemodel_set_isa_irq_level(dh, d.id, pin, 1), 0,
                 "assert");
        check_rc(xendevicemodel_set_isa_irq_level(dh, d.id, pin, 0), 0,
                 "deassert");
        check_pending(&d, vector, tests[n].reason ? 0 : 2, tests[n].name);
        check_fault(&d, tests[n].name, tests[n].reason, IOAPIC_SID, index);
    }

 out:
    domain_kill(&d);
}

/* LAPIC records of the context. */

static bool same_context(const struct dom *d, const uint8_t *old, int old_size)
{
    static HVM_SAVE_TYPE(LAPIC_REGS) regs[2];
    HVM_SAVE_TYPE(LAPIC) hw[2];
    int size, len[2];
    uint8_t *buf = get_context(d, &size);
    bool same = buf;

    for ( unsigned int i = 0; same && i < d->vcpus; i++ )
    {
        memset(hw, 0, sizeof(hw));
        len[0] = find_record(old, old_size, HVM_SAVE_CODE(LAPIC), i, &hw[0],
                             sizeof(hw[0]));
        len[1] = find_record(buf, size, HVM_SAVE_CODE(LAPIC), i, &hw[1],
                             sizeof(hw[1]));
        same = len[0] > 0 && len[0] == len[1] &&
               !memcmp(&hw[0], &hw[1], sizeof(hw[0]));

        len[0] = find_record(old, old_size, HVM_SAVE_CODE(LAPIC_REGS), i,
                             &regs[0], sizeof(regs[0]));
        len[1] = find_record(buf, size, HVM_SAVE_CODE(LAPIC_REGS), i,
                             &regs[1], sizeof(regs[1]));
        same = same && len[0] == sizeof(regs[0]) && len[0] == len[1] &&
               !memcmp(&regs[0], &regs[1], sizeof(regs[0]));
    }

    free(buf);

    return same;
}

static void test_lapic_records(void)
{
    static const uint32_t ids[MAX_VCPUS] = { 0, 4, 300, 0xffe };
    const unsigned int old_len = offsetof(HVM_SAVE_TYPE(LAPIC), x2apic_id);
    HVM_SAVE_TYPE(LAPIC) hw[MAX_VCPUS], got;
    struct record r[MAX_VCPUS];
    uint8_t *before, longer[sizeof(hw[0]) + 8] = {};
    unsigned int vector;
    struct dom d;
    char name[80];
    int size, len;

    section("LAPIC records");

    if ( !viommu_make(&d, MAX_VCPUS) )
        return;

    /* As it was made: IDs which no record needs to tell. */
    for ( unsigned int i = 0; i < MAX_VCPUS; i++ )
    {
        len = get_lapic(&d, i, &got);
        check(len == old_len, "vCPU %u as made: record of %d, expected %u", i,
              len, old_len);
    }

    check(set_lapics(&d, ids, true), "other IDs");
    for ( unsigned int i = 0; i < MAX_VCPUS; i++ )
    {
        static HVM_SAVE_TYPE(LAPIC_REGS) regs;
        unsigned int expected = ids[i] == 2 * i ? old_len : sizeof(got);

        hw[i] = make_lapic(i, ids[i], true);
        len = get_lapic(&d, i, &got);
        /* A short record ends before the ID. */
        if ( len == old_len )
            got.x2apic_id = 2 * i;
        check(len == expected && !memcmp(&got, &hw[i], sizeof(got)),
              "vCPU %u: record of %d, ID %#x, expected %u, %#x", i, len,
              got.x2apic_id, expected, ids[i]);
        if ( get_regs(&d, i, &regs) )
            check(get_reg(&regs, REG_ID) == ids[i], "vCPU %u: register %#x", i,
                  get_reg(&regs, REG_ID));
        r[i] = (struct record){ HVM_SAVE_CODE(LAPIC), i, sizeof(hw[i]),
                                &hw[i] };
    }

    check_rc(xc_domain_unpause(xch, d.id), 0, "unpause");
    before = get_context(&d, &size);
    if ( !before )
        goto out;

    check_rc(set_records(&d, r, MAX_VCPUS), 0, "the same again");
    check(same_context(&d, before, size), "nothing changed");

    /* What has to be refused, in one record or in all together. */
    for ( unsigned int n = 0; n < 24; n++ )
    {
        struct record bad[MAX_VCPUS];
        unsigned int nr = MAX_VCPUS;
        int error = EINVAL;

        for ( unsigned int i = 0; i < MAX_VCPUS; i++ )
            hw[i] = make_lapic(i, ids[i] ^ 0x10, true);
        memcpy(bad, r, sizeof(bad));

        switch ( n )
        {
        case 0: hw[3].x2apic_id = hw[0].x2apic_id; break;
        case 1: hw[1].x2apic_id = hw[2].x2apic_id; break;
        case 2: hw[2].x2apic_id = hw[1].x2apic_id = 7; break;
        /* Twice what a record doesn't tell. */
        case 3: hw[0].x2apic_id = 2; bad[1].len = old_len; break;
        /* Another vCPU's, which has no record. */
        case 4: hw[0].x2apic_id = ids[3]; nr = 1; break;
        case 5: hw[0].x2apic_id = ids[1]; nr = 1; break;
        case 6: hw[3].x2apic_id = 0x1000; break;
        case 7: hw[0].x2apic_id = 0xffff; break;
        case 8: hw[0].x2apic_id = 0x10000; break;
        case 9: hw[3].x2apic_id = 0x80000000U; break;
        case 10: hw[3].x2apic_id = ~0U; break;
        case 11: hw[3].rsvd_zero0 = 1; break;
        case 12: hw[3].rsvd_zero0 = 0x80000000U; break;
        case 13: hw[3].rsvd_zero1 = 1; break;
        case 14: hw[3].rsvd_zero1 = 0x80000000U; break;
        /* Neither what there was before nor what there is. */
        case 15: bad[3].len = old_len + 1; break;
        case 16: bad[3].len = old_len + 4; break;
        case 17: bad[3].len = sizeof(hw[3]) - 1; break;
        case 18:
            memcpy(longer, &hw[3], sizeof(hw[3]));
            bad[3].data = longer;
            bad[3].len = sizeof(longer);
            error = ENODATA;
            break;
        case 19: bad[3].instance = MAX_VCPUS; break;
        case 20: bad[3].instance = 0xffff; break;
        /* EXTD without EN. */
        case 21: hw[3].apic_base_msr &= ~(uint64_t)BASE_EN; break;
        /* One vCPU twice: the last one counts. */
        case 22:
            bad[3].instance = 0;
            hw[3].x2apic_id = hw[1].x2apic_id;
            break;
        case 23: hw[1].x2apic_id = ids[2]; nr = 2; break;
        }

        for ( unsigned int i = 0; i < MAX_VCPUS; i++ )
            if ( bad[i].data != longer )
                bad[i].data = &hw[i];

        snprintf(name, sizeof(name), "bad records, %u", n);
        check_rc(set_records(&d, bad, nr), error, name);
        check(same_context(&d, before, size), "%s: nothing changed", name);
    }
    free(before);

    /* The IDs still are those of before, for interrupts too. */
    check_rc(set_state(&d, ENABLED | EIM, TABLE, 8), 0, "set_state");
    vector = new_vector(&d);
    entry(&d, 0, P | VECTOR(vector) | DST(300), 0);
    inject(&d, 0);
    check_pending(&d, vector, 4, "ID 300");

    /* Swapped IDs are different ones; and interrupts follow. */
    for ( unsigned int i = 0; i < MAX_VCPUS; i++ )
        hw[i] = make_lapic(i, ids[i ^ 1], true);
    check_rc(set_records(&d, r, MAX_VCPUS), 0, "IDs swapped");
    for ( unsigned int i = 0; i < MAX_VCPUS; i++ )
    {
        len = get_lapic(&d, i, &got);
        if ( len == old_len )
            got.x2apic_id = 2 * i;
        check(!memcmp(&got, &hw[i], sizeof(got)), "vCPU %u: ID %#x", i,
              got.x2apic_id);
    }
    vector = new_vector(&d);
    entry(&d, 0, P | VECTOR(vector) | DST(300), 0);
    inv_global(&d);
    inject(&d, 0);
    check_pending(&d, vector, 8, "ID 300");

    /* One alone, to an ID that was free. */
    hw[0] = make_lapic(0, 0x7fe, true);
    check_rc(set_records(&d, r, 1), 0, "one record");
    len = get_lapic(&d, 0, &got);
    check(len == sizeof(got) && got.x2apic_id == 0x7fe, "ID %#x of %d",
          got.x2apic_id, len);

    /* Short ones, as other versions write them, with anything for padding. */
    for ( unsigned int n = 0; n < 4; n++ )
    {
        static const unsigned int lens[] = { 32, 28, 24, 16 };

        check(set_lapics(&d, ids, true), "other IDs");
        for ( unsigned int i = 0; i < MAX_VCPUS; i++ )
        {
            hw[i] = make_lapic(i, 0x5555, true);
            hw[i].rsvd_zero0 = 0xdeadbeef;
            hw[i].tdt_msr = 0;
            r[i].len = lens[n];
        }
        snprintf(name, sizeof(name), "records of %u", lens[n]);
        check_rc(set_records(&d, r, MAX_VCPUS), 0, name);
        for ( unsigned int i = 0; i < MAX_VCPUS; i++ )
        {
            static HVM_SAVE_TYPE(LAPIC_REGS) regs;

            len = get_lapic(&d, i, &got);
            check(len == old_len && got.rsvd_zero0 == 0 &&
                  got.apic_base_msr == hw[i].apic_base_msr,
                  "vCPU %u: record of %d, padding %#x", i, len,
                  got.rsvd_zero0);
            if ( get_regs(&d, i, &regs) )
                check(get_reg(&regs, REG_ID) == 2 * i, "vCPU %u: ID %#x", i,
                      get_reg(&regs, REG_ID));
        }
        vector = new_vector(&d);
        entry(&d, 0, P | VECTOR(vector) | DST(6), 0);
        inv_global(&d);
        inject(&d, 0);
        check_pending(&d, vector, 8, "ID 6");
    }

    /* xAPIC mode holds all 32 bits too. */
    {
        static const uint32_t low[MAX_VCPUS] = { 0, 8, 300, 0xffe };

        check(set_lapics(&d, low, false), "IDs in xAPIC mode");
        for ( unsigned int i = 1; i < MAX_VCPUS; i++ )
        {
            len = get_lapic(&d, i, &got);
            check(len == sizeof(got) && got.x2apic_id == low[i],
                  "vCPU %u: ID %#x of %d", i, got.x2apic_id, len);
        }
    }

    /* Streams that end early or have nonsense in them. */
    {
        struct hvm_save_descriptor *desc;
        uint8_t *buf = get_context(&d, &size), *copy;
        unsigned int accepted = 0, tried = 0;

        copy = buf ? malloc(size) : NULL;
        for ( int cut = 0; copy && cut < size; cut += cut < 64 ? 1 : 997 )
        {
            tried++;
            memcpy(copy, buf, cut);
            accepted += !xc_domain_hvm_setcontext(xch, d.id, copy, cut);
        }
        check(!accepted, "%u contexts cut short: %u accepted", tried,
              accepted);
        if ( copy )
        {
            check_rc(xc_domain_hvm_setcontext(xch, d.id, buf, size), 0,
                     "the whole of it");
            memcpy(copy, buf, size);
            desc = (void *)copy;
            desc = (void *)(desc + 1) + desc->length;
            desc->length = 0xfffffff0U;
            check(xc_domain_hvm_setcontext(xch, d.id, copy, size) &&
                  (errno == ENODATA || errno == EINVAL),
                  "a record of 4 GiB: %s", strerror(errno));
        }
        free(copy);
        free(buf);
    }

 out:
    domain_kill(&d);

    if ( domain_make(&d, PVH, 2, 1) )
    {
        static const uint32_t pvh[2] = { 0, 300 };

        if ( xc_domain_max_vcpus(xch, d.id, 2) )
            check(false, "vCPUs of PVH: %s", strerror(errno));
        check(set_lapics(&d, pvh, true), "PVH: IDs");
        len = get_lapic(&d, 1, &got);
        check(len == sizeof(got) && got.x2apic_id == 300, "PVH: ID %#x of %d",
              got.x2apic_id, len);
        domain_kill(&d);
    }
}

/*
 * Random operations against a model of the unit.
 */

static const uint16_t sids[] = { 0x0100, 0x0101, 0x0104, 0x0200, 0xff00,
                                 IOAPIC_SID };

static struct model {
    bool exists;
    uint32_t flags, order;
    uint64_t table;
    struct {
        uint64_t lo, hi;
        bool cached;
    } entries[0x10000];
    unsigned int cached;
    struct xen_dm_op_viommu_get_info info;
    fault_t ring[64];
    unsigned int nr_faults;
    bool lost;
} model;

static void model_drop(unsigned int index, unsigned int mask)
{
    for ( unsigned int i = 0; i < 0x10000; i++ )
        if ( i >> mask == index >> mask && model.entries[i].cached )
        {
            model.entries[i].cached = false;
            model.cached--;
        }
}

static unsigned int model_decode(uint64_t lo, uint64_t hi)
{
    unsigned int dlm = (lo >> 5) & 7;

    if ( !(lo & P) )
        return 0x22;

    if ( (lo & 0xff00f000U) || hi >> 20 || dlm == 3 || dlm == 6 ||
         (!(model.flags & EIM) && (lo & 0xffff00ff00000000ULL)) )
        return 0x24;

    return ((hi >> 18) & 3) == 3 ? 0x26 : 0;
}

static bool model_sid(uint64_t hi, uint16_t sid)
{
    unsigned int bus = sid >> 8;
    static const uint16_t mask[] = { 0xffff, 0xfffb, 0xfff9, 0xfff8 };

    switch ( (hi >> 18) & 3 )
    {
    case 0:
        return true;

    case 1:
        return !((hi ^ sid) & mask[(hi >> 16) & 3]);

    default:
        return bus >= ((hi >> 8) & 0xff) && bus <= (hi & 0xff);
    }
}

static void model_inject(const struct dom *d, uint64_t addr, uint32_t data,
                         uint16_t sid)
{
    unsigned int index = 0, reason = 0;
    bool fpd = false;

    if ( !(model.flags & ENABLED) )
    {
        /* The remappable format doesn't leave the unit's way, and isn't remapped. */
        if ( addr & 0x10 )
            model.info.compat++;
        return;
    }

    if ( !(addr & 0x10) )
    {
        if ( (model.flags & (EIM | CFI)) == CFI )
        {
            model.info.compat++;
            return;
        }
        reason = 0x25;
    }
    else
    {
        index = ((addr >> 5) & 0x7fff) | ((addr & 4) << 13);
        if ( addr >> 20 != 0xfee || ((addr & SHV) && data >> 16) )
            reason = 0x20;
        else
        {
            index += addr & SHV ? data : 0;
            if ( index >= 1U << model.order )
                reason = 0x21;
        }
    }

    if ( !reason )
    {
        uint64_t gfn = (model.table >> XC_PAGE_SHIFT) + index / 256;
        bool hit = model.entries[index].cached;
        uint64_t lo, hi;

        if ( hit )
        {
            model.info.hits++;
            lo = model.entries[index].lo;
            hi = model.entries[index].hi;
        }
        else
        {
            const uint64_t *e;

            model.info.misses++;
            if ( gfn >= RAM_PAGES )
            {
                reason = 0x23;
                goto fault;
            }
            e = entry_of(d, gfn, index % 256);
            lo = e[0];
            hi = e[1];
        }

        fpd = lo & FPD;
        reason = model_decode(lo, hi);

        /* Vectors that can't be aren't cached. */
        if ( !reason && !hit &&
             (((lo >> 5) & 7) > 1 || ((lo >> 16) & 0xff) >= 16) )
        {
            model.entries[index].cached = true;
            model.entries[index].lo = lo;
            model.entries[index].hi = hi;
            model.cached++;
        }

        if ( !reason && !model_sid(hi, sid) )
            reason = 0x26;
    }

 fault:
    if ( !reason )
        return;

    model.info.faults[reason - 0x20]++;
    if ( fpd )
        return;

    if ( model.nr_faults == ARRAY_SIZE(model.ring) )
    {
        model.lost = true;
        model.info.faults_lost++;
        return;
    }

    model.ring[model.nr_faults++] = (fault_t){
        .sid = sid, .index = index, .reason = reason,
    };
}

static const char *model_compare(const struct dom *d)
{
    struct xen_dm_op_viommu_get_info info = {};
    const struct xen_dm_op_viommu_get_info *m = &model.info;
    int rc = xendevicemodel_viommu_get_info(dh, d->id, &info);

    if ( !model.exists )
        return !rc ? "info without a unit" :
               errno != ENODEV ? "error without a unit" : NULL;

    if ( rc )
        return strerror(errno);
    if ( info.flags != model.flags || info.table != model.table ||
         info.order != model.order || info.ioapic_sid != IOAPIC_SID )
        return "state";
    if ( info.hits != m->hits )
        return "hits";
    if ( info.misses != m->misses )
        return "misses";
    if ( info.compat != m->compat )
        return "compatibility format";
    if ( info.inv_global != m->inv_global || info.inv_index != m->inv_index )
        return "invalidations";
    if ( memcmp(info.faults, m->faults, sizeof(info.faults)) )
        return "faults by reason";
    if ( info.faults_lost != m->faults_lost )
        return "lost faults";
    if ( info.cached != model.cached )
        return "cached entries";

    return NULL;
}

static uint64_t random_lo(uint64_t *s)
{
    uint64_t lo = P | VECTOR(random_of(s) & 0xff) |
                  DST((random_of(s) & 7) << (random_of(s) & 8));

    if ( !random_below(s, 16) )
        return random_of(s);
    if ( !random_below(s, 4) )
        lo |= DLM(random_below(s, 8));
    if ( !random_below(s, 4) )
        lo |= random_of(s) & (FPD | LOGICAL | RH | LEVEL);
    if ( !random_below(s, 8) )
        lo |= 1ULL << random_below(s, 64);
    if ( !random_below(s, 16) )
        lo &= ~P;

    return lo;
}

static uint64_t random_hi(uint64_t *s)
{
    uint64_t hi = ((uint64_t)random_below(s, 16) << 16) |
                  sids[random_below(s, ARRAY_SIZE(sids))];

    if ( random_below(s, 4) )
        hi &= ~(2ULL << 18);
    if ( random_below(s, 2) )
        hi &= ~(1ULL << 18);
    if ( !random_below(s, 16) )
        hi |= 1ULL << random_below(s, 64);

    return hi;
}

static unsigned int random_index(uint64_t *s)
{
    return random_below(s, 16) ? random_below(s, 24) * 509
                               : random_of(s) & 0xffff;
}

static uint64_t random_table(uint64_t *s)
{
    switch ( random_below(s, 12) )
    {
    case 0:
        return random_of(s) & ~0xfffULL;
    case 1:
        return (uint64_t)(RAM_PAGES - random_below(s, 8)) << XC_PAGE_SHIFT;
    default:
        return TABLE + (random_below(s, 2) << XC_PAGE_SHIFT);
    }
}

/* One operation on both; what differs, or NULL. */
static const char *model_step(const struct dom *d, uint64_t *s)
{
    unsigned int op = random_below(s, 64);
    int rc;

    if ( op < 36 )
    {
        uint64_t addr = msi_addr(random_index(s));
        uint32_t data = 0;
        uint16_t sid = sids[random_below(s, ARRAY_SIZE(sids))];

        if ( !random_below(s, 4) )
        {
            addr |= SHV;
            data = random_below(s, 2) * 509;
        }
        if ( !random_below(s, 16) )
            addr &= ~0x10ULL;
        if ( !random_below(s, 16) )
            addr ^= 1ULL << (20 + random_below(s, 44));
        if ( !random_below(s, 16) )
            data = random_of(s);

        rc = inject_raw(d, addr, data, sid);
        /* When off it's XEN_DMOP_inject_msi, which has errors of its own. */
        if ( !model.exists ? !rc || errno != ENODEV
                           : rc && (model.flags & ENABLED) )
            return "inject_msi";
        if ( model.exists )
            model_inject(d, addr, data, sid);
    }
    else if ( op < 52 )
    {
        unsigned int index = random_index(s);
        uint64_t gfn = (model.table >> XC_PAGE_SHIFT) + index / 256;

        if ( gfn < RAM_PAGES )
            entry_at(d, gfn, index % 256, random_lo(s), random_hi(s));
    }
    else if ( op < 57 )
    {
        unsigned int index = random_index(s);
        unsigned int mask = random_below(s, random_below(s, 8) ? 6 : 17);

        rc = inv_index(d, index, mask);
        if ( model.exists ? rc : !rc || errno != ENODEV )
            return "invalidate";
        if ( model.exists )
        {
            model_drop(index, mask);
            model.info.inv_index++;
        }
    }
    else if ( op == 57 && !random_below(s, 4) )
    {
        rc = inv_global(d);
        if ( model.exists ? rc : !rc || errno != ENODEV )
            return "invalidate, global";
        if ( model.exists )
        {
            model_drop(0, 16);
            model.info.inv_global++;
        }
    }
    else if ( op == 58 )
    {
        uint32_t flags = random_below(s, 8) ? ENABLED : 0;
        uint32_t order = random_below(s, 3) ? 13 + random_below(s, 4)
                                            : random_below(s, 20);
        uint64_t table = random_table(s) | (random_below(s, 16) ? 0 : 16);
        int error;

        flags |= random_of(s) & (EIM | CFI);
        if ( !random_below(s, 16) )
            flags |= 1U << random_below(s, 32);

        rc = set_state(d, flags, table, order);
        error = rc ? errno : 0;
        if ( !model.exists )
            return error == ENODEV ? NULL : "set_state without a unit";
        if ( (flags & ~(ENABLED | EIM | CFI)) ||
             ((flags & ENABLED) &&
              (!order || order > 16 || (table & 0xfff))) )
            return error == EINVAL ? NULL : "bad set_state";
        if ( error )
            return "set_state";

        model_drop(0, 16);
        model.flags = flags & ENABLED ? flags : 0;
        model.table = flags & ENABLED ? table : 0;
        model.order = flags & ENABLED ? order : 0;
    }
    else if ( op < 61 && !random_below(s, 4) )
    {
        fault_t f[80] = {};
        uint32_t nr = random_below(s, 80) + 1, asked = nr, flags;
        unsigned int n = min(asked, model.nr_faults);

        rc = get_faults(d, f, &nr, &flags);
        if ( !model.exists )
            return rc && errno == ENODEV ? NULL : "get_faults without a unit";
        if ( rc || nr != n )
            return "number of faults";
        if ( memcmp(f, model.ring, n * sizeof(*f)) )
            return "fault records";
        if ( flags != (n < asked && model.lost
                       ? XEN_DMOP_VIOMMU_FAULTS_LOST : 0) )
            return "flag of lost faults";
        if ( n < asked )
            model.lost = false;
        model.nr_faults -= n;
        memmove(model.ring, model.ring + n,
                model.nr_faults * sizeof(*model.ring));
    }
    else if ( op == 61 && !random_below(s, 4) )
    {
        rc = xendevicemodel_viommu_destroy(dh, d->id);
        if ( model.exists ? rc : !rc || errno != ENODEV )
            return "destroy";
        model_drop(0, 16);
        model.exists = false;
        model.flags = model.order = model.table = 0;
    }
    else if ( op == 62 )
    {
        evtchn_port_t port;

        rc = xendevicemodel_viommu_create(dh, d->id, XEN_DMOP_VIOMMU_TYPE_VTD,
                                          IOAPIC_SID, &port);
        if ( model.exists ? !rc || errno != EEXIST : rc )
            return "create";
        if ( !model.exists )
        {
            model.exists = true;
            model.nr_faults = 0;
            model.lost = false;
        }
    }
    else
        return model_compare(d);

    return NULL;
}

static void test_random(void)
{
    uint64_t s = seed;
    const char *bad = NULL;
    unsigned int n;
    struct dom d;

    section("random operations");

    if ( !hvm_make(&d, 2) )
        return;

    memset(&model, 0, sizeof(model));
    for ( n = 0; n < nr_ops && !bad; n++ )
        bad = model_step(&d, &s);
    if ( !bad )
        bad = model_compare(&d);

    check(!bad, "%u operations with seed %#"PRIx64": %s%s", n, seed,
          bad ? "unlike the model: " : "all like the model", bad ?: "");
    printf("  note: hits %"PRIu64" misses %"PRIu64" compat %"PRIu64
           " lost %"PRIu64" faults", model.info.hits, model.info.misses,
           model.info.compat, model.info.faults_lost);
    for ( unsigned int i = 0; i < 7; i++ )
        printf(" %"PRIu64, model.info.faults[i]);
    printf("\n");

    domain_kill(&d);
}

/*
 * Destruction.
 */

static uint64_t free_pages(void)
{
    xc_physinfo_t info;

    if ( xc_physinfo(xch, &info) )
        err(1, "xc_physinfo");

    return info.free_pages;
}

/* Wait for a domain to be gone, with all that others still do for it. */
static bool gone(uint32_t domid)
{
    for ( unsigned int i = 0; i < 500; i++ )
    {
        if ( xc_domain_getinfo_single(xch, domid, NULL) && errno == ESRCH )
            return true;
        usleep(10000);
    }

    return false;
}

static uint64_t wait_free_pages(uint64_t expected)
{
    uint64_t now = 0;

    for ( unsigned int i = 0; i < 500; i++ )
    {
        now = free_pages();
        if ( now >= expected )
            break;
        usleep(10000);
    }

    return now;
}

static void check_gone(uint32_t domid, const char *what)
{
    bool ok = gone(domid);

    check(ok, "%s: d%u %s", what, domid, ok ? "is gone" : "is still there");
}

/* Operations of a device model that knows no shame. */
struct hostile {
    uint32_t domid;
    uint64_t seed;
    unsigned int ops;
    volatile bool stop;
    uint64_t *table;
};

static void *hostile(void *arg)
{
    struct hostile *h = arg;
    uint64_t *s = &h->seed;
    xendevicemodel_handle *dm = xendevicemodel_open(NULL, 0);
    xc_interface *xc = xc_interface_open(NULL, NULL, 0);

    while ( dm && xc && !h->stop )
    {
        unsigned int op = random_below(s, 24);
        int rc = 0;

        h->ops++;

        switch ( op )
        {
        default:
            rc = xendevicemodel_viommu_inject_msi(
                dm, h->domid, !random_below(s, 16), random_of(s),
                msi_addr(random_index(s)) |
                (random_below(s, 8) ? 0 : random_of(s)),
                random_below(s, 2) ? random_of(s) : 0);
            break;

        case 0: case 1: case 2: case 3: case 4:
        {
            unsigned int i = random_index(s);

            h->table[2 * i] = random_lo(s);
            h->table[2 * i + 1] = random_hi(s);
            break;
        }

        case 5: case 6:
            rc = xendevicemodel_viommu_invalidate(
                dm, h->domid, !random_below(s, 4), random_of(s),
                random_below(s, 17));
            break;

        case 7: case 8: case 9:
            rc = xendevicemodel_viommu_set_state(
                dm, h->domid, random_of(s) & (random_of(s) & 1 ? 7 : 1),
                random_below(s, 4) ? TABLE : random_table(s),
                random_below(s, 18));
            break;

        case 10:
        {
            fault_t f[64];
            uint32_t nr = random_below(s, 64) + 1, flags;

            rc = xendevicemodel_viommu_get_faults(dm, h->domid, f, &nr,
                                                  &flags);
            break;
        }

        case 11:
            rc = xendevicemodel_set_isa_irq_level(dm, h->domid,
                                                  random_below(s, 16),
                                                  random_below(s, 2));
            break;

        case 12:
            rc = xendevicemodel_inject_msi(dm, h->domid, random_of(s),
                                           random_of(s));
            break;

        case 13:
        {
            xen_pfn_t gfn = TABLE_GFN + random_below(s, RAM_PAGES - TABLE_GFN);

            if ( random_below(s, 2) )
                rc = xc_domain_decrease_reservation_exact(xc, h->domid, 1, 0,
                                                          &gfn);
            else
                rc = xc_domain_populate_physmap(xc, h->domid, 1, 0, 0, &gfn);
            /* Either may be refused. */
            rc = 0;
            break;
        }

        case 14: case 15:
        {
            evtchn_port_t port;

            rc = xendevicemodel_viommu_create(dm, h->domid,
                                              XEN_DMOP_VIOMMU_TYPE_VTD,
                                              random_of(s), &port);
            break;
        }

        case 16:
            if ( !random_below(s, 4) )
                rc = xendevicemodel_viommu_destroy(dm, h->domid);
            break;
        }

        if ( rc && errno == ESRCH )
            break;
    }

    if ( !dm || !xc )
        h->ops = 0;
    xendevicemodel_close(dm);
    xc_interface_close(xc);

    return NULL;
}

static void test_destruction(void)
{
    static struct dom d;
    uint64_t before = 0, after, s = seed ^ 0x5851f42d4c957f2dULL;
    xc_domaininfo_t list[64];
    int n;

    section("destruction");

    /* The first time pools grow. */
    for ( unsigned int round = 0; round < 13; round++ )
    {
        uint32_t domid;

        if ( !viommu_make(&d, 4) )
            return;
        domid = d.id;
        if ( round & 1 && xc_domain_unpause(xch, d.id) )
            check(false, "unpause: %s", strerror(errno));

        set_state(&d, ENABLED | EIM | (round & 2 ? CFI : 0), TABLE, 16);
        for ( unsigned int i = 0; i < 0x10000; i += 509 )
        {
            entry(&d, i, P | (i & 512 ? VECTOR(0x40) : 0) | (i & 8 ? FPD : 0),
                  i & 16 ? ENTRY_SID(5) : 0);
            inject(&d, i);
        }
        if ( round & 4 )
        {
            xen_pfn_t gfn = TABLE_GFN + 3;

            if ( xc_domain_decrease_reservation_exact(xch, d.id, 1, 0, &gfn) )
                check(false, "balloon out: %s", strerror(errno));
        }
        if ( round == 10 )
            set_state(&d, 0, 0, 0);
        if ( round == 11 )
            xendevicemodel_viommu_destroy(dh, d.id);
        domain_kill(&d);
        check_gone(domid, "unit on, cache and faults full");

        if ( round == 2 )
        {
            usleep(500000);
            before = free_pages();
        }
    }
    after = wait_free_pages(before);
    check(after + 4 >= before, "10 domains left %"PRId64" pages behind",
          before - after);

    /* Destruction while a device model is at work. */
    before = free_pages();
    for ( unsigned int round = 0; round < 20; round++ )
    {
        struct hostile h = { .seed = random_of(&s) | 1 };
        uint64_t first = h.seed;
        unsigned int us = random_below(&s, round & 1 ? 5000 : 80000);
        uint32_t domid;
        pthread_t thread;
        bool ok;

        if ( !viommu_make(&d, 3) )
            return;
        domid = h.domid = d.id;
        h.table = entry_of(&d, TABLE_GFN, 0);
        if ( random_below(&s, 2) )
            xc_domain_unpause(xch, d.id);

        if ( pthread_create(&thread, NULL, hostile, &h) )
            err(1, "pthread_create");
        usleep(us);
        ok = !xc_domain_destroy(xch, domid);
        h.stop = true;
        pthread_join(thread, NULL);
        xenforeignmemory_unmap(fh, d.ram, RAM_PAGES);
        ok = gone(domid) && ok;
        check(ok, "destroyed after %u us and %u operations, seed %#"PRIx64
              ": d%u %s", us, h.ops, first, domid,
              ok ? "is gone" : "is still there");
    }
    after = wait_free_pages(before);
    check(after + 4 >= before, "20 domains left %"PRId64" pages behind",
          before - after);

    /* Reset, after which another device model comes. */
    if ( hvm_make(&d, 2) )
    {
        xenevtchn_port_or_error_t local;
        uint32_t domid = d.id;
        evtchn_port_t port;
        fault_t f;
        uint32_t nr = 1, flags;

        check_rc(xendevicemodel_viommu_create(dh, d.id,
                                              XEN_DMOP_VIOMMU_TYPE_VTD,
                                              IOAPIC_SID, &port), 0, "create");
        local = xenevtchn_bind_interdomain(eh, d.id, port);
        check(local > 0, "bind the event channel: %d", local);
        check_rc(xc_domain_unpause(xch, d.id), 0, "unpause");
        set_state(&d, ENABLED | EIM, TABLE, 16);
        entry(&d, 0, P | VECTOR(0x40), 0);
        inject(&d, 0);
        inject(&d, 1);
        check_rc(xc_domain_soft_reset(xch, d.id), EINVAL,
                 "soft reset of what runs");
        check_rc(xc_domain_shutdown(xch, d.id, SHUTDOWN_soft_reset), 0,
                 "shut down");
        check_rc(inject(&d, 2), 0, "inject_msi when shut down");
        check_rc(xc_domain_pause(xch, d.id), 0, "pause");
        check_rc(xc_domain_soft_reset(xch, d.id), 0, "soft reset");
        check_rc(inject(&d, 0), ENODEV, "inject_msi after the reset");
        check_rc(get_faults(&d, &f, &nr, &flags), ENODEV,
                 "get_faults after the reset");
        check_rc(xendevicemodel_viommu_create(dh, d.id,
                                              XEN_DMOP_VIOMMU_TYPE_VTD,
                                              IOAPIC_SID, &port), 0,
                 "create after the reset");
        check(!get_info(&d).flags && !get_info(&d).cached, "it is off");
        set_state(&d, ENABLED | EIM, TABLE, 16);
        check_inject(&d, "a new table", 0, 0);
        if ( local > 0 )
            xenevtchn_unbind(eh, local);
        local = xenevtchn_bind_interdomain(eh, d.id, port);
        check(local > 0, "bind the new event channel: %d", local);
        inject(&d, 1);
        domain_kill(&d);
        if ( local > 0 )
            xenevtchn_unbind(eh, local);
        check_gone(domid, "after a reset");
    }

    /* A domain held by a mapping is none that takes operations. */
    if ( viommu_make(&d, 2) )
    {
        uint32_t domid = d.id;
        evtchn_port_t port;

        set_state(&d, ENABLED | EIM, TABLE, 8);
        check_rc(xc_domain_destroy(xch, domid), 0, "destroy, RAM mapped");
        check_rc(set_state(&d, ENABLED, TABLE, 8), ENODEV,
                 "set_state of the dying");
        check_rc(xendevicemodel_viommu_create(dh, d.id,
                                              XEN_DMOP_VIOMMU_TYPE_VTD,
                                              IOAPIC_SID, &port), ESRCH,
                 "create for the dying");
        check_rc(inject(&d, 0), ENODEV, "inject_msi for the dying");
        xenforeignmemory_unmap(fh, d.ram, RAM_PAGES);
        check_gone(domid, "unmapped");
    }

    n = xc_domain_getinfolist(xch, 1, ARRAY_SIZE(list), list);
    check(n == 0, "%d domains are left", n);
}

/*
 * Bindings of passed through MSIs.
 */

#define PCI_COMMAND         0x04
#define PCI_COMMAND_MEMORY  0x0002
#define PCI_COMMAND_MASTER  0x0004
#define PCI_CLASS           0x08
#define PCI_CAPABILITIES    0x34
#define CAP_MSI             0x05
#define CAP_MSIX            0x11
#define MSIX_ENABLE         0x8000
#define CLASS_NVME          0x010802

#define MAX_VECTORS 32U

/* A page each for an NVMe controller's commands and completions. */
#define COMMANDS_GFN    0x10U
#define COMPLETIONS_GFN 0x11U
#define QUEUE_SIZE      32U

static struct {
    char dir[64];
    uint32_t sbdf;
    int config;
    uint16_t command;
    unsigned int msi;               /* Vectors by the one and by the other. */
    unsigned int msix;
    unsigned int msix_pos;
    uint64_t table_base;
    volatile uint32_t *regs;        /* Of an NVMe controller, or NULL. */
    unsigned int head, tail, stride;
    uint32_t phase;
} dev;

static uint32_t config_read(unsigned int offset)
{
    uint32_t val = 0;

    if ( pread(dev.config, &val, sizeof(val), offset) != sizeof(val) )
        err(1, "read the configuration space");

    return val;
}

static void config_write(unsigned int offset, uint16_t val)
{
    if ( pwrite(dev.config, &val, sizeof(val), offset) != sizeof(val) )
        err(1, "write the configuration space");
}

/* Where a BAR is. */
static uint64_t device_bar(unsigned int nr)
{
    unsigned long long start = 0;
    char name[80];
    FILE *f;

    snprintf(name, sizeof(name), "%s/resource", dev.dir);
    f = fopen(name, "r");
    for ( unsigned int i = 0; f && i <= nr; i++ )
        if ( fscanf(f, "%llx %*x %*x", &start) != 1 )
            errx(1, "%s has no BAR %u", name, nr);
    if ( !f )
        err(1, "%s", name);
    fclose(f);

    return start;
}

static void device_open(const char *bdf)
{
    unsigned int seg, bus, slot, func, pos, cap;
    char name[80];

    if ( sscanf(bdf, "%x:%x:%x.%x", &seg, &bus, &slot, &func) != 4 )
        errx(1, "%s: expected a device as 0000:00:10.0", bdf);

    dev.sbdf = (seg << 16) | (bus << 8) | (slot << 3) | func;
    snprintf(dev.dir, sizeof(dev.dir), "/sys/bus/pci/devices/%s", bdf);
    snprintf(name, sizeof(name), "%s/config", dev.dir);
    dev.config = open(name, O_RDWR);
    if ( dev.config < 0 )
        err(1, "%s", name);

    /* Xen wants to see the MSI-X table, and the device to write to memory. */
    dev.command = config_read(PCI_COMMAND);
    config_write(PCI_COMMAND,
                 dev.command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);

    for ( pos = config_read(PCI_CAPABILITIES) & 0xfc; pos;
          pos = (cap >> 8) & 0xfc )
    {
        cap = config_read(pos);
        if ( (cap & 0xff) == CAP_MSI )
            dev.msi = 1U << ((cap >> 17) & 7);
        if ( (cap & 0xff) == CAP_MSIX )
        {
            dev.msix = ((cap >> 16) & 0x7ff) + 1;
            dev.msix_pos = pos;
            dev.table_base = device_bar(config_read(pos + 4) & 7);
        }
    }

    if ( dev.msix && config_read(PCI_CLASS) >> 8 == CLASS_NVME )
    {
        int fd;
        void *p;

        snprintf(name, sizeof(name), "%s/resource0", dev.dir);
        fd = open(name, O_RDWR);
        if ( fd < 0 )
            err(1, "%s", name);
        p = mmap(NULL, 2 * XC_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                 fd, 0);
        if ( p == MAP_FAILED )
            err(1, "map %s", name);
        close(fd);
        dev.regs = p;
        dev.stride = 1U << (dev.regs[1] & 0xf);
    }

    printf("  %s: %u vectors by MSI, %u by MSI-X, %s be made to interrupt\n",
           bdf, dev.msi, dev.msix, dev.regs ? "can" : "can't");
}

static void device_close(void)
{
    if ( dev.regs )
        dev.regs[5] = 0;
    config_write(PCI_COMMAND, dev.command);
    close(dev.config);
}

static bool device_ready(unsigned int ready)
{
    for ( unsigned int i = 0; i < 1000; i++ )
    {
        if ( (dev.regs[7] & 1) == ready )
            return true;
        usleep(10000);
    }

    return check(false, "the controller stays %s", ready ? "off" : "on");
}

/* Have the controller take commands from the domain's memory. */
static bool device_start(const struct dom *d)
{
    dev.regs[5] = 0;
    if ( !device_ready(0) )
        return false;

    memset(d->ram + (COMMANDS_GFN << XC_PAGE_SHIFT), 0, XC_PAGE_SIZE);
    memset(d->ram + (COMPLETIONS_GFN << XC_PAGE_SHIFT), 0, XC_PAGE_SIZE);
    dev.head = dev.tail = 0;
    dev.phase = 1;
    dev.regs[9] = ((QUEUE_SIZE - 1) << 16) | (QUEUE_SIZE - 1);
    dev.regs[10] = COMMANDS_GFN << XC_PAGE_SHIFT;
    dev.regs[11] = 0;
    dev.regs[12] = COMPLETIONS_GFN << XC_PAGE_SHIFT;
    dev.regs[13] = 0;
    dev.regs[5] = (4U << 20) | (6U << 16) | 1;

    return device_ready(1);
}

/* A command that does nothing; that it's done is told by MSI-X vector 0. */
static bool device_fire(const struct dom *d)
{
    volatile uint32_t *sqe, *cqe;

    sqe = (void *)(d->ram + (COMMANDS_GFN << XC_PAGE_SHIFT) + dev.tail * 64);
    cqe = (void *)(d->ram + (COMPLETIONS_GFN << XC_PAGE_SHIFT) + dev.head * 16);

    sqe[0] = 0x0a;                  /* Get Features: arbitration. */
    sqe[10] = 1;
    dev.tail = (dev.tail + 1) % QUEUE_SIZE;
    dev.regs[0x400] = dev.tail;

    for ( unsigned int i = 0; i < 10000; i++ )
    {
        if ( ((cqe[3] >> 16) & 1) == dev.phase )
        {
            dev.head = (dev.head + 1) % QUEUE_SIZE;
            if ( !dev.head )
                dev.phase ^= 1;
            dev.regs[0x400 + dev.stride] = dev.head;
            return true;
        }
        usleep(1000);
    }

    return check(false, "the controller doesn't answer");
}

/* Which vCPUs it was that an interrupt with this vector came to; none: 0. */
static void check_fires(const struct dom *d, const char *what,
                        unsigned int vector, unsigned int expected)
{
    unsigned int got = 0;

    if ( !device_fire(d) )
        return;

    /* The device is done before its interrupt is everywhere that it goes. */
    for ( unsigned int i = 0; i < (expected ? 500 : 5) && !got; i++ )
    {
        usleep(i ? 10000 : 0);
        got = pending(d, vector);
    }
    check(got == expected, "%s: vector %#x pending on vCPUs %#x, expected %#x",
          what, vector, got, expected);
}

static void check_fires_fault(const struct dom *d, const char *what,
                              unsigned int reason, uint16_t sid, uint16_t index)
{
    uint64_t before = get_info(d).faults[reason - 0x20];

    if ( !device_fire(d) )
        return;

    for ( unsigned int i = 0; i < 500; i++ )
    {
        if ( get_info(d).faults[reason - 0x20] != before )
            break;
        usleep(10000);
    }
    check_fault(d, what, reason, sid, index);
}

static int map_msix(const struct dom *d, unsigned int nr, int *pirq)
{
    int rc;

    *pirq = -1;
    rc = xc_physdev_map_pirq_msi(xch, d->id, -1, pirq, dev.sbdf & 0xff,
                                 dev.sbdf >> 8, nr, dev.table_base);
    /* Xen leaves that as it was. */
    if ( !rc )
        config_write(dev.msix_pos + 2,
                     (config_read(dev.msix_pos) >> 16) | MSIX_ENABLE);

    return rc;
}

static int map_msi(const struct dom *d, unsigned int nr, int *pirq)
{
    *pirq = -1;

    return xc_physdev_map_pirq_multi_msi(xch, d->id, pirq, dev.sbdf & 0xff,
                                         dev.sbdf >> 8, nr);
}

static int bind_raw(const struct dom *d, int pirq, uint64_t addr, uint32_t data,
                    uint16_t sid)
{
    return xc_domain_bind_msi_raw(xch, d->id, pirq, addr, data, sid, true, 0);
}

static int bind_index(const struct dom *d, int pirq, unsigned int index)
{
    return bind_raw(d, pirq, msi_addr(index), 0, SID);
}

static int unbind_raw(const struct dom *d, int pirq)
{
    return xc_domain_unbind_msi_raw(xch, d->id, pirq);
}

static int bind_old(const struct dom *d, int pirq, unsigned int vector,
                    uint32_t dest)
{
    return xc_domain_update_msi_irq(xch, d->id, vector, pirq,
                                    dest | XEN_DOMCTL_VMSI_X86_UNMASKED, 0);
}

static int unbind_old(const struct dom *d, int pirq)
{
    return xc_domain_unbind_msi_irq(xch, d->id, 0, pirq, 0);
}

/*
 * An interrupt that nothing is bound to.  It waits in the device for the next
 * binding, so take it there, with a vector that nobody looks at.
 */
static void fire_unbound(const struct dom *d, int pirq, const char *what)
{
    device_fire(d);
    usleep(100000);
    check_fault(d, what, 0, 0, 0);
    check_rc(bind_old(d, pirq, 0x1f, 0), 0, what);
    check_rc(unbind_old(d, pirq), 0, what);
}

/* A binding as the library makes none. */
static int raw_bind(const struct dom *d, int pirq, uint16_t flags)
{
    static struct xen_domctl *op;

    if ( !op )
        op = xencall_alloc_buffer(call, sizeof(*op));
    if ( !op )
        err(1, "xencall_alloc_buffer");

    *op = (struct xen_domctl){
        .cmd = XEN_DOMCTL_bind_pt_irq,
        .interface_version = XEN_DOMCTL_INTERFACE_VERSION,
        .domain = d->id,
        .u.bind_pt_irq = {
            .irq_type = PT_IRQ_TYPE_MSI_RAW,
            .machine_irq = pirq,
            .u.msi_raw = {
                .addr = msi_addr(0), .sid = SID, .flags = flags,
            },
        },
    };

    return xencall1(call, __HYPERVISOR_domctl, (unsigned long)op);
}

static const uint32_t bound_ids[MAX_VCPUS] = { 0, 3, 0x11, 0x1f };

/* A domain with the device, and what is in it switched on. */
static bool assigned_make(struct dom *d, bool unit)
{
    if ( !(unit ? viommu_make(d, MAX_VCPUS) : hvm_make(d, MAX_VCPUS)) )
        return false;

    if ( xc_assign_device(xch, d->id, dev.sbdf, 0) )
    {
        check(false, "assign the device to d%u: %s", d->id, strerror(errno));
        domain_kill(d);
        return false;
    }

    set_lapics(d, bound_ids, true);

    return !dev.regs || device_start(d);
}

static void assigned_kill(struct dom *d)
{
    uint32_t domid = d->id;

    if ( dev.regs )
    {
        dev.regs[5] = 0;
        device_ready(0);
    }
    domain_kill(d);
    check_gone(domid, "with the device");
}

/* What is refused, and what is left then. */
static void bind_refused(const struct dom *d, int pirq)
{
    struct dom other;
    char name[80];

    for ( unsigned int bit = 1; bit < 16; bit++ )
    {
        snprintf(name, sizeof(name), "bind, flag %u", bit);
        check_rc(raw_bind(d, pirq, 1U << bit), EINVAL, name);
    }
    check_rc(unbind_raw(d, pirq), ENOENT, "unbind what was refused");

    check_rc(bind_index(d, pirq - 1, 0), EPERM, "bind a pIRQ that isn't mapped");
    check_rc(bind_index(d, 0, 0), EPERM, "bind pIRQ 0");
    check_rc(bind_index(d, 0x7fffffff, 0), EPERM, "bind pIRQ 2^31 - 1");
    check_rc(bind_index(d, -1, 0), EPERM, "bind pIRQ 2^32 - 1");
    check_rc(unbind_raw(d, pirq - 1), EPERM, "unbind one that isn't mapped");
    check_rc(unbind_raw(d, -1), EPERM, "unbind pIRQ 2^32 - 1");

    if ( viommu_make(&other, 2) )
    {
        int got;

        check_rc(dev.msix ? map_msix(&other, 0, &got) : map_msi(&other, 1, &got),
                 ENODEV, "another domain's device");
        check_rc(bind_index(&other, pirq, 0), EPERM,
                 "another domain's pIRQ, not bound");
        check_rc(bind_index(d, pirq, 0), 0, "bind");
        check_rc(bind_index(&other, pirq, 0), EPERM,
                 "another domain's pIRQ, bound");
        check_rc(unbind_raw(&other, pirq), EPERM,
                 "unbind another domain's pIRQ");
        check_rc(unbind_raw(d, pirq), 0, "unbind");
        domain_kill(&other);
    }

    check_rc(unbind_raw(d, pirq), ENOENT, "unbind twice");
    check_rc(unbind_raw(d, pirq), ENOENT, "unbind three times");

    /* With the address of a virtual MSI-X table, of which Xen keeps a record. */
    for ( unsigned int i = 0; i < 3; i++ )
        check_rc(xc_domain_bind_msi_raw(xch, d->id, pirq, msi_addr(0), 0, SID,
                                        false, 0xf0000000U),
                 dev.msix ? 0 : ENODEV, "bind with a virtual table");
    if ( dev.msix )
        check_rc(unbind_raw(d, pirq), 0, "unbind");
    check_rc(unbind_raw(d, pirq), ENOENT, "unbind twice");
}

/* Each kind of binding over each other one. */
static void bind_kinds(struct dom *d, int pirq)
{
    unsigned int v;

    check_rc(set_state(d, ENABLED | EIM, TABLE, 8), 0, "set_state");

    for ( unsigned int i = 0; i < 16; i++ )
    {
        unsigned int kinds[2] = { i / 4, i % 4 };

        for ( unsigned int k = 0; k < 2; k++ )
        {
            static const char *const names[] = {
                "remappable", "compatibility format", "beyond the table", "old",
            };
            char name[80];

            v = new_vector(d);
            entry(d, 1, P | VECTOR(v) | DST(bound_ids[i % MAX_VCPUS]),
                  ENTRY_SID(SID));
            inv_index(d, 1, 0);
            snprintf(name, sizeof(name), "%s%s%s", names[kinds[k]],
                     k ? " over " : "", k ? names[kinds[0]] : "");

            switch ( kinds[k] )
            {
            case 0:
                check_rc(bind_index(d, pirq, 1), 0, name);
                if ( dev.regs )
                    check_fires(d, name, v, 1U << (i % MAX_VCPUS));
                break;

            case 1:
                check_rc(bind_raw(d, pirq, 0xfee03000U, v, SID), 0, name);
                if ( dev.regs )
                    check_fires_fault(d, name, 0x25, SID, 0);
                break;

            case 2:
                check_rc(bind_index(d, pirq, 0x100 + i), 0, name);
                if ( dev.regs )
                    check_fires_fault(d, name, 0x21, SID, 0x100 + i);
                break;

            case 3:
                check_rc(bind_old(d, pirq, v, 3), 0, name);
                if ( dev.regs )
                    check_fires(d, name, v, 2);
                break;
            }
        }

        /* Either unbinds what the other one bound. */
        check_rc(i & 1 ? unbind_raw(d, pirq) : unbind_old(d, pirq), 0,
                 "unbind");
        check_rc(unbind_raw(d, pirq), ENOENT, "unbind twice");
    }

    if ( !dev.regs )
        return;

    /* Whose interrupt it is. */
    v = new_vector(d);
    entry(d, 1, P | VECTOR(v) | DST(bound_ids[3]), ENTRY_SID(SID));
    inv_index(d, 1, 0);
    check_rc(bind_index(d, pirq, 1), 0, "bind");
    check_fires(d, "source id", v, 8);
    check_rc(bind_raw(d, pirq, msi_addr(1), 0, SID ^ 1), 0,
             "bind with another source id");
    check_fires_fault(d, "another source id", 0x26, SID ^ 1, 1);
    check_rc(bind_raw(d, pirq, msi_addr(1) | (1ULL << 40), 0, SID), 0,
             "bind with a reserved bit");
    check_fires_fault(d, "a reserved bit", 0x20, SID, 1);
    check_rc(bind_raw(d, pirq, msi_addr(0xffff) | SHV, 0xffff, SID), 0,
             "bind by the highest index and subindex");
    check_fires_fault(d, "beyond any index", 0x21, SID, 0xfffe);

    /* What follows an entry, and what doesn't any more. */
    check_rc(bind_index(d, pirq, 1), 0, "bind");
    entry(d, 1, 0, 0);
    inv_index(d, 1, 0);
    check_fires_fault(d, "an entry that went", 0x22, SID, 1);
    v = new_vector(d);
    entry(d, 1, P | VECTOR(v) | DST(bound_ids[2]), 0);
    check_fires(d, "an entry that came", v, 4);
    check_rc(bind_index(d, pirq, 2), 0, "bind by another entry");
    entry(d, 1, P | VECTOR(new_vector(d)) | DST(bound_ids[1]), 0);
    inv_global(d);
    check_fires_fault(d, "the other entry", 0x22, SID, 2);

    /* Off: a message in either format is one in compatibility format. */
    check_rc(set_state(d, 0, 0, 0), 0, "set_state, off");
    v = new_vector(d);
    check_rc(bind_raw(d, pirq, 0xfee03000U, v, SID), 0, "bind");
    check_fires(d, "compatibility format, off", v, 2);
    check_rc(bind_index(d, pirq, 1), 0, "bind");
    device_fire(d);
    check_fault(d, "remappable, off", 0, 0, 0);
    v = new_vector(d);
    entry(d, 1, P | VECTOR(v) | DST(bound_ids[3]), 0);
    check_rc(set_state(d, ENABLED | EIM, TABLE, 8), 0, "set_state");
    check_fires(d, "on again", v, 8);
    check_rc(unbind_raw(d, pirq), 0, "unbind");
    check_rc(unbind_raw(d, pirq), ENOENT, "unbind twice");
    fire_unbound(d, pirq, "nothing is bound");
}

/*
 * Many changes of all bindings, by a model of the first: the one that can be seen
 * at work.
 */
static void bind_random(struct dom *d, const int *pirqs, unsigned int nr)
{
    uint64_t s = seed ^ 0x9e3779b97f4a7c15ULL;
    enum { NONE, RAW, OLD } bound[MAX_VECTORS] = {}, first;
    unsigned int fires = 0, refused = 0, index = 0, kind = 0, dest = 0;
    uint16_t sid = SID;
    bool on = true;
    char name[80];

    set_lapics(d, bound_ids, true);
    check_rc(set_state(d, ENABLED | EIM, TABLE, 8), 0, "set_state");
    for ( unsigned int i = 0; i < 256; i++ )
        entry(d, i, 0, 0);
    inv_global(d);

    for ( unsigned int op = 0; op < nr_ops; op++ )
    {
        unsigned int i = random_below(&s, 2) ? 0 : random_below(&s, nr);
        unsigned int how = random_below(&s, 6);
        unsigned int idx = random_below(&s, 4), v, dst;
        uint16_t from = random_below(&s, 3) ? SID : SID ^ 1;
        int rc, error = 0;

        if ( d->vector > 0xf0 )
            set_lapics(d, bound_ids, true);
        v = new_vector(d);
        dst = random_below(&s, MAX_VCPUS);

        switch ( random_below(&s, 10) )
        {
        case 0: /* Unbind. */
            error = bound[i] == NONE ? ENOENT : 0;
            rc = unbind_raw(d, pirqs[i]);
            bound[i] = NONE;
            break;

        case 1: /* Entries change under the bindings. */
            rc = random_below(&s, 2) ? inv_global(d)
                                     : inv_index(d, idx, random_below(&s, 4));
            break;

        case 2: /* Remapping goes off, or comes on. */
            on = !random_below(&s, 4) ? !on : on;
            rc = on ? set_state(d, ENABLED | EIM, TABLE, 8)
                    : set_state(d, 0, 0, 0);
            break;

        default:
            switch ( how )
            {
            default: /* By an entry that is there. */
                rc = bind_raw(d, pirqs[i], msi_addr(idx), 0, from);
                break;

            case 3: /* By one that isn't. */
                idx += random_below(&s, 2) ? 0x80 : 0x8000;
                rc = bind_raw(d, pirqs[i], msi_addr(idx), 0, from);
                break;

            case 4: /* In compatibility format. */
                rc = bind_raw(d, pirqs[i], 0xfee00000U | (bound_ids[dst] << 12),
                              v, from);
                break;

            case 5: /* As a device model of old does. */
                rc = bind_old(d, pirqs[i], v, bound_ids[dst]);
                break;
            }
            bound[i] = how == 5 ? OLD : RAW;
            if ( !i )
            {
                kind = how;
                index = idx;
                sid = from;
                dest = dst;
            }
            break;
        }

        if ( (rc ? errno : 0) != error )
        {
            refused++;
            check(false, "operation %u: %s", op, strerror(errno));
        }

        first = bound[0];
        if ( !dev.regs || random_below(&s, 4) )
            continue;

        fires++;
        snprintf(name, sizeof(name), "operation %u", op);
        if ( first == NONE )
            fire_unbound(d, pirqs[0], name);
        else if ( first == OLD || (kind == 4 && !on) )
        {
            /* Another vector, as this one may be pending already. */
            v = new_vector(d);
            if ( first == OLD )
                bind_old(d, pirqs[0], v, bound_ids[dest]);
            else
                bind_raw(d, pirqs[0], 0xfee00000U | (bound_ids[dest] << 12), v,
                         sid);
            check_fires(d, name, v, 1U << dest);
        }
        else if ( !on )
        {
            device_fire(d);
            usleep(10000);
            check_fault(d, name, 0, 0, 0);
        }
        else if ( kind == 4 )
            check_fires_fault(d, name, 0x25, sid, 0);
        else if ( index >= 0x100 )
            check_fires_fault(d, name, 0x21, sid, index);
        else if ( index >= 0x80 )
            check_fires_fault(d, name, 0x22, sid, index);
        else if ( sid != SID )
        {
            entry(d, index, P | VECTOR(v) | DST(bound_ids[dst]),
                  ENTRY_SID(SID));
            inv_index(d, index, 0);
            check_fires_fault(d, name, 0x26, sid, index);
        }
        else
        {
            v = new_vector(d);
            entry(d, index, P | VECTOR(v) | DST(bound_ids[dst]),
                  ENTRY_SID(SID));
            inv_index(d, index, 0);
            check_fires(d, name, v, 1U << dst);
        }
    }
    check(!refused, "%u operations, %u interrupts, seed %#"PRIx64, nr_ops,
          fires, seed);

    for ( unsigned int i = 0; i < nr; i++ )
        if ( bound[i] != NONE && unbind_raw(d, pirqs[i]) )
            check(false, "unbind pIRQ %d: %s", pirqs[i], strerror(errno));
}

static void test_bindings(const char *bdf, bool unmap)
{
    static struct dom d;
    int pirqs[MAX_VECTORS], again[MAX_VECTORS], rc = 0;
    unsigned int nr = 0;
    uint64_t before = 0, after;
    bool same;

    section("bindings of passed through MSIs");

    if ( !(physinfo.capabilities & XEN_SYSCTL_PHYSCAP_directio) )
    {
        printf("  Skip: no IOMMU\n");
        return;
    }
    create_flags = XEN_DOMCTL_CDF_iommu;
    device_open(bdf);

    /* Without a unit. */
    if ( assigned_make(&d, false) )
    {
        rc = dev.msix ? map_msix(&d, 0, pirqs) : map_msi(&d, 1, pirqs);
        check_rc(rc, 0, "map");
        if ( !rc )
        {
            unsigned int v = new_vector(&d);

            check_rc(bind_raw(&d, pirqs[0], 0xfee03000U, v, SID), 0,
                     "bind without a unit");
            if ( dev.regs )
                check_fires(&d, "without a unit", v, 2);
            check_rc(bind_index(&d, pirqs[0], 3), 0,
                     "remappable format, without a unit");
            if ( dev.regs )
                device_fire(&d);
        }
        assigned_kill(&d);
    }

    /* MSI-X: a pIRQ by itself for each. */
    if ( dev.msix && assigned_make(&d, true) )
    {
        check_rc(map_msix(&d, dev.msix, pirqs), EINVAL,
                 "map a vector that there isn't");
        for ( nr = 0; nr < min(dev.msix, MAX_VECTORS); nr++ )
            if ( (rc = map_msix(&d, nr, &pirqs[nr])) )
                break;
        check_rc(rc, 0, "map MSI-X vectors");
        check(nr, "%u are mapped, the first to pIRQ %d", nr, pirqs[0]);

        if ( nr )
        {
            bind_refused(&d, pirqs[nr - 1]);
            bind_kinds(&d, pirqs[0]);
            bind_random(&d, pirqs, nr);
        }

        /* The same pIRQs are free afterwards. */
        for ( unsigned int i = 0; i < nr; i++ )
            if ( xc_physdev_unmap_pirq(xch, d.id, pirqs[i]) )
                check(false, "unmap pIRQ %d: %s", pirqs[i], strerror(errno));
        same = true;
        for ( unsigned int i = 0; i < nr; i++ )
            same = !map_msix(&d, i, &again[i]) && again[i] == pirqs[i] && same;
        check(same, "mapped again, %s", same ? "to the same pIRQs"
                                             : "but not to the same pIRQs");

        /* An entry can change that belongs to one that was bound when it went. */
        if ( nr && same )
        {
            set_state(&d, ENABLED | EIM, TABLE, 8);
            check_rc(bind_index(&d, pirqs[0], 1), 0, "bind");
            check_rc(xc_physdev_unmap_pirq(xch, d.id, pirqs[0]), 0,
                     "unmap what is bound");
            check_rc(inv_index(&d, 1, 0), 0, "invalidate its entry");
            check_rc(inv_global(&d), 0, "invalidate all");
            check_rc(bind_index(&d, pirqs[0], 2), EPERM, "bind it");
            check(unbind_raw(&d, pirqs[0]), "unbind it: %s", strerror(errno));
            check_rc(inv_global(&d), 0, "invalidate all");
        }
        assigned_kill(&d);
    }

    /* MSI: as many in a row as the device has. */
    if ( dev.msi && assigned_make(&d, true) )
    {
        static const unsigned int bad[] = { 0, 33, 64, ~0U };

        set_state(&d, ENABLED | EIM, TABLE, 8);
        for ( unsigned int i = 0; i < ARRAY_SIZE(bad); i++ )
            check_rc(map_msi(&d, bad[i], pirqs), EDOM, "map too many");
        if ( dev.msi < 32 )
            check_rc(map_msi(&d, 2 * dev.msi, pirqs), ENFILE,
                     "map more than the device has");
        check_rc(rc = map_msi(&d, dev.msi, pirqs), 0, "map MSI vectors");
        nr = rc ? 0 : dev.msi;
        for ( unsigned int i = 1; i < nr; i++ )
            pirqs[i] = pirqs[0] + i;
        check(nr, "%u are mapped, the first to pIRQ %d", nr, pirqs[0]);

        if ( nr )
        {
            bind_refused(&d, pirqs[0]);
            bind_kinds(&d, pirqs[nr - 1]);
            bind_random(&d, pirqs, nr);
            for ( unsigned int i = 0; i < nr; i++ )
                if ( bind_index(&d, pirqs[i], i) )
                    check(false, "bind pIRQ %d: %s", pirqs[i], strerror(errno));
            for ( unsigned int i = 1; i < nr; i++ )
                check_rc(xc_physdev_unmap_pirq(xch, d.id, pirqs[i]), EBUSY,
                         "unmap a secondary vector");
            for ( unsigned int i = 0; i < nr; i++ )
                if ( unbind_raw(&d, pirqs[i]) )
                    check(false, "unbind pIRQ %d: %s", pirqs[i],
                          strerror(errno));
            check_rc(xc_physdev_unmap_pirq(xch, d.id, pirqs[0]), 0,
                     "unmap the first");
            check_rc(bind_index(&d, pirqs[nr - 1], 0), EPERM,
                     "bind one that is gone with it");
            check_rc(map_msi(&d, dev.msi, again), 0, "map again");
            check(again[0] == pirqs[0], "to pIRQ %d, expected %d", again[0],
                  pirqs[0]);
        }

        assigned_kill(&d);
    }

    /* They go with the first, bound or not, whether that is bound or not. */
    for ( unsigned int first = 0; unmap && dev.msi > 1 && first < 3; first++ )
    {
        if ( !assigned_make(&d, true) )
            break;
        set_state(&d, ENABLED | EIM, TABLE, 8);
        check_rc(map_msi(&d, dev.msi, pirqs), 0, "map MSI vectors");
        for ( unsigned int i = first; i < dev.msi; i += first == 2 ? 2 : 1 )
            check_rc(bind_index(&d, pirqs[0] + i, i), 0, "bind");
        check_rc(xc_physdev_unmap_pirq(xch, d.id, pirqs[0]), 0,
                 "unmap all while they are bound");
        check_rc(inv_global(&d), 0, "invalidate all");
        for ( unsigned int i = 0; i < dev.msi; i++ )
            check_rc(bind_index(&d, pirqs[0] + i, 0), EPERM, "bind one of them");
        assigned_kill(&d);
    }

    /* Destruction with bindings in place.  The first time pools grow. */
    for ( unsigned int round = 0; round < 8; round++ )
    {
        if ( !assigned_make(&d, round & 1) )
            break;
        set_state(&d, ENABLED | EIM, TABLE, 8);
        nr = dev.msix && !(dev.msi && round & 2) ? min(dev.msix, MAX_VECTORS)
                                                 : dev.msi;
        for ( unsigned int i = 0; i < nr; i++ )
        {
            if ( dev.msix && !(dev.msi && round & 2) )
                rc = map_msix(&d, i, &pirqs[i]);
            else if ( !i )
                rc = map_msi(&d, nr, &pirqs[0]);
            else
                pirqs[i] = pirqs[0] + i;
            if ( rc || (i % 3 == 2 ? bind_old(&d, pirqs[i], 0x40, 3)
                                   : bind_index(&d, pirqs[i], i * 0x20)) )
            {
                check(false, "vector %u: %s", i, strerror(errno));
                break;
            }
        }
        /* Some on their way. */
        for ( unsigned int i = 0; dev.regs && i < 8; i++ )
            device_fire(&d);
        assigned_kill(&d);

        if ( round == 2 )
        {
            usleep(500000);
            before = free_pages();
        }
    }
    after = wait_free_pages(before);
    check(after + 4 >= before, "5 domains left %"PRId64" pages behind",
          before - after);

    /* A pIRQ that is no MSI's.  The last GSI is nobody's here. */
    if ( unmap && assigned_make(&d, true) )
    {
        pirqs[0] = -1;
        check_rc(rc = xc_physdev_map_pirq(xch, d.id, 23, pirqs), 0, "map a GSI");
        if ( !rc )
        {
            check_rc(bind_index(&d, pirqs[0], 0), EINVAL, "bind a GSI as MSI");
            check_rc(bind_old(&d, pirqs[0], 0x40, 3), EINVAL,
                     "bind a GSI as MSI of old");
            check_rc(unbind_raw(&d, pirqs[0]), EINVAL, "unbind it");
            check_rc(xc_domain_bind_pt_pci_irq(xch, d.id, pirqs[0], 0, 3, 0), 0,
                     "bind it as a pin");
            check_rc(bind_index(&d, pirqs[0], 0), EINVAL, "bind it as MSI");
            check_rc(xc_domain_unbind_pt_irq(xch, d.id, pirqs[0],
                                             PT_IRQ_TYPE_PCI, 0, 3, 0, 0), 0,
                     "unbind the pin");
            check_rc(xc_physdev_unmap_pirq(xch, d.id, pirqs[0]), 0, "unmap it");
        }
        assigned_kill(&d);
    }

    device_close();
    create_flags = 0;
}

static int usage(FILE *f)
{
    fprintf(f,
"Usage: test-viommu [SEED [OPERATIONS]]\n"
"       test-viommu bindings[-all] SBDF [SEED [OPERATIONS]]\n"
"\n"
"Tests what Xen has of virtual IOMMUs, by domains that it makes for that.\n"
"\n"
"  bindings  the bindings of the MSIs of a physical device instead, such as\n"
"            0000:00:10.0, which is assignable and assigned to nobody.  An NVMe\n"
"            controller is made to interrupt\n"
"  -all      also what a hypervisor without checks for it doesn't survive\n"
"  SEED, OPERATIONS\n"
"            what is random is the same for the same ones\n");

    return f == stderr ? 2 : 0;
}

int main(int argc, char **argv)
{
    xc_domaininfo_t list[1];
    const char *device = NULL;
    bool alone, unmap = false;
    uint64_t before, after;

    if ( argc > 1 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")) )
        return usage(stdout);

    if ( argc > 1 && !strncmp(argv[1], "bindings", 8) )
    {
        unmap = !strcmp(argv[1] + 8, "-all");
        if ( argc < 3 || (argv[1][8] && !unmap) )
            return usage(stderr);
        device = argv[2];
        argv += 2;
        argc -= 2;
        nr_ops = 2000;
    }

    if ( argc > 3 || (argc > 1 && !strchr("0123456789", argv[1][0])) )
        return usage(stderr);

    seed = argc > 1 ? strtoull(argv[1], NULL, 0) : time(NULL) * 2654435761U;
    if ( !seed )
        seed = 1;
    if ( argc > 2 )
        nr_ops = strtoul(argv[2], NULL, 0);

    printf("Virtual IOMMU tests, seed %#"PRIx64", %u operations\n", seed,
           nr_ops);

    xch = xc_interface_open(NULL, NULL, 0);
    call = xencall_open(NULL, 0);
    fh = xenforeignmemory_open(NULL, 0);
    dh = xendevicemodel_open(NULL, 0);
    eh = xenevtchn_open(NULL, 0);

    if ( !xch )
        err(1, "xc_interface_open");
    if ( !call )
        err(1, "xencall_open");
    if ( !fh )
        err(1, "xenforeignmemory_open");
    if ( !dh )
        err(1, "xendevicemodel_open");
    if ( !eh )
        err(1, "xenevtchn_open");

    if ( xc_physinfo(xch, &physinfo) )
        err(1, "Failed to obtain physinfo");

    if ( !(physinfo.capabilities & XEN_SYSCTL_PHYSCAP_hvm) )
    {
        printf("Skip: HVM not available\n");
        return 0;
    }

    alone = !xc_domain_getinfolist(xch, 1, 1, list);
    if ( !alone )
        errx(1, "there are other domains; this test wants to be alone");

    before = free_pages();

    if ( device )
        test_bindings(device, unmap);
    else
    {
        test_refused();
        test_arguments();
        test_reasons();
        test_delivery();
        test_invalidation();
        test_places();
        test_fault_ring();
        test_ioapic();
        test_lapic_records();
        test_random();
        test_destruction();
    }

    after = wait_free_pages(before);
    check(after + 32 >= before, "all in all: %"PRIu64" free pages before, %"
          PRIu64" after", before, after);

    printf("%u checks, %u failed\n", nr_checks, nr_failures);

    return !!nr_failures;
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
