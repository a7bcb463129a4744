# SPDX-License-Identifier: GPL-2.0-or-later
"""Physical devices in a guest: their interrupts find the vCPU in Xen, not through QEMU."""

import hashlib
import os
import re
import unittest

from lab import TOP, LabTest


class Given(LabTest):
    """What is expected wherever a guest was given a device."""

    # Afterwards: what Xen has of interrupts, and the device is there for others.
    AFTER = "xl debug-keys i\nsleep 1\nxl pci-assignable-list\n"

    def clean(self, o):
        """Xen didn't complain."""
        console = self.log(o, "console.log")
        self.assertNotRegex(console, r"\(XEN\).*(Assertion|BUG|WARN|AMD-Vi: .*fault|DMAR:.*[Ff]ault)")

    def nothing_left(self, o):
        """Nor has it interrupts of a guest that is gone, after AFTER."""
        self.clean(o)
        interrupts = re.findall(r"\(XEN\) IRQ information:(.*?)\(XEN\) IO-APIC interrupt information:",
                                self.log(o, "console.log"), re.S)
        self.assertTrue(interrupts, "debug-keys i said nothing")
        self.assertRegex(interrupts[-1], r"\bd0: ")
        self.assertNotRegex(interrupts[-1], r"\bd[1-9]\d*:")
        # Nor one that is mapped and no more: dom0 has none, having drivers for none of the devices.
        self.assertNotIn("PCI-MSI", interrupts[-1])
        self.assertIn("0000:00:10.0", self.log(o, "xl.log"))


class Queues(Given):
    """A disk of the outer machine, with a queue and an MSI-X vector for many of the guest's CPUs."""

    BLOCKS = 16  # 4 KiB blocks that each CPU writes, and reads back.
    # What has an interrupt go through the device model, and whatever else has a vCPU wait for it.
    TRACE = "-trace xen_viommu_inject -trace handle_ioreq -msg timestamp=on"

    def nvme(self, vcpus, cpus, *args, devices=("nvme",), pin=False, blocks=BLOCKS, viommu=("--viommu",), kind=None,
             record=None):
        with open(TOP + "/tests/guest/linux/nvme.sh", encoding="utf-8") as f:
            script = f.read()
        run = self.temporary("#!/bin/sh\necho @guest disks\nexport CPUS='%s' BLOCKS=%d DISKS=%d\n%s" %
                             (" ".join(map(str, cpus)), blocks, len(devices), script))
        args = ("--vcpus", str(vcpus), *(w for d in devices for w in ("--passthrough", d)), *viommu,
                "--dm-args", self.TRACE, *args)
        o = self.boot(*args, "--run", run, "--after", self.temporary(self.AFTER))
        log = self.log(o, "guest.log")
        self.assertEqual((o.report["vcpus_present"], o.report["vcpus_online"]), (vcpus, vcpus), log)

        seen = [tuple(map(int, m)) for m in re.findall(r"@nvme (\d+) \w+ (\d+) (\d+) (\d+) (\d+)", log)]
        self.assertEqual([s[0] for s in seen], cpus * len(devices), log)
        # By a pin all CPUs' requests come to one: while it handles one of another CPU's, that may have the next.
        least = [1 if pin and s[0] != s[1] else blocks for s in seen]
        self.assertEqual([s for s, n in zip(seen, least) if s[4] or min(s[2], s[3]) < n], [], log)
        if kind:
            self.assertEqual(set(re.findall(r"@nvme (?:\S+ ){6}(\S+)", log)), {kind}, log)

        # What the guest wrote is on the disk, as the machine below sees it.
        data = re.findall(r"@data (\w+) (\d+) lab(\d+)", log)
        self.assertEqual(sorted((int(n), int(size)) for _, size, n in data),
                         [(n, 4096 * blocks * len(cpus)) for n in range(len(devices))], log)
        for md5, size, n in data:
            with open(os.path.join(o.report["logs"], "nvme%s.img" % n), "rb") as f:
                self.assertEqual(hashlib.md5(f.read(int(size))).hexdigest(), md5)

        begin, end = map(int, re.search(r"@load (\d+) (\d+)", log).groups())
        exits = [float(t) for t in re.findall(r"^\d+@(\d+\.\d+):(?:xen_viommu_inject|handle_ioreq) ",
                                              self.log(o, "qemu-dm-guest.log"), re.M)]
        interrupts = sum(s[2] + s[3] for s in seen)
        during = sum(begin <= t <= end for t in exits)
        print("%d interrupts of the disk, %d requests to the device model meanwhile (%d in all)" %
              (interrupts, during, len(exits)))
        # The trace works, and the load is within what it covers.
        self.assertTrue(exits and min(exits) < begin and max(exits) > end, (begin, end, exits[:1], exits[-1:]))
        # Not one for an interrupt: what there is comes from the guest's own doings, such as its RTC.
        self.assertLess(during * 20, interrupts)
        self.nothing_left(o)
        if record:
            o.report["passthrough"] = {"interrupts": interrupts, "device_model_requests": during,
                                       "queues": [dict(zip(("cpu", "interrupts_on", "writing", "reading", "elsewhere"), s))
                                                  for s in seen]}
            self.record(record, o, *args, "--run", "tests/guest/linux/nvme.sh")
        self.outcome = o
        return seen


