# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots the lab: outer QEMU (TCG) -> Xen -> dom0 -> HVM guest, and reports.

Run by scripts/boot, which holds the cache's lock.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.environ["XEN_MANYCORE_CACHE"]
RUNS_KEPT = 20

# Exit status, by how it ended.
OK, USAGE, SETUP, REFUSED, GUEST, DOM0, TIMEOUT, CHECKS = 0, 2, 3, 4, 5, 6, 7, 8

# Devices of the outer machine that a guest can be given, and the slot of the first one that isn't told its own.
PHYSICAL = {
    "nvme": "-drive if=none,id=disk%(n)d,format=raw,file=%(logs)s/nvme%(n)d.img -device nvme,drive=disk%(n)d,serial=lab%(n)d,addr=0x%(slot)x",
    "e1000e": "-device e1000e,addr=0x%(slot)x",
    # Several vectors by MSI, which no other of QEMU's devices has.
    "xhci": "-device nec-usb-xhci,msi=on,msix=off,addr=0x%(slot)x",
    # A virtual function of a card whose physical one is dom0's.
    "igbvf": "-netdev hubport,id=net%(n)d,hubid=%(n)d -device pcie-root-port,id=port%(n)d,chassis=%(n)d,addr=0x%(slot)x"
             " -device igb,bus=port%(n)d,netdev=net%(n)d",
}
PHYSICAL_SLOT = 0x10
PHYSICAL_SLOTS = range(2, 0x1f)
NVME_SIZE = 16 << 20

# Where the bare-metal guest's disk has its command line, and how long that can be with the byte that ends it.
DISK_CMDLINE, DISK_CMDLINE_SIZE = 512, 1024

EPILOG = """\
exit status:
  0  the guest ran and reported, and every check of its own passed
  2  wrong usage                       5  the guest crashed, or went without a report
  3  something could not be made       6  Xen, dom0 or the outer machine died
  4  xl refused the guest              7  nothing more came within the timeout
                                       8  the guest ran, but a check of its own failed
examples:
  scripts/boot                                  a Linux guest with 4 vCPUs
  scripts/boot --vcpus 128                      as many as stock Xen allows
  scripts/boot --vcpus 288 --config threads_per_core=4 --viommu
                                                all 288 online, by interrupt remapping
  scripts/boot --kernel debian --json           Debian's own kernel, report as JSON
  scripts/boot --config 'cpuid="host,x2apic=0"' one more line for the guest's xl.cfg
  scripts/boot --shell                          a shell in dom0; the guest isn't started
"""


class Failed(Exception):
    """The run is over: status, stage it failed at, one line why, log to show."""

    def __init__(self, status, stage, why, log=None):
        super().__init__(why)
        self.status, self.stage, self.why, self.log = status, stage, why, log


