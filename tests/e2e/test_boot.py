# SPDX-License-Identifier: GPL-2.0-or-later
"""Real guests on real Xen: what boots, and how each way of failing is told."""

import os
import pty
import re
import select
import time
import unittest

from lab import TOP, LabTest


class Boot(LabTest):
    def check_linux(self, o, vcpus):
        r = o.report
        self.assertTrue(r["ok"])
        self.assertEqual((r["vcpus_present"], r["vcpus_online"], r["vcpus_refused"]), (vcpus, vcpus, 0))
        self.assertEqual(r["warnings"], 0, self.log(o, "guest.log"))
        return r

    def test_1_vcpu(self):
        r = self.check_linux(self.boot("--vcpus", "1"), 1)
        self.assertEqual(r["apic_ids"], "0")
        self.assertGreater(r["interrupts"], 0)
        # The stages come in order, each once.
        names = ["xen", "dom0", "create", "created", "guest init", "report", "gone"]
        times = [r["times"][n] for n in names]
        self.assertEqual(times, sorted(times))

    def test_stock_128(self):
        r = self.check_linux(self.boot("--stock", "--vcpus", "128"), 128)
        self.assertEqual(r["apic_ids"], "0-254/2")
        self.assertEqual(r["cpus_interrupted"], 128)

    def test_stock_129_refused(self):
        o = self.boot("--stock", "--vcpus", "129", status=4)
        self.assertEqual(o.report["stage"], "xl create")
        self.assertIn("domain creation fail: Invalid argument", o.report["error"])
        self.assertNotIn("created", o.report["times"])

    def test_whole_cfg(self):
        cfg = self.temporary('name="guest"\ntype="hvm"\nvcpus=3\nmemory=160\nkernel="/lab/kernel"\n'
                             'ramdisk="/lab/initramfs"\ncmdline="console=hvc0 quiet lpj=10000000 tsc=reliable"\n'
                             'tsc_mode="native"\nvga="none"\n')
        run = self.temporary("#!/bin/sh\necho \"the script runs on $(nproc) CPUs\"\nexit 0\n")
        o = self.boot("--cfg", cfg, "--run", run)
        self.check_linux(o, 3)
        self.assertIn("the script runs on 3 CPUs", self.log(o, "guest.log"))

    def test_pvh_255(self):
        """As many as a guest can have that knows no x2APIC structures; four of them are used."""
        run = self.temporary("#!/bin/sh\ndmesg | grep 'CPU topo:'\n")
        o = self.boot("--kernel", "debian", "--memory", "1024", "--vcpus", "255", "--config", 'type="pvh"',
                      "--config", "cores_per_socket=255", "--cmdline", "nr_cpus=4", "--run", run)
        self.check_linux(o, 4)
        self.assertRegex(self.log(o, "guest.log"), r"CPU topo: Rejected CPUs +251\n")

    def test_debian_kernel(self):
        r = self.check_linux(self.boot("--kernel", "debian", "--vcpus", "4"), 4)
        self.assertRegex(r["kernel"], r"deb13.*-amd64$")

    def test_icount(self):
        self.check_linux(self.boot("--icount", "--vcpus", "2"), 2)


class Shell(LabTest):
    """A person's shell in dom0, on a terminal."""

    def test_shell(self):
        pid, fd = pty.fork()
        if pid == 0:
            os.execv(TOP + "/scripts/boot", ["boot", "--shell", "--timeout", "1"])
        said = b""

        def wait_for(text, seconds=300):
            nonlocal said
            end = time.monotonic() + seconds
            while text not in said:
                self.assertLess(time.monotonic(), end, "no %r in %r" % (text, said[-2000:]))
                if select.select([fd], [], [], 1)[0]:
                    said += os.read(fd, 65536)
            said = said.split(text, 1)[1]

        try:
            wait_for(b"dom0 of the lab")
            wait_for(b"# ")
            os.write(fd, b"xl create /lab/guest.cfg; xl list; echo left=$((6 * 7))\n")
            wait_for(b"guest  ")
            wait_for(b"left=42")
            os.write(fd, b"poweroff -f\n")
            while True:
                try:
                    if not os.read(fd, 65536):
                        break
                except OSError:
                    break
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
            pid = 0
        finally:
            if pid:
                os.kill(pid, 15)
                os.waitpid(pid, 0)
            os.close(fd)


