# SPDX-License-Identifier: GPL-2.0-or-later
"""check-iasl.py DIR: takes the tables that libacpi builds (libraries in DIR, made by
libacpi-gen.sh) for guests of several sizes, and has iasl disassemble and recompile
each: no errors, no kind of warning that stock's tables don't have, the same data;
then runs methods of the large DSDT in ACPICA's interpreter."""
import ctypes
import os
import re
import struct
import subprocess
import sys
import tempfile

BASE, LEN = 0xfc001000, 1 << 20


class In(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint32) for n in ('nr_vcpus', 'dsdt', 'table_flags', 'nr_vnodes', 'ioapic_id', 'fail_at')] + [
        ('apic_ids', ctypes.POINTER(ctypes.c_uint32)), ('online', ctypes.c_char_p), ('phys_base', ctypes.c_uint32),
        ('mem', ctypes.c_char_p), ('mem_len', ctypes.c_uint32)]


class Out(ctypes.Structure):
    _fields_ = [('mem_used', ctypes.c_uint32), ('info', ctypes.c_uint8 * 4096), ('rsdp', ctypes.c_uint8 * 64)]


def tables(lib, n, ids, dsdt=0):
    mem = ctypes.create_string_buffer(LEN)
    out = Out()
    inp = In(nr_vcpus=n, dsdt=dsdt, table_flags=0x4328, nr_vnodes=2, ioapic_id=1,
             apic_ids=(ctypes.c_uint32 * n)(*ids), online=b'\xff' * ((n + 7) // 8), phys_base=BASE,
             mem=ctypes.cast(mem, ctypes.c_char_p), mem_len=LEN)
    assert lib.shim_build(ctypes.byref(inp), ctypes.byref(out)) == 0
    raw = mem.raw

    def get(phys):
        off = phys - BASE
        return raw[off:off + struct.unpack_from('<I', raw, off + 4)[0]]

    xsdt = get(struct.unpack_from('<Q', bytes(out.rsdp), 24)[0])
    rsdt = get(struct.unpack_from('<I', bytes(out.rsdp), 16)[0])
    res = [('XSDT', xsdt), ('RSDT', rsdt)]
    for addr in struct.unpack('<%dQ' % ((len(xsdt) - 36) // 8), xsdt[36:]):
        t = get(addr)
        res.append((t[:4].decode(), t))
        if t[:4] == b'FACP':
            res.append(('DSDT', get(struct.unpack_from('<I', t, 40)[0])))
    return res


def iasl(*args):
    p = subprocess.run(['iasl', *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace')
    return p.returncode, p.stdout


def round_trip(name, data, where):
    """Returns the kinds of warnings, by their numbers."""
    base = os.path.join(where, name)
    with open(base + '.dat', 'wb') as f:
        f.write(data)
    rc, log = iasl('-p', base, '-d', base + '.dat')
    if rc or not os.path.exists(base + '.dsl'):
        sys.exit(f'{name}: not disassembled:\n{log[-2000:]}')
    rc, log = iasl('-f', '-p', base + '_new', base + '.dsl')
    errors = re.findall(r'^Error .*', log, re.M)
    if rc or errors or not re.search(r'Compilation successful\. 0 Errors', log):
        sys.exit(f'{name}: {len(errors)} errors after disassembly:\n{log[-2000:]}')
    with open(base + '_new.aml', 'rb') as f:
        new = f.read()
    if name[:4] not in ('DSDT', 'SSDT'):
        # All but the checksum and the compiler's name.
        cut = lambda t: t[:9] + t[10:28] + t[36:]
        if cut(new) != cut(data):
            sys.exit(f'{name}: recompiled to something else')
    return set(re.findall(r'^Warning +(\d+)', log, re.M))


def main():
    libs = {w: ctypes.CDLL(os.path.join(sys.argv[1], w, 'libacpi.so')) for w in ('stock', 'patched')}
    limit = libs['patched'].shim_max_vcpus()
    known = {}
    with tempfile.TemporaryDirectory() as where:
        runs = [('stock', 1, 0), ('stock', 128, 0), ('stock', 128, 2)]
        runs += [('patched', n, d) for n, d in ((1, 0), (128, 0), (129, 0), (256, 0), (288, 0), (1024, 0), (288, 2)) if n <= limit]
        for which, n, dsdt in runs:
            for factor in (2, 1):
                for sig, data in tables(libs[which], n, [factor * i for i in range(n)], dsdt):
                    kinds = round_trip(f'{sig}-{which}-{n}-{factor}-{dsdt}', data, where)
                    if which == 'stock':
                        known.setdefault(sig, set()).update(kinds)
                    elif kinds - known[sig]:
                        sys.exit(f'{sig} of {n} vCPUs has warnings that stock has not: {kinds - known[sig]}')
            print(f'{which}, {n} vCPUs, DSDT {dsdt}: ok')

        # What iasl says of the sources.
        for f in sorted(os.listdir(os.path.join(sys.argv[1], 'patched/gen'))):
            if f.startswith('dsdt_') and f.endswith('.log'):
                with open(os.path.join(sys.argv[1], 'patched/gen', f)) as log:
                    kinds = set(re.findall(r'^(?:Warning|Error) +(\d+)', log.read(), re.M))
                if kinds - known['DSDT'] - {'3168', '3073'}:
                    sys.exit(f'{f}: unexpected {kinds}')

        if limit > 128:
            # The interpreter's memory is all zero: vCPUs beyond NCPU, which is 0.
            base = os.path.join(where, 'DSDT-patched-288-2-0.dat')
            for method, want in ((r'\_SB.PR00._STA', r'\[Integer\] = 0+$'), (r'\_SB.P11F._STA', r'\[Integer\] = 0+$'),
                                 (r'\_SB.P11F._MAT', r'\[Buffer\] Length 08 = +0000: 00 08 FF FF 00 00 00 00'),
                                 (r'\_SB.PRSC', r'\[Integer\] = 0+1$')):
                p = subprocess.run(['acpiexec', '-b', f'execute {method}', base], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors='replace', timeout=60)
                if 'AE_' in p.stdout or not re.search(want, p.stdout, re.M):
                    sys.exit(f'{method}: {p.stdout[-2000:]}')
            print('acpiexec: done')


main()