def parse(argv):
    p = argparse.ArgumentParser(
        prog="boot", formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description="Boot an HVM guest on real Xen in QEMU's software emulation, building first what\n"
                    "isn't there, and print what the guest itself reports.")
    g = p.add_argument_group("the guest")
    g.add_argument("--guest", choices=("linux", "bare"), default="linux",
                   help="linux (default), or the bare-metal test kernel of tests/guest/bare")
    g.add_argument("--vcpus", type=int, default=4, metavar="N", help="its vCPUs (default 4)")
    g.add_argument("--memory", type=int, metavar="MIB", help="its memory (default: by kernel and vCPUs)")
    g.add_argument("--kernel", default="small", metavar="small|debian|FILE",
                   help="small: built for this lab (default); debian: the packaged one; or a bzImage")
    g.add_argument("--initramfs", metavar="FILE", help="instead of the lab's, which makes the report")
    g.add_argument("--from", dest="source", choices=("kernel", "disk"), default="kernel",
                   help="kernel (default): the device model loads it; disk: the guest's BIOS does, from a disk whose boot sector"
                   " loads the bare-metal guest, which has no kernel= then")
    g.add_argument("--cmdline", default="", metavar="TEXT", help="added to the kernel's command line")
    g.add_argument("--plain", action="store_true",
                   help="let the kernel itself bring up all CPUs (slow in emulation), instead of the guest's init")
    g.add_argument("--run", metavar="FILE", help="a script for the guest to run after its report")
    g.add_argument("--config", action="append", default=[], metavar="LINE",
                   help="a line for the guest's xl.cfg, such as 'name=value'; it replaces the lab's own of that name (may be repeated)")
    g.add_argument("--cfg", metavar="FILE", help="a whole xl.cfg instead of the lab's (it must name the guest \"guest\";"
                   " in dom0 the kernel is /lab/kernel, its initramfs /lab/initramfs, and --file puts more there)")
    g.add_argument("--viommu", action="store_true",
                   help="a virtual VT-d unit: interrupt remapping, and so interrupts for CPUs whose APIC ID is above 254")
    g.add_argument("--dm-args", action="append", default=[], metavar="TEXT",
                   help="words for the guest's device model, such as '-device edu' (may be repeated)")
    g.add_argument("--passthrough", action="append", default=[], metavar="nvme|e1000e|xhci|igbvf[,PROP=VALUE...]",
                   help="give the guest a device of the machine below it, which gets an IOMMU then; with properties"
                   " that the outer QEMU is to give it, such as nvme,msix_qsize=1; addr=0x14 is its slot there"
                   " (may be repeated)")
    m = p.add_argument_group("the machine below it")
    m.add_argument("--stock", nargs="?", const="all", choices=("all", "xen", "qemu"), metavar="xen|qemu",
                   help="Xen, tools and device model without our files and patches, or only some: xen (with its tools), qemu")
    m.add_argument("--debug", action="store_true",
                   help="a hypervisor with its assertions, and with Flask (--xen-args xsm=flask)")
    m.add_argument("--xen-args", default="", metavar="TEXT", help="added to Xen's command line")
    m.add_argument("--dom0-args", default="", metavar="TEXT", help="added to dom0's kernel's command line")
    m.add_argument("--dom0-memory", type=int, default=768, metavar="MIB", help="default 768")
    m.add_argument("--outer-args", default="", metavar="TEXT", help="added to the outer QEMU's command line")
    m.add_argument("--icount", action="store_true", help="run the outer machine by instruction count, which repeats")
    m.add_argument("--file", action="append", default=[], metavar="FILE[:NAME]", help="a file to put into dom0, as /lab/NAME")
    for when in ("before", "during", "after"):
        m.add_argument("--" + when, metavar="FILE", help="a script that dom0 runs %s the guest runs" %
                       {"during": "while"}.get(when, when))
    o = p.add_argument_group("the run")
    o.add_argument("--timeout", type=int, default=600, metavar="S", help="give up after that many seconds (default 600)")
    o.add_argument("--logs", metavar="DIR", help="where to leave the logs (default: in the cache, the last %d runs)" % RUNS_KEPT)
    o.add_argument("--json", action="store_true", help="print the report as one JSON object on standard output")
    o.add_argument("--shell", action="store_true", help="a shell in dom0 on this terminal; end it with: poweroff -f")
    o.add_argument("--verbose", action="store_true", help="show the consoles as they come, and let xl tell all")
    a = p.parse_args(argv)

    if a.vcpus < 1:
        p.error("--vcpus %d: a guest has at least 1" % a.vcpus)
    if a.memory is not None and a.memory < 32:
        p.error("--memory %d: the guest needs 32 MiB at least" % a.memory)
    if a.timeout < 1:
        p.error("--timeout %d: at least 1 second" % a.timeout)
    if a.source == "disk":
        if a.guest != "bare":
            p.error("--from disk: only the disk of --guest bare has a boot sector")
        if a.cfg:
            p.error("--from disk has no effect on --cfg: put /lab/boot.img into that file's disk=")
        if len(disk_cmdline(a)) > DISK_CMDLINE_SIZE:
            p.error("--cmdline: with --from disk there's room for %d bytes" % (DISK_CMDLINE_SIZE - len(b"disk \0")))
    if a.shell and a.json:
        p.error("--shell and --json exclude each other: a shell makes no report")
    if a.shell and not sys.stdin.isatty():
        p.error("--shell needs a terminal")
    for device in a.passthrough:
        if device.split(",")[0] not in PHYSICAL:
            p.error("--passthrough %s: it can be %s" % (device, " or ".join(sorted(PHYSICAL))))
    try:
        slots = physical_slots(a)
    except ValueError:
        slots = [-1]
    if not set(slots) <= set(PHYSICAL_SLOTS) or len(set(slots)) < len(slots):
        p.error("--passthrough %s: addr= is a slot of its own, 0x%x to 0x%x" %
                (" ".join(a.passthrough), PHYSICAL_SLOTS[0], PHYSICAL_SLOTS[-1]))
    files = [("--initramfs", a.initramfs), ("--run", a.run), ("--cfg", a.cfg), ("--before", a.before),
             ("--during", a.during), ("--after", a.after)]
    files += [("--file", f.split(":")[0]) for f in a.file]
    if a.kernel not in ("small", "debian"):
        files.append(("--kernel", a.kernel))
    for option, used in (("--viommu", a.viommu), ("--dm-args", a.dm_args), ("--passthrough", a.passthrough)):
        if used and a.cfg:
            p.error("%s has no effect on --cfg: put it into that file" % option)
        if used and option != "--passthrough" and any(l.split("=")[0].strip() == "device_model_args_hvm" for l in a.config):
            p.error("%s and --config device_model_args_hvm=... exclude each other: use --dm-args for all" % option)
    for option, name in files:
        if name is not None and not (os.path.isfile(name) and os.access(name, os.R_OK)):
            p.error("%s: no readable file %s" % (option, name))
    return a


