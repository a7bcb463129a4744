#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the Linux guest, after its report, while vCPUs are added and taken away: does the guest
# see each, bring up what comes and let go of what is to go?
#
#   FIRST   vCPUs to begin with
#   STEPS   the vCPUs that there are one step after the other, each a list: 0-3,130
#
# Prints "@vcpus present LIST online LIST ran CPU" after each step, and "@guest stepN":
# from then on the next may be taken.

FIRST=${FIRST:?} STEPS=${STEPS:?}
cpus=/sys/devices/system/cpu
status=0
last=$FIRST
step=0

count() { echo "$1" | tr ',' '\n' | awk -F- '{ n += $NF - $1 + 1 } END { print n }'; }
seconds() { read -r up _ < /proc/uptime; echo "${up%.*}"; }
bring_up() {
    for c in "$cpus"/cpu[0-9]*/online; do
        read -r on < "$c" && [ "$on" = 1 ] || echo 1 > "$c"
    done 2> /tmp/up.err
}

echo "@guest waiting"
for want in $STEPS; do
    n=$(count "$want")
    end=$(($(seconds) + 120))
    while [ "$(cat $cpus/present)" != "$want" ] || [ "$(cat $cpus/online)" != "$want" ]; do
        [ "$n" -lt "$last" ] || bring_up
        if [ "$(seconds)" -ge $end ]; then
            echo "vcpus: $want aren't there: $(tail -n 1 /tmp/up.err)"
            status=1
            break
        fi
        sleep 0.2
    done
    # The last one is of use: a program runs on it.
    highest=${want##*[-,]}
    # shellcheck disable=SC2016
    ran=$(taskset -c "$highest" awk '{ print $39 }' /proc/self/stat)
    echo "@vcpus present $(cat $cpus/present) online $(cat $cpus/online) ran $ran"
    [ "$ran" = "$highest" ] || { echo "vcpus: nothing runs on CPU $highest"; status=1; }
    last=$n
    step=$((step + 1))
    echo "@guest step$step"
done

# Linux 6.12 miscounts deadline bandwidth of a CPU that goes and is in no scheduling domain (isolcpus=).
if dmesg | grep -E 'WARNING:|BUG:|[Ee]ject incomplete|ACPI Error|ACPI Exception' |
    grep -v 'WARNING: .* at kernel/sched/deadline.c:.* sub_running_bw' > /tmp/bad; then
    echo "vcpus: $(head -n 3 /tmp/bad)"
    status=1
fi
exit $status
