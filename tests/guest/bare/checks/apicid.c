// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * apicid: all places that tell a CPU its APIC ID agree.
 *
 * On each CPU: the APIC's register (in the mode at hand-over and in the one used now), the MADT,
 * CPUID 1 EBX[31:24] (low 8 bits), 0xb and 0x1f EDX, 0x8000001e EAX, 0x80000026 EDX, where these
 * are there; and Xen's vCPU number in CPUID is the MADT's processor UID.
 */
#include "bare.h"

#include <xen/arch-x86/cpuid.h>

static struct { const char *what; uint32_t want, got; } *wrong;

static void look(struct cpu *me, void *arg)
{
    struct regs4 r;
    uint32_t max = cpuid(0, 0).a, ext = cpuid(0x80000000U, 0).a;

#define SAME(text, expect, value) do {                              \
        uint32_t v_ = (value), e_ = (expect);                       \
        if ( v_ != e_ && !wrong[me->index].what )                   \
        {                                                           \
            wrong[me->index].want = e_;                             \
            wrong[me->index].got = v_;                              \
            wrong[me->index].what = text;                           \
        }                                                           \
    } while ( 0 )

    SAME("APIC ID register at hand-over", me->apic_base & APIC_BASE_X2 ? me->id : me->id & 0xff, me->hw_id);
    SAME("APIC ID register", me->id, apic_hw_id());
    SAME("CPUID 1 EBX[31:24]", me->id & 0xff, cpuid(1, 0).b >> 24);
    if ( max >= 0xb && cpuid(0xb, 0).b )
    {
        SAME("CPUID 0xb.0 EDX", me->id, cpuid(0xb, 0).d);
        SAME("CPUID 0xb.1 EDX", me->id, cpuid(0xb, 1).d);
    }
    if ( max >= 0x1f && cpuid(0x1f, 0).b )
        SAME("CPUID 0x1f EDX", me->id, cpuid(0x1f, 0).d);
    if ( ext >= 0x8000001eU && (cpuid(0x80000001U, 0).c & (1U << 22)) )
        SAME("CPUID 0x8000001e EAX", me->id, cpuid(0x8000001eU, 0).a);
    if ( ext >= 0x80000026U && cpuid(0x80000026U, 0).b )
        SAME("CPUID 0x80000026 EDX", me->id, cpuid(0x80000026U, 0).d);
    if ( xen_cpuid_base && cpuid(xen_cpuid_base, 0).a >= xen_cpuid_base + 4 )
    {
        r = cpuid(xen_cpuid_base + 4, 0);
        if ( r.a & XEN_HVM_CPUID_VCPU_ID_PRESENT )
            SAME("Xen's vCPU number", me->uid, r.b);
    }
    if ( apic_x2 )
        SAME("x2APIC logical ID", me->id >> 4 << 16 | 1U << (me->id & 15), apic_read(APIC_LDR));
}

static void run(void)
{
    unsigned int i, lost;

    wrong = mem_alloc(acpi.cpus * sizeof(*wrong), 16);
    if ( !wrong )
    {
        check_error("no memory left");
        return;
    }
    lost = smp_all(look, NULL);
    if ( lost )
        check_fail("%u CPUs did not answer", lost);
    for ( i = 0; i < cpu_count; i++ )
        if ( wrong[cpus[i]->index].what )
            check_fail("CPU %u: %s is 0x%x, expected 0x%x", cpus[i]->index, wrong[cpus[i]->index].what,
                       wrong[cpus[i]->index].got, wrong[cpus[i]->index].want);
    check_note("%u CPUs", cpus_online);
}

const struct check check_apicid = { "apicid", "all sources of the APIC ID agree", .needs_aps = true, .run = run };