def build(a):
    """Builds what the run needs; returns the directory of each target."""
    command = [TOP + "/scripts/build", "--path"]
    guest = ["bare"] if a.guest == "bare" else ["guest"] + (["linux"] if a.kernel == "small" else [])
    made = {}
    # The outer machine and the guest are the same in any case: only what is between them may be stock.
    stock = {None: [], "all": ["--stock"]}.get(a.stock, ["--stock=%s" % a.stock])
    debug = ["--debug"] if a.debug else []
    for args, names in (([], ["qemu", "tools"] + guest), (stock + debug, ["xen", "dom0"])):
        r = subprocess.run(command + args + names, stdout=subprocess.PIPE, text=True, check=False)
        if r.returncode:
            raise Failed(SETUP, "build", "what the lab needs could not be built (see above)")
        for line in r.stdout.splitlines():
            name, path = line.split(" ", 1)
            made.setdefault(name, path)
    made["root"] = os.environ["XEN_MANYCORE_ROOT"]
    return made


def cpio(directory, out):
    """The files below a directory as a newc archive, which the kernel unpacks after another."""
    names = sorted(os.path.relpath(os.path.join(d, f), directory)
                   for d, dirs, files in os.walk(directory) for f in dirs + files)
    with open(out, "wb") as f:
        subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=directory, check=True,
                       input="\n".join(names).encode() + b"\n", stdout=f)


def guest_memory(a):
    if a.memory:
        return a.memory
    base = {"small": 128, "debian": 512}.get(a.kernel, 512)
    if a.guest == "bare":
        base = 64
    return base + (1 if a.kernel == "small" else 2) * a.vcpus


def most_vcpus(a):
    """With those that can still be plugged, which cost the machine below as much."""
    told = [re.fullmatch(r"\s*maxvcpus\s*=\s*(\d+)\s*", l) for l in a.config]
    return max([a.vcpus] + [int(m.group(1)) for m in told if m])


def quoted(option, text):
    """A string of xl.cfg, which knows no escapes."""
    for mark in "\"'":
        if mark not in text:
            return mark + text + mark
    raise Failed(USAGE, "set-up", "%s: xl.cfg can't hold both kinds of quotation marks in one string" % option)


def disk_cmdline(a):
    """As from a loader that names the kernel first."""
    return ("disk " + a.cmdline).encode() + b"\0"


def physical_slots(a):
    """Where the outer machine's devices for the guest are."""
    slots = []
    for i, device in enumerate(a.passthrough):
        told = [w[5:] for w in device.split(",") if w.startswith("addr=")]
        slots.append(int(told[-1], 0) if told else PHYSICAL_SLOT + i)
    return slots


