#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the Linux guest, after its report: writes NVMe disks from some CPUs, each through its
# queue, reads it back, and looks where the queues' interrupts arrive.
#
#   CPUS    CPUs to write from
#   BLOCKS  4 KiB blocks for each of them
#   DISKS   how many disks there are; more than one are then also written and read all at once
#
# Prints "@nvme CPU QUEUE CPU-of-its-interrupt written-there read-there elsewhere KIND", for each disk
# the sum of all data as "@data MD5 BYTES SERIAL", with more than one "@both DISK IRQ INTERRUPTS
# CHIP KIND" of the time when all were busy, and the seconds between which the load ran as "@load FROM TO".

# shellcheck source=tests/guest/linux/interrupts.sh
. /etc/interrupts.sh
CPUS=${CPUS:?} BLOCKS=${BLOCKS:-64} DISKS=${DISKS:-1}
status=0
fail() { echo "nvme: $*"; status=1; }

# "queue irq effective-CPU" of the queue that a CPU writes to.
queue_of() {
    for q in "/sys/block/$disk/mq"/*; do
        tr ',' '\n' < "$q/cpu_list" | tr -d ' ' | grep -qx "$1" || continue
        name=${disk%n1}q$((${q##*/} + 1))
        irq=$(awk -v n="$name" '{ for (i = NF; i > 1; i--) { gsub(",", "", $i); if ($i == n) { sub(":", "", $1); print $1; exit } } }' /proc/interrupts)
        [ -n "$irq" ] && echo "$name $irq $(cat "/proc/irq/$irq/effective_affinity_list")"
        return
    done
}
# Each CPU's part of a disk, one after the other.
load() {
    n=0
    for cpu in $CPUS; do
        read -r queue irq eff << EOF
$(queue_of "$cpu")
EOF
        [ -n "$eff" ] || { fail "CPU $cpu has no queue"; continue; }
        counted "$irq" "$eff" taskset -c "$cpu" dd if="$data" of="/dev/$disk" bs=4096 skip=$((n * BLOCKS)) seek=$((n * BLOCKS)) \
            count="$BLOCKS" oflag=direct 2> /tmp/err || { fail "CPU $cpu can't write: $(cat /tmp/err)"; continue; }
        wrote=$here lost=$elsewhere
        counted "$irq" "$eff" taskset -c "$cpu" dd if="/dev/$disk" of=/tmp/back bs=4096 skip=$((n * BLOCKS)) \
            count="$BLOCKS" iflag=direct 2> /tmp/err || { fail "CPU $cpu can't read: $(cat /tmp/err)"; continue; }
        dd if="$data" bs=4096 skip=$((n * BLOCKS)) count="$BLOCKS" 2> /dev/null | cmp - /tmp/back || fail "CPU $cpu: what was read isn't what was written"
        echo "@nvme $cpu $queue $eff $wrote $here $((lost + elsewhere)) $(kind "$irq")"
        # By a pin all CPUs' requests come to one: while it handles one of another CPU's, that may have the next.
        least=$BLOCKS
        [ "$eff" = "$cpu" ] || ! grep -q "IO-APIC.*$queue" /proc/interrupts || least=1
        if [ "$wrote" -lt "$least" ] || [ "$here" -lt "$least" ] || [ $((lost + elsewhere)) -ne 0 ]; then
            fail "CPU $cpu: $BLOCKS writes and reads, but $wrote and $here interrupts on CPU $eff, $((lost + elsewhere)) elsewhere"
        fi
        n=$((n + 1))
    done
}
# All of a disk from one CPU, that of its interrupt: so each request has one of its own.
whole() {
    taskset -c "$1" dd if="$data" of="/dev/$disk" bs=4096 oflag=direct 2> /dev/null &&
        taskset -c "$1" dd if="/dev/$disk" of="/tmp/back.$disk" bs=4096 count=$((parts * BLOCKS)) iflag=direct 2> /dev/null &&
        cmp "$data" "/tmp/back.$disk"
}
disks() { i=0; while [ $i -lt "$DISKS" ]; do echo nvme${i}n1; i=$((i + 1)); done; }

parts=0
for cpu in $CPUS; do parts=$((parts + 1)); done
for disk in $(disks); do
    n=0
    until [ -b "/dev/$disk" ] || [ $n -ge 60 ]; do sleep 0.5; n=$((n + 1)); done
    dd if=/dev/urandom of="/tmp/data.$disk" bs=4096 count=$((parts * BLOCKS)) 2> /dev/null
done
sleep 2
from=$(date +%s)
sleep 1
for disk in $(disks); do
    data=/tmp/data.$disk
    load
done
if [ "$DISKS" -gt 1 ]; then
    for disk in $(disks); do
        dd if=/dev/urandom of="/tmp/data.$disk" bs=4096 count=$((parts * BLOCKS)) 2> /dev/null
    done
    pids='' before=''
    for disk in $(disks); do
        data=/tmp/data.$disk
        read -r queue irq eff << EOF
$(queue_of "${CPUS%% *}")
EOF
        read -r here other << EOF
$(counts "$irq" "$eff")
EOF
        before="$before $disk:$irq:$eff:$((here + other))"
        whole "$eff" &
        pids="$pids $!"
    done
    for pid in $pids; do
        wait "$pid" || fail "disks that are busy at once: what was read isn't what was written"
    done
    for b in $before; do
        IFS=: read -r disk irq eff was << EOF
$b
EOF
        read -r here other << EOF
$(counts "$irq" "$eff")
EOF
        echo "@both $disk $irq $((here + other - was)) $(awk -v irq="$irq:" '$1 == irq { for (i = 2; i <= NF; i++) if ($i ~ /[A-Za-z]/) { print $i, $(i + 1); exit } }' /proc/interrupts)"
        [ $((here + other - was)) -ge $((2 * parts * BLOCKS)) ] || fail "$disk: $((here + other - was)) interrupts for $((2 * parts * BLOCKS)) requests"
    done
fi
sleep 1
echo "@load $from $(date +%s)"
for disk in $(disks); do
    echo "@data $(md5sum < "/tmp/data.$disk" | cut -d' ' -f1) $(stat -c %s "/tmp/data.$disk") $(cat "/sys/block/$disk/device/serial")"
done
if dmesg | grep -E 'No irq handler|nobody cared|no vector|timeout, completion polled|QID [0-9]+ timeout|I/O error|DMAR: .*fault' > /tmp/bad; then
    fail "$(head -3 /tmp/bad)"
fi
exit $status
