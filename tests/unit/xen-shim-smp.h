/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As xen-shim.h, for files which allocate, take locks and order their accesses.
 *
 * Atomic accesses are acquire and release, as they are on x86; that also lets
 * ThreadSanitizer, which knows nothing of fences, see what orders what.
 */
#ifndef XEN_SHIM_SMP_H
#define XEN_SHIM_SMP_H

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "xen-shim.h"

#define __cacheline_aligned __attribute__((aligned(64)))
#define ASSERT assert
#define min(a, b) ((a) < (b) ? (a) : (b))

#define read_atomic(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define write_atomic(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define cpu_relax() sched_yield()

typedef pthread_mutex_t spinlock_t;
#define spin_lock_init(l) pthread_mutex_init(l, NULL)
#define spin_lock(l) pthread_mutex_lock(l)
#define spin_unlock(l) pthread_mutex_unlock(l)
#define spin_is_locked(l) (pthread_mutex_trylock(l) == EBUSY)

/* A test sets it to have allocations fail. */
extern bool shim_no_memory;

static inline void *shim_zalloc(size_t align, size_t size)
{
    void *p = NULL;

    if ( shim_no_memory ||
         posix_memalign(&p, align < sizeof(p) ? sizeof(p) : align, size) )
        return NULL;

    return memset(p, 0, size);
}

#define xvzalloc_array(type, n) \
    ((type *)shim_zalloc(__alignof__(type), sizeof(type) * (n)))
#define xvfree free
#define XVFREE(p) do { free(p); (p) = NULL; } while ( 0 )

#endif
