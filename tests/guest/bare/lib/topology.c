// SPDX-License-Identifier: GPL-2.0-or-later
/* The topology, as an operating system reads it on this CPU. */
#include "bare.h"

bool leaf_b_valid(void)
{
    return cpuid(0, 0).a >= 0xb && cpuid(0xb, 0).b;
}

static unsigned int order(unsigned int n)
{
    unsigned int o = 0;

    while ( o < 31 && (1U << o) < n )
        o++;
    return o;
}

void topology_get(struct topology *t)
{
    struct regs4 r;
    uint32_t vendor = cpuid(0, 0).b, max = cpuid(0, 0).a, ext = cpuid(0x80000000U, 0).a;
    unsigned int i, logical, cores;

    t->threads_per_core = 1;
    if ( leaf_b_valid() )
    {
        t->source = "leaf 0xb";
        r = cpuid(0xb, 0);
        t->threads_per_core = r.b & 0xffff ? r.b & 0xffff : 1;
        t->shift_core = r.a & 31;
        r = cpuid(0xb, 1);
        logical = r.b & 0xffff;
        t->shift_socket = r.b ? r.a & 31 : t->shift_core;
        if ( !logical )
            logical = t->threads_per_core;
        t->cores_per_socket = logical / t->threads_per_core;
    }
    else if ( !(cpuid(1, 0).d & (1U << 28)) )
    {
        t->source = "none";
        t->cores_per_socket = 1;
        t->shift_core = t->shift_socket = 0;
    }
    else
    {
        logical = cpuid(1, 0).b >> 16 & 0xff;
        if ( vendor == 0x68747541 && ext >= 0x80000008U )       /* "Auth"enticAMD */
        {
            t->source = "leaf 0x80000008";
            r = cpuid(0x80000008U, 0);
            cores = (r.c & 0xff) + 1;
            t->shift_socket = r.c >> 12 & 0xf ? r.c >> 12 & 0xf : order(cores);
            if ( ext >= 0x8000001eU && (cpuid(0x80000001U, 0).c & (1U << 22)) )
                t->threads_per_core = (cpuid(0x8000001eU, 0).b >> 8 & 0xff) + 1;
            t->cores_per_socket = cores / t->threads_per_core;
        }
        else
        {
            t->source = "leaf 4";
            cores = max >= 4 && (cpuid(4, 0).a & 0x1f) ? (cpuid(4, 0).a >> 26) + 1 : 1;
            t->shift_socket = order(logical);
            t->threads_per_core = logical > cores ? logical / cores : 1;
            t->cores_per_socket = cores;
        }
        t->shift_core = order(t->threads_per_core);
    }
    if ( !t->cores_per_socket )
        t->cores_per_socket = 1;

    t->sockets = 0;
    for ( i = 0; i < cpu_count; i++ )
        t->sockets += !i || cpus_by_id[i]->id >> t->shift_socket != cpus_by_id[i - 1]->id >> t->shift_socket;
}
