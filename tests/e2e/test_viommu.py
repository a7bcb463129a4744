# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests with a virtual VT-d unit: QEMU's registers in front of Xen's interrupt remapping."""

import unittest

from lab import LabTest


class Bare(LabTest):
    """The bare-metal guest drives the unit itself: every check passes, and none is skipped."""

    EDU = '"-device","edu,dma_mask=0xffffffff"'
    CHECKS = {"dmar", "queue", "msi", "modes", "edge", "level", "sid", "faults", "events", "compat", "table", "order",
              "robust"}

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


if __name__ == "__main__":
    unittest.main()
