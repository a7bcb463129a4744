#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Usage: check-scripts.sh TOP: lints the shell scripts, compiles the Python ones, and
# sees that every end-to-end test is in the list that meson runs.
set -u
cd "$1" || exit 1
rc=0
shell=$(grep -rlE '^#!.*(bash|/sh)' scripts tests .ci)
# shellcheck disable=SC2086
shellcheck -x -e SC1091,SC2034 $shell scripts/lib/*.sh tests/guest/linux/interrupts.sh || rc=1
for f in scripts/lib/*.py tests/*/*.py tests/*/*/*.py; do
    python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$f" || rc=1
done
for f in tests/e2e/test_*.py; do
    while read -r name; do
        grep -q "'[A-Za-z0-9]*\.$name'" tests/e2e/meson.build || { echo "$f: $name is not in tests/e2e/meson.build"; rc=1; }
    done < <(sed -n 's/^    def \(test_[a-z0-9_]*\).*/\1/p' "$f")
done
exit $rc
