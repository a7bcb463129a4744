# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests with a virtual VT-d unit: QEMU's registers in front of Xen's interrupt remapping."""

import re
import unittest

from lab import TOP, LabTest


class Quiet(LabTest):
    """Whatever a guest or its device model does: the host's logs stay short."""

    def quiet(self, o, console, device_model=0):
        """Xen didn't complain, and there are at most that many lines in each log."""
        log = self.log(o, "console.log")
        self.assertNotRegex(log, r"\(XEN\).*(Assertion|BUG|WARN)")
        lines = {"console.log": (len(log.splitlines()), console)}
        if device_model:
            lines["qemu-dm-guest.log"] = (len(self.log(o, "qemu-dm-guest.log").splitlines()), device_model)
        print("lines: %s" % lines)
        for name, (n, most) in lines.items():
            self.assertLessEqual(n, most, "%s has %d lines" % (name, n))


class Bare(Quiet):
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
        self.quiet(o, 600 + 30 * vcpus, 40)
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

    def test_from_disk(self):
        """Without kernel=: the DMAR table comes to a guest that its BIOS boots."""
        r = self.bare(4, "--from", "disk", "--cmdline", "apic=x2apic expect.vcpus=4")
        with open(r["logs"] + "/guest.cfg", encoding="utf-8") as f:
            self.assertNotIn("kernel=", f.read())
        with open(r["logs"] + "/console.log", encoding="utf-8", errors="replace") as f:
            self.assertIn("Booting from Hard Disk", f.read())
        self.assertIn("expect", {c["name"] for c in r["checks"]})  # The command line came along.


class Interrupts(LabTest):
    """A Linux guest that counts where its disks' interrupts arrive."""

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

    def irqs(self, vcpus, *args, cpus, requests=50, churn=0, then="", record=None):
        """Interrupts of every kind on each of some CPUs, and none lost while they move about."""
        with open(TOP + "/tests/guest/linux/irqs.sh", encoding="utf-8") as f:
            script = f.read()
        run = self.temporary("#!/bin/sh\n%s\nexport DISKS='%s' CPUS='%s' REQUESTS=%d CHURN=%d\n%s" %
                             (then, " ".join(self.SLOTS), " ".join(map(str, cpus)), requests, churn, script))
        args = ("--dm-args", self.DISKS, "--cmdline", "xen_emul_unplug=never", *args)
        o = self.linux(vcpus, "--before", self.temporary(self.MAKE_DISKS), "--run", run, *args)
        log = self.log(o, "guest.log")
        # Their DMA is translated, too.
        self.assertIn("@dmar Intel(R) Virtualization Technology for Directed I/O", log)
        self.assertEqual(re.findall(r"@dma (\S+) (DMA\S*)", log), [(d, "DMA-FQ") for d in self.SLOTS], log)
        seen = re.findall(r"@irq (\S+) (\S+) (\d+) (\d+) (\d+)", log)
        self.assertEqual([(d, int(c)) for d, _, c, _, _ in seen],
                         [(d, c) for d in self.SLOTS for c in cpus], log)
        self.assertEqual(list(dict.fromkeys(s[1] for s in seen)),
                         ["IR-IO-APIC", "IR-PCI-MSI", "IR-PCI-MSIX"], log)
        if churn:
            moved = re.findall(r"@churn (\S+) (\d+) (\d+) (\d+) (\d+)", log)
            self.assertEqual([(m[0], m[4]) for m in moved], [(d, "0") for d in self.SLOTS], log)
            o.report["churn"] = [dict(zip(("reads", "interrupts", "moves"), map(int, m[1:4])), disk=m[0]) for m in moved]
        if record:
            self.record(record, o, "--vcpus", str(vcpus), "--viommu", *args, "--run", "tests/guest/linux/irqs.sh")
        return o

    def confined(self, config, script, *args):
        """The same with a device model that these lines of xl.cfg confine, and what dom0's script says of it meanwhile."""
        config = (*config, 'device_model_version="qemu-xen"', "vkb_device=0")
        wait = "until [ -e /run/guest-waiting ]; do usleep 200000; done\n"
        o = self.irqs(4, *(w for line in config for w in ("--config", line)), "--during", self.temporary(wait + script), *args,
                      cpus=[0, 3], then="echo '@guest waiting'\nsleep 5")
        return o, self.log(o, "during.log")


