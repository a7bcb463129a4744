# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What every script here shares: messages, the cache's layout, the lock, the
# machine's package client, and running a command inside the Debian 13 root.
# Sourced, never run.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PROG=${0##*/}
CACHE=${XEN_MANYCORE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xen-manycore}
# XEN_MANYCORE_TREES is for several lines of work at once: another directory in the
# cache than tree, for other git trees of Xen and QEMU.
TREES=$CACHE/${XEN_MANYCORE_TREES:-tree}
SUITE=trixie
JOBS=${XEN_MANYCORE_JOBS:-$(nproc)}
# Fixed, so that what is built doesn't change with the day that it is built on.
export SOURCE_DATE_EPOCH=1735689600

say()  { printf '%s: %s\n' "$PROG" "$*" >&2; }
warn() { printf '%s: warning: %s\n' "$PROG" "$*" >&2; }
die()  { printf '%s: error: %s\n' "$PROG" "$*" >&2; exit 1; }

# The head comment of a script, from its second paragraph on, is its help.
usage() { sed -n '/^# Usage:/,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"; }
bad_usage() { die "$* (see $PROG --help)"; }

need_root() {
    [ "$(id -u)" = 0 ] || die "must run as root: it makes a Debian 13 root directory and enters it (try: sudo $0)"
}

# $1: what for; $2: GiB that must be free in the cache's file system.
need_space() {
    local free
    mkdir -p "$CACHE" || die "can't create the cache directory $CACHE: set XEN_MANYCORE_CACHE to one that can be written"
    free=$(df -Pk "$CACHE" | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "$free" -ge "$2" ] || die "$1 needs $2 GiB free in $CACHE, which has $free GiB: free some, or set XEN_MANYCORE_CACHE to a roomier place"
}

# One build or boot at a time in a cache: they would only slow each other down.
# Scripts called by one that holds the lock inherit it.
take_lock() {
    [ -z "${XEN_MANYCORE_LOCKED:-}" ] || return 0
    mkdir -p "$CACHE" 2>/dev/null || die "can't create the cache directory $CACHE: set XEN_MANYCORE_CACHE to one that can be written"
    { exec 9>"$CACHE/lock"; } 2>/dev/null || die "can't write in the cache directory $CACHE: set XEN_MANYCORE_CACHE to one that can be written"
    if ! flock -n 9; then
        say "waiting for another run that uses $CACHE"
        flock 9
    fi
    export XEN_MANYCORE_LOCKED=1
}

# Installs the named packages if a command that they bring is missing.
# Arguments: command:package ...
need_packages() {
    local pair missing=()
    for pair; do
        command -v "${pair%%:*}" >/dev/null || missing+=("${pair#*:}")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "needs ${missing[*]}, and this is no Debian with apt-get to install them: install them by hand"
    need_root
    mkdir -p "$CACHE"
    say "installing on this machine: ${missing[*]}"
    { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${missing[@]}"; } \
        > "$CACHE/apt.log" 2>&1 ||
        die "apt-get could not install ${missing[*]}: $(grep -m1 '^E:' "$CACHE/apt.log" || echo "see $CACHE/apt.log")"
}

# SHA-256 of what is on standard input, short enough for a directory's name.
key_of() { sha256sum | cut -c1-20; }

# SHA-256 over names, modes and contents of the files below the arguments, those
# of them that exist.
hash_files() {
    { find "$@" \( -type f -o -type l \) -print0 2>/dev/null || true; } | LC_ALL=C sort -z |
        while IFS= read -r -d '' f; do
            printf '%s\n' "${f#"$TOP/"}"
            if [ -L "$f" ]; then readlink "$f"; else [ ! -x "$f" ] || echo x; sha256sum < "$f"; fi
        done | sha256sum | cut -d' ' -f1
}

# The archive that the machine's own package client is set up with, as sources
# for the suite that we build on.  Prints one-line-style entries.
suite_sources() {
    local label uri signed suite opt seen=
    while IFS='|' read -r label uri signed; do
        case $label in
        Debian) suite="$SUITE $SUITE-updates" ;;
        Debian-Security) suite="$SUITE-security" ;;
        *) continue ;;
        esac
        case " $seen " in *" $label "*) continue ;; esac
        seen="$seen $label"
        # A key that the machine's entry names by path serves the new suite too.
        opt=
        case $signed in /*) opt="[signed-by=$signed] " ;; esac
        for s in $suite; do
            printf 'deb %s%s %s main\ndeb-src %s%s %s main\n' "$opt" "$uri" "$s" "$opt" "$uri" "$s"
        done
    done < <(apt-get indextargets --format "\$(LABEL)|\$(REPO_URI)|\$(SIGNED_BY)" "Created-By: Packages" "Component: main" | sort -u)
}

# Runs apt-get, apt-cache or apt-helper on that archive, with lists of its own.
suite_apt() {
    local tool=$1 dir=$CACHE/apt
    shift
    [ "$tool" != apt-helper ] || tool=/usr/lib/apt/apt-helper
    "$tool" -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir/cache" -o APT::Sandbox::User=root \
        -o APT::Architecture=amd64 -o Acquire::Languages=none "$@"
}

# Fetches that archive's signed index, unless that was done in the last ten minutes.
suite_update() {
    local dir=$CACHE/apt
    [ -z "$(find "$dir/fresh" -mmin -10 2>/dev/null)" ] || return 0
    command -v apt-get >/dev/null || die "needs apt-get: sources come from Debian's archive by the machine's package client"
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    suite_sources > "$dir/sources.list"
    if [ ! -s "$dir/sources.list" ]; then
        # A machine that never asked its archive has no index yet to read the address from.
        apt-get -q update > "$CACHE/apt.log" 2>&1 || true
        suite_sources > "$dir/sources.list"
    fi
    [ -s "$dir/sources.list" ] ||
        die "the machine's package client knows no Debian archive (apt-get indextargets lists none): set one up in /etc/apt, or check the network"
    say "reading the index of Debian $SUITE"
    suite_apt apt-get -q update > "$CACHE/apt.log" 2>&1 || true
    grep -q '^[EW]: .*\(Failed to fetch\|Could not\|not signed\|not available\)' "$CACHE/apt.log" &&
        die "can't read Debian's index: $(grep -m1 '^[EW]:' "$CACHE/apt.log" | cut -c4-) (is the network up?)"
    touch "$dir/fresh"
}

ROOT_PACKAGES_FILE=$TOP/scripts/root-packages

root_packages() { sed 's/#.*//;/^[[:space:]]*$/d' "$ROOT_PACKAGES_FILE" | tr -s ' \n' ','; }
root_key() { { echo "$SUITE 2"; root_packages; } | key_of; }
root_dir() { printf '%s/root-%s' "$CACHE" "$(root_key)"; }

