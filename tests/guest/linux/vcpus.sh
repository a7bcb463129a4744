#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the Linux guest, after its report, while "xl vcpu-set" adds and takes away vCPUs:
# does the guest see each number, bring up what comes and let go of what is to go?
#
#   FIRST   vCPUs to begin with
#   STEPS   numbers that are set one after the other
#
# Prints "@vcpus present LIST online LIST ran CPU" after each step, and "@guest stepN":
# from then on the next number may be set.

FIRST=${FIRST:?} STEPS=${STEPS:?}
cpus=/sys/devices/system/cpu
status=0
last=$FIRST
step=0

range() { if [ "$1" -gt 1 ]; then echo "0-$(($1 - 1))"; else echo 0; fi; }
seconds() { read -r up _ < /proc/uptime; echo "${up%.*}"; }
bring_up() {
    for c in "$cpus"/cpu[0-9]*/online; do
        read -r on < "$c" && [ "$on" = 1 ] || echo 1 > "$c"
    done 2> /tmp/up.err
}

echo "@guest waiting"
for n in $STEPS; do
    want=$(range "$n")
    end=$(($(seconds) + 120))
    while [ "$(cat $cpus/present)" != "$want" ] || [ "$(cat $cpus/online)" != "$want" ]; do
        [ "$n" -lt "$last" ] || bring_up
        if [ "$(seconds)" -ge $end ]; then
            echo "vcpus: $n aren't there: $(tail -n 1 /tmp/up.err)"
            status=1
            break
        fi
        sleep 0.2
    done
    # The last one is of use: a program runs on it.
    # shellcheck disable=SC2016
    ran=$(taskset -c $((n - 1)) awk '{ print $39 }' /proc/self/stat)
    echo "@vcpus present $(cat $cpus/present) online $(cat $cpus/online) ran $ran"
    [ "$ran" = $((n - 1)) ] || { echo "vcpus: nothing runs on CPU $((n - 1))"; status=1; }
    last=$n
    step=$((step + 1))
    echo "@guest step$step"
done

if dmesg | grep -E 'WARNING:|BUG:|[Ee]ject incomplete|ACPI Error|ACPI Exception' > /tmp/bad; then
    echo "vcpus: $(head -n 3 /tmp/bad)"
    status=1
fi
exit $status