def physical_bdfs(a, function="10.0"):
    """The devices; behind a port, whose bus is numbered in the order of slots, a function: the first virtual one."""
    slots = physical_slots(a)
    ports = sorted(slot for device, slot in zip(a.passthrough, slots) if device.split(",")[0] == "igbvf")
    return ["%02x:%s" % (ports.index(slot) + 1, function) if slot in ports else "00:%02x.0" % slot for slot in slots]


def parents(a):
    """The physical functions of virtual ones among them."""
    return [bdf for bdf in physical_bdfs(a, "00.0") if bdf.endswith(":00.0")]


def physical_args(a, logs):
    """The outer machine's devices for the guest, and the IOMMU by which Xen can give them away."""
    if not a.passthrough:
        return []
    args = ["-device", "intel-iommu,intremap=on"]
    for n, (device, slot) in enumerate(zip(a.passthrough, physical_slots(a))):
        kind, *properties = device.split(",")
        if kind == "nvme":
            with open("%s/nvme%d.img" % (logs, n), "wb") as f:
                f.truncate(NVME_SIZE)
        args += shlex.split(PHYSICAL[kind] % {"n": n, "logs": shlex.quote(logs), "slot": slot})
        args[-1] = ",".join(args[-1:] + [w for w in properties if not w.startswith("addr=")])
    return args


def guest_cfg(a):
    if a.source == "disk":
        kernel = ['disk=["format=raw,vdev=hda,access=rw,backendtype=qdisk,target=/lab/boot.img"]']
    elif a.guest == "bare":
        kernel = ['kernel="/lab/kernel"', 'cmdline=%s' % quoted("--cmdline", a.cmdline)]
    else:
        # Timer calibration and plain bring-up cost minutes in emulation: the guest's init brings up the CPUs.
        args = "console=hvc0 quiet lpj=10000000 tsc=reliable no_timer_check clocksource=tsc mitigations=off panic=0"
        if a.kernel != "small":
            args += " random.trust_cpu=1"
        if not a.plain:
            args += " maxcpus=1"
        kernel = ['kernel="/lab/kernel"', 'ramdisk="/lab/initramfs"', 'cmdline=%s' % quoted("--cmdline", (args + " " + a.cmdline).strip())]
    lines = ['name="guest"', 'type="hvm"', 'vcpus=%d' % a.vcpus, 'memory=%d' % guest_memory(a)] + kernel + [
        'vga="none"', 'serial="none"', 'usb=0', 'tsc_mode="native"',
        'on_poweroff="destroy"', 'on_crash="destroy"', 'on_reboot="destroy"']
    if a.passthrough:
        lines.append("pci=[%s]" % ",".join('"%s"' % bdf for bdf in physical_bdfs(a)))
    words = [w for text in a.dm_args for w in shlex.split(text)]
    if a.viommu:
        # Physical devices' DMA isn't translated by it.
        words = ["-device", "intel-iommu,intremap=on,eim=on" + (",dma-translation=off" if a.passthrough else "")] + words
    if words:
        lines.append("device_model_args_hvm=[%s]" % ",".join(quoted("--dm-args", w) for w in words))
    theirs = {l.split("=")[0].strip() for l in a.config}
    return "\n".join([l for l in lines if l.split("=")[0] not in theirs] + a.config) + "\n"


