// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The other CPUs: starting them, giving them work, waiting for it.
 *
 * Many vCPUs may share one host CPU, so nothing here spins: an idle or waiting CPU
 * sleeps in HLT, and whoever completes what the BSP waits for wakes it by an IPI.  The
 * BSP's sleep is bounded by its APIC timer.  An IPI that is lost therefore costs time,
 * and is counted, but doesn't hang the guest.
 */
#include "bare.h"

extern char trampoline_start[], trampoline_end[], gdt_desc[];

_Static_assert(offsetof(struct cpu, stack) == CPU_STACK, "start.S loads the stack from there");

struct cpu **cpus, **cpus_by_id, *bsp;
unsigned int cpu_count, cpus_online, cpus_enabled, cpus_x2_handover;
const char *smp_error;
uint32_t smp_strangers, smp_stranger_id, smp_rekicks;
uint64_t wait_us, bringup_total_tsc;

static struct cpu bsp_cpu;
static char error_text[160];
static struct cpu *volatile starting;
static uint32_t not_started;
static bool started;

/* Work under way. */
static uint32_t pending, arriving;
static unsigned int posted;
static volatile bool go, call_off;

void smp_wake_bsp(void)
{
    if ( this_cpu() != bsp && !apic_icr(bsp->id, ICR_FIXED | VEC_WAKE) )
        this_cpu()->sends_failed++;
}

bool wait_zero(const uint32_t *counter, uint64_t us)
{
    uint64_t end = rdtsc() + us_to_tsc(us);

    while ( load(counter) )
    {
        uint64_t now = rdtsc(), left;

        if ( now >= end )
            return false;
        left = tsc_to_us(end - now);
        if ( !apic_timer_works )
        {
            irq_on();
            xen_yield();
            cpu_pause();
            continue;
        }
        irq_off();
        if ( load(counter) )
        {
            apic_timer_arm(left > 500000 ? 500000 : left + 1);
            irq_on_halt();
        }
        irq_on();
    }
    return true;
}

void ap_sleep(void)
{
    irq_on_halt();
    irq_off();
}

static void this_cpu_set(struct cpu *c)
{
    wrmsr(0xc0000101, (uintptr_t)c);
}

static void sort_ids(void)
{
    unsigned int gap, i, j;

    for ( gap = cpu_count / 2; gap; gap /= 2 )
        for ( i = gap; i < cpu_count; i++ )
        {
            struct cpu *c = cpus_by_id[i];

            for ( j = i; j >= gap && cpus_by_id[j - gap]->id > c->id; j -= gap )
                cpus_by_id[j] = cpus_by_id[j - gap];
            cpus_by_id[j] = c;
        }
}

struct cpu *smp_by_id(uint32_t id)
{
    unsigned int lo = 0, hi = cpu_count;

