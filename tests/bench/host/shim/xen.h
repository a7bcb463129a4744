/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the measured files of Xen take from its headers, for the host.  Included
 * ahead of each; the headers themselves are empty, or what host.py puts in their
 * place.  Locks and atomics are as long as Xen's own without contention, to within
 * some instructions; what leads out of the measured code (kicking a vCPU, notifying
 * by an event channel) is an empty function.
 */
#ifndef BENCH_SHIM_XEN_H
#define BENCH_SHIM_XEN_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <public/xen.h>
#include <public/event_channel.h>
#include <public/hvm/save.h>
#include <public/hvm/dm_op.h>
#include <public/hvm/ioreq.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096L
#define X86_NR_VECTORS 256
#define APIC_BASE_EXTD (1ULL << 10)
#define APIC_BASE_ADDR_MASK 0x000ffffffffff000ULL

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define cf_check
#define noinline __attribute__((noinline))
#define __cacheline_aligned __attribute__((aligned(64)))
#define container_of(p, type, member) ((type *)((char *)(p) - offsetof(type, member)))
#define min(a, b) ((a) < (b) ? (a) : (b))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define MASK_EXTR(v, m) (((v) & (m)) / ((m) & -(m)))
#define ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))
#define multiple_bits_set(x) ({ typeof(x) _v = (x); (_v & (_v - 1)) != 0; })
#define ASSERT(x) ((void)0)
#define ASSERT_UNREACHABLE() abort()
#define BUG() abort()
#define WARN() abort()
#define printk(...) ((void)0)
#define gprintk(...) ((void)0)
#define gdprintk(...) ((void)0)
#define domain_crash(d) abort()
#define HVM_DBG_LOG(...) ((void)0)

/* Without branches, as in Xen: the index, or 0. */
static inline unsigned long array_index_mask_nospec(unsigned long idx, unsigned long nr)
{
    unsigned long mask;

    asm volatile ( "cmp %[nr], %[idx]; sbb %[mask], %[mask]" : [mask] "=r" (mask)
                   : [nr] "g" (nr), [idx] "r" (idx) : "cc" );
    return mask;
}
#define array_index_nospec(idx, nr) ((typeof(idx))((idx) & array_index_mask_nospec(idx, nr)))

#define ACCESS_ONCE(x) (*(volatile typeof(x) *)&(x))
#define read_atomic(p) (*(const volatile typeof(*(p)) *)(p))
#define write_atomic(p, v) (*(volatile typeof(*(p)) *)(p) = (v))
#define smp_mb() asm volatile ( "lock addl $0, -4(%%rsp)" ::: "memory" )
#define smp_rmb() asm volatile ( "" ::: "memory" )
#define smp_wmb() asm volatile ( "" ::: "memory" )
#define cpu_relax() asm volatile ( "rep nop" ::: "memory" )
#define arch_fetch_and_add(p, v) __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST)
#define test_and_set_bool(b) __atomic_exchange_n(&(b), true, __ATOMIC_SEQ_CST)

static inline bool test_and_set_bit(int nr, volatile void *addr)
{
    bool old;

    asm volatile ( "lock btsl %[nr], %[addr]" : "=@ccc" (old), [addr] "+m" (*(volatile int *)addr)
                   : [nr] "Ir" (nr) : "memory" );
    return old;
}
#define set_bit(nr, addr) \
    asm volatile ( "lock btsl %1, %0" : "+m" (*(volatile int *)(addr)) : "Ir" (nr) : "memory" )
#define clear_bit(nr, addr) \
    asm volatile ( "lock btrl %1, %0" : "+m" (*(volatile int *)(addr)) : "Ir" (nr) : "memory" )

#define fls(x) ((x) ? 32 - __builtin_clz(x) : 0)
#define X86_TOPO_MAX_APIC_ID 4094U

typedef struct { unsigned int tickets; } spinlock_t;
#define spin_lock_init(l) ((l)->tickets = 0)
static inline void spin_lock(spinlock_t *l)
{
    unsigned int t = __atomic_fetch_add(&l->tickets, 0x10000, __ATOMIC_SEQ_CST);

    while ( t >> 16 != (uint16_t)t )
    {
        cpu_relax();
        t = (t & 0xffff0000U) | (uint16_t)ACCESS_ONCE(l->tickets);
    }
}
static inline void spin_unlock(spinlock_t *l)
{
    uint16_t *head = (uint16_t *)&l->tickets;

    smp_wmb();
    write_atomic(head, *head + 1);
}

#define xvzalloc_array(type, n) ((type *)aligned_alloc_zero(__alignof__(type), sizeof(type) * (n)))
static inline void *aligned_alloc_zero(size_t align, size_t size)
{
    void *p = NULL;

    if ( posix_memalign(&p, align < sizeof(p) ? sizeof(p) : align, size) )
        return NULL;
    return memset(p, 0, size);
}
#define xvmalloc_flex_struct(type, field, nr) ((type *)malloc(offsetof(type, field[nr])))
#define xvfree free
#define XVFREE(p) do { free(p); (p) = NULL; } while ( 0 )

typedef uint8_t u8;
typedef int64_t s_time_t;
typedef uint64_t paddr_t;
typedef struct { unsigned long gfn; } gfn_t;
typedef struct { unsigned long mfn; } mfn_t;
struct tasklet { void *p; };
struct periodic_time { void *p; };
struct rangeset;
struct page_info { void *va; };
struct domain;
struct vcpu;
struct dmop_args;

/* Of the host that runs Xen. */
extern unsigned int bench_cpu;
#define smp_processor_id() bench_cpu

#define __map_domain_page(pg) ((const void *)(pg)->va)
#define unmap_domain_page(va) ((void)(va))

void vcpu_kick(struct vcpu *v);
void notify_via_xen_event_channel(struct domain *d, int port);

#endif
