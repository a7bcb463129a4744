/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Topology of a guest, and the (x2)APIC IDs that follow from it.
 *
 * Pure functions over integers and struct cpu_policy, used by Xen, by the
 * toolstack and by tests alike.  None takes a lock or allocates.
 *
 * The toolstack chooses a topology and writes it to CPUID leaf 0xb of the
 * domain's policy.  That leaf alone determines the APIC ID of each vCPU:
 *
 *   thread =  vcpu_id % threads
 *   core   = (vcpu_id / threads) % cores
 *   socket =  vcpu_id / (threads * cores)
 *   id     =  socket << pkg_shift | core << thread_shift | thread
 *
 * which is the layout of Intel SDM vol. 3, 9.9.1 "Hierarchical Mapping of
 * Shared Resources".  A policy whose leaf 0xb is empty stands for the APIC IDs
 * that guests had before: 2 * vcpu_id.
 *
 * There are no leaves 0x1f and 0x80000026.  They add levels between core and
 * socket to those of leaf 0xb, and here are none; software which looks for them
 * first goes on to leaf 0xb.
 */
#ifndef XEN_LIB_X86_TOPOLOGY_H
#define XEN_LIB_X86_TOPOLOGY_H

#ifdef __XEN__
#include <xen/types.h>
#else
#include <stdint.h>
#endif

struct cpu_policy;

/*
 * Highest APIC ID that a guest can have.  Each of the two roundings to a power
 * of two in a packed layout at most doubles the range of IDs, so any topology
 * of 1024 vCPUs fits.  Xen sizes per-domain tables by the IDs in use, and
 * refuses what is over this.
 */
#define X86_TOPO_MAX_APIC_ID 0xfffU

/*
 * Limits of the fields of CPUID (0x8000001e EBX[15:8], ECX[7:0]; 0xb
 * EBX[15:0]).
 */
#define X86_TOPO_MAX_THREADS 256U
#define X86_TOPO_MAX_CORES   1024U
#define X86_TOPO_MAX_SOCKETS 256U

struct x86_topology {
    unsigned int threads;      /* Threads in a core, at least 1. */
    unsigned int cores;        /* Cores in a socket, at least 1. */
    unsigned int thread_shift; /* Bits of an ID below the core's number. */
    unsigned int pkg_shift;    /* Bits of an ID below the socket's number. */
};

/*
 * Lay out @threads a core and @cores a socket with the fewest bits, so that IDs
 * are contiguous wherever the topology allows.
 *
 * Returns 0, or -ERANGE if a number is zero or over its limit above, or a
 * socket has more threads than leaf 0xb can tell.
 */
int x86_topo_init_packed(struct x86_topology *t, unsigned int threads,
                         unsigned int cores);

/*
 * Lay out one socket with @nr_vcpus cores, a thread each, and IDs of
 * 2 * vcpu_id: what an empty leaf 0xb stands for, in a form that a guest with
 * IDs over 255 can enumerate.
 *
 * Returns 0, or -ERANGE as above.
 */
int x86_topo_init_legacy(struct x86_topology *t, unsigned int nr_vcpus);

/* APIC ID of @vcpu_id, 32 bits wide. */
uint32_t x86_topo_apic_id(const struct x86_topology *t, unsigned int vcpu_id);

/*
 * Take the topology out of leaf 0xb of @p.
 *
 * Returns 0; -ENOENT if the leaf is empty; or -EINVAL if it isn't a topology
 * that the formula above can work with, with the subleaf at fault stored to
 * @err_subleaf unless that is NULL.  @t is written in the first case only.
 */
int x86_topo_from_policy(struct x86_topology *t, const struct cpu_policy *p,
                         unsigned int *err_subleaf);

/*
 * Write @t to every leaf of @p that tells of topology: 1, 4, 0xb and, by
 * @p->x86_vendor, 0x80000001 and 0x80000008.  Fields which are too narrow hold
 * the highest value that they can.  The per-vCPU fields (leaf 1 EBX[31:24], 0xb
 * EDX, 0x8000001e) and 0x8000001d, of whose subleaves a policy has no record,
 * are filled in when a guest executes CPUID.
 */
void x86_topo_to_policy(const struct x86_topology *t, struct cpu_policy *p);

/* APIC ID of @vcpu_id by policy @p: 2 * vcpu_id unless leaf 0xb has better. */
uint32_t x86_topo_policy_apic_id(const struct cpu_policy *p,
                                 unsigned int vcpu_id);

/*
 * AMD leaf 0x8000001e for @vcpu_id with APIC ID @apic_id.  The core and node
 * numbers are 8 bits wide there, and wrap.
 */
void x86_topo_amd_leaf_1e(const struct x86_topology *t, unsigned int vcpu_id,
                          uint32_t apic_id, uint32_t *eax, uint32_t *ebx,
                          uint32_t *ecx);

/*
 * AMD leaf 0x8000001d, cache properties, in topology @t (AMD64 APM vol. 3,
 * E.4.15).  What the caches are comes from leaves 0x80000005 and 0x80000006 of
 * @p (E.4.4, E.4.5), whatever those hold.  @subleaf numbers the caches there
 * are, in the order L1 data, L1 instructions, L2, L3; beyond, all is zero.
 *
 * L1 and L2 belong to a core, and L3 to a socket.  EAX[25:14] is the number of
 * APIC IDs set aside for one of these, in use or not, less one (at most 4095).
 * The field is to count logical processors; but software is to round the count
 * up to a power of two and to shift APIC IDs by its logarithm, and processors
 * for which the results are equal share the cache.  That comes out right only
 * if unused IDs are counted: 36 cores of 3 threads are 108 processors, which is
 * rounded to 128, but their IDs are spread over 256.  For L1 and L2, Linux
 * divides by the count as it is instead; a power of two makes both agree.
 *
 * Line size (bytes), partitions, ways and sets multiply to the size in the
 * legacy leaf.  Associativity can stand for a range there, and is the lowest
 * number of it here.  EDX promises the least: WBINVD needn't act on what other
 * cores have below L3, and no cache is said to be inclusive.
 */
void x86_topo_amd_leaf_1d(const struct x86_topology *t,
                          const struct cpu_policy *p, unsigned int subleaf,
                          uint32_t *eax, uint32_t *ebx, uint32_t *ecx,
                          uint32_t *edx);

#endif /* XEN_LIB_X86_TOPOLOGY_H */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
