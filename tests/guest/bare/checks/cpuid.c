// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cpuid: each CPU sees the same leaves as the BSP, but for what names the CPU itself; and the
 * topology in them fits the APIC IDs: no core or socket (by the ID's bits) has more CPUs than its
 * level says, and levels' shifts don't decrease.
 *
 * On each CPU every leaf that tells of topology, or of the CPU's place in it, is held against leaf 0xb
 * and the CPU's APIC ID: leaf 1, leaf 4 where there are caches in it, and on AMD 0x80000001,
 * 0x80000008, 0x8000001d and 0x8000001e.  What is too large for a field is the field's highest number
 * (or, for numbers of cores and nodes, wraps).  Xen: IDs are those that leaf 0xb and the vCPU's number
 * make.  A guest without a topology, which has at most 128 vCPUs, has a leaf 0xb that is empty but for
 * the ID, IDs of twice the vCPU's number, and no TOPOEXT.
 */
#include "bare.h"

/* What a guest can have without leaf 0xb, as stock Xen's guests do. */
#define LEGACY_CPUS     128U

#define VENDOR_AMD      0x68747541U     /* EBX of leaf 0: "Auth", "Hygo" */
#define VENDOR_HYGON    0x6f677948U
#define VENDOR_INTEL    0x756e6547U     /* "Genu" */

static const struct leaf { uint32_t leaf, subleaf, a, b, c, d; } leaves[] = {
    /* The masks are of what must agree. */
    { 0x0, 0, ~0U, ~0U, ~0U, ~0U },
    { 0x1, 0, ~0U, 0x00ffffff, ~(1U << 27), ~0U },          /* initial APIC ID; OSXSAVE */
    { 0x4, 0, ~0U, ~0U, ~0U, ~0U },
    { 0x4, 1, ~0U, ~0U, ~0U, ~0U },
    { 0x4, 2, ~0U, ~0U, ~0U, ~0U },
    { 0x4, 3, ~0U, ~0U, ~0U, ~0U },
    { 0x7, 0, ~0U, ~0U, ~0U, ~0U },
    { 0xb, 0, ~0U, ~0U, ~0U, 0 },
    { 0xb, 1, ~0U, ~0U, ~0U, 0 },
    { 0xb, 2, ~0U, ~0U, ~0U, 0 },
    { 0x1f, 0, ~0U, ~0U, ~0U, 0 },
    { 0x1f, 1, ~0U, ~0U, ~0U, 0 },
    { 0x1f, 2, ~0U, ~0U, ~0U, 0 },
    { 0x80000000U, 0, ~0U, ~0U, ~0U, ~0U },
    { 0x80000001U, 0, ~0U, ~0U, ~0U, ~0U },
    { 0x80000008U, 0, ~0U, ~0U, ~0U, ~0U },
    { 0x8000001dU, 0, ~0U, ~0U, ~0U, ~0U },
    { 0x8000001dU, 3, ~0U, ~0U, ~0U, ~0U },
    { 0x8000001eU, 0, 0, 0xff00, 0x700, ~0U },              /* ID; core; node */
    { 0x80000026U, 0, ~0U, ~0U, ~0U, 0 },
    { 0x80000026U, 1, ~0U, ~0U, ~0U, 0 },
};

static struct regs4 ours[ARRAY_SIZE(leaves)];
static struct { uint8_t bad; char reg; uint32_t got; } *wrong;
static struct { const char *what; unsigned int subleaf; uint32_t got, want; } *odd;

static bool present(const struct leaf *l)
{
    return l->leaf <= cpuid(l->leaf & 0x80000000U, 0).a;
}

static void look(struct cpu *me, void *arg)
{
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(leaves) && !wrong[me->index].bad; i++ )
    {
        const struct leaf *l = &leaves[i];
        struct regs4 r;

        if ( !present(l) )
            continue;
        r = cpuid(l->leaf, l->subleaf);
#define SAME(x) if ( (r.x ^ ours[i].x) & l->x ) \
            { wrong[me->index].reg = #x[0]; wrong[me->index].got = r.x; wrong[me->index].bad = i + 1; }
        SAME(a) SAME(b) SAME(c) SAME(d)
#undef SAME
    }
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The first thing that is wrong on a CPU. */
static void same(struct cpu *me, const char *what, unsigned int subleaf, uint32_t want, uint32_t got)
{
    if ( want == got || odd[me->index].what )
        return;
    odd[me->index].what = what;
    odd[me->index].subleaf = subleaf;
    odd[me->index].got = got;
    odd[me->index].want = want;
}

/* Nothing tells of a topology. */
static void look_without(struct cpu *me, uint32_t max, uint32_t vendor, const struct regs4 *l1)
{
    bool x2apic = l1->c & (1U << 21);
    unsigned int sub;
    struct regs4 r;

    if ( !xen_cpuid_base )
        return;
    same(me, "APIC ID without a topology", 0, 2 * me->uid, me->id);
    for ( sub = 0; max >= 0xb && sub < 4; sub++ )
    {
        bool named = x2apic && sub < 2;

        r = cpuid(0xb, sub);
        same(me, "empty leaf 0xb EAX", sub, 0, r.a);
        same(me, "empty leaf 0xb EBX", sub, 0, r.b);
        same(me, "empty leaf 0xb ECX", sub, named ? sub : 0, r.c);
        same(me, "empty leaf 0xb EDX, the APIC ID", sub, named ? me->id : 0, r.d);
    }
    /* libxc: no siblings, but room for them. */
    same(me, "leaf 1 EDX[28], HTT, without a topology", 0, 1, l1->d >> 28 & 1);
    same(me, "leaf 1 EBX[23:16] of at least 2, without a topology", 0, 1, (l1->b >> 16 & 0xff) >= 2);
    if ( vendor == VENDOR_AMD || vendor == VENDOR_HYGON )
    {
        r = cpuid(0x80000001U, 0);
        same(me, "leaf 0x80000001 ECX[1], CmpLegacy, without a topology", 0, 0, r.c >> 1 & 1);
        same(me, "leaf 0x80000001 ECX[22], TOPOEXT, without a topology", 0, 0, r.c >> 22 & 1);
    }
    for ( sub = 0; vendor == VENDOR_INTEL && max >= 4 && sub < 8; sub++ )
    {
        r = cpuid(4, sub);
        if ( !(r.a & 0x1f) )
            break;
        same(me, "leaf 4 EAX[25:14], IDs that share a cache less one, without a topology", sub, 0, r.a >> 14 & 0xfff);
    }
}

/* Leaves 4 and 0x8000001d have one layout, but for the count of cores. */
static void look_caches(struct cpu *me, uint32_t leaf, const char *sharing, unsigned int shift_core,
                        unsigned int shift_socket)
{
    unsigned int sub;

    for ( sub = 0; sub < 8; sub++ )
    {
        struct regs4 r = cpuid(leaf, sub);

        if ( !(r.a & 0x1f) )
            break;
        if ( leaf == 4 )
            same(me, "leaf 4 EAX[31:26], IDs for cores of a socket less one", sub,
                 least(1U << (shift_socket - shift_core), 64) - 1, r.a >> 26);
        same(me, sharing, sub, least(1U << ((r.a >> 5 & 7) < 3 ? shift_core : shift_socket), 4096) - 1,
             r.a >> 14 & 0xfff);
    }
}

static void look_amd(struct cpu *me, unsigned int threads, unsigned int logical, unsigned int shift_core,
                     unsigned int shift_socket)
{
    uint32_t ext = cpuid(0x80000000U, 0).a, features = cpuid(0x80000001U, 0).c;
    uint32_t core = me->id >> shift_core & ((1U << (shift_socket - shift_core)) - 1);
    struct regs4 r;

    same(me, "leaf 0x80000001 ECX[1], CmpLegacy", 0, logical > 1, features >> 1 & 1);
    if ( ext >= 0x80000008U )
    {
        r = cpuid(0x80000008U, 0);
        same(me, "leaf 0x80000008 ECX[7:0], NC", 0, least(logical, 256) - 1, r.c & 0xff);
        same(me, "leaf 0x80000008 ECX[15:12], ApicIdSize", 0, least(shift_socket, 15), r.c >> 12 & 0xf);
    }
    if ( xen_cpuid_base )
        same(me, "leaf 0x80000001 ECX[22], TOPOEXT", 0, 1, features >> 22 & 1);
    if ( ext < 0x8000001eU || !(features & (1U << 22)) )
        return;
    r = cpuid(0x8000001eU, 0);
    same(me, "leaf 0x8000001e EAX, the APIC ID", 0, me->id, r.a);
    same(me, "leaf 0x8000001e EBX[7:0], the core", 0, core & 0xff, r.b & 0xff);
    same(me, "leaf 0x8000001e EBX[31:8], threads in a core less one", 0, threads - 1, r.b >> 8);
    same(me, "leaf 0x8000001e ECX, the node", 0, (me->id >> shift_socket) & 0xff, r.c);
    if ( !xen_cpuid_base )
        return;
    /* Size, ways and line of the L1 data cache: if it's there, it comes first. */
    r = cpuid(0x80000005U, 0);
    if ( (r.c >> 24) && (r.c >> 16 & 0xff) && (r.c & 0xff) )
        same(me, "leaf 0x8000001d EAX[7:0], the L1 data cache", 0, 0x21, cpuid(0x8000001dU, 0).a & 0xff);
    look_caches(me, 0x8000001dU, "leaf 0x8000001d EAX[25:14], IDs that share a cache less one", shift_core, shift_socket);
}

/* Leaves of topology, on each CPU. */
static void look_topology(struct cpu *me, void *arg)
{
    struct regs4 l0 = cpuid(0, 0), l1 = cpuid(1, 0), b0, b1, r;
    bool amd = l0.b == VENDOR_AMD || l0.b == VENDOR_HYGON;
    unsigned int sub, threads, logical, shift_core, shift_socket;

    same(me, "leaf 1 EBX[31:24], the APIC ID", 0, me->id & 0xff, l1.b >> 24);
    if ( !leaf_b_valid() )
    {
        look_without(me, l0.a, l0.b, &l1);
        return;
    }

    b0 = cpuid(0xb, 0);
    b1 = cpuid(0xb, 1);
    same(me, "leaf 0xb EAX[31:5]", 0, 0, b0.a >> 5);
    same(me, "leaf 0xb EAX[31:5]", 1, 0, b1.a >> 5);
    same(me, "leaf 0xb EBX[31:16]", 0, 0, b0.b >> 16);
    same(me, "leaf 0xb EBX[31:16]", 1, 0, b1.b >> 16);
    same(me, "leaf 0xb ECX, kind (threads) and subleaf", 0, 0x100, b0.c);
    same(me, "leaf 0xb ECX, kind (cores) and subleaf", 1, 0x201, b1.c);
    same(me, "leaf 0xb EDX, the APIC ID", 0, me->id, b0.d);
    same(me, "leaf 0xb EDX, the APIC ID", 1, me->id, b1.d);
    for ( sub = 2; sub < 5; sub++ )
    {
        r = cpuid(0xb, sub);
        same(me, "leaf 0xb EAX behind the last level", sub, 0, r.a);
        same(me, "leaf 0xb EBX behind the last level", sub, 0, r.b);
        same(me, "leaf 0xb ECX[31:8] behind the last level", sub, 0, r.c >> 8);
    }
    threads = b0.b & 0xffff;
    logical = b1.b & 0xffff;
    shift_core = b0.a & 31;
    shift_socket = b1.a & 31;
    same(me, "leaf 0xb: threads in a core divide those in a socket, which aren't none", 0, 1,
         threads && logical && !(logical % threads) && shift_socket >= shift_core);
    if ( odd[me->index].what )
        return;
    if ( xen_cpuid_base )
        same(me, "APIC ID by leaf 0xb and the vCPU's number", 0,
             (me->uid / logical) << shift_socket | (me->uid / threads % (logical / threads)) << shift_core |
             me->uid % threads, me->id);

    same(me, "leaf 1 EDX[28], HTT", 0, logical > 1, l1.d >> 28 & 1);
    if ( logical > 1 )
        same(me, "leaf 1 EBX[23:16], CPUs in a socket (AMD), or IDs for them", 0,
             least(amd ? logical : 1U << shift_socket, 255), l1.b >> 16 & 0xff);
    if ( l0.a >= 4 )
        look_caches(me, 4, "leaf 4 EAX[25:14], IDs that share a cache less one", shift_core, shift_socket);
    if ( amd )
        look_amd(me, threads, logical, shift_core, shift_socket);
}

/* CPUs with the same ID above the level's shift lie side by side when sorted. */
static void check_level(const char *what, unsigned int shift, unsigned int most)
{
    unsigned int i, j;

    for ( i = 0; i < cpu_count; i = j )
    {
        uint32_t first = cpus_by_id[i]->id;

        for ( j = i; j < cpu_count && cpus_by_id[j]->id >> shift == first >> shift; j++ )
            ;
        if ( j - i > most )
        {
            check_fail("%u CPUs share a %s with ID %u (shift %u), CPUID says %u at most", j - i, what, first, shift,
                       most);
            return;
        }
    }
}

static void run(void)
{
    struct topology t;
    unsigned int i, lost, seen = 0;

    wrong = mem_alloc(acpi.cpus * sizeof(*wrong), 16);
    odd = mem_alloc(acpi.cpus * sizeof(*odd), 16);
    if ( !wrong || !odd )
    {
        check_error("no memory left");
        return;
    }
    for ( i = 0; i < ARRAY_SIZE(leaves); i++ )
        if ( present(&leaves[i]) )
        {
            ours[i] = cpuid(leaves[i].leaf, leaves[i].subleaf);
            seen++;
        }
    lost = smp_all(look, NULL);
    if ( lost )
        check_fail("%u CPUs did not answer", lost);
    for ( i = 0; i < cpu_count; i++ )
    {
        unsigned int bad = wrong[cpus[i]->index].bad;

        if ( bad )
            check_fail("CPU %u: leaf 0x%x.%u e%cx is 0x%x, which differs from the BSP's", cpus[i]->index,
                       leaves[bad - 1].leaf, leaves[bad - 1].subleaf, wrong[cpus[i]->index].reg,
                       wrong[cpus[i]->index].got);
    }
    lost = smp_all(look_topology, NULL);
    if ( lost )
        check_fail("%u CPUs did not answer about topology", lost);
    for ( i = 0; i < cpu_count; i++ )
    {
        unsigned int k = cpus[i]->index;

        if ( odd[k].what )
            check_fail("CPU %u, ID %u: %s is 0x%x, expected 0x%x (subleaf %u)", k, cpus[i]->id, odd[k].what, odd[k].got,
                       odd[k].want, odd[k].subleaf);
    }
    topology_get(&t);
    if ( xen_cpuid_base && !leaf_b_valid() && acpi.cpus > LEGACY_CPUS )
        check_fail("%u vCPUs, and leaf 0xb is empty", acpi.cpus);
    if ( leaf_b_valid() )
    {
        if ( t.shift_socket < t.shift_core )
            check_fail("leaf 0xb: shift %u of the core level is below %u of the thread level", t.shift_socket,
                       t.shift_core);
        if ( t.threads_per_core > 1U << t.shift_core ||
             t.threads_per_core * t.cores_per_socket > 1U << t.shift_socket )
            check_fail("leaf 0xb: %u threads in shift %u, %u CPUs in shift %u", t.threads_per_core, t.shift_core,
                       t.threads_per_core * t.cores_per_socket, t.shift_socket);
        /* The toolstack lets a topology be only if its sockets are full, hot-pluggable vCPUs counted. */
        if ( xen_cpuid_base && acpi.cpus % (t.threads_per_core * t.cores_per_socket) )
            check_fail("leaf 0xb: %u CPUs in a socket, which don't divide %u vCPUs",
                       t.threads_per_core * t.cores_per_socket, acpi.cpus);
        check_level("core", t.shift_core, t.threads_per_core);
        check_level("socket", t.shift_socket, t.threads_per_core * t.cores_per_socket);
    }
    check_note("%u leaves same on %u CPUs, %u sockets of %u cores of %u threads (%s)", seen, cpus_online, t.sockets,
               t.cores_per_socket, t.threads_per_core, t.source);
}

const struct check check_cpuid = { "cpuid", "leaves agree with each other", .needs_aps = true, .run = run };