class Bare(LabTest):
    """The bare-metal guest: every check of its own passes, and none is skipped but those of a unit that isn't there."""

    E1000 = 'device_model_args_hvm=["-device","e1000"]'

    def bare(self, vcpus, *args):
        o = self.boot("--guest", "bare", "--vcpus", str(vcpus), "--config", self.E1000, *args)
        r = o.report
        self.assertEqual((r["vcpus_present"], r["vcpus_online"]), (vcpus, vcpus))
        self.assertEqual([c for c in r["checks"]
                          if c["result"] != ("skip" if c["name"].startswith("vtd-") else "pass")], [])
        return r

    def test_stock_1(self):
        self.bare(1, "--stock")

    def test_sizes(self):
        """Both sides of a page of IOREQs, of the xAPIC's IDs and of QEMU's legacy hotplug bitmap."""
        for vcpus in (1, 128, 129, 255, 256, 257, 288):
            with self.subTest(vcpus=vcpus):
                r = self.bare(vcpus)
                self.assertEqual(r["apic_mode"], "xapic" if vcpus <= 128 else "x2apic")
                self.assertEqual(r["max_apic_id"], 2 * (vcpus - 1))
                self.assertEqual(r["x2apic_at_handover"], vcpus if vcpus > 128 else 0)
                # Without an option there's a topology only where stock Xen has no guests.
                self.assertEqual(r["topology"]["source"] == "leaf 0xb", vcpus > 128, r["topology"])

    def test_packed(self):
        r = self.bare(288, "--config", "threads_per_core=4")
        self.assertEqual((r["apic_mode"], r["apic_ids"]), ("x2apic", "0-287"))
        t = r["topology"]
        self.assertEqual((t["sockets"], t["cores_per_socket"], t["threads_per_core"]), (1, 72, 4))

    def test_uneven(self):
        """Neither threads nor cores are a power of two: IDs have gaps on both levels."""
        r = self.bare(150, "--config", "threads_per_core=3", "--config", "cores_per_socket=10")
        self.assertEqual((r["apic_mode"], r["max_apic_id"]), ("x2apic", 4 << 6 | 9 << 2 | 2))
        t = r["topology"]
        self.assertEqual((t["sockets"], t["cores_per_socket"], t["threads_per_core"]), (5, 10, 3))

    def test_srat(self):
        """Two NUMA nodes: the guest holds its tables against what Xen has, this against what was asked for."""
        vnuma = ",".join('["pnode=0","size=176","vcpus=%s","vdistances=%s"]' % node
                         for node in (("0-143", "10,20"), ("144-287", "20,10")))
        r = self.bare(288, "--memory", "352", "--config", "maxvcpus=288", "--config", "threads_per_core=4",
                      "--config", "vnuma=[%s]" % vnuma, "--cmdline", "expect.nodes=2")
        self.assertEqual(r["nodes"], [{"domain": 0, "cpus": 144, "first": 0, "last": 143, "memory_mib": 176},
                                      {"domain": 1, "cpus": 144, "first": 144, "last": 287, "memory_mib": 176}])
        self.assertIn("expect", {c["name"] for c in r["checks"]})

    def test_1024(self):
        r = self.bare(1024, "--config", "cores_per_socket=128", "--config", "threads_per_core=2")
        self.assertEqual((r["apic_mode"], r["apic_ids"]), ("x2apic", "0-1023"))

    def test_like_stock(self):
        """With no new option and as many vCPUs as stock can have, the guest sees what it sees on stock."""
        seen = []
        for flavour in ([], ["--stock"]):
            r = self.bare(128, *flavour)
            seen.append({k: r[k] for k in ("vcpus_present", "apic_mode", "apic_ids", "topology", "x2apic_at_handover")})
        self.assertEqual(seen[0], seen[1])
        self.assertEqual((seen[0]["apic_mode"], seen[0]["apic_ids"]), ("xapic", "0-254/2"))

    def test_same_bytes(self):
        """The same to the byte: each ACPI table, and CPUID but for the clock's leaf."""
        with open(TOP + "/tests/guest/linux/firmware.sh", encoding="utf-8") as f:
            run = self.temporary(f.read().replace("CPUS:-0", "CPUS:-0 1 127"))
        seen = []
        for flavour in ([], ["--stock"]):
            log = self.log(self.boot("--vcpus", "128", "--run", run, *flavour), "guest.log")
            seen.append(re.findall(r"^@(?:acpi|cpuid) .*", log, re.M))
        self.assertEqual(seen[0], seen[1])
        for table in ("APIC", "DSDT", "FACP"):
            self.assertEqual(len([l for l in seen[0] if l.startswith("@acpi %s " % table)]), 1, seen[0])
        for leaf in ("00000001 0", "00000004 0", "0000000b 1", "80000008 0", "8000001e 0", "40000001 0"):
            self.assertEqual(len([l for l in seen[0] if re.match(r"@cpuid \d+ %s( \w{8}){4}$" % leaf, l)]), 3, leaf)

    def test_xen_tests(self):
        """Xen's own, in dom0: of IOREQ frames (sizes, partial and refused mappings, the way by GFN), and of CPU policies."""
        o = self.boot("--guest", "bare", "--before", self.temporary(
            'for t in resource cpu-policy; do /usr/lib/xen/bin/test-$t; echo "test-$t: $?"; done\n'))
        log = self.log(o, "xl.log")
        self.assertIn("Test x86 PVH, 1024 vCPUs", log)
        self.assertIn("test-resource: 0", log)
        self.assertIn("Testing policy compatibility failure:", log)
        self.assertIn("test-cpu-policy: 0", log)
        self.assertNotIn("Fail:", log)

    def test_check_fails(self):
        """A check that doesn't hold makes the run fail, and says which."""
        o = self.boot("--guest", "bare", "--vcpus", "2", "--cmdline", "expect.vcpus=3", status=8)
        self.assertIn("expect", o.report["error"])

    def test_panic(self):
        o = self.boot("--guest", "bare", "--cmdline", "debug.panic=1", status=5)
        self.assertIn("the guest crashed", o.report["error"])