class Nvme(Queues):
    """The small kernel, in each format and by each way that an interrupt can take."""

    def test_4(self):
        self.nvme(4, [0, 1, 2, 3], kind="IR-PCI-MSIX")

    def test_4_without_a_unit(self):
        """Interrupts in compatibility format, as ever."""
        self.nvme(4, [0, 3], viommu=(), kind="PCI-MSIX")

    def test_4_compatibility_format(self):
        """A unit that the guest doesn't use."""
        self.nvme(4, [0, 3], "--cmdline", "intremap=off", kind="PCI-MSIX")

    def test_288(self):
        """Queues of CPUs on both sides of ID 255."""
        seen = self.nvme(288, [5, 100, 200, 254, 255, 256, 270, 287], "--config", "threads_per_core=4")
        self.assertTrue(any(s[1] > 255 for s in seen) and any(s[1] < 255 for s in seen), seen)

    def test_4_intx(self):
        """By its pin and the virtual IO-APIC, in the remappable format."""
        self.nvme(4, [0, 3], "--cmdline", "pci=nomsi", pin=True, kind="IR-IO-APIC")

    SHARED_DOM0 = r"""
until [ -e /run/guest-disks ]; do usleep 200000; done
for slot in 10 14; do echo "irq $(cat /sys/bus/pci/devices/0000:00:$slot.0/irq)"; done
xl debug-keys i
"""

    def test_4_intx_shared(self):
        """By a line that two disks share on the host, each with a pin of its own in the guest; also when both are busy."""
        self.nvme(4, [0, 3], "--cmdline", "pci=nomsi", "--during", self.temporary(self.SHARED_DOM0),
                  devices=("nvme,addr=0x10", "nvme,addr=0x14"), pin=True)
        irqs = re.findall(r"irq (\d+)", self.log(self.outcome, "during.log"))
        self.assertEqual(len(irqs), 2)
        self.assertEqual(irqs[0], irqs[1])
        # One interrupt of the host's is all that the guest has, and afterwards none.
        given = re.findall(r"\(XEN\) +IRQ: +(\d+) .*\bd[1-9]\d*:", self.log(self.outcome, "console.log"))
        self.assertEqual(given, irqs[:1])
        self.nothing_left(self.outcome)
        both = re.findall(r"@both (\w+) (\d+) (\d+) (\S+) (\S+)", self.log(self.outcome, "guest.log"))
        self.assertEqual([(b[0], b[3]) for b in both], [("nvme0n1", "IR-IO-APIC"), ("nvme1n1", "IR-IO-APIC")], both)
        self.assertNotEqual(both[0][1], both[1][1])
        self.assertEqual([b[4] for b in both if not b[4].endswith("-fasteoi")], [])
        # Each disk was read and written from the CPU of its interrupt.
        self.assertEqual([b for b in both if int(b[2]) < 2 * 2 * self.BLOCKS], [])


