# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests with a virtual VT-d unit: QEMU's registers in front of Xen's interrupt remapping."""

import re
import unittest

from lab import TOP, LabTest


class Bare(LabTest):
    """The bare-metal guest drives the unit itself: every check passes, and none is skipped."""

    EDU = '"-device","edu,dma_mask=0xffffffff"'
    CHECKS = {"dmar", "queue", "msi", "modes", "edge", "level", "sid", "faults", "events", "compat", "table", "order",
              "robust", "reset", "hostile"}

    def bare(self, vcpus, *args, unit="intel-iommu,intremap=on,eim=on"):
        devices = 'device_model_args_hvm=["-device","e1000","-device","%s",%s,%s]' % (unit, self.EDU, self.EDU)
        o = self.boot("--guest", "bare", "--vcpus", str(vcpus), "--config", devices, *args)
        r = o.report
        self.assertEqual((r["vcpus_present"], r["vcpus_online"]), (vcpus, vcpus))
        self.assertEqual([c for c in r["checks"] if c["result"] != "pass"], [])
        self.assertLessEqual({"vtd-" + c for c in self.CHECKS}, {c["name"] for c in r["checks"]})
        return r

    def test_4(self):
        r = self.bare(4, "--cmdline", "apic=x2apic")
        self.assertEqual(r["apic_mode_used"], "x2apic")

    def test_4_xapic(self):
        """Without extended interrupt mode, as in the time before x2APIC."""
        r = self.bare(4)
        self.assertEqual(r["apic_mode_used"], "xapic")

    def test_288(self):
        r = self.bare(288, "--config", "threads_per_core=4")
        self.assertEqual((r["apic_mode"], r["apic_ids"]), ("x2apic", "0-287"))

    def test_1024(self):
        """IDs twice the vCPU's number: up to 2046, and every other bit of a cluster."""
        r = self.bare(1024)
        self.assertEqual((r["apic_mode"], r["max_apic_id"]), ("x2apic", 2046))

    def test_without_dma_translation(self):
        self.bare(4, "--cmdline", "apic=x2apic", unit="intel-iommu,intremap=on,eim=on,dma-translation=off")


class Linux(LabTest):
    """Linux takes the unit, and with it CPUs whose APIC ID is above 254."""

    # A disk by the IO-APIC, one by MSI, one by MSI-X; each interrupt can be moved by the guest's user.
    DISKS = ("-drive if=none,id=a,format=raw,file=/lab/disk.a "
             "-device virtio-scsi-pci,addr=0x3,vectors=0,disable-legacy=on,iommu_platform=on -device scsi-hd,drive=a "
             "-drive if=none,id=b,format=raw,file=/lab/disk.b "
             "-device ahci,id=ahci,addr=0x4 -device ide-hd,drive=b,bus=ahci.0 "
             "-drive if=none,id=c,format=raw,file=/lab/disk.c -device nvme,addr=0x5,drive=c,serial=c,msix_qsize=1")
    SLOTS = ("00:03.0", "00:04.0", "00:05.0")
    LSTOPO = 'echo "@lstopo $(for o in package core pu; do lstopo-no-graphics --only $o | wc -l; done | xargs)"'
    MAKE_DISKS = "for d in a b c; do dd if=/dev/urandom of=/lab/disk.$d bs=64k count=16 2> /dev/null; done\n"

    def linux(self, vcpus, *args, remapping="x2apic", viommu=("--viommu",)):
        o = self.boot("--vcpus", str(vcpus), *viommu, *args)
        r = o.report
        log = self.log(o, "guest.log")
        self.assertEqual((r["vcpus_present"], r["vcpus_online"], r["vcpus_refused"]), (vcpus, vcpus, 0), log)
        self.assertEqual(r["warnings"], 0, log)
        self.assertIn("Enabled IRQ remapping in %s mode" % remapping if remapping else "none", r["remapping"])
        return o

    def irqs(self, vcpus, *args, cpus, requests=50, churn=0, then=""):
        """Interrupts of every kind on each of some CPUs, and none lost while they move about."""
        with open(TOP + "/tests/guest/linux/irqs.sh", encoding="utf-8") as f:
            script = f.read()
        run = self.temporary("#!/bin/sh\n%s\nexport DISKS='%s' CPUS='%s' REQUESTS=%d CHURN=%d\n%s" %
                             (then, " ".join(self.SLOTS), " ".join(map(str, cpus)), requests, churn, script))
        o = self.linux(vcpus, "--dm-args", self.DISKS, "--before", self.temporary(self.MAKE_DISKS), "--run", run,
                       "--cmdline", "xen_emul_unplug=never", *args)
        log = self.log(o, "guest.log")
        seen = re.findall(r"@irq (\S+) (\S+) (\d+) (\d+) (\d+)", log)
        self.assertEqual([(d, int(c)) for d, _, c, _, _ in seen],
                         [(d, c) for d in self.SLOTS for c in cpus], log)
        self.assertEqual([k for k in dict.fromkeys(re.sub("-0000.*", "", k) for _, k, _, _, _ in seen)],
                         ["IR-IO-APIC", "IR-PCI-MSI", "IR-PCI-MSIX"], log)
        if churn:
            self.assertEqual(re.findall(r"@churn (\S+) \d+ \d+ \d+ (\d+)", log), [(d, "0") for d in self.SLOTS], log)
        return o

    def test_4(self):
        self.irqs(4, cpus=[0, 3])

    def test_288(self):
        """All online; every kind of interrupt reaches CPUs on both sides of ID 255, also while it moves about."""
        o = self.irqs(288, "--config", "threads_per_core=4", cpus=[0, 100, 254, 255, 256, 270, 287], churn=30,
                      then=self.LSTOPO)
        self.assertEqual(o.report["apic_ids"], "0-287")
        topology = o.report["topology"]  # By lscpu.
        self.assertEqual((topology["sockets"], topology["cores_per_socket"], topology["threads_per_core"]), (1, 72, 4))
        self.assertIn("@lstopo 1 72 288", self.log(o, "guest.log"))
        self.assertIn("cluster x2apic", o.report["apic_routing"])

    def test_intremap_off(self):
        """A unit that the guest isn't told of: CPUs as without it, in x2APIC mode for being Xen's."""
        o = self.linux(4, remapping=None, viommu=("--dm-args", "-device intel-iommu,intremap=off"))
        self.assertIn("physical x2apic", o.report["apic_routing"])

    def test_nox2apic(self):
        """The guest takes remapping, but not x2APIC: IDs of 8 bits in the IRTEs."""
        o = self.linux(4, "--cmdline", "nox2apic", remapping="xapic")
        self.assertEqual(o.report["apic_mode"], "xapic")

    def test_eim_off(self):
        self.linux(4, remapping="xapic", viommu=("--dm-args", "-device intel-iommu,intremap=on,eim=off"))


