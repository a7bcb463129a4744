# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest with interrupt remapping goes through: sleep, CPUs taken down, reboot, save and restore, migration."""

import re
import unittest

from lab import LabTest

# A disk of the device model's, by MSI: after each change its interrupts still arrive on the first and the last CPU.
DISK = "-device ahci,id=ahci,addr=0x5 -drive if=none,id=a,format=raw,file=/lab/disk -device ide-hd,drive=a,bus=ahci.0"
CHECK = r"""
. /etc/interrupts.sh
check_disk() {
    irq=$(for f in /sys/bus/pci/devices/0000:00:05.0/msi_irqs/*; do echo "${f##*/}"; done | tail -n 1)
    for cpu in 0 $LAST; do
        echo $cpu > /proc/irq/$irq/smp_affinity_list || { echo "no affinity for CPU $cpu"; return 1; }
        read_blocks sda 1 && counted $irq $cpu read_blocks sda 20 || return 1
        echo "@disk $1 cpu $cpu interrupts $here elsewhere $elsewhere"
        [ $here -ge 20 ] && [ $elsewhere = 0 ] || return 1
    done
    ! dmesg | grep -E 'No irq handler|no vector|timeout|DMAR: .*fault|BUG:'
}
"""


class Lifecycle(LabTest):
    """With the unit, at 4 vCPUs, and where an APIC ID needs it: 258 for the 130th."""

    FEW, HIGH = 4, 130

    ZEROS = "dd if=/dev/zero of=/lab/disk bs=64k count=16 2> /dev/null\n"

    def lifecycle(self, vcpus, script, *args, during=None, stages=(), disk=ZEROS):
        run = self.temporary("#!/bin/sh\nLAST=%d\n%s\n%s" % (vcpus - 1, CHECK, script))
        before = self.temporary(disk)
        if during:
            args += ("--during", self.temporary(during))
        o = self.boot("--vcpus", str(vcpus), "--viommu", "--dm-args", DISK, "--before", before,
                      "--run", run, "--cmdline", "xen_emul_unplug=never", *args)
        log = self.log(o, "guest.log")
        self.assertEqual(re.findall(r"^@disk (\S+) cpu (\d+)", log, re.M),
                         [(s, c) for s in stages for c in ("0", str(vcpus - 1))], log)
        self.assertEqual(o.report["vcpus_online"], vcpus, log)
        self.assertIn("Enabled IRQ remapping in x2apic mode", o.report["remapping"])
        return o

    S3 = r"""
check_disk before || exit 1
echo "@guest suspending"
sleep 1
echo mem > /sys/power/state || exit 1
echo "@guest awake"
[ "$(cat /sys/devices/system/cpu/online)" = 0-$LAST ] || { cat /sys/devices/system/cpu/online; exit 1; }
check_disk after
status=$?
echo "@guest checked"
exit $status
"""
    S3_DOM0 = r"""
until [ -e /run/guest-suspending ]; do usleep 200000; done
until [ -e /run/guest-awake ]; do sleep 2; xl trigger guest s3resume; done
# A wake-up resets QEMU's PIIX4, after which the guest can't power off any more: so it is in stock Xen.
until [ -e /run/guest-checked ]; do sleep 1; done
sleep 3
xl destroy guest
"""

    def test_s3(self):
        self.lifecycle(self.FEW, self.S3, during=self.S3_DOM0, stages=("before", "after"))

    def test_s3_high(self):
        """SeaBIOS wakes APs that can't leave x2APIC mode too, and Linux brings all of them up again."""
        self.lifecycle(self.HIGH, self.S3, during=self.S3_DOM0, stages=("before", "after"))

    HOTPLUG = r"""
cpus=/sys/devices/system/cpu
check_disk before || exit 1
for round in 1 2 3; do
    # The disk's interrupt is on the CPU that goes.
    for c in $LAST 1; do
        echo 0 > $cpus/cpu$c/online || exit 1
        read_blocks sda 20 || exit 1
        echo 1 > $cpus/cpu$c/online || exit 1
    done
done
check_disk after
"""

    def test_cpus_off_and_on(self):
        self.lifecycle(self.HIGH, self.HOTPLUG, stages=("before", "after"))

    # The first boot leaves a mark on the disk.
    REBOOT = r"""
check_disk boot || exit 1
[ "$(dd if=/dev/sda bs=4 count=1 2> /dev/null)" != mark ] || exit 0
printf mark | dd of=/dev/sda conv=fsync 2> /dev/null
reboot -f
"""

    def test_reboot(self):
        o = self.lifecycle(self.HIGH, self.REBOOT, "--config", 'on_reboot="restart"', stages=("boot", "boot"))
        self.assertEqual(len(re.findall("^@guest init", self.log(o, "guest.log"), re.M)), 2)

    # A disk with the guest's own kernel, for kexec: sizes in the first block, then what they are of.
    KERNEL = r"""
kernel=$(stat -c %s /lab/kernel) initramfs=$(stat -c %s /lab/initramfs)
{ printf %-512s "$kernel $initramfs"; cat /lab/kernel /lab/initramfs; head -c 65536 /dev/zero; } > /lab/disk
truncate -s $(($(stat -c %s /lab/disk) / 4096 * 4096)) /lab/disk
"""
    KEXEC = r"""
if grep -q lab.second /proc/cmdline; then
    check_disk second
    exit
fi
check_disk first || exit 1
dd if=/dev/sda of=/tmp/disk bs=64k 2> /dev/null || exit 1
read -r kernel initramfs _ < /tmp/disk
tail -c +513 /tmp/disk | head -c $kernel > /tmp/kernel
tail -c +$((513 + kernel)) /tmp/disk | head -c $initramfs > /tmp/initramfs
rm /tmp/disk
kexec -c -l /tmp/kernel --initrd=/tmp/initramfs --command-line="$(cat /proc/cmdline) lab.second" || exit 1
kexec -e
exit 1
"""

    def test_kexec(self):
        """Xen resets the domain for it, and it has a new device model with the state of the old one."""
        o = self.lifecycle(self.HIGH, self.KEXEC, disk=self.KERNEL, stages=("first", "second"))
        self.assertIn("soft-reset", self.log(o, "xl.log"))

    # Whoever saves or moves it goes on when the guest says so; the guest finds itself elsewhere by its xenstore path.
    MOVE = r"""
leaf() { dd if=/dev/cpu/$1/cpuid bs=16 count=1 iflag=skip_bytes skip=$2 2> /dev/null | hexdump -e '4/4 "%08x "'; }
ids() { for c in 0 1 $LAST; do echo "@ids $1 $c $(leaf $c 1 | cut -d ' ' -f 2) $(leaf $c 11 | cut -d ' ' -f 4)"; done; }
ids before
check_disk before || exit 1
echo "@guest ready"
n=0
until dmesg | grep -q 'Suspending console\|suspending xenstore\|xen:.*resum\|Freezing user space'; do
    sleep 1
    n=$((n + 1))
    [ $n -lt 300 ] || { echo "nobody moved it"; exit 1; }
done
sleep 3
ids after
check_disk after
"""
    READY = "until [ -e /run/guest-ready ]; do usleep 200000; done\nsleep 1\n"
    SAVE = READY + "xl save guest /run/saved; echo \"save: $?\"\n"
    RESTORE = "xl restore -F /run/saved\necho \"restore: $?\"\n"
    MIGRATE = READY + "xl migrate -s '' guest 'xl migrate-receive'\necho \"migrate: $?\"\n"
    # Under whatever name it has on its way.
    WAIT = "while xl list | grep -q ^guest; do sleep 1; done\n"

    def same_ids(self, o):
        """The APIC IDs in CPUID are what they were; returns leaf 0xb's of the last CPU."""
        ids = re.findall(r"^@ids (\w+) (\d+ \w{8} (\w{8}))$", self.log(o, "guest.log"), re.M)
        before, after = ([i[1:] for i in ids if i[0] == stage] for stage in ("before", "after"))
        self.assertEqual(len(before), 3)
        self.assertEqual(before, after)
        return before[-1][1]

    def save(self, vcpus, *args):
        o = self.lifecycle(vcpus, self.MOVE, "--dom0-memory", "1200", "--after", self.temporary(self.RESTORE), *args,
                           during=self.SAVE, stages=("before", "after"))
        self.assertIn("save: 0", self.log(o, "during.log"))
        self.assertIn("restore: 0", self.log(o, "xl.log"))
        return self.same_ids(o)

    def test_save(self):
        """With IDs that the toolstack chose, which the LAPICs' records tell."""
        self.assertEqual(self.save(6, "--config", "threads_per_core=3"), "00000006")

    def test_migrate(self):
        """Live, to the same host: for a moment both are there."""
        o = self.lifecycle(self.FEW, self.MOVE, "--dom0-memory", "1200", "--after", self.temporary(self.WAIT),
                           during=self.MIGRATE, stages=("before", "after"))
        self.assertIn("migrate: 0", self.log(o, "during.log"))
        self.same_ids(o)


if __name__ == "__main__":
    unittest.main()
