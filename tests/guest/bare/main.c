// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A bare-metal guest for tests with many vCPUs: sets up the machine, runs the checks
 * that the command line selects, reports, powers off.  README.md has the parameters
 * and the report's format; checks/table.c lists the checks.
 */
#include "bare.h"

#include <xen/xen.h>
#include <xen/sched.h>

void power_off(bool crash)
{
    struct { uint16_t limit; uint64_t base; } PACKED no_idt = { 0, 0 };

    console_flush();
    if ( xen_cpuid_base )
        xen_shutdown(crash ? SHUTDOWN_crash : SHUTDOWN_poweroff);
    else if ( !crash )
        acpi_poweroff();
    /* ACPI's way takes effect in its own time; after that a triple fault, which resets. */
    for ( uint64_t end = rdtsc() + us_to_tsc(2000000); rdtsc() < end; )
        cpu_pause();
    asm volatile ( "cli; lidt %0; int3" :: "m" (no_idt) );
    for ( ;; )
        asm volatile ( "cli; hlt" );
}

static bool selected(const struct check *c, const char *only, const char *skip)
{
    if ( skip && list_has(skip, c->name) )
        return false;
    if ( only && *only )
        return !strcmp(only, "all") || list_has(only, c->name);
    return !c->optional;
}

static bool known_check(const char *name, size_t len)
{
    unsigned int i;

    for ( i = 0; i < check_table_size; i++ )
        if ( strlen(check_table[i]->name) == len && !memcmp(check_table[i]->name, name, len) )
            return true;
    return len == 3 && !memcmp(name, "all", 3);
}

/* Whether or not the check that reads it is selected. */
static const char *const known_params[] = {
    "checks", "skip", "apic", "timeout", "debug.panic", "ipi.sample", "ipi.rounds", "ioreq.rounds", "timer.us",
    "vtd.epochs", "vtd.rounds", "vtd.seed", "bench.rounds",
    "expect.vcpus", "expect.online", "expect.x2apic", "expect.threads", "expect.cores", "expect.sockets", "expect.ids",
    "expect.nodes",
};

/* Words of the command line that mean nothing: a test that silently isn't run would count as passed. */
static void judge_params(const char *only, const char *skip)
{
    const char *lists[] = { only, skip }, *s;
    unsigned int i;

    result_begin("cmdline");
    for ( i = 0; i < ARRAY_SIZE(lists); i++ )
        for ( s = lists[i]; s && *s; )
        {
            size_t len = 0;

            while ( s[len] && s[len] != ',' )
                len++;
            if ( !known_check(s, len) )
                check_error("there is no check \"%s\" (see checks/table.c)", s);
            s += len + (s[len] == ',');
        }
    for ( i = 0; i < ARRAY_SIZE(known_params); i++ )
        param(known_params[i]);
    while ( (s = param_unknown()) )
        check_error("unknown parameter \"%s\" (see README.md)", s);
    result_end();
}

/* A check whose work needs more stack than an AP has. */
static void judge_stacks(void)
{
    unsigned int i, n = 0;

    result_begin("stacks");
    for ( i = 0; i < cpu_count; i++ )
        if ( cpus[i]->stack_low && *(uint64_t *)cpus[i]->stack_low != STACK_MARK && ++n )
            check_error("CPU %u ran over the end of its stack", cpus[i]->index);
    if ( n )
        result_end();
}

/* What the caller says that the guest should see. */
static void judge_expected(void)
{
    static char ids[1024];
    static const struct { const char *name; unsigned int which; } nums[] = {
        { "expect.vcpus", 0 }, { "expect.online", 1 }, { "expect.x2apic", 2 }, { "expect.threads", 3 },
        { "expect.cores", 4 }, { "expect.sockets", 5 }, { "expect.nodes", 6 },
    };
    const char *want = param("expect.ids");
    struct topology t;
    unsigned int i, judged = 0;

    result_begin("expect");
    topology_get(&t);
    for ( i = 0; i < ARRAY_SIZE(nums); i++ )
    {
        unsigned long got[] = { cpu_count, cpus_online, cpus_x2_handover, t.threads_per_core, t.cores_per_socket,
                                t.sockets, acpi_nodes() };
        unsigned long w = param_num(nums[i].name, -1UL);

        if ( w == -1UL )
            continue;
        judged++;
        if ( got[nums[i].which] != w )
            check_fail("%s=%lu, but the guest sees %lu", nums[i].name, w, got[nums[i].which]);
    }
    if ( want )
    {
        judged++;
        smp_id_ranges(ids, sizeof(ids));
        if ( strcmp(ids, want) )
            check_fail("expect.ids=%s, but the guest sees %s", want, ids);
    }
    if ( judged )
        result_end();
}

void bare_main(uint32_t magic, uint32_t info)
{
    const char *mem_error, *only, *skip, *mode;
    unsigned int i;
    bool aps = false;
    uint64_t t0 = rdtsc();

    smp_init();                         /* the BSP's own struct: interrupts need it */
    bsp->bringup_tsc = t0;
    xen_init();
    console_init();
    mem_error = mem_init(magic, info);
    kprintf("# bare: started, %s\n", xen_cpuid_base ? "on Xen" : "no Xen here");
    if ( mem_error )
        panic("%s", mem_error);

    only = param("checks");
    skip = param("skip");
    mode = param("apic");
    wait_us = param_num("timeout", 60) * 1000000;
    idt_init();
    acpi_init();
    time_init();
    apic_init(mode && !strcmp(mode, "x2apic"));
    apic_timer_calibrate();
    irq_on();
    smp_init();
    if ( mode && strcmp(mode, "x2apic") && strcmp(mode, "asis") )
        kprintf("# parameter apic: \"%s\" is neither asis nor x2apic, taking asis\n", mode);

    for ( i = 0; i < check_table_size; i++ )
        aps |= check_table[i]->needs_aps && selected(check_table[i], only, skip);
    if ( aps )
        smp_start();
    if ( param_num("debug.panic", 0) )
        asm volatile ( "ud2" );
    for ( i = 0; i < check_table_size; i++ )
    {
        const struct check *c = check_table[i];
        unsigned int k, lost = 0;

        if ( !selected(c, only, skip) )
            continue;
        result_begin(c->name);
        for ( k = 0; k < cpu_count; k++ )
            lost += cpus[k]->online && cpus[k]->lost;
        if ( c->needs_aps && smp_error )
            check_error("no APs: %s", smp_error);
        else if ( c->needs_aps && lost )
            check_error("%u CPUs did not finish an earlier check", lost);
        else
            c->run();
        irq_hook = NULL;
        irq_hook_first = false;
        result_end();
    }
    judge_stacks();
    judge_expected();
    judge_params(only, skip);
    report_print();
    power_off(false);
}