class Beside(Queues):
    """Where half of it is stock, or the guest has its interrupts as event channels."""

    def test_4_stock_qemu(self):
        """It binds as PT_IRQ_TYPE_MSI."""
        self.nvme(4, [0, 3], "--stock=qemu", viommu=(), kind="PCI-MSIX")

    def test_4_stock_xen(self):
        """Our QEMU binds as PT_IRQ_TYPE_MSI where there is nothing better."""
        self.nvme(4, [0, 3], "--stock=xen", viommu=(), kind="PCI-MSIX")

    def test_4_pirq(self):
        self.nvme(4, [0, 3], "--config", "hvm_pirq=1", viommu=(), kind="xen-pirq")

    def test_4_pirq_viommu(self):
        """Linux takes event channels even if it has a unit."""
        self.nvme(4, [0, 3], "--config", "hvm_pirq=1", kind="xen-pirq")


class Bindings(Given):
    """Each way to bind a physical interrupt, good and bad, by a program in dom0 and domains without a device model."""

    def bindings(self, device, what="bindings-all"):
        args = ("--vcpus", "1", "--passthrough", device, "--config", "pci=[]", "--after", self.temporary(self.AFTER))
        o = self.run_viommu_tests(what, "0000:00:10.0", args=args)
        self.nothing_left(o)
        return self.log(o, "xl.log")

    def test_msix(self):
        """A disk, which the program has interrupt."""
        log = self.bindings("nvme")
        self.assertRegex(log, r": 0 vectors by MSI, [1-9]\d* by MSI-X, can be made to interrupt")
        self.assertRegex(log, r"ok: \d+ operations, [1-9]\d+ interrupts")

    def test_msi(self):
        """A USB controller, with several vectors in a row."""
        self.assertIn("16 vectors by MSI, 0 by MSI-X", self.bindings("xhci"))


class Messages(Given):
    """The bare-metal guest's check of MSI-X."""

    def bare(self, vcpus, device, entries, *args):
        o = self.boot("--guest", "bare", "--vcpus", str(vcpus), "--viommu", "--passthrough", device,
                      "--cmdline", "apic=x2apic checks=smp,vtd-msix", "--after", self.temporary(self.AFTER), *args)
        msix = [c for c in o.report["checks"] if c["name"] == "vtd-msix"]
        self.assertEqual([c["result"] for c in msix], ["pass"], msix)
        self.assertRegex(msix[0]["text"], "^%d entries " % entries)
        self.nothing_left(o)
        return msix[0]["text"]

    def test_4(self):
        """A network card."""
        self.bare(4, "e1000e", 5)

    def test_4_usb(self):
        """A USB controller, which sends each message once, whether it was masked or not."""
        self.bare(4, "xhci,msi=off,msix=on", 16)

    def test_288(self):
        """To CPUs on both sides of ID 255."""
        self.assertRegex(self.bare(288, "e1000e", 5, "--config", "threads_per_core=4"), "last ID 287;")


class Vectors(Given):
    """A USB controller, whose MSI capability has 16 vectors."""

    def bare(self, vcpus, *args):
        o = self.boot("--guest", "bare", "--vcpus", str(vcpus), "--viommu", "--passthrough", "xhci",
                      "--cmdline", "apic=x2apic checks=smp,vtd-multi", "--after", self.temporary(self.AFTER), *args)
        multi = [c for c in o.report["checks"] if c["name"] == "vtd-multi"]
        self.assertEqual([c["result"] for c in multi], ["pass"], multi)
        self.assertRegex(multi[0]["text"], "^16 vectors ")
        self.nothing_left(o)
        return multi[0]["text"]

    def test_4(self):
        self.bare(4)

    def test_288(self):
        """To CPUs on both sides of ID 255."""
        self.assertRegex(self.bare(288, "--config", "threads_per_core=4"), "last ID 287$")

    # Message control, behind the capability's ID: bits 3:1 are how many vectors there can be.
    LINUX = r"""
for d in /sys/bus/pci/devices/*; do
    [ "$(cat $d/vendor)" = 0x1033 ] || continue
    echo "@msi $(dd if=$d/config bs=1 skip=112 count=4 2> /dev/null | od -An -tx1)"
done
"""

    def linux(self, *args):
        o = self.boot("--passthrough", "xhci", "--run", self.temporary("#!/bin/sh\n" + self.LINUX), *args)
        cap = re.findall(r"@msi +(\w\w) +\w\w +(\w\w) ", self.log(o, "guest.log"))
        self.assertEqual([c[0] for c in cap], ["05"], cap)
        return int(cap[0][1], 16) >> 1 & 7

    def test_shown(self):
        self.assertEqual(self.linux("--viommu"), 4)

    def test_shown_without_a_unit(self):
        """As on stock: one."""
        self.assertEqual(self.linux(), 0)