# Runs a command inside the Debian 13 root: /repo is this checkout (read only),
# /cache the cache.  As the unprivileged user "builder", unless --root comes first;
# after --tests as root too, with what this project's own scripts need in there.
in_root() {
    local root user=builder tests=
    case $1 in
    --root) user=root; shift ;;
    --tests) user=root tests=1; shift ;;
    esac
    root=$(root_dir)
    [ -e "$root/.complete" ] || die "there is no Debian 13 root yet (run scripts/mkroot)"
    # shellcheck disable=SC2016
    env -i PATH=/usr/lib/ccache:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 \
        SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" JOBS="$JOBS" CCACHE_DIR=/cache/ccache CCACHE_MAXSIZE=3G \
        CCACHE_COMPILERCHECK=content CCACHE_BASEDIR=/cache/build CCACHE_NOHASHDIR=1 \
        unshare --mount --propagation private bash -euc '
            root=$1 repo=$2 cache=$3 user=$4 tests=$5 trees=$6; shift 6
            mount --bind "$root" "$root" # a mount point, so that a script in there can do the same
            mount --bind "$repo" "$root/repo"; mount -o remount,bind,ro "$root/repo"
            mount --bind "$cache" "$root/cache"
            mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
            mount -t tmpfs -o mode=1777 tmp "$root/tmp"
            if [ -n "$tests" ]; then
                # The machine'"'"'s package client and the way to its archive.
                mount --bind /etc/apt "$root/etc/apt"
                touch "$root/etc/resolv.conf"
                [ ! -e /etc/resolv.conf ] || mount --bind "$(readlink -f /etc/resolv.conf)" "$root/etc/resolv.conf"
                export XEN_MANYCORE_CACHE=/cache XEN_MANYCORE_TREES="$trees" XEN_MANYCORE_LOCKED=1
            fi
            exec 9>&-
            if [ "$user" = root ]; then exec chroot "$root" "$@"; fi
            exec chroot --userspec=builder:builder "$root" "$@"' \
        in_root "$root" "$TOP" "$CACHE" "$user" "$tests" "${TREES##*/}" "$@"
}

# Runs a command with its output in a log, saying every 20 s how far it is.
# $1: what it does; $2: log; then the command.  Shows the log's end on failure.
run_logged() {
    local what=$1 log=$2 start=$SECONDS pid tick=0 rc=0
    shift 2
    mkdir -p "$(dirname "$log")"
    say "$what (log: $log)"
    "$@" > "$log" 2>&1 < /dev/null &
    pid=$!
    # shellcheck disable=SC2064
    trap "kill $pid 2>/dev/null || true" EXIT
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.5
        tick=$((tick + 1))
        if [ $((tick % 40)) -eq 0 ]; then
            say "  $((SECONDS - start)) s: $(tail -c 400 "$log" | tr '\r' '\n' | tail -1 | cut -c1-90)"
        fi
    done
    wait "$pid" || rc=$?
    trap - EXIT
    if [ "$rc" -ne 0 ]; then
        tail -n 15 "$log" >&2
        die "$what failed (exit $rc); the whole log is $log"
    fi
    say "  done in $((SECONDS - start)) s"
}
