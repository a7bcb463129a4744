# SPDX-License-Identifier: GPL-2.0-or-later
"""What other tests do, on a hypervisor with its assertions, and with guests that Flask's policy is enforced on."""

import test_passthrough
import test_viommu


class Checked:
    """Comes before a class of other tests: an assertion that fails ends the run."""

    XEN_ARGS = "loglvl=all guest_loglvl=all"

    def boot(self, *args, **kwargs):
        o = super().boot("--debug", "--xen-args", self.XEN_ARGS, *args, **kwargs)
        self.assertTrue(o.report["flavour"].endswith(" debug"))
        self.assertNotRegex(self.log(o, "console.log"), r"\(XEN\).*(Assertion|BUG|WARN)")
        return o

    def log(self, outcome, name):
        """Without what Xen says of the emulated CPU when it boots: a debug build warns of its XSAVE states."""
        text = super().log(outcome, name)
        if name == "console.log":
            text = text[text.index("(XEN) *** Building a PV Dom0 ***"):]
        return text


class Operations(Checked, test_viommu.Operations):
    """The interface, without a guest."""


class Bare(Checked, test_viommu.Bare):
    """A guest that does to the unit what nobody should."""


class Bindings(Checked, test_passthrough.Bindings):
    """The interface of passthrough, without a guest."""


class Nvme(Checked, test_passthrough.Nvme):
    """A disk of the machine below."""


class Linux(Checked, test_viommu.Linux):
    """Emulated devices, under Xen's example policy: what QEMU does for the unit is within its rights."""

    XEN_ARGS = Checked.XEN_ARGS + " xsm=flask flask=enforcing"

    def boot(self, *args, **kwargs):
        o = super().boot(*args, **kwargs)
        self.assertIn("Flask:  Starting in enforcing mode.", test_viommu.Linux.log(self, o, "console.log"))
        self.assertNotRegex(self.log(o, "console.log"), r"avc: +denied")
        return o
