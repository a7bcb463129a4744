// SPDX-License-Identifier: GPL-2.0-or-later
/* The command line: the kernel's file name (QEMU puts it first), then name=value words. */
#include "bare.h"

static char line[1024];
static struct { const char *name, *value; bool known; } params[48];
static unsigned int count;

void param_init(const char *s)
{
    char *p = line;
    bool first = true;
    size_t n = strlen(s);

    if ( n >= sizeof(line) )
        n = sizeof(line) - 1;
    memcpy(line, s, n);
    line[n] = '\0';

    while ( *p && count < ARRAY_SIZE(params) )
    {
        char *word, *value = NULL;

        while ( *p == ' ' )
            p++;
        if ( !*p )
            break;
        for ( word = p; *p && *p != ' '; p++ )
            if ( *p == '=' && !value )
            {
                *p = '\0';
                value = p + 1;
            }
        if ( *p )
            *p++ = '\0';
        if ( !first || (value && word[0] != '/' && word[0] != '.') )
        {
            params[count].name = word;
            params[count++].value = value ? value : "";
        }
        first = false;
    }
}

const char *param(const char *name)
{
    const char *found = NULL;
    unsigned int i;

    for ( i = 0; i < count; i++ )
        if ( !strcmp(params[i].name, name) )
        {
            params[i].known = true;
            found = params[i].value;        /* the last one counts */
        }
    return found;
}

unsigned long param_num(const char *name, unsigned long def)
{
    const char *s = param(name);
    unsigned long v = 0;

    if ( !s || !*s )
        return def;
    for ( ; *s >= '0' && *s <= '9'; s++ )
        v = v * 10 + *s - '0';
    if ( *s )
    {
        kprintf("# parameter %s: \"%s\" is no decimal number, taking %lu\n", name, param(name), def);
        return def;
    }
    return v;
}

bool list_has(const char *list, const char *word)
{
    size_t n = strlen(word);

    while ( *list )
    {
        size_t len = 0;

        while ( list[len] && list[len] != ',' )
            len++;
        if ( len == n && !memcmp(list, word, n) )
            return true;
        list += len;
        if ( *list )
            list++;
    }
    return false;
}

const char *param_unknown(void)
{
    unsigned int i;

    for ( i = 0; i < count; i++ )
        if ( !params[i].known )
        {
            params[i].known = true;
            return params[i].name;
        }
    return NULL;
}