class VirtualFunction(Given):
    """A function of a network card whose physical one is dom0's, by Debian's igb and igbvf."""

    # The driver has the card send its queue's interrupt every other second while there's a link.
    RUN = r"""#!/bin/sh
. /etc/interrupts.sh
d=$(echo /sys/bus/pci/drivers/igbvf/0000:*/net/*)
d=${d##*/}
ip link set "$d" up
irq=$(awk -v n="$d-rx-0" '$NF == n { print $1 + 0 }' /proc/interrupts)
for cpu in 3 0 2; do
    echo $cpu > "/proc/irq/$irq/smp_affinity_list" || exit 1
    sleep 3
    counted "$irq" $cpu sleep 8
    echo "@vf $cpu $here $elsewhere $(kind "$irq")"
done
"""

    def test_4(self):
        o = self.boot("--kernel", "debian", "--viommu", "--passthrough", "igbvf", "--run", self.temporary(self.RUN),
                      "--after", self.temporary("xl debug-keys i\nsleep 1\n"))
        log = self.log(o, "guest.log")
        seen = re.findall(r"^@vf (\d) (\d+) (\d+) IR-PCI-MSIX$", log, re.M)
        self.assertEqual([s[0] for s in seen], ["3", "0", "2"], log)
        self.assertEqual([s for s in seen if int(s[1]) < 2 or s[2] != "0"], [], log)
        self.clean(o)
        self.assertNotRegex(self.log(o, "console.log").rsplit("(XEN) IRQ information:", 1)[1], r"\bd[1-9]\d*:")


