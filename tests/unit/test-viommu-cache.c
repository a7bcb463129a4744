/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IRTE cache (xen/arch/x86/hvm/viommu/cache.c): against an array as a model,
 * and with threads in place of CPUs.  Built with ThreadSanitizer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include <asm/hvm/viommu-cache.h>

#define ENTRIES (1U << VIOMMU_MAX_ORDER)
#define CPUS 4U

bool shim_no_memory;

static struct viommu_cache cache;
static uint64_t model[ENTRIES];

static uint32_t rnd(uint64_t *seed)
{
    *seed ^= *seed << 13; *seed ^= *seed >> 7; *seed ^= *seed << 17;
    return *seed >> 16;
}

static int setup(void **state)
{
    (void)state;
    memset(&cache, 0, sizeof(cache));
    memset(model, 0, sizeof(model));
    shim_no_memory = false;
    return viommu_cache_init(&cache, CPUS);
}

static int teardown(void **state)
{
    (void)state;
    viommu_cache_free(&cache, true);
    return 0;
}

static void store(unsigned int index, uint64_t v)
{
    viommu_cache_prepare(&cache, index);
    spin_lock(&cache.lock);
    viommu_cache_store(&cache, index, v);
    spin_unlock(&cache.lock);
}

static void drop(unsigned int index, unsigned int mask)
{
    spin_lock(&cache.lock);
    viommu_cache_drop(&cache, index, mask);
    spin_unlock(&cache.lock);
}

static void compare(void)
{
    unsigned int i, n = 0;

    for ( i = 0; i < ENTRIES; i++ )
    {
        if ( viommu_cache_lookup(&cache, i) != model[i] )
            fail_msg("entry %#x is %#llx, not %#llx", i,
                     (unsigned long long)viommu_cache_lookup(&cache, i), (unsigned long long)model[i]);
        n += !!model[i];
    }
    assert_int_equal(cache.nr_cached, n);
}

static void test_model(void **state)
{
    uint64_t seed = 2463534242;
    unsigned int n, i;

    (void)state;
    for ( n = 0; n < 3000; n++ )
    {
        unsigned int index = rnd(&seed) % ENTRIES, mask;

        if ( rnd(&seed) % 8 )
        {
            /* Crowded, so that there is something to be dropped. */
            if ( rnd(&seed) % 2 )
                index %= 2048;
            model[index] = rnd(&seed) | 1;
            store(index, model[index]);
            continue;
        }

        mask = rnd(&seed) % 32 ? rnd(&seed) % 12 : rnd(&seed) % (VIOMMU_MAX_ORDER + 1);
        drop(index, mask);
        for ( i = 0; i < ENTRIES; i++ )
            if ( i >> mask == index >> mask )
                model[i] = 0;
        if ( !(n % 16) )
            compare();
    }
    compare();

    drop(0, VIOMMU_MAX_ORDER);
    memset(model, 0, sizeof(model));
    compare();
    /* Leaves are the bound of memory that is documented. */
    assert_true(cache.nr_leaves <= VIOMMU_NR_LEAVES);
    assert_int_equal(VIOMMU_NR_LEAVES * VIOMMU_LEAF_ENTRIES * sizeof(uint64_t), 512 * 1024);
}

static void test_no_memory(void **state)
{
    (void)state;
    shim_no_memory = true;
    store(5, 7);
    assert_int_equal(viommu_cache_lookup(&cache, 5), 0);
    assert_int_equal(cache.nr_cached, 0);
    shim_no_memory = false;
    store(5, 7);
    assert_int_equal(viommu_cache_lookup(&cache, 5), 7);
    /* What can't be packed isn't kept. */
    store(6, 0);
    assert_int_equal(cache.nr_cached, 1);
}

static void *sync_thread(void *done)
{
    viommu_cache_sync(&cache);
    write_atomic((int *)done, 1);
    return NULL;
}