def lab_archive(a, made, work):
    """What differs from run to run, as the last part of dom0's initramfs."""
    lab = work + "/tree/lab"
    os.makedirs(lab)

    def put(src, name):
        shutil.copyfile(src, lab + "/" + name)

    if a.source == "disk":
        put(made["bare"] + "/disk.img", "boot.img")
        with open(lab + "/boot.img", "r+b") as f:
            f.seek(DISK_CMDLINE)
            f.write(disk_cmdline(a))
    elif a.guest == "bare":
        put(made["bare"] + "/bare.elf", "kernel")
    else:
        kernel = {"small": made.get("linux", "") + "/vmlinuz"}.get(a.kernel, a.kernel)
        if a.kernel == "debian":
            boot = CACHE + "/kernel/debian/boot/"
            kernel = boot + [n for n in os.listdir(boot) if n.startswith("vmlinuz-")][0]
        put(kernel, "kernel")
        put(a.initramfs or made["guest"] + "/initramfs.gz", "initramfs")
        more = []
        if a.kernel == "debian":
            more.append(made["guest"] + "/modules-debian.gz")
        if a.run:
            extra = work + "/guest"
            os.makedirs(extra)
            shutil.copyfile(a.run, extra + "/run.sh")
            os.chmod(extra + "/run.sh", 0o755)
            cpio(extra, work + "/guest.cpio")
            more.append(work + "/guest.cpio")
        with open(lab + "/initramfs", "ab") as f:
            for part in more:
                f.write(b"\0" * (-f.tell() % 512))
                with open(part, "rb") as g:
                    shutil.copyfileobj(g, f)
    for f in a.file:
        src, _, name = f.partition(":")
        put(src, name or os.path.basename(src))
    for when in ("before", "during", "after"):
        if getattr(a, when):
            put(getattr(a, when), when)
    cfg = open(a.cfg, encoding="utf-8").read() if a.cfg else guest_cfg(a)
    with open(lab + "/guest.cfg", "w", encoding="utf-8") as f:
        f.write(cfg)
    with open(lab + "/settings", "w", encoding="utf-8") as f:
        f.write("LAB_SHELL=%s\nXL_VERBOSE=%s\nASSIGNABLE='%s'\nPARENTS='%s'\n" %
                ("1" if a.shell else "", "-vvv" if a.verbose else "", " ".join(physical_bdfs(a)), " ".join(parents(a))))
    cpio(work + "/tree", work + "/lab.cpio")
    shutil.copyfile(lab + "/guest.cfg", work + "/guest.cfg")
    with open(work + "/initrd", "wb") as out:
        for part in (made["dom0"] + "/initramfs.cpio", work + "/lab.cpio"):
            with open(part, "rb") as f:
                shutil.copyfileobj(f, out)
            out.write(b"\0" * (-out.tell() % 512))


def outer_command(a, made, work, logs):
    root = made["root"]
    xen = "console=com1 com1=115200,8n1 dom0_mem=%dM,max:%dM dom0_max_vcpus=1 dom0=pv spec-ctrl=no noreboot " \
          "loglvl=all guest_loglvl=all" % (a.dom0_memory, a.dom0_memory)
    if a.passthrough:
        # Xen would share page tables with the IOMMU, but the CPU's are AMD's.
        xen += " iommu=no-sharept,verbose,debug"
    dom0 = "console=hvc0 rdinit=/init panic=0 mitigations=off quiet"
    # Guest memory, what libxl adds for its page tables (1 MiB a vCPU and more), Xen's own, dom0's.
    outer = a.dom0_memory + guest_memory(a) + 2 * most_vcpus(a) + 512
    serial = ["-chardev", "stdio,id=com1,signal=off,logfile=%s/console.log" % logs] if a.shell else \
        ["-chardev", "file,id=com1,path=%s/console.log" % logs]
    accel = "tcg,thread=single,tb-size=1024"
    return [root + "/lib64/ld-linux-x86-64.so.2", "--library-path",
            ":".join([made["tools"] + "/usr/lib/x86_64-linux-gnu", root + "/usr/lib/x86_64-linux-gnu"]),
            made["qemu"] + "/qemu-system-x86_64",
            "-L", root + "/usr/share/qemu", "-L", root + "/usr/share/seabios",
            "-machine", "q35", "-accel", accel, "-smp", "1", "-m", "%dM" % outer,
            "-cpu", "EPYC,+svm,+npt,-monitor,-rdtscp",
            "-nodefaults", "-display", "none", "-no-reboot"] + serial + [
                "-serial", "chardev:com1",
                "-chardev", "socket,id=com2,path=%s/channel,server=on,wait=off,logfile=%s/channel.log" % (work, logs),
                "-serial", "chardev:com2",
                "-kernel", made["xen"] + "/xen", "-append", (xen + " " + a.xen_args).strip(),
                "-initrd", "%s %s,%s" % (made["dom0"] + "/vmlinux", (dom0 + " " + a.dom0_args).strip().replace(",", ",,"),
                                         work + "/initrd")] + \
        physical_args(a, logs) + \
        (["-icount", "shift=0,sleep=off"] if a.icount else []) + shlex.split(a.outer_args)