class Linux(Interrupts):
    """Linux takes the unit, and with it CPUs whose APIC ID is above 254."""

    def test_4(self):
        self.irqs(4, cpus=[0, 3])

    def test_288(self):
        """All online; every kind of interrupt reaches CPUs on both sides of ID 255, also while it moves about."""
        o = self.irqs(288, "--config", "threads_per_core=4", cpus=[0, 100, 254, 255, 256, 270, 287], requests=20, churn=10,
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

    def test_eim_auto(self):
        """What it is when nobody says so."""
        o = self.linux(4, viommu=("--dm-args", "-device intel-iommu,intremap=on"))
        self.assertIn("cluster x2apic", o.report["apic_routing"])


class Operations(Quiet):
    """Xen's side alone, in dom0, with domains that have no device model."""

    def test_operations(self):
        """Every operation with arguments good and bad, remapping, LAPIC records, destruction at any moment."""
        o = self.run_viommu_tests()
        self.quiet(o, 7000)


class Restricted(Interrupts):
    """A device model that gives up its rights before the guest runs: what the unit needs is left to it."""

    # libxl runs each guest's QEMU as a user of its own, counted from this one.
    MAKE_DISKS = Interrupts.MAKE_DISKS + """
echo xen-qemuuser-range-base:x:65536:65536::/:/bin/false >> /etc/passwd
chmod 755 /lab/dm
"""
    # libxl limits files that it writes to 256 KiB, and QEMU 10 has the pixels of its screen in one, with the unit or without.
    DM = '#!/bin/sh\nulimit -f 8192\nexec /usr/bin/qemu-system-x86_64 "$@"\n'  # In units of 512 bytes.
    WHO = r"""
pid=$(xenstore-read /local/domain/$(xl domid guest)/image/device-model-pid)
grep -E '^(Uid|CapEff):' /proc/$pid/status
tr '\0' ' ' < /proc/$pid/cmdline
"""

    def test_4(self):
        config = ("dm_restrict=1", 'device_model_override="/lab/dm"')
        _, said = self.confined(config, self.WHO, "--file", self.temporary(self.DM) + ":dm")
        self.assertRegex(said, r"Uid:\t65537\t65537\t65537\t65537\nCapEff:\t0+\n")
        self.assertIn(" -xen-domid-restrict ", said)


class Stub(Interrupts):
    """A device model in a domain of its own, which has rights over its guest and no others."""

    # What the stub domain is made of: dom0's own root with another init, and the files that the guest's device model reads.
    MAKE_DISKS = Interrupts.MAKE_DISKS + r"""
chmod 755 /lab/stub-init
cd /
find bin sbin etc lib lib64 usr var lab ! -name stub-kernel ! -name stub-root | cpio -o -H newc > /run/stub-root 2> /dev/null
mv /run/stub-root /lab/
"""
    # Linux lets a domain of its kind make no hypercall but device models' own, with which no QEMU starts (XSA-482).
    CONFIG = ("device_model_stubdomain_override=1", 'stubdomain_kernel="/lab/stub-kernel"', 'stubdomain_ramdisk="/lab/stub-root"',
              'stubdomain_cmdline="console=hvc0 rdinit=/lab/stub-init xen_privcmd.unrestricted=1 mitigations=off quiet"',
              "stubdomain_memory=450", "vnc=0", 'serial="null"')
    WHO = r"""
stub=$(xenstore-read /local/domain/$(xl domid guest)/image/device-model-domid)
echo "@stub $stub $(xl domname $stub) $(xl domid guest)"
for p in /proc/[0-9]*; do tr '\0' ' ' < $p/cmdline | grep -a '^[^ ]*qemu-system' | sed 's/^/@qemu /'; done
"""

    def test_4(self):
        built = self.command("build", "--path", "dom0")
        self.assertEqual(built.status, 0, built.err)
        dom0 = re.search("(?m)^dom0 (.*)", built.out).group(1)
        o, log = self.confined(self.CONFIG, self.WHO, "--file", dom0 + "/vmlinux:stub-kernel",
                               "--file", TOP + "/tests/e2e/stub-init:stub-init", "--dom0-memory", "1600", "--outer-args", "-m 4000M")
        stub, name, guest = re.search(r"@stub (\d+) (\S+) (\d+)", log).groups()
        self.assertNotEqual(stub, "0")
        self.assertEqual(name, "guest-dm")
        # The only one in dom0 is the stub domain's own, for its consoles.
        self.assertEqual(re.findall(r"@qemu .*-xen-domid (\d+) .*-machine xenpv", log), [stub], log)
        self.assertEqual(log.count("@qemu "), 1, log)
        self.assertIn("device model of domain %s: " % guest, self.log(o, "qemu-dm-guest.log"))


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

    # The second guest only reads each disk.
    LOAD = r"""
grep -q lab.second /proc/cmdline && second=1
for d in sda sdb nvme0n1; do
    n=0
    until [ -b /dev/$d ] || [ $n -ge 60 ]; do sleep 0.5; n=$((n + 1)); done
    read_it() { dd if=/dev/$d of=/dev/null bs=4096 count=50 iflag=direct 2> /dev/null; }
    read_it || exit 1
    echo "@read $d"
    [ -n "$second" ] || while :; do read_it; done &
done
[ -z "$second" ] || exit 0
echo "@guest loading"
while :; do sleep 1; done
"""
    KILL = r"""
until [ -e /run/guest-loading ]; do usleep 200000; done
sleep 2
pid=$(xenstore-read /local/domain/$(xl domid guest)/image/device-model-pid)
xl viommu-info guest
kill -9 $pid
echo "kill: $?"
sleep 2
xl destroy guest
echo "destroy: $?"
"""
    AGAIN = r"""
echo "domains: $(xl list | wc -l)"
sed 's/cmdline="/&lab.second /' /lab/guest.cfg > /run/second.cfg
xl create -F /run/second.cfg
echo "domains: $(xl list | wc -l)"
"""

    def test_device_model_dies(self):
        """Under load: the guest can be destroyed, nothing of it is left, and the next one finds all as it should be."""
        o = self.boot("--viommu", "--dm-args", Linux.DISKS, "--before", self.temporary(Linux.MAKE_DISKS),
                      "--run", self.temporary("#!/bin/sh\n" + self.LOAD), "--cmdline", "xen_emul_unplug=never",
                      "--during", self.temporary(self.KILL), "--after", self.temporary(self.AGAIN))
        said, log = self.log(o, "during.log"), self.log(o, "guest.log")
        self.assertGreater(int(re.search(r"(?m)^Requests, from the cache +(\d+)", said).group(1)), 100, said)
        self.assertRegex(said, r"(?s)kill: 0\n.*Device Model already exited\ndestroy: 0\n")
        self.assertEqual(re.findall("^domains: (.*)", self.log(o, "xl.log"), re.M), ["2", "2"])
        self.assertEqual(re.findall("^@read (.*)", log, re.M), ["sda", "sdb", "nvme0n1"] * 2)
        self.assertEqual((log.count("@report"), re.findall("^@run (.*)", log, re.M)), (2, ["0"]), log)
        self.assertIn("Enabled IRQ remapping in x2apic mode", o.report["remapping"])
        self.assertNotRegex(self.log(o, "console.log"), r"\(XEN\).*(Assertion|BUG|WARN)")


if __name__ == "__main__":
    unittest.main()