/* A sync ends when the sections of its beginning have, and not before. */
static void test_sync_waits(void **state)
{
    pthread_t t;
    int done = 0;

    (void)state;
    viommu_cache_sync(&cache);

    viommu_cache_enter(&cache, 2);
    assert_int_equal(pthread_create(&t, NULL, sync_thread, &done), 0);
    usleep(100000);
    assert_int_equal(read_atomic(&done), 0);
    viommu_cache_exit(&cache, 2);
    /* Another section, later, is none of its business. */
    viommu_cache_enter(&cache, 2);
    pthread_join(t, NULL);
    assert_int_equal(done, 1);
    viommu_cache_exit(&cache, 2);
}

/*
 * The guest changes an entry of its table and has it invalidated, over and over.
 * Values count up, and once an invalidation is complete nothing older than that may
 * be delivered.
 */
#define HOT 8U
#define ROUNDS 20000U
static uint64_t table[HOT], completed[HOT];
static int stop, violations;
static uint64_t delivered[CPUS], misses[CPUS];

static void *reader(void *arg)
{
    unsigned int cpu = (uintptr_t)arg;
    uint64_t seed = 12345 + cpu;

    while ( !read_atomic(&stop) )
    {
        unsigned int index = rnd(&seed) % HOT;
        uint64_t v;

        viommu_cache_enter(&cache, cpu);

        v = viommu_cache_lookup(&cache, index);
        if ( !v )
        {
            viommu_cache_prepare(&cache, index);
            spin_lock(&cache.lock);
            v = read_atomic(&table[index]);
            viommu_cache_store(&cache, index, v);
            spin_unlock(&cache.lock);
            misses[cpu]++;
        }

        if ( !(rnd(&seed) % 64) )
            sched_yield();

        /* Delivery. */
        if ( v < read_atomic(&completed[index]) )
            write_atomic(&violations, 1);
        delivered[cpu]++;

        viommu_cache_exit(&cache, cpu);
    }

    return NULL;
}

static void test_threads(void **state)
{
    pthread_t t[CPUS - 1];
    uint64_t seed = 99;
    unsigned int i, n, all = 0;

    (void)state;
    for ( i = 0; i < HOT; i++ )
        table[i] = 1;
    for ( i = 0; i < CPUS - 1; i++ )
        assert_int_equal(pthread_create(&t[i], NULL, reader, (void *)(uintptr_t)i), 0);

    for ( n = 2; n < ROUNDS; n++ )
    {
        unsigned int index = rnd(&seed) % HOT, mask = rnd(&seed) % 3;

        write_atomic(&table[index], n);
        drop(index, n % 100 ? mask : VIOMMU_MAX_ORDER);
        viommu_cache_sync(&cache);
        write_atomic(&completed[index], n);
        if ( !(n % 16) )
            sched_yield();
    }

    write_atomic(&stop, 1);
    for ( i = 0; i < CPUS - 1; i++ )
    {
        pthread_join(t[i], NULL);
        all += !!delivered[i] && !!misses[i];
    }
    assert_int_equal(all, CPUS - 1);
    assert_int_equal(violations, 0);
}

/* The same without the wait, in an order that is sure to go wrong: it must show. */
static void test_threads_notice(void **state)
{
    uint64_t v;

    (void)state;
    table[0] = 1;
    completed[0] = 0;
    store(0, 1);
    viommu_cache_enter(&cache, 0);
    v = viommu_cache_lookup(&cache, 0);
    table[0] = 2;
    drop(0, 0);
    completed[0] = 2;
    assert_true(v < completed[0]);
    viommu_cache_exit(&cache, 0);
    viommu_cache_sync(&cache);
    assert_int_equal(viommu_cache_lookup(&cache, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_model, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sync_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_threads_notice, setup, teardown),
    };

    return cmocka_run_group_tests_name("viommu-cache", tests, NULL, NULL);
}
