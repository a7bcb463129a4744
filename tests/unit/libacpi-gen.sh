#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: libacpi-gen.sh XEN_TREE SHIM.c OUT_DIR: builds libacpi of the tree, and of the
# tree's tag "upstream", each by its own Makefile, into OUT_DIR/patched/libacpi.so and
# OUT_DIR/stock/libacpi.so, with the .asl and .aml files beside them.
set -euo pipefail
tree=$1 shim=$(realpath "$2") out=$3

build() {
    local dir=$out/$1 src=$out/$1/src/tools/libacpi objs=() defs=() f o
    # All that libacpi's Makefile takes from Xen's build system.
    cat > "$dir/src/tools/Rules.mk" <<'END'
CONFIG_X86 = y
IASL = iasl
HOSTCC = gcc
HOSTCFLAGS = -O1
CFLAGS_xeninclude = -I$(XEN_ROOT)/include
END
    touch "$dir/src/tools/config.h"
    mkdir -p "$dir/src/include" "$dir/gen"
    ln -sfn ../xen/include/public "$dir/src/include/xen"
    make -s -j2 -C "$src" ACPI_BUILD_DIR="$(realpath "$dir/gen")" debug=n > "$dir/make.log" 2>&1 ||
        { tail -n 30 "$dir/make.log"; return 1; }
    # Makefile and iasl leave no AML, only C.
    for f in "$dir"/gen/dsdt_*.asl; do
        iasl -p "${f%.asl}" "$f" > "${f%.asl}.log" 2>&1
    done
    grep -q dsdt_manycpu "$src/libacpi.h" && defs=(-DHAVE_MANYCPU)
    for f in "$src"/{build,cpu_tables,static_tables}.c "$dir"/gen/dsdt_*.c "$shim"; do
        [ -e "$f" ] || continue
        o=$dir/$(basename "$f" .c).o
        [ "$f" != "$shim" ] || defs+=(-DLIBACPI_SHIM_MAIN)
        gcc -g -O1 -Wall -Werror -fPIC -c -o "$o" -DLIBACPI_STDUTILS="\"$shim\"" -D__XEN_TOOLS__ "${defs[@]}" \
            -I"$dir/src/include" -I"$dir/gen" -I"$src" -iquote "$(dirname "$shim")" "$f"
        objs+=("$o")
    done
    gcc -shared -Wl,-Bsymbolic -o "$dir/libacpi.so" "${objs[@]}"
}

rm -rf "$out"
mkdir -p "$out/patched/src/tools" "$out/patched/src/xen/include" "$out/stock/src"
cp -r "$tree/tools/libacpi" "$out/patched/src/tools/"
cp -r "$tree/xen/include/public" "$out/patched/src/xen/include/"
# The tree may belong to somebody else.
git -c safe.directory='*' -C "$tree" archive upstream tools/libacpi xen/include/public | tar -x -C "$out/stock/src"
build patched
build stock
