#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the Linux guest, after its report: does each disk's interrupt arrive on the CPU that
# /proc/irq says, and only there; and is none lost, or come elsewhere, while its affinity
# changes all the time?
#
#   DISKS     by the PCI address of their controllers, such as "00:04.0 00:05.0"
#   CPUS      CPUs to move the interrupts to
#   REQUESTS  reads for each of them
#   CHURN     seconds of moving about under load (0: none)
#
# Prints "@dmar" and how Linux names the unit if that translates DMA, "@dma DISK TYPE" of the disk's IOMMU domain,
# "@irq DISK KIND CPU counted-there counted-elsewhere", and for the churn
# "@churn DISK reads interrupts moves counted-elsewhere": on a CPU that it was never sent to.

# shellcheck source=tests/guest/linux/interrupts.sh
. /etc/interrupts.sh
DISKS=${DISKS:?} CPUS=${CPUS:?} REQUESTS=${REQUESTS:-50} CHURN=${CHURN:-0}
status=0
fail() { echo "irqs: $*"; status=1; }

# The interrupts of a controller: by MSI those of msi_irqs, else its pin's.
irqs_of() {
    d=/sys/bus/pci/devices/0000:$1
    if [ -d "$d/msi_irqs" ]; then ls "$d/msi_irqs"; else cat "$d/irq"; fi
}
# The disk of a controller, which may take a moment to be found.
disk_of() {
    for try in 1 2 3 4 5 6 7 8 9 10; do
        for b in /sys/block/*; do
            case $(readlink -f "$b/device") in */0000:$1/*) echo "${b##*/}"; return ;; esac
        done
        sleep 1
    done
    return 1
}

# Each page by a request of its own: not all controllers take dd's buffer for direct reads.
read_disk() {
    name=$(disk_of "$1") && echo 0 > "/sys/block/$name/queue/read_ahead_kb" && blockdev --flushbufs "/dev/$name" &&
        dd if="/dev/$name" of=/dev/null bs=4096 count="$2" 2> /dev/null
}
# Where interrupts go now, as a list of CPUs.
targets() {
    for i in $1; do cat "/proc/irq/$i/effective_affinity_list"; done | tr ',' '\n' |
        awk -F- '{ for (i = $1 + 0; i <= $NF + 0; i++) print i }' | tr '\n' ' '
}
reads() { awk '{ print $1 }' "/sys/block/$(disk_of "$1")/stat"; }
spread() { for i in $2; do echo "$1" > "/proc/irq/$i/smp_affinity_list" || return 1; done; }

dmesg | sed -n 's/.*DMAR: \(Intel(R) Virtualization\)/@dmar \1/p'
for disk in $DISKS; do
    echo "@dma $disk $(cat "/sys/bus/pci/devices/0000:$disk/iommu_group/type" 2> /dev/null || echo none)"
    disk_of "$disk" > /dev/null || { fail "$disk has no disk"; continue; }
    irqs=$(irqs_of "$disk" | tr '\n' ' ')
    irqs=${irqs% }
    for cpu in $CPUS; do
        spread "$cpu" "$irqs" 2> /tmp/err || { fail "$disk: interrupt $irqs can't go to CPU $cpu: $(cat /tmp/err)"; continue; }
        read_disk "$disk" 1 # one may be on its way to the CPU before
        counted "$irqs" "$cpu" read_disk "$disk" "$REQUESTS" || { fail "$disk can't be read"; continue; }
        echo "@irq $disk $(kind "$irqs") $cpu $here $elsewhere"
        if [ "$here" -lt "$REQUESTS" ] || [ "$elsewhere" -ne 0 ]; then
            fail "$disk: of $REQUESTS interrupts $here arrived on CPU $cpu and $elsewhere elsewhere"
        fi
    done
done

if [ "$CHURN" -gt 0 ]; then
    loads=
    for disk in $DISKS; do
        irqs_of "$disk" | tr '\n' ' ' > "/tmp/irqs.$disk"
        # They may come where they go now until they are sent elsewhere.
        echo "$CPUS $(targets "$(cat "/tmp/irqs.$disk")")" > "/tmp/cpus.$disk"
        echo "$(reads "$disk") $(counts "$(cat "/tmp/irqs.$disk")" "$(cat "/tmp/cpus.$disk")")" > "/tmp/before.$disk"
        ( while [ ! -e /tmp/stop ]; do read_disk "$disk" 16 || exit 1; done ) &
        loads="$loads $!"
    done
    moves=0
    read -r up _ < /proc/uptime
    end=$((${up%.*} + CHURN))
    while [ "${up%.*}" -lt $end ]; do
        for disk in $DISKS; do
            # shellcheck disable=SC2086
            set -- $CPUS
            shift $(((moves * 7 + moves / 3) % $#))
            spread "$1" "$(cat "/tmp/irqs.$disk")"
            moves=$((moves + 1))
        done
        [ $((moves % 600)) -ge 3 ] || echo "@guest churn $moves"
        read -r up _ < /proc/uptime
    done
    touch /tmp/stop
    for load in $loads; do wait "$load" || fail "a disk couldn't be read while its interrupt moved"; done
    for disk in $DISKS; do
        read -r r i elsewhere < "/tmp/before.$disk"
        r=$(($(reads "$disk") - r))
        after=$(counts "$(cat "/tmp/irqs.$disk")" "$(cat "/tmp/cpus.$disk")")
        elsewhere=$((${after#* } - elsewhere))
        i=$((${after% *} - i + elsewhere))
        echo "@churn $disk $r $i $moves $elsewhere"
        [ "$elsewhere" -eq 0 ] || fail "$disk: $elsewhere interrupts came to other CPUs than $(cat "/tmp/cpus.$disk")"
        # Linux counts an interrupt once that comes again on the new CPU while the old one still handles it
        # (handle_edge_irq). One that is lost stops its disk until the driver's timeout, for which see below.
        if [ "$r" -eq 0 ] || [ "$i" -gt "$r" ] || [ "$i" -lt $((r - r / 20)) ]; then
            fail "$disk: $r reads, but $i interrupts"
        fi
    done
fi

# What Linux says when an interrupt is lost, or comes where nobody expects it.
if dmesg | grep -E 'No irq handler|no vector|timeout, completion polled|nobody cared|QID [0-9]+ timeout|exception Emask|DMAR: .*fault' > /tmp/bad; then
    fail "$(head -3 /tmp/bad)"
fi
[ "$(awk '$1 == "ERR:" || $1 == "MIS:" { s += $2 } END { print s + 0 }' /proc/interrupts)" = 0 ] || fail "spurious interrupts"
exit $status
