#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the Linux guest, after its report: writes an NVMe disk from some CPUs, each through its
# queue, reads it back from another, and looks where the queues' interrupts arrive.
#
#   CPUS    CPUs to write from
#   BLOCKS  4 KiB blocks for each of them
#
# Prints "@nvme CPU QUEUE CPU-of-its-interrupt written-there read-there elsewhere KIND", the sum
# of all data as "@data MD5", and the seconds between which the load ran as "@load FROM TO".

CPUS=${CPUS:?} BLOCKS=${BLOCKS:-64}
disk=nvme0n1
status=0
fail() { echo "nvme: $*"; status=1; }

# "queue irq effective-CPU" of the queue that a CPU writes to.
queue_of() {
    for q in "/sys/block/$disk/mq"/*; do
        tr ',' '\n' < "$q/cpu_list" | tr -d ' ' | grep -qx "$1" || continue
        name=nvme0q$((${q##*/} + 1))
        irq=$(awk -v n="$name" '{ for (i = NF; i > 1; i--) { gsub(",", "", $i); if ($i == n) { sub(":", "", $1); print $1; exit } } }' /proc/interrupts)
        [ -n "$irq" ] && echo "$name $irq $(cat "/proc/irq/$irq/effective_affinity_list")"
        return
    done
}
# What the kernel has an interrupt by: IR-PCI-MSIX, xen-pirq or another.
kind() {
    awk -v irq="$1:" '$1 == irq { for (i = 2; i <= NF; i++) if ($i ~ /^[A-Za-z]/) { sub(/-0000:.*/, "", $i); print $i; exit } }' /proc/interrupts
}
# "on-that-CPU elsewhere" of interrupt $1 and CPU $2.
counts() {
    awk -v irq="$1:" -v cpu="CPU$2" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == cpu) col = i + 1; n = NF; next }
        $1 == irq { for (i = 2; i <= n + 1; i++) if (i == col) here += $i; else other += $i }
        END { print here + 0, other + 0 }' /proc/interrupts
}
# Runs a command on a CPU; "there elsewhere" is what its queue's interrupt counted meanwhile.
counted() {
    cpu=$1
    shift
    read -r before_here before_other << EOF
$(counts "$irq" "$eff")
EOF
    taskset -c "$cpu" "$@" 2> /tmp/err || fail "$* on CPU $cpu: $(cat /tmp/err)"
    read -r here other << EOF
$(counts "$irq" "$eff")
EOF
    there=$((here - before_here)) elsewhere=$((other - before_other))
}

n=0
for cpu in $CPUS; do n=$((n + 1)); done
dd if=/dev/urandom of=/tmp/data bs=4096 count=$((n * BLOCKS)) 2> /dev/null
sleep 2
from=$(date +%s)
sleep 1
n=0
for cpu in $CPUS; do
    read -r queue irq eff << EOF
$(queue_of "$cpu")
EOF
    [ -n "$eff" ] || { fail "CPU $cpu has no queue"; continue; }
    counted "$cpu" dd if=/tmp/data of=/dev/$disk bs=4096 skip=$((n * BLOCKS)) seek=$((n * BLOCKS)) count="$BLOCKS" oflag=direct
    wrote=$there lost=$elsewhere
    counted "$cpu" dd if=/dev/$disk of=/tmp/back bs=4096 skip=$((n * BLOCKS)) count="$BLOCKS" iflag=direct
    dd if=/tmp/data bs=4096 skip=$((n * BLOCKS)) count="$BLOCKS" 2> /dev/null | cmp - /tmp/back || fail "CPU $cpu: what was read isn't what was written"
    echo "@nvme $cpu $queue $eff $wrote $there $((lost + elsewhere)) $(kind "$irq")"
    if [ "$wrote" -lt "$BLOCKS" ] || [ "$there" -lt "$BLOCKS" ] || [ $((lost + elsewhere)) -ne 0 ]; then
        fail "CPU $cpu: $BLOCKS writes and reads, but $wrote and $there interrupts on CPU $eff, $((lost + elsewhere)) elsewhere"
    fi
    n=$((n + 1))
done
sleep 1
echo "@load $from $(date +%s)"
echo "@data $(md5sum < /tmp/data | cut -d' ' -f1) $(stat -c %s /tmp/data)"
if dmesg | grep -E 'No irq handler|no vector|timeout, completion polled|QID [0-9]+ timeout|I/O error|DMAR: .*fault' > /tmp/bad; then
    fail "$(head -3 /tmp/bad)"
fi
exit $status