class Life(Given):
    """An assigned disk with one interrupt, which goes where the guest's user wants it, through what guests go through."""

    # The 130th vCPU is the first of a second socket: APIC ID 256.
    HIGH = ("--vcpus", "130", "--config", "cores_per_socket=129", "--config", "maxvcpus=258")
    DISK = r"""
. /etc/interrupts.sh
slot() { basename /sys/bus/pci/drivers/nvme/0000:* | cut -d: -f2-; }
wait_for() { n=0; until eval "$1"; do sleep 0.5; n=$((n + 1)); [ $n -lt 240 ] || { echo "not within 120 s: $1"; exit 1; }; done; }
# Has the disk interrupt the last CPU from now on, and reads: prints how often it did.
read_it() {
    irq=$(basename /sys/bus/pci/drivers/nvme/0000:*/msi_irqs/*) last=$(($(nproc) - 1))
    echo $last > /proc/irq/$irq/smp_affinity_list && read_blocks nvme0n1 1 && counted $irq $last read_blocks nvme0n1 50 || return 1
    echo "@read $1 $last $here $elsewhere"
}
wait_for '[ -b /dev/nvme0n1 ]'
"""

    def life(self, script, *args, **files):
        run = self.temporary("#!/bin/sh\n" + self.DISK + script)
        for when, text in files.items():
            args += ("--" + when, self.temporary(text))
        o = self.boot("--viommu", "--passthrough", "nvme,msix_qsize=1", "--run", run, *args)
        self.nothing_left(o)
        return o

    def reads(self, o, rounds):
        """Each time, the disk's interrupts came to the last CPU, and to no other."""
        log = self.log(o, "guest.log")
        seen = re.findall(r"^@read (\S+) (\d+) (\d+) (\d+)$", log, re.M)
        self.assertEqual([s[:2] for s in seen], [(r, "129") for r in rounds], log)
        self.assertEqual([s for s in seen if int(s[2]) < 50 or s[3] != "0"], [], log)

    def churn(self, seconds, cpus, *args):
        with open(TOP + "/tests/guest/linux/irqs.sh", encoding="utf-8") as f:
            script = f.read()
        o = self.life("export DISKS=$(slot) CPUS='%s' REQUESTS=30 CHURN=%d\n%s" % (" ".join(cpus), seconds, script),
                      *args, after=self.AFTER)
        log = self.log(o, "guest.log")
        self.assertEqual(re.findall(r"@irq \S+ (\S+) (\d+) \d+ 0$", log, re.M),
                         [("IR-PCI-MSIX", c) for c in cpus], log)
        reads, interrupts, moves, elsewhere = map(int, re.search(r"@churn \S+ (\d+) (\d+) (\d+) (\d+)", log).groups())
        print("%d reads, %d interrupts, moved %d times" % (reads, interrupts, moves))
        self.assertEqual((interrupts, elsewhere), (reads, 0))
        self.assertGreater(moves, 10)
        o.report["churn"] = {"reads": reads, "interrupts": interrupts, "moves": moves}
        return o

    def test_churn(self):
        """No completion is lost while the interrupt moves about under load."""
        self.churn(20, ["0", "1", "64", "128", "129"], *self.HIGH)

    REPLUG = r"""
for round in 1 2 3; do
    read_it $round || exit 1
    echo "@guest detach$round"
    wait_for '[ ! -e /dev/nvme0n1 ]'
    echo "@guest attach$round"
    wait_for '[ -b /dev/nvme0n1 ]'
done
read_it end || exit 1
! dmesg | grep -E 'WARNING:|BUG:|DMAR: .*fault'
"""
    REPLUG_DOM0 = r"""
for round in 1 2 3; do
    until [ -e /run/guest-detach$round ]; do usleep 200000; done
    xl pci-detach guest 00:10.0; echo "detach: $?"
    until [ -e /run/guest-attach$round ]; do usleep 200000; done
    xl pci-attach guest 00:10.0; echo "attach: $?"
done
"""

    def test_replug(self):
        o = self.life(self.REPLUG, *self.HIGH, during=self.REPLUG_DOM0, after=self.AFTER)
        self.reads(o, ["1", "2", "3", "end"])
        said = self.log(o, "during.log")
        self.assertEqual((said.count("detach: 0"), said.count("attach: 0")), (3, 3), said)

    REBOOT = r"""
read_it boot || exit 1
dd if=/dev/nvme0n1 of=/tmp/first bs=4096 count=1 iflag=direct 2> /dev/null || exit 1
[ "$(head -c 4 /tmp/first)" != mark ] || exit 0
printf mark > /tmp/first
dd if=/tmp/first of=/dev/nvme0n1 bs=4096 conv=sync oflag=direct 2> /dev/null || exit 1
reboot -f
"""

    def test_reboot(self):
        o = self.life(self.REBOOT, *self.HIGH, "--config", 'on_reboot="restart"', after=self.AFTER)
        self.reads(o, ["boot", "boot"])

    LOAD = r"""
read_it load || exit 1
echo "@guest loading"
# Until it is gone: xl takes the disk away first.
while :; do read_blocks nvme0n1 1000; done
"""
    DESTROY = "until [ -e /run/guest-loading ]; do usleep 200000; done\nsleep 3\nxl destroy guest\n"

    def test_destroy_under_load(self):
        o = self.life(self.LOAD, *self.HIGH, during=self.DESTROY, after=self.AFTER + "xl list\n")
        self.reads(o, ["load"])
        # It was running, and is gone.
        self.assertNotIn("@run", self.log(o, "guest.log"))
        self.assertNotRegex(self.log(o, "xl.log"), r"(?m)^guest ")


if __name__ == "__main__":
    unittest.main()