class Operations(LabTest):
    """Xen's side alone, in dom0, with domains that have no device model."""

    def test_operations(self):
        """Every operation with arguments good and bad, remapping, LAPIC records, destruction at any moment."""
        o = self.boot("--guest", "bare", "--before",
                      self.temporary("/usr/lib/xen/bin/test-viommu\necho \"test-viommu: $?\"\n"
                                     "xl list\necho \"domains: $(xl list | wc -l)\"\n"))
        log = self.log(o, "xl.log")
        self.assertNotIn("Fail:", log)
        self.assertRegex(log, r"\d+ checks, 0 failed")
        self.assertIn("test-viommu: 0", log)
        self.assertIn("domains: 2", log)  # The headline, and dom0.


class Device(LabTest):
    """The unit as a device: what it goes together with, and what it shows."""

    UNIT = "-device intel-iommu,intremap=on,eim=on"

    # In dom0, with a device that can be assigned: each way of having that translated by the unit.
    REFUSED = r"""
said() { grep -h exclude $(ls -t /var/log/xen/qemu-dm-guest.log* | head -1) /run/xl.log; }
try() {
    echo "@try $1"
    if xl create -p /run/try.cfg > /run/xl.log 2>&1; then echo "it was created"; fi
    said
    xl destroy guest 2> /dev/null
}
sed 's/,dma-translation=off//' /lab/guest.cfg > /run/try.cfg
try plugged
device=xen-pci-passthrough,hostaddr=0000:00:10.0
unit=intel-iommu,intremap=on
for args in '"-device","'$unit'","-device","'$device'"' '"-device","'$device'","-device","'$unit'"'; do
    grep -v "^pci\|^device_model_args" /lab/guest.cfg > /run/try.cfg
    echo "device_model_args_hvm=[$args]" >> /run/try.cfg
    try there
done
:
"""

    def test_passthrough(self):
        """A device that Xen passes through, and a unit that translates DMA: refused, in one line, whichever comes first."""
        o = self.boot("--viommu", "--passthrough", "nvme", "--before", self.temporary(self.REFUSED))
        log = self.log(o, "xl.log")
        tries = re.split("^@try .*$", re.sub("(?s)Waiting for domain guest.*", "", log), flags=re.M)[1:]
        self.assertEqual(len(tries), 3, log)
        for t in tries:
            self.assertEqual(t.count("exclude each other: use dma-translation=off"), 1, log)
            self.assertNotIn("it was created", t)
        self.assertIn("Enabled IRQ remapping in x2apic mode", o.report["remapping"])

    def test_pc_machine(self):
        """Without Xen's platform device the machine is pc, not xenfv."""
        o = self.boot("--viommu", "--config", "xen_platform_pci=0")
        self.assertIn("Enabled IRQ remapping in x2apic mode", o.report["remapping"])

    def test_monitor(self):
        """What QEMU has of the unit, and what Xen has of it, are the same."""
        show = self.temporary("while sleep 1; do xl qemu-monitor-command guest 'info pic' > /run/pic 2> /dev/null &&"
                              " grep -q intr=1 /run/pic && break; done\ngrep '^iommu:\\|^xen:' /run/pic\n")
        wait = self.temporary("#!/bin/sh\nsleep 5\n")
        o = self.boot("--viommu", "--during", show, "--run", wait)
        log = self.log(o, "during.log")
        state = r"^%s: intr=1 table=([0-9a-f]+) entries=10000 eim=1 cfi=0"
        self.assertEqual(*[re.search(state % who, log, re.M).group(1) for who in ("iommu", "xen")])
        self.assertRegex(log, r"(?m)^xen: hits=\d+ misses=[1-9]\d* ")
        self.assertRegex(log, r"(?m)^xen: faults 0x20=0 .*0x26=0 .*lost=0$")


if __name__ == "__main__":
    unittest.main()