    while ( lo < hi )
    {
        unsigned int mid = (lo + hi) / 2;

        if ( cpus_by_id[mid]->id == id )
            return cpus_by_id[mid];
        if ( cpus_by_id[mid]->id < id )
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* Early: a struct for the BSP, so that interrupts and the APIC work before ACPI is read. */
static void bsp_only(void)
{
    static struct cpu *one[1] = { &bsp_cpu };

    bsp_cpu.self = &bsp_cpu;
    cpus = cpus_by_id = one;
    cpu_count = cpus_online = cpus_enabled = 1;
    bsp = &bsp_cpu;
    bsp->online = 1;
    this_cpu_set(bsp);
    bsp->apic_base = rdmsr(MSR_APIC_BASE);
    bsp->hw_id = bsp->id = apic_hw_id();
    cpus_x2_handover = !!(bsp->apic_base & APIC_BASE_X2);
}

void smp_init(void)
{
    unsigned int i, n = 0;
    struct cpu **table, **sorted;
    size_t need;

    if ( !bsp )
    {
        bsp_only();
        return;
    }
    if ( !acpi.cpus )
    {
        smp_error = acpi.error ? acpi.error : "no CPU in the MADT";
        return;
    }
    for ( i = 0; i < acpi.cpus; i++ )
        n += !!(acpi.cpu[i].flags & (MADT_ENABLED | MADT_ONLINE_CAPABLE));
    if ( n > MAX_CPUS )
    {
        snprintf(error_text, sizeof(error_text), "the MADT lists %u CPUs, this guest is built for %u (MAX_CPUS)",
                 n, MAX_CPUS);
        smp_error = error_text;
        return;
    }
    need = n * (2 * sizeof(void *) + sizeof(struct cpu) + 64 + STACK_SIZE);
    table = mem_left() > need + 65536 ? mem_alloc(n * sizeof(*table), 64) : NULL;
    if ( !table || !n )
    {
        snprintf(error_text, sizeof(error_text),
                 "%u CPUs need %lu KiB, there are %lu: give the guest more memory", n, need / 1024, mem_left() / 1024);
        smp_error = error_text;
        return;
    }
    sorted = mem_alloc(n * sizeof(*sorted), 64);
    n = 0;
    cpus_enabled = 0;
    for ( i = 0; i < acpi.cpus; i++ )
    {
        const struct madt_cpu *m = &acpi.cpu[i];
        struct cpu *c;

        if ( !(m->flags & (MADT_ENABLED | MADT_ONLINE_CAPABLE)) )
            continue;
        if ( m->id == bsp_cpu.hw_id && bsp == &bsp_cpu )
        {
            bsp = c = mem_alloc(sizeof(*c), 64);
            *c = bsp_cpu;
        }
        else
        {
            c = mem_alloc(sizeof(*c), 64);
            c->stack_low = mem_alloc(STACK_SIZE, 16);
            c->stack = c->stack_low + STACK_SIZE;
            *(uint64_t *)c->stack_low = STACK_MARK;
        }
        c->self = c;
        c->index = i;
        c->uid = m->uid;
        c->id = m->id;
        c->flags = m->flags;
        cpus_enabled += m->flags & MADT_ENABLED;
        table[n] = sorted[n] = c;
        n++;
    }
    if ( bsp == &bsp_cpu )
    {
        snprintf(error_text, sizeof(error_text), "the BSP's APIC ID %u is not in the MADT", bsp_cpu.hw_id);
        smp_error = error_text;
        return;
    }
    this_cpu_set(bsp);
    cpus = table;
    cpus_by_id = sorted;
    cpu_count = n;
    sort_ids();
}

/* On a borrowed stack, under start.S's lock: finds the CPU's own struct and puts its APIC into our mode. */
struct cpu *ap_find(void)
{
    uint64_t base = rdmsr(MSR_APIC_BASE);
    uint32_t first_id = apic_hw_id(), id;
    struct cpu *c;

    apic_enable();
    id = apic_hw_id();
    c = smp_by_id(id);
    /*
     * In xAPIC mode the register has 8 bits only: a CPU with a higher ID would pass for another one.
     * Any CPU that isn't waited for, and isn't one that came too late, is a stranger.
     */
    if ( !c || c->online || c == bsp || (c != starting && !c->lost) )
    {
        smp_stranger_id = id;
        atomic_inc(&smp_strangers);
        return NULL;
    }
    c->apic_base = base;
    c->hw_id = first_id;
    return c;
}

static void idle(struct cpu *me)
{
    for ( ;; )
    {
        void (*fn)(struct cpu *me, void *arg);

        irq_off();
        fn = me->fn;
        if ( !fn )
        {
            irq_on_halt();
            continue;
        }
        if ( me->sync )
        {
            if ( !atomic_dec(&arriving) )
                smp_wake_bsp();
            while ( !go )
                ap_sleep();
        }
        irq_on();
        if ( !(me->sync && call_off) )
            fn(me, me->arg);
        me->sync = false;
        store(&me->fn, NULL);
        if ( !atomic_dec(&pending) )
            smp_wake_bsp();
    }
}

void ap_main(struct cpu *me)
{
    asm volatile ( "lgdt %0" :: "m" (*gdt_desc) );
    this_cpu_set(me);
    idt_load();
    store(&me->online, 1);
    if ( me == starting )
    {
        store(&not_started, 0);
        smp_wake_bsp();
    }
    idle(me);
    for ( ;; )
        ;
}

static bool start_one(struct cpu *c)
{
    uint64_t t0 = rdtsc();
    bool up;

    if ( !apic_x2 && c->id > 254 )
        return false;
    not_started = 1;
    starting = c;
    up = apic_icr(c->id, ICR_INIT) && apic_icr(c->id, ICR_STARTUP | TRAMPOLINE >> 12);
    if ( up )
    {
        up = wait_zero(&not_started, 1000000);
        if ( !up )
        {
            /* The second one that the manuals ask for: only needed if the first was lost. */
            apic_icr(c->id, ICR_STARTUP | TRAMPOLINE >> 12);
            up = wait_zero(&not_started, wait_us);
        }
    }
    c->bringup_tsc = rdtsc() - t0;
    c->lost = !up;
    starting = NULL;
    return up;
}

void smp_start(void)
{
    unsigned int i, failed = 0;
    uint64_t t0 = rdtsc();

    if ( started || smp_error )
        return;
    started = true;
    if ( !mem_is_ram(TRAMPOLINE, 4096) )
    {
        smp_error = "the memory map has no RAM at the trampoline";
        return;
    }
    memcpy((void *)TRAMPOLINE, trampoline_start, trampoline_end - trampoline_start);

    for ( i = 0; i < cpu_count; i++ )
    {
        struct cpu *c = cpus[i];

        if ( c == bsp || !(c->flags & MADT_ENABLED) )
            continue;
        if ( start_one(c) )
        {
            cpus_online++;
            cpus_x2_handover += !!(c->apic_base & APIC_BASE_X2);
            if ( !(cpus_online % 128) )
                kprintf("# smp: %u CPUs online\n", cpus_online);
        }
        /* Each costs a whole time limit: a few are proof enough. */
        else if ( (apic_x2 || c->id <= 254) && ++failed == 3 )
            break;
    }
    bringup_total_tsc = rdtsc() - t0;
}

static bool usable(const struct cpu *c)
{
    return c->online && !c->lost;
}

static void wake(struct cpu *c)
{
    apic_icr(c->id, ICR_FIXED | VEC_WAKE);
}

static void post(struct cpu *c, void (*fn)(struct cpu *me, void *arg), void *arg, bool sync)
{
    c->arg = arg;
    c->sync = sync;
    atomic_inc(&pending);
    posted++;
    if ( sync )
        atomic_inc(&arriving);
    store(&c->fn, fn);
}

void smp_post(struct cpu *c, void (*fn)(struct cpu *me, void *arg), void *arg)
{
    post(c, fn, arg, false);
}

void smp_kick(void)
{
    unsigned int i;

    if ( posted > 8 && posted + 1 == cpus_online )
        apic_icr(0, ICR_FIXED | ICR_OTHERS | VEC_WAKE);
    else
        for ( i = 0; i < cpu_count; i++ )
            if ( cpus[i]->fn && usable(cpus[i]) )
                wake(cpus[i]);
    posted = 0;
}

static bool wait_rekick(const uint32_t *counter)
{
    uint64_t end = rdtsc() + us_to_tsc(wait_us);
    uint32_t left = load(counter);
    unsigned int i;

    while ( !wait_zero(counter, 3000000) )
    {
        uint32_t now = load(counter);

        /* As long as some finish, it is only slow. */
        if ( now != left )
            end = rdtsc() + us_to_tsc(wait_us);
        else if ( rdtsc() > end )
            return false;
        else
        {
            smp_rekicks++;
            for ( i = 0; i < cpu_count; i++ )
                if ( cpus[i]->fn && usable(cpus[i]) )
                    wake(cpus[i]);
        }
        left = now;
    }
    return true;
}

unsigned int smp_wait(void)
{
    unsigned int i, lost = 0;

    if ( wait_rekick(&pending) )
        return 0;
    for ( i = 0; i < cpu_count; i++ )
        if ( cpus[i] != bsp && usable(cpus[i]) && cpus[i]->fn )
        {
            cpus[i]->lost = true;
            lost++;
        }
    return lost;
}

static unsigned int all(void (*fn)(struct cpu *me, void *arg), void *arg, bool sync)
{
    unsigned int i, lost;

    pending = arriving = 0;
    go = call_off = false;
    posted = 0;
    /* Counted before anybody can finish: the counters must not pass 0 early. */
    atomic_inc(&pending);
    for ( i = 0; i < cpu_count; i++ )
        if ( cpus[i] != bsp && usable(cpus[i]) )
            post(cpus[i], fn, arg, sync);
    smp_kick();
    if ( sync )
    {
        call_off = !wait_rekick(&arriving);
        store(&go, true);
        if ( cpus_online > 1 )
            apic_icr(0, ICR_FIXED | ICR_OTHERS | VEC_WAKE);
    }
    if ( !call_off )
        fn(bsp, arg);
    atomic_dec(&pending);
    lost = smp_wait();
    return call_off && !lost ? 1 : lost;
}

unsigned int smp_all(void (*fn)(struct cpu *me, void *arg), void *arg)
{
    return all(fn, arg, false);
}

unsigned int smp_all_at_once(void (*fn)(struct cpu *me, void *arg), void *arg)
{
    return all(fn, arg, true);
}

unsigned int smp_sample(struct cpu **out, unsigned int max)
{
    static const uint32_t border[] = { 0, 127, 128, 254, 255, 256, 257, 511, 512, 126, 129, 253, 1023, 1024, 1, 2 };
    unsigned int i, j, k, n = 0, round, online = 0;

    for ( i = 0; i < cpu_count; i++ )
        online += usable(cpus[i]);
    /* Last CPU and highest ID; then each border, as an index and as an ID; then what is left, spread. */
    for ( round = 0; round < 4 && n < max; round++ )
    {
        unsigned int steps = round == 0 ? 2 : round < 3 ? ARRAY_SIZE(border) : online;

        for ( i = 0; i < steps && n < max; i++ )
        {
            struct cpu *c = NULL;

            if ( round == 0 )
                c = i ? cpus_by_id[cpu_count - 1] : cpus[cpu_count - 1];
            else if ( round == 1 )
                c = border[i] < cpu_count ? cpus[border[i]] : NULL;
            else if ( round == 2 )
                c = smp_by_id(border[i]);
            else
                /* A stride without a common divisor with most counts visits all in a scattered order. */
                c = cpus[(uint64_t)i * 2654435761U % cpu_count];
            if ( !c || !usable(c) )
                continue;
            for ( k = 0; k < n && out[k] != c; k++ )
                ;
            if ( k == n )
                out[n++] = c;
        }
    }
    for ( i = 1; i < n; i++ )
    {
        struct cpu *c = out[i];

        for ( j = i; j && out[j - 1]->index > c->index; j-- )
            out[j] = out[j - 1];
        out[j] = c;
    }
    return n;
}

void smp_id_ranges(char *out, size_t size)
{
    unsigned int i = 0;
    size_t n = 0;

    out[0] = '\0';
    while ( i < cpu_count )
    {
        uint32_t first = cpus_by_id[i]->id, step = i + 1 < cpu_count ? cpus_by_id[i + 1]->id - first : 0;
        unsigned int j = i;

        while ( step && j + 1 < cpu_count && cpus_by_id[j + 1]->id - cpus_by_id[j]->id == step )
            j++;
        if ( size - n < 40 )
        {
            snprintf(out + n, size - n, ",...");
            return;
        }
        if ( j - i < 2 && step != 1 )
            j = i;
        n += snprintf(out + n, size - n, n ? ",%u" : "%u", first);
        if ( j > i )
            n += snprintf(out + n, size - n, "-%u", cpus_by_id[j]->id);
        if ( j > i && step != 1 )
            n += snprintf(out + n, size - n, "/%u", step);
        i = j + 1;
    }
}
