/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A target whose inputs are all refused at the first check finds nothing, and
 * looks as good as any other.  So at its end a target says how often it came by
 * what is marked with FUZZ_SAW(), and with FUZZ_SEE_ALL in the environment it fails
 * if there is something that it never came by.
 */
#include <unistd.h>

#include "fuzz.h"

extern struct fuzz_saw __start_fuzz_saw[], __stop_fuzz_saw[];

static void report(void)
{
    const struct fuzz_saw *s;
    bool never = false;

    for ( s = __start_fuzz_saw; s < __stop_fuzz_saw; s++ )
    {
        fprintf(stderr, "saw %10lu  %s\n", s->count, s->what);
        never |= !s->count;
    }

    if ( never && getenv("FUZZ_SEE_ALL") )
    {
        fprintf(stderr, "some were never seen\n");
        _exit(1);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;

    return atexit(report);
}
