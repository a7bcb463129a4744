# SPDX-License-Identifier: GPL-2.0-or-later
"""What takes too long for every run; each result is recorded as data."""

import unittest

import test_lifecycle
import test_passthrough
from lab import TOP, LabTest
from test_viommu import Interrupts


# Has Debian's kernel bring up hundreds of CPUs in minutes on one physical CPU: each ticks until the kernel has a clock to do
# without, so it ticks less often; no CPU waits in a loop for its turn to be brought up; and dom0, whose QEMU the kernel
# waits for, has its turn beside all of them.
MANY = ("--before", TOP + "/tests/e2e/dom0-first.sh",
         "--cmdline", "xen_timer_slop=400000000 cpuhp.parallel=0 rcupdate.rcu_expedited=1")


class Debian(LabTest):
    """Debian's own kernel in the guest."""

    def linux(self, name, vcpus, *args):
        args = ("--kernel", "debian", "--vcpus", str(vcpus), *args, "--timeout", "7200")
        o = self.boot(*args)
        self.assertEqual((o.report["vcpus_present"], o.report["vcpus_online"]), (vcpus, vcpus))
        self.record(name, o, *args)
        return o

    def test_128_vcpus(self):
        self.linux("debian-128", 128, "--stock")

    def test_16_vcpus_plain(self):
        """Its CPUs brought up by the kernel itself, as on a real host."""
        self.linux("debian-16-plain", 16, "--stock", "--plain")

    def remapped(self, name, vcpus, *args):
        r = self.linux(name, vcpus, "--viommu", "--config", "threads_per_core=4", *args).report
        self.assertEqual((r["apic_mode"], r["max_apic_id"]), ("x2apic", vcpus - 1))
        self.assertIn("Enabled IRQ remapping in x2apic mode", r["remapping"])

    def test_288_vcpus(self):
        self.remapped("debian-288", 288, *MANY)

    def test_288_vcpus_plain(self):
        self.remapped("debian-288-plain", 288, "--plain", *MANY)


class Small(LabTest):
    """The lab's small kernel, with as many vCPUs as a guest can have."""

    def test_1024_vcpus(self):
        args = ("--vcpus", "1024", "--viommu", "--config", "threads_per_core=4", "--timeout", "7200")
        o = self.boot(*args)
        self.assertEqual((o.report["vcpus_present"], o.report["vcpus_online"]), (1024, 1024))
        self.record("small-1024", o, *args)


class Churn(Interrupts):
    """Interrupts of emulated devices that move about for minutes."""

    def test_288(self):
        self.irqs(288, "--config", "threads_per_core=4", "--timeout", "7200", cpus=[0, 100, 254, 255, 256, 270, 287],
                  churn=300, record="small-288-churn")


class Lifecycle(test_lifecycle.Lifecycle):
    """Saved and restored."""

    def test_save_high(self):
        """IDs on both sides of 255 that the toolstack chose."""
        self.assertEqual(self.save(125, "--config", "threads_per_core=5", "--config", "cores_per_socket=5",
                                   "--timeout", "7200"), "00000124")


class Passthrough(test_passthrough.Queues):
    """Debian's kernel with a physical disk: see the figures for how often the device model was asked meanwhile."""

    def test_debian_288(self):
        self.nvme(288, [5, 100, 200, 254, 255, 256, 270, 287], "--config", "threads_per_core=4", "--kernel", "debian",
                  "--timeout", "7200", blocks=64, record="debian-288-nvme")


class Life(test_passthrough.Life):
    """A physical disk's interrupt that moves about for minutes, in Debian's kernel."""

    def test_churn_288(self):
        args = ("--vcpus", "288", "--config", "threads_per_core=4", "--kernel", "debian", "--timeout", "7200", "--plain", *MANY)
        o = self.churn(300, ["0", "100", "254", "255", "256", "270", "287"], *args)
        self.record("debian-288-nvme-churn", o, *args, "--viommu", "--passthrough", "nvme,msix_qsize=1",
                    "--run", "tests/guest/linux/irqs.sh")


if __name__ == "__main__":
    unittest.main()