class Many(LabTest):
    """Linux beyond 128 vCPUs, without interrupt remapping."""

    def test_288_packed(self):
        """All CPUs are seen; those whose ID fits 8 bits come up, the others Linux itself refuses."""
        run = self.temporary('#!/bin/sh\ncd /sys/devices/system/cpu/cpu4/cache; for i in index*; do\n'
                             'echo "@cache $(cd $i; cat level type size shared_cpu_list | tr "\\n" " ")"; done\n')
        o = self.boot("--vcpus", "288", "--config", "threads_per_core=4", "--run", run)
        r = o.report
        self.assertEqual((r["vcpus_present"], r["vcpus_online"], r["vcpus_refused"]), (288, 256, 32))
        self.assertEqual((r["apic_ids"], r["warnings"]), ("0-255", 0))
        self.assertEqual((r["topology"]["sockets"], r["topology"]["threads_per_core"]), (1, 4))
        self.assertIn("CPU 256 has invalid APIC ID 100. Aborting bringup", self.log(o, "guest.log"))
        # L1 and L2 are a core's, though Linux has its own idea of what a processor of this family shares L3 with.
        caches = re.findall(r"^@cache (\d) (\w+) \w+ (\S+)", self.log(o, "guest.log"), re.M)
        self.assertEqual([c[:2] for c in caches],
                         [("1", "Data"), ("1", "Instruction"), ("2", "Unified"), ("3", "Unified")], caches)
        self.assertEqual([c[2] for c in caches[:3]], ["4-7"] * 3)

    def test_refused(self):
        """Impossible requests: a line that names the option, and no guest."""
        o = self.boot("--config", "vcpus=0", status=4)
        self.assertIn("vcpus=0", o.report["error"])

        self.refused(((["maxvcpus=0"], "maxvcpus=0"),
                       (["vcpus=1025"], "maxvcpus=1025: an HVM or PVH guest can have at most 1024 vCPUs"),
                       (["maxvcpus=1025"], "maxvcpus=1025"),
                       (["vcpus=8", "maxvcpus=4"], "maxvcpus < vcpus"),
                       (["vcpus=288", "threads_per_core=5"], "threads_per_core=5 doesn't divide"),
                       (["vcpus=288", "threads_per_core=0"], "threads_per_core=0"),
                       (["vcpus=288", "cores_per_socket=0"], "cores_per_socket=0"),
                       (["vcpus=288", "cores_per_socket=2000"], "cores_per_socket=2000: at most 1024"),
                       (["vcpus=288", "cores_per_socket=7"], "cores_per_socket=7 with threads_per_core=1 doesn't divide"),
                       (["vcpus=4", "threads_per_core=512"], "threads_per_core=512: at most 256"),
                       (["vcpus=1024", "cores_per_socket=1"], "makes 1024 sockets"),
                       (["vcpus=129", "xen_platform_pci=0"], "maxvcpus=129: with xen_platform_pci=0"),
                       (["vcpus=129", 'device_model_version="qemu-xen-traditional"'],
                        'maxvcpus=129: with device_model_version="qemu-xen-traditional"'),
                       (["vcpus=129", 'cpuid="host,x2apic=0"'], "need x2apic: cpuid must leave it on"),
                       (['type="pvh"', "vcpus=130"], "APIC IDs end at 254")))