class Tail:
    """New whole lines of a file that somebody else writes."""

    def __init__(self, path):
        self.path, self.file, self.rest = path, None, b""

    def lines(self):
        if self.file is None:
            try:
                self.file = open(self.path, "rb")
            except FileNotFoundError:
                return
        data = self.rest + self.file.read()
        *whole, self.rest = data.split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")


class Run:
    """One run: follows the logs, knows the stage, collects the report."""

    STAGES = {"dom0": "dom0 is up", "create": "xl create", "gone": "the guest is gone"}

    def __init__(self, a, logs):
        self.a, self.logs = a, logs
        self.start = time.monotonic()
        self.stage, self.times, self.ended, self.logs_sent = "outer machine", {}, False, False
        self.report, self.checks, self.xl, self.reason, self.run_status = None, [], [], None, None
        self.panic, self.guest_panic = None, None
        self.guest_log = open(logs + "/guest.log", "w", encoding="utf-8")
        self.xl_log = open(logs + "/xl.log", "w", encoding="utf-8")

    def progress(self, stage, text):
        self.stage = stage
        self.times.setdefault(stage, round(time.monotonic() - self.start, 1))
        print("[%6.1f s] %s" % (time.monotonic() - self.start, text), file=sys.stderr, flush=True)

    def console(self, line):
        """A line of Xen's and dom0's console."""
        if self.a.verbose and not self.a.shell:
            print("  " + line, file=sys.stderr)
        m = re.search(r"Xen version (\S+)", line)
        if m and "xen" not in self.times:
            self.progress("xen", "Xen %s" % m.group(1))
        if re.search(r"Panic on CPU \d+", line):
            self.panic = "Xen panicked"
        elif re.search(r"Hardware Dom0 crashed|Domain 0 crashed|Kernel panic - not syncing", line):
            self.panic = self.panic or "dom0 died: " + re.sub(r"^\[[ .0-9]*\] *|^\(XEN\) *(\[[^]]*\] *)?", "", line)[:150]
        elif re.search(r"Dom(ain)? ?0 (shutdown|halted)|Hardware Dom0 (halted|shutdown)", line) and not self.ended:
            self.panic = self.panic or "dom0 shut down before the guest was done"

    def channel(self, line):
        """A line of what dom0 tells."""
        if line.startswith("@stage "):
            name = line[7:]
            if name.startswith("failed: "):
                raise Failed(DOM0, "dom0", name[8:], self.logs + "/console.log")
            self.progress(name, self.STAGES.get(name, name))
        elif line == "@logs":
            self.logs_sent = True
        elif line == "@end":
            self.ended = True
        elif line.startswith("G|"):
            self.guest(line[2:])
        elif line.startswith("X|"):
            self.xl.append(line[2:])
            print(line[2:], file=self.xl_log, flush=True)
            if line.startswith("X|Waiting for domain guest"):
                self.progress("created", "the guest is created")
            m = re.search(r"Domain \d+ has shut down, reason code (\d+)", line)
            if m:
                self.reason = int(m.group(1))
        elif line.startswith("F|"):
            _, name, text = line.split("|", 2)
            with open(self.logs + "/" + os.path.basename(name), "a", encoding="utf-8") as f:
                print(text, file=f)

    def guest(self, line):
        print(line, file=self.guest_log, flush=True)
        if self.a.verbose:
            print("  guest: " + line, file=sys.stderr)
        if line.startswith("@guest "):
            words = line.split()
            text = {"init": "the guest's init runs", "online": "the guest brought up %s CPUs" % words[-1],
                    "report": "the guest reports"}.get(words[1], line[7:])
            self.progress("guest " + words[1], text)
        elif line.startswith("@check "):
            words = line.split(None, 3)
            self.checks.append({"name": words[1], "result": words[2] if len(words) > 2 else "error",
                                "text": words[3] if len(words) > 3 else ""})
            self.stage = "check after " + words[1]
        elif line.startswith("@report "):
            try:
                self.report = json.loads(line[8:])
            except ValueError as e:
                raise Failed(GUEST, "report", "the guest's report isn't JSON: %s" % e, self.guest_log.name)
            self.progress("report", "the report is here")
        elif line.startswith("@run "):
            self.run_status = int(line[5:])
        elif "Kernel panic - not syncing" in line:
            self.guest_panic = self.guest_panic or line

    def ask_for_logs(self, outer, channel, socket_path):
        """Has dom0 send what it has of logs and of the vCPUs' state, if it still can."""
        end = time.monotonic() + 30
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(socket_path)
                s.sendall(b"logs\n")
                # What comes is read from the log, but has to leave the socket, or the port stops.
                s.settimeout(0.05)
                while not self.logs_sent and not self.ended and outer.poll() is None and time.monotonic() < end:
                    for line in channel.lines():
                        self.channel(line)
                    try:
                        s.recv(65536)
                    except TimeoutError:
                        pass
        except OSError:
            pass

    def follow(self, outer, socket_path):
        console, channel = Tail(self.logs + "/console.log"), Tail(self.logs + "/channel.log")
        grace = None
        while True:
            gone = outer.poll() is not None
            for line in console.lines():
                self.console(line)
            for line in channel.lines():
                self.channel(line)
            now = time.monotonic()
            if self.ended:
                return
            if self.a.shell:
                if gone:
                    return
            elif self.panic:
                # What follows a panic's first line is worth having in the log.
                grace = grace or now + 2
                if now > grace or gone:
                    raise Failed(DOM0, self.stage, self.panic, self.logs + "/console.log")
            elif self.guest_panic and "gone" not in self.times:
                grace = grace or now + 5
                if now > grace:
                    raise Failed(GUEST, self.stage, "the guest crashed: " + self.guest_panic, self.guest_log.name)
            elif gone:
                why = open(self.logs + "/outer.log", encoding="utf-8", errors="replace").read().strip().splitlines()
                raise Failed(DOM0, self.stage, "the outer machine ended (exit %d)%s" %
                             (outer.returncode, ": " + why[-1] if why else ""), self.logs + "/console.log")
            elif now - self.start > self.a.timeout:
                self.ask_for_logs(outer, channel, socket_path)
                log = "guest.log" if "created" in self.times else "console.log"
                raise Failed(TIMEOUT, self.stage, "nothing ended it within %d s" % self.a.timeout, self.logs + "/" + log)
            time.sleep(0.05)

    def verdict(self):
        if "created" not in self.times:
            errors = [l for l in self.xl if re.search(r"error|fail|refus|invalid|must|too ", l, re.I)]
            said = errors or [l for l in reversed(self.xl) if not l.startswith("Parsing config")] or ["xl didn't create the guest"]
            raise Failed(REFUSED, "xl create", said[0], self.logs + "/xl.log")
        if self.reason == 3 or self.guest_panic:
            raise Failed(GUEST, self.stage, "the guest crashed%s" % (": " + self.guest_panic if self.guest_panic else ""),
                         self.logs + "/guest.log")
        if self.report is None:
            how = "rebooted" if self.reason == 1 else "went away"
            raise Failed(GUEST, self.stage, "the guest %s without a report" % how, self.logs + "/guest.log")
        bad = [c for c in self.checks if c["result"] in ("fail", "error")]
        if bad:
            raise Failed(CHECKS, "checks", "%d of %d checks failed, first %s: %s" %
                         (len(bad), len(self.checks), bad[0]["name"], bad[0]["text"]), self.logs + "/guest.log")
        if self.run_status:
            raise Failed(CHECKS, "run", "the guest's script ended with status %d" % self.run_status, self.logs + "/guest.log")


