// SPDX-License-Identifier: GPL-2.0-or-later
/* Xen's hypercalls, as an HVM guest reaches them: through the page that an MSR fills. */
#include "bare.h"

#include <xen/xen.h>
#include <xen/errno.h>
#include <xen/sched.h>
#include <xen/event_channel.h>
#include <xen/memory.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/arch-x86/cpuid.h>

static uint8_t hypercall_page[4096] __attribute__((aligned(4096)));

uint32_t xen_cpuid_base;
uint32_t xen_version;

static long hypercall2(unsigned int nr, unsigned long a, unsigned long b)
{
    long ret;

    asm volatile ( "call *%[page]"
                   : "=a" (ret), "+D" (a), "+S" (b)
                   : [page] "r" (hypercall_page + nr * 32)
                   : "memory", "cc", "rcx", "r11" );
    return ret;
}

void xen_init(void)
{
    uint32_t base;

    for ( base = XEN_CPUID_FIRST_LEAF; base < XEN_CPUID_FIRST_LEAF + 0x10000; base += 0x100 )
    {
        struct regs4 r = cpuid(base, 0);

        if ( r.b == XEN_CPUID_SIGNATURE_EBX && r.c == XEN_CPUID_SIGNATURE_ECX &&
             r.d == XEN_CPUID_SIGNATURE_EDX && r.a >= base + 2 )
        {
            xen_version = cpuid(base + 1, 0).a;
            wrmsr(cpuid(base + 2, 0).b, (uintptr_t)hypercall_page);
            xen_cpuid_base = base;
            return;
        }
        /* Without any hypervisor these leaves mirror others: no use in looking further. */
        if ( !(cpuid(1, 0).c & 0x80000000U) )
            return;
    }
}

bool xen_hvm_param(uint32_t index, uint64_t *value)
{
    struct xen_hvm_param p = { .domid = DOMID_SELF, .index = index };

    if ( !xen_cpuid_base || hypercall2(__HYPERVISOR_hvm_op, HVMOP_get_param, (uintptr_t)&p) )
        return false;
    *value = p.value;
    return true;
}

void xen_evtchn_send(uint32_t port)
{
    struct evtchn_send send = { .port = port };

    hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, (uintptr_t)&send);
}

void xen_yield(void)
{
    if ( xen_cpuid_base )
        hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
}

void xen_shutdown(unsigned int reason)
{
    struct sched_shutdown s = { .reason = reason };

    hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (uintptr_t)&s);
}

static bool page_op(unsigned int op, uint64_t address)
{
    xen_pfn_t pfn = address >> 12;
    struct xen_memory_reservation r = { .nr_extents = 1, .domid = DOMID_SELF };

    set_xen_guest_handle(r.extent_start, &pfn);
    return xen_cpuid_base && hypercall2(__HYPERVISOR_memory_op, op, (uintptr_t)&r) == 1;
}

bool xen_page_give_back(uint64_t address)
{
    return page_op(XENMEM_decrease_reservation, address);
}

bool xen_page_take(uint64_t address)
{
    return page_op(XENMEM_populate_physmap, address);
}

long xen_page_is_ram(uint64_t address)
{
    struct xen_hvm_get_mem_type t = { .domid = DOMID_SELF, .pfn = address >> 12 };
    long ret;

    if ( !xen_cpuid_base )
        return 0;
    ret = hypercall2(__HYPERVISOR_hvm_op, HVMOP_get_mem_type, (uintptr_t)&t);
    return ret ? ret : t.mem_type == HVMMEM_ram_rw || t.mem_type == HVMMEM_ram_ro;
}

const char *xen_numa_get(struct xen_numa *n)
{
    struct xen_vnuma_topology_info t = { .domid = DOMID_SELF };
    struct xen_vmemrange *ranges;
    unsigned int i;
    long ret;

    memset(n, 0, sizeof(*n));
    /* Without room it tells how much there is. */
    ret = hypercall2(__HYPERVISOR_memory_op, XENMEM_get_vnumainfo, (uintptr_t)&t);
    if ( ret == -XEN_EOPNOTSUPP )
        return NULL;
    if ( ret != -XEN_ENOBUFS )
        return "XENMEM_get_vnumainfo, asked for the numbers, ended otherwise";
    n->nodes = t.nr_vnodes;
    n->vcpus = t.nr_vcpus;
    n->ranges = t.nr_vmemranges;
    n->vcpu_node = mem_alloc(n->vcpus * sizeof(*n->vcpu_node), 16);
    n->distance = mem_alloc(n->nodes * n->nodes * sizeof(*n->distance), 16);
    n->range = mem_alloc(n->ranges * sizeof(*n->range), 16);
    ranges = mem_alloc(n->ranges * sizeof(*ranges), 16);
    if ( !n->vcpu_node || !n->distance || !n->range || !ranges )
        return "no memory left";
    set_xen_guest_handle(t.vdistance.h, n->distance);
    set_xen_guest_handle(t.vcpu_to_vnode.h, n->vcpu_node);
    set_xen_guest_handle(t.vmemrange.h, ranges);
    if ( hypercall2(__HYPERVISOR_memory_op, XENMEM_get_vnumainfo, (uintptr_t)&t) )
        return "XENMEM_get_vnumainfo failed";
    for ( i = 0; i < n->ranges; i++ )
        n->range[i] = (struct xen_numa_range){ ranges[i].start, ranges[i].end - ranges[i].start, ranges[i].nid };
    return NULL;
}