class Mixed(LabTest):
    """Ours beside stock: up to 128 vCPUs as ever, beyond that one clear line."""

    def test_qemu_on_stock_xen(self):
        r = self.boot("--stock", "xen", "--vcpus", "128").report
        self.assertEqual((r["vcpus_present"], r["vcpus_online"]), (128, 128))
        o = self.boot("--stock", "xen", "--viommu", status=4)
        self.assertRegex(self.log(o, "qemu-dm-guest.log"),
                         "-device intel-iommu.*: this QEMU can't have Xen remap a guest's interrupts: build it .*intremap=off")

    def test_stock_qemu_on_xen(self):
        r = self.boot("--stock", "qemu", "--vcpus", "128").report
        self.assertEqual((r["vcpus_present"], r["vcpus_online"]), (128, 128))
        o = self.boot("--stock", "qemu", "--vcpus", "129", status=4)
        self.assertIn("max CPUs supported by machine 'xenfv-3.1' is 128", self.log(o, "qemu-dm-guest.log"))


class Failures(LabTest):
    """Each way of failing is told apart, within the timeout, with the log that matters."""

    def test_guest_panics(self):
        o = self.boot("--cmdline", "lab.then=crash", "--vcpus", "2", status=5)
        self.assertIn("the guest crashed: Kernel panic", o.report["error"])
        self.assertIn("sysrq triggered crash", o.err)

    def test_guest_without_report(self):
        o = self.boot("--cmdline", 'rdinit=/bin/sh -- -c "poweroff -f"', status=5)
        self.assertRegex(o.report["error"], "without a report")

    def test_guest_script_fails(self):
        o = self.boot("--run", self.temporary("#!/bin/sh\nexit 3\n"), status=8)
        self.assertIn("status 3", o.report["error"])

    def test_hang(self):
        o = self.boot("--cmdline", "lab.then=hang", "--timeout", "40", status=7)
        self.assertEqual(o.report["stage"], "report")
        self.assertIn("within 40 s", o.report["error"])

    def test_dom0_dies(self):
        o = self.boot("--before", self.temporary("echo c > /proc/sysrq-trigger\n"), status=6)
        self.assertEqual(o.report["stage"], "dom0")
        self.assertIn("sysrq triggered crash", o.report["error"])

    def test_xen_dies(self):
        # dom0's own image doesn't fit: Xen panics while it builds dom0.
        o = self.boot("--xen-args", "dom0_mem=64M,max:64M", "--timeout", "60", status=6)
        self.assertIn("Xen panicked", o.report["error"])
        self.assertNotIn("dom0", o.report["times"])

    def test_outer_machine_dies(self):
        o = self.boot("--outer-args", "-device nonesuch", status=6)
        self.assertIn("nonesuch", o.report["error"])

    def test_xl_refuses(self):
        o = self.boot("--config", 'firmware_override="/none/such"', status=4)
        self.assertIn("/none/such", o.report["error"])
        self.assertEqual(o.report["stage"], "xl create")

    def test_few_event_channels(self):
        """What the vCPUs need has no room: the device model says what to raise."""
        o = self.boot("--vcpus", "288", "--config", "max_event_channels=200", status=4)
        self.assertIn("raise max_event_channels", self.log(o, "qemu-dm-guest.log"))


if __name__ == "__main__":
    unittest.main()