def new_logs(a):
    if a.logs:
        os.makedirs(a.logs, exist_ok=True)
        return os.path.abspath(a.logs)
    runs = CACHE + "/runs"
    os.makedirs(runs, exist_ok=True)
    for old in sorted(d for d in os.listdir(runs) if d[0].isdigit())[:1 - RUNS_KEPT]:
        shutil.rmtree(runs + "/" + old, ignore_errors=True)
    logs = tempfile.mkdtemp(prefix=time.strftime("%Y%m%d-%H%M%S-"), dir=runs)
    last = runs + "/last"
    if os.path.islink(last):
        os.unlink(last)
    os.symlink(logs, last)
    return logs


def show_tail(path, count=12):
    try:
        lines = [l for l in open(path, encoding="utf-8", errors="replace").read().splitlines() if l.strip()]
    except OSError:
        return
    print("--- the end of %s:" % path, file=sys.stderr)
    for line in lines[-count:]:
        print("  " + line[:300], file=sys.stderr)


def summary(r):
    def row(name, value):
        print("  %-14s %s" % (name, value))

    print("the guest reports:")
    row("guest", ("%s %s" % (r["guest"], r.get("kernel", ""))).strip())
    refused = ", %d refused by its kernel" % r["vcpus_refused"] if r.get("vcpus_refused") else ""
    row("vCPUs", "%d online of %d present%s" % (r["vcpus_online"], r["vcpus_present"], refused))
    row("APIC", "%s, IDs %s" % (r.get("apic_mode"), r.get("apic_ids")))
    t = r.get("topology")
    if isinstance(t, dict):
        row("topology", "%s sockets, %s cores each, %s threads each" %
            (t.get("sockets"), t.get("cores_per_socket"), t.get("threads_per_core")))
    if "remapping" in r:
        row("remapping", r["remapping"])
    if "interrupts" in r:
        row("interrupts", "%d, on %d CPUs" % (r["interrupts"], r["cpus_interrupted"]))
    if "boot_s" in r:
        row("boot", "%.1f s to init, %.1f s for onlining; %.1f s since power-on" %
            (r["boot_s"], r["online_s"], r["times"]["report"]))
    if r.get("checks"):
        row("checks", ", ".join("%s %s" % (c["name"], c["result"]) for c in r["checks"]))
    for m in r.get("messages", []):
        row("message", m)


