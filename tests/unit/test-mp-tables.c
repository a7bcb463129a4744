/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hvmloader's mp_tables.c: what MP tables say of CPUs, and what they leave out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include <xen/xen.h>
#include <xen/hvm/hvm_info_table.h>
#include "apic_id.h"

/* The rest of hvmloader, as far as it is wanted. */
unsigned long create_mp_tables(void *mpfps);
struct hvm_info_table *get_hvm_info_table(void);
void *mem_alloc(uint32_t size, uint32_t align);
uint8_t ioapic_version = 0x11;

static struct hvm_info_table info;
static uint8_t *low; /* The tables hold addresses of 32 bits. */
static uint32_t allocated;

struct hvm_info_table *get_hvm_info_table(void)
{
    return &info;
}

void *mem_alloc(uint32_t size, uint32_t align)
{
    (void)align;
    assert_true(size <= 65536);
    allocated = size;
    return low;
}

static uint32_t get(const uint8_t *p, unsigned int bytes)
{
    uint32_t v = 0;

    memcpy(&v, p, bytes);
    return v;
}

static uint8_t sum(const uint8_t *p, size_t n)
{
    uint8_t s = 0;

    while (n--)
        s += *p++;
    return s;
}

/* Of the structures in the MultiProcessor Specification 1.4, chapter 4. */
static void check(unsigned int vcpus, unsigned int factor)
{
    static const uint8_t sizes[] = { 20, 8, 8, 8, 8 };
    unsigned int entries, ioapic = 256, procs = 0, want = 0, vcpu = 0, type = 0;
    const uint8_t *table, *p, *end;

    for (unsigned int i = 0; i < vcpus; i++) {
        apic_id_set(i, factor * i);
        want += factor * i < 255;
    }
    info.nr_vcpus = vcpus;
    memset(low, 0xa5, 65536);
    assert_int_equal(create_mp_tables(NULL), (uintptr_t)low);

    assert_memory_equal(low, "_MP_", 4);
    assert_int_equal(low[8], 1);
    assert_int_equal(sum(low, 16), 0);
    table = (const uint8_t *)(uintptr_t)get(low + 4, 4);
    assert_ptr_equal(table, low + 16);
    assert_memory_equal(table, "PCMP", 4);
    end = table + get(table + 4, 2);
    assert_true(end - low <= allocated);
    assert_int_equal(sum(table, end - table), 0);

    entries = get(table + 34, 2);
    for (p = table + 44; p < end; p += sizes[*p], entries--) {
        assert_true(*p < sizeof(sizes) && *p >= type); /* In the order of their types. */
        type = *p;
        switch (type) {
        case 0:
            while (factor * vcpu >= 255)
                vcpu++;
            assert_int_equal(p[1], factor * vcpu);
            assert_int_equal(p[3], vcpu ? 1 : 3); /* Enabled; CPU 0 boots. */
            vcpu++;
            procs++;
            break;
        case 2:
            assert_int_equal(ioapic, 256);
            ioapic = p[1];
            break;
        case 3:
            assert_int_equal(p[6], ioapic);
            break;
        }
    }
    assert_ptr_equal(p, end);
    assert_int_equal(entries, 0);
    assert_int_equal(procs, want);
    assert_true(vcpu <= vcpus);
    assert_int_not_equal(ioapic, 256);
}

static void test_sizes(void **state)
{
    static const unsigned int sizes[] = { 1, 2, 19, 20, 64, 127, 128, 129, 254, 255, 256, 257, 288, 1024 };

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (unsigned int factor = 1; factor <= 4; factor++)
            check(sizes[i], factor);
}

static int set_up(void **state)
{
    (void)state;
    low = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    return low == MAP_FAILED;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_sizes) };

    return cmocka_run_group_tests_name("mp-tables", tests, set_up, NULL);
}