def main(argv):
    a = parse(argv)
    report, run, logs, failed = {}, None, None, None
    work = None
    try:
        made = build(a)
        logs = new_logs(a)
        work = tempfile.mkdtemp(prefix="boot-", dir=CACHE)
        try:
            lab_archive(a, made, work)
        except (OSError, subprocess.CalledProcessError) as e:
            raise Failed(SETUP, "dom0's files", str(e))
        shutil.copyfile(work + "/guest.cfg", logs + "/guest.cfg")
        command = outer_command(a, made, work, logs)
        with open(logs + "/command", "w", encoding="utf-8") as f:
            f.write(shlex.join(command) + "\n")
        run = Run(a, logs)
        with open(logs + "/outer.log", "w", encoding="utf-8") as err:
            outer = subprocess.Popen(command, stderr=err, stdin=None if a.shell else subprocess.DEVNULL,
                                     stdout=None if a.shell else subprocess.DEVNULL)
        try:
            run.follow(outer, work + "/channel")
        finally:
            if outer.poll() is None:
                outer.kill()
            outer.wait()
            if a.shell:
                subprocess.run(["stty", "sane"], check=False)
        if a.shell:
            return OK
        run.verdict()
    except Failed as e:
        failed = e
    except OSError as e:
        failed = Failed(SETUP, "set-up", str(e))
    except KeyboardInterrupt:
        failed = Failed(130, run.stage if run else "set-up", "interrupted")
    finally:
        if work:
            shutil.rmtree(work, ignore_errors=True)

    if run and run.report:
        report.update(run.report)
    flavour = {None: "patched", "all": "stock"}.get(a.stock, "stock %s" % a.stock) + (" debug" if a.debug else "")
    report.update(ok=failed is None, vcpus=a.vcpus, flavour=flavour, logs=logs)
    if run:
        report.update(times=run.times, checks=run.checks, xl=[l for l in run.xl if "error" in l or "ERROR" in l])
    if failed:
        report.update(stage=failed.stage, error=failed.why)
    if a.json:
        print(json.dumps(report))
    elif run and run.report:
        summary(report)
    if failed:
        if failed.log:
            show_tail(failed.log)
        print("boot: failed at stage '%s': %s" % (failed.stage, failed.why), file=sys.stderr)
    if logs and not a.json:
        print("logs: %s" % logs, file=sys.stderr)
    return failed.status if failed else OK


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
